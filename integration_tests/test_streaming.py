"""Changes that are read as they happen, on a real Vitess, by the console script."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import Store
from instruments.validation import RecordValidator
from integration_tests.shop import Shop

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data


@pytest.fixture
def tables(cluster: Cluster, shop: Connector) -> Iterator[Shop]:
    """The shop's tables. The seed of what is random is printed with a failure."""
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    made = Shop(cluster, shop.keyspace, SEED)
    made.create()
    yield made
    made.drop_vschema()


def test_changes_arrive_while_they_are_made(tables: Shop, shop: Connector, tmp_path: Path) -> None:
    """Burst after burst is written when the last one's state has come; SIGTERM then ends a sync that is complete."""
    tables.insert("customers", 500)
    tables.insert("events", 50)
    connector = shop.with_config(keep_streaming_minutes=60)
    store = Store.of_catalog(connector.discover())
    bursts = 4
    catalog = connector.configured()
    validator = RecordValidator(catalog)

    with connector.process(tmp_path, "read", catalog=catalog) as process:
        try:
            assert process.stdout is not None
            streaming = False
            for line in process.stdout:
                validator.check_line(line)
                message: Json = json.loads(line)
                store.apply([line])
                said = message.get("log", {}).get("message", "")
                streaming = streaming or "as they happen" in said
                with_records = message["type"] == "STATE" and message["state"]["sourceStats"]["recordCount"] > 0
                if not streaming or not ("as they happen" in said or with_records):
                    continue
                if is_equal(shop, store):
                    if bursts:
                        bursts -= 1
                        tables.change(20)
                    else:
                        process.send_signal(signal.SIGTERM)
        finally:
            process.terminate()

    assert process.returncode == 0
    assert set(store.statuses.values()) == {"COMPLETE"}
    shop.expect_all_equal(store)
    assert shop.sync(store, shop.configured()) is None
    shop.expect_all_equal(store)


def is_equal(connector: Connector, store: Store) -> bool:
    """Tells whether everything that was written has arrived."""
    try:
        connector.expect_all_equal(store)
    except AssertionError:
        return False
    return True
