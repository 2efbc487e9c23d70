"""Others' programs run the connector as it is, on a real Vitess: PyAirbyte and airbyte-serverless.

They live in an environment of their own, `.venv-clients`, which `make clients` makes.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from integration_tests.shop import TABLES, Shop

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-clients" / "bin" / "python"
EXECUTABLE = ROOT / ".venv" / "bin" / "source-vitess"

#: Seconds for one run of a client: PyAirbyte's imports alone take many on a busy machine.
PATIENCE = 600

pytestmark = pytest.mark.timeout(3 * PATIENCE)


@pytest.fixture
def tables(cluster: Cluster, shop: Connector) -> Iterator[Shop]:
    """The shop's tables, with rows."""
    made = Shop(cluster, shop.keyspace, seed=7)
    made.create()
    for name, count in {"customers": 300, "order_items": 100, "events": 20}.items():
        made.insert(name, count)
    yield made
    made.drop_vschema()


def run(client: str, connector: Connector, folder: Path, *more: str) -> dict[str, Any]:
    """Runs a client to its end, and returns its answer."""
    config, answer = folder / "config.json", folder / "answer.json"
    config.write_text(json.dumps(connector.config))
    done = subprocess.run(  # noqa: S603
        [PYTHON, Path(__file__).with_name(client), EXECUTABLE, config, *more, answer],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={
            **os.environ,
            "HOME": str(folder),
            "AIRBYTE_OFFLINE_MODE": "1",
            "AIRBYTE_LOGGING_ROOT": str(folder),
            "DO_NOT_TRACK": "1",
        },
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return dict(json.loads(answer.read_text()))


def test_pyairbyte(cluster: Cluster, tables: Shop, shop: Connector, tmp_path: Path) -> None:
    """Check, discover, and two reads into its DuckDB cache: by key and cursor, the cache has what the database has.

    It does not keep GLOBAL states, so each read copies: a row that is deleted in between stays, as the docs say.
    """
    first = run("pyairbyte.py", shop, tmp_path, str(tmp_path / "cache.duckdb"))

    assert first["streams"] == sorted(TABLES)
    assert first["records"] == 420
    assert [len(first["rows"][name]) for name in ("customers", "order_items", "events", "nothing")] == [300, 100, 20, 0]
    cluster.sql(shop.keyspace, "update customers set name = 'renamed' where id = 1")
    tables.insert("customers", 5)

    second = run("pyairbyte.py", shop, tmp_path, str(tmp_path / "cache.duckdb"))

    assert second["records"] == 425
    customers = {row["id"]: row for row in second["rows"]["customers"]}
    assert len(customers) == len(second["rows"]["customers"]) == 305
    assert customers[1]["name"] == "renamed"


def test_airbyte_serverless(tables: Shop, shop: Connector, tmp_path: Path) -> None:
    """Check, discover, a copy, and changes from the GLOBAL state that it passes back: exactly the database."""
    store = Store.of_catalog(shop.discover())
    for state in ("", "last"):
        store.new_sync()

        told = run("serverless.py", shop, tmp_path, json.dumps(store.last_state[0]) if state else "")

        assert (told["status"], sorted(told["streams"])) == ("SUCCEEDED", sorted(TABLES))
        before = store.records.total()
        store.apply(json.dumps(message) for message in told["messages"])
        shop.expect_all_equal(store)
        assert (store.records.total() - before < 200) == bool(state)
        tables.insert("customers", 3)
        tables.insert("events", 3)
        tables.cluster.sql(shop.keyspace, "delete from customers where id = 2")
        tables.cluster.sql(shop.keyspace, "update events set kind = 'out' where kind = 'in'")
