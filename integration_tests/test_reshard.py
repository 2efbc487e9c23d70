"""Resharding: a position of the old shards is followed to the new ones, for as long as the old ones exist."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pymysql
import pytest
from vitess_local.cluster import Cluster

from integration_tests.connector import Connector
from integration_tests.oracle import Store
from integration_tests.shop import Shop
from source_vitess.errors import PositionLostError

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data

KEYED = ("customers", "order_items", "codes")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of its own, whose shards are not what they were afterwards."""
    with Cluster.up("reshard", keyspaces={"shop": 2}) as started:
        yield started


@pytest.fixture
def tables(cluster: Cluster) -> Shop:
    """The shop's tables, filled. The seed of what is random is printed with a failure."""
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    made = Shop(cluster, "shop", SEED)
    made.create()
    for name, count in {"customers": 5_000, "order_items": 3000, "codes": 500}.items():
        made.insert(name, count)
    return made


@pytest.fixture
def connector(cluster: Cluster) -> Connector:
    """The connector on the primaries."""
    return Connector({**cluster.config("shop"), "tablet_type": "PRIMARY"}, "shop", cluster.mysql_port)


def test_reshard_between_and_during_syncs(tables: Shop, cluster: Cluster, connector: Connector) -> None:
    """A position of the old shards is followed to the new ones; once the old ones are deleted it is lost."""
    catalog = connector.configured(*KEYED)
    store = Store.of_catalog(connector.discover())
    assert connector.sync(store, catalog) is None
    before = store.last_state
    tables.change(10)
    with ThreadPoolExecutor(1) as pool:
        resharded = pool.submit(lambda: cluster.reshard("shop", ["80-"], ["80-c0", "c0-"], stop_before="complete"))
        while not resharded.done():
            with suppress(pymysql.MySQLError):  # the switch of traffic refuses writes
                tables.change(2)
            assert connector.sync(store, catalog) is None
        resharded.result()
    tables.change(10)
    assert connector.sync(store, catalog) is None
    connector.expect_all_equal(store, *KEYED)
    assert {entry["shard"] for entry in store.states[-1]["global"]["shared_state"]["vgtid"]} == {"-80", "80-c0", "c0-"}

    cluster.reshard("shop", ["80-"], ["80-c0", "c0-"])
    tables.change(10)
    assert connector.sync(store, catalog) is None
    connector.expect_all_equal(store, *KEYED)

    late = Store.of_catalog(connector.discover())
    late.states = list(before)
    late.last_cursor = store.last_cursor
    error = connector.sync(late, catalog)
    assert isinstance(error, PositionLostError)
    assert "80-" in error.message
