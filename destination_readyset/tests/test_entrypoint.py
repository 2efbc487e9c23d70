"""The command line: exit codes, and what goes to stdout. `test_write.py` has what a process does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from destination_readyset import entrypoint


def test_an_error_is_one_message(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """A configuration that cannot be used ends with a traced error, and the exit code 1."""
    config = tmp_path / "config.json"
    config.write_text("{}")

    code = entrypoint.run(["write", "--config", str(config), "--catalog", str(config)])

    (line,) = capsysbinary.readouterr().out.splitlines()
    error = json.loads(line)["trace"]["error"]
    assert code == 1
    assert error["failure_type"] == "config_error"
    assert "configured catalog" in error["message"]


def test_an_error_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed stdout when the last error is to be written: the exit code shows it, and no traceback does."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        code = entrypoint.run(["check", "--config", "/nowhere.json"])
        monkeypatch.undo()

    assert code == 1


def test_run_does_without_the_cdk() -> None:
    """What is up for months neither waits for the import of Airbyte's CDK nor holds its memory."""
    program = (
        "import sys\nfrom destination_readyset import entrypoint\n"
        "try:\n    entrypoint.run(['run', '--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit('airbyte_cdk' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False, stdout=subprocess.DEVNULL).returncode == 0
