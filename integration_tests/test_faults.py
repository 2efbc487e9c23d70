"""Faults of a real, replicated Vitess while a sync runs: it rides them out, and the result is the database."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import Store
from integration_tests.shop import TABLES, Shop
from source_vitess.errors import PositionLostError

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data

KEYED = ("customers", "order_items", "codes")


@pytest.fixture(scope="module")
def replicated() -> Iterator[Cluster]:
    """A cluster with a replica for each primary, to be broken."""
    running = os.environ.get("SOURCE_VITESS_FAULT_CLUSTER")
    if running:
        yield Cluster.find(running)
        return
    with Cluster.up("faults", keyspaces={"shop": 2}, replicas=1) as cluster:
        yield cluster


@pytest.fixture
def tables(replicated: Cluster) -> Iterator[Shop]:
    """The shop's tables, filled. The seed of what is random is printed with a failure."""
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    made = Shop(replicated, "shop", SEED)
    made.create()
    for name, count in {"customers": 30_000, "order_items": 3000, "codes": 500}.items():
        made.insert(name, count)
    yield made
    made.drop_vschema()
    for name in TABLES:
        replicated.sql("shop", f"drop table {name}")


@pytest.fixture
def connector(replicated: Cluster) -> Connector:
    """The connector on the primaries."""
    return Connector({**replicated.config("shop"), "tablet_type": "PRIMARY"}, "shop", replicated.mysql_port)


def sync_while(connector: Connector, store: Store, catalog: Json, lines: int, fault: Callable[[], object]) -> None:
    """Runs a sync; after some lines a fault begins, while the sync goes on reading."""
    store.new_sync()
    begun = threading.Event()

    def run() -> None:
        begun.set()
        fault()

    with ThreadPoolExecutor(1) as pool:
        broken = None
        for number, line in enumerate(connector.lines(catalog, store.last_state)):
            store.apply([line])
            if number == lines:
                broken = pool.submit(run)
                begun.wait()
        assert broken is not None, "the sync ended before the fault"
        broken.result()


FAULTS: dict[str, Callable[[Cluster], object]] = {
    "planned reparent": lambda cluster: cluster.reparent("shop/-80"),
    "emergency reparent": lambda cluster: cluster.reparent("shop/80-", emergency=True),
    "restart of vtgate": lambda cluster: cluster.restart_vtgate(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_during_a_copy(tables: Shop, replicated: Cluster, connector: Connector, fault: str) -> None:
    """Failovers and restarts in the middle of a copy: the same sync goes on, and no row is missing."""
    catalog = connector.configured(*KEYED)
    store = Store.of_catalog(connector.discover())

    sync_while(connector, store, catalog, 8000, lambda: FAULTS[fault](replicated))
    tables.change(20)
    assert connector.sync(store, catalog) is None

    connector.expect_all_equal(store, *KEYED)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_between_and_during_changes(tables: Shop, replicated: Cluster, connector: Connector, fault: str) -> None:
    """Failovers and restarts between syncs and while changes are read: later syncs end with the database."""
    catalog = connector.configured(*KEYED)
    store = Store.of_catalog(connector.discover())
    assert connector.sync(store, catalog) is None
    replicated.sql("shop:-80@primary", "update customers set name = 'most of them' limit 9000")
    FAULTS[fault](replicated)
    tables.change(20)

    sync_while(connector, store, catalog, 3000, lambda: FAULTS[fault](replicated))
    assert connector.sync(store, catalog) is None

    connector.expect_all_equal(store, *KEYED)


def test_purged_binary_logs_are_found_before_streaming(tables: Shop, replicated: Cluster, connector: Connector) -> None:
    """The error says that the logs are gone; with "Re-sync data" the same sync copies everything again."""
    catalog = connector.configured("customers")
    store = Store.of_catalog(connector.discover())
    assert connector.sync(store, catalog) is None
    tables.change(20)
    replicated.purge_binlogs("shop/-80")

    error = connector.sync(store, catalog)

    assert isinstance(error, PositionLostError)
    assert "purged" in error.message
    again = connector.with_config(invalid_cdc_position_behavior="Re-sync data")
    store.tables.clear()  # what a refresh with removal of old records does
    assert again.sync(store, catalog) is None
    connector.expect_all_equal(store, "customers")
