"""Examples in the documents, taken from there and run: what a reader copies works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from instruments.oracle import Store
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.check import check
from source_vitess.replication.state import SyncState
from source_vitess.settings.config import Config

ROOT = Path(__file__).resolve().parent.parent


def examples(document: str, language: str) -> list[str]:
    """Returns the blocks of a language in a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def example(document: str, language: str, words: str) -> str:
    """Returns the one block of a language that has some words."""
    [found] = [block for block in examples(document, language) if words in block]
    return found


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A Vitess in memory with the tables that the documents name."""
    with Vitess() as running:
        running.heartbeat_scale = 0.002
        running.create_table("customers", {"id": "bigint", "name": "varchar(20)"}, key=["id"])
        running.create_table(
            "orders",
            {"id": "bigint", "status": "enum('new','paid','shipped')", "created_at": "datetime"},
            key=["id"],
        )
        running.create_table("events", {"id": "bigint", "tenant_id": "int", "deleted_at": "datetime"}, key=["id"])
        yield running


def test_a_sync_without_airbyte(vitess: Vitess, tmp_path: Path) -> None:
    """The README's catalog and commands: a first sync, and another one that goes on from the state of the first."""
    program = Path(sys.executable).with_name("source-vitess")
    (tmp_path / "config.json").write_text(json.dumps({"url": vitess.url}))
    (tmp_path / "catalog.json").write_text(example("README.md", "json", '"sync_mode"'))
    commands = example("README.md", "sh", "test -e state.json")
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    store = Store({"customers": ("id",), "orders": ("id",)})
    vitess.insert("customers", {"id": 1, "name": "a"}, {"id": 2, "name": "b"})
    vitess.insert("orders", {"id": 7, "status": "new", "created_at": "2026-02-03 04:05:06"})

    def sync() -> list[bytes]:
        subprocess.run(["sh", "-e", "-c", commands], cwd=tmp_path, env=environment, check=True)  # noqa: S603, S607 - ours
        store.new_sync()
        lines = (tmp_path / "messages.jsonl").read_bytes().splitlines()
        store.apply(lines)
        return [line for line in lines if b'"RECORD"' in line[:20]]

    assert len(sync()) == 3
    vitess.update("customers", {"id": 2}, {"name": "c"})
    vitess.delete("customers", {"id": 1})

    records = sync()

    assert sum(b'"customers"' in record for record in records) == 2
    assert {row["name"] for row in store.tables["customers"].values()} == {"c"}


def test_conditions_on_rows(vitess: Vitess) -> None:
    """docs/row-filters.md begins with a part of a configuration that the check takes, for both tables."""
    filters = json.loads(example("docs/row-filters.md", "json", "row_filters"))

    lines = [line.text for line in check(Config.from_json({"url": vitess.url, **filters}))]

    [shown] = [line for line in lines if line.startswith("Rows that are read: ")]
    assert "'orders' with `status` IN ('paid', 'shipped') AND `created_at` >= '2026-02-01'; 'events' with " in shown


def test_a_state(vitess: Vitess) -> None:
    """The shared state in docs/state.md is one that is read, and written as it stands there."""
    text = example("docs/state.md", "json", '"vgtid"').replace("-…", "-e6c5-11f1-8c82-02fc00000001")
    shared = json.loads(text)

    assert SyncState.from_json("commerce", shared, {}).shared_to_json() == shared
