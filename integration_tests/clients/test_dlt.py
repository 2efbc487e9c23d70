"""docs/dlt.md: its program, run on a real Vitess, killed in the middle, and run again: exactly the database."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from integration_tests.shop import Shop

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
EXECUTABLE = ROOT / ".venv" / "bin" / "source-vitess"

#: Seconds for one run: dlt's imports alone take many on a busy machine.
PATIENCE = 600

pytestmark = pytest.mark.timeout(6 * PATIENCE)

#: The connector, but where a file `kill` is, the program that reads from it is killed after some of its lines.
KILLER = """#!/bin/sh
if [ "$1" = read ] && [ -e kill ]; then
  rm kill
  "{executable}" "$@" | {{ head -n 60; kill -KILL $PPID; }}
else
  exec "{executable}" "$@"
fi
"""

#: The same rows in both, as whole numbers and text.
QUERIES = {
    "customers": (
        "select id, email, name, cast(unix_timestamp(created) * 1000000 as signed) from customers",
        "select id, email, name, epoch_us(created) from vitess.customers",
    ),
    "order_items": (
        "select order_id, line, price from order_items",
        "select order_id, line, cast(price as decimal(12, 2)) from vitess.order_items",
    ),
    "codes": ("select code, n from codes", "select code, n from vitess.codes"),
}


@pytest.fixture
def tables(cluster: Cluster, shop: Connector) -> Iterator[Shop]:
    """The shop's tables, with rows."""
    made = Shop(cluster, shop.keyspace, seed=5)
    made.create()
    for name, count in {"customers": 300, "order_items": 100, "codes": 50}.items():
        made.insert(name, count)
    yield made
    made.drop_vschema()


class Recipe:
    """The document's program in a folder of its own."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._folder = folder
        [program] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "dlt.md").read_text(), flags=re.DOTALL)
        (folder / "vitess.py").write_text(program)
        (folder / "config.json").write_text(json.dumps(config))
        connector = folder / "connector"
        connector.write_text(KILLER.format(executable=EXECUTABLE))
        connector.chmod(0o755)

    def run(self, *, killed: bool = False) -> None:
        """Runs it to its end, or until it is killed in the middle of a read."""
        if killed:
            (self._folder / "kill").touch()
        done = subprocess.run(  # noqa: S603
            [PYTHON, "vitess.py", "config.json", self._folder / "connector"],
            cwd=self._folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={
                **os.environ,
                "HOME": str(self._folder),
                "DLT_DATA_DIR": str(self._folder / "dlt"),
                "RUNTIME__DLTHUB_TELEMETRY": "false",
            },
        )
        assert (done.returncode == 0) == (not killed), (done.stdout + done.stderr)[-3000:]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Returns what its database answers."""
        with duckdb.connect(str(self._folder / "warehouse.duckdb"), read_only=True) as database:
            return database.sql(query).fetchall()


def test_the_program_of_the_document(cluster: Cluster, tables: Shop, shop: Connector, tmp_path: Path) -> None:
    """Two loads, each killed once before: deletes are gone, and of several updates the last one counts."""
    recipe = Recipe(tmp_path, shop.config)
    for _ in range(2):
        recipe.run(killed=True)
        recipe.run()

        for table, (mysql, duck) in QUERIES.items():
            expected = sorted(map(repr, cluster.sql(shop.keyspace, mysql)))
            assert sorted(map(repr, recipe.rows(duck))) == expected, table
        tables.change(60)
        cluster.sql(shop.keyspace, "delete from customers where id in (3, 4)")
        for name in ("once", "twice"):
            cluster.sql(shop.keyspace, f"update customers set name = '{name}' where id = 5")
    recipe.run()
    assert recipe.rows("select name from vitess.customers where id in (3, 4, 5)") == [("twice",)]
