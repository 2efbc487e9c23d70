"""The debug command: the generated decoder, for people."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess import debug


@pytest.fixture
def config(tmp_path: Path, vitess: Vitess) -> str:
    """The file with the configuration for a Vitess that has a table `t`."""
    vitess.create_table("t", {"id": "bigint", "name": "varchar(20)", "price": "decimal(8,2)"}, key=["id"])
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"url": vitess.url}))
    return str(file)


def test_the_decoder_of_a_table_is_printed(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed is Python, a function for rows and one for keys among it, without the columns' names."""
    assert debug.main(["decoder", "--config", config, "--table", "t"]) == 0
    printed = capsys.readouterr().out
    functions = [node.name for node in ast.walk(ast.parse(printed)) if isinstance(node, ast.FunctionDef)]
    assert len(functions) >= 2
    assert "key" in functions
    assert "price" not in printed


def test_a_table_that_is_not_there_is_named(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, and nothing goes to stdout."""
    assert debug.main(["decoder", "--config", config, "--table", "nope"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "There is no table 'nope' in keyspace 'commerce'." in err
