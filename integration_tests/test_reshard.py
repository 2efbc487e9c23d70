"""Resharding: a position of the old shards is followed to the new ones, for as long as the old ones exist."""

from __future__ import annotations

import copy
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import OracleError, Store
from integration_tests.shop import TABLES as SHOP_TABLES
from integration_tests.shop import Shop
from source_vitess.errors import ConnectorError, PositionLostError

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data

KEYSPACE = "shop"
TABLES = ("documents", "customers", "order_items", "codes")

TWO = ["-80", "80-"]
FOUR = ["-40", "40-80", "80-c0", "c0-"]

#: More than what is under way between VTTablet and the connector: a copy of it waits for its reader.
DOCUMENTS = 1500
DOCUMENT_BYTES = 16_000


@dataclass
class Operator:
    """Who reshards the shop while others write to it.

    Attributes:
        cluster: The cluster.
        shop: The tables.
    """

    cluster: Cluster
    shop: Shop

    @property
    def shards(self) -> set[str]:
        """The shards that take writes."""
        return self.cluster.serving_shards(KEYSPACE)

    def shard(self) -> None:
        """Gives every table its vindex, which an unsharded keyspace needs before it can be split."""
        self.shop.add_vindex("documents", "id")
        for name, (_, column) in SHOP_TABLES.items():
            self.shop.add_vindex(name, column)

    def switch(self, sources: Sequence[str], targets: Sequence[str], *meanwhile: Callable[[], object]) -> None:
        """Reshards up to the switch of traffic; the old shards stay. Rows are written all the while."""
        with ThreadPoolExecutor(1) as pool:
            switched = pool.submit(self.cluster.reshard, KEYSPACE, list(sources), list(targets), stop_before="complete")
            while not switched.done():
                with suppress(pymysql.MySQLError):  # the switch of traffic refuses writes
                    self.shop.change(2)
                for action in meanwhile:
                    action()
            switched.result()
        self.shop.change(10)

    def delete(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        """Deletes the old shards, with their tablets and binary logs."""
        self.cluster.reshard(KEYSPACE, list(sources), list(targets))
        self.shop.change(10)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of its own, whose shards are not what they were afterwards."""
    with Cluster.up("reshard", keyspaces={KEYSPACE: 1}) as started:
        yield started


@pytest.fixture
def operator(cluster: Cluster) -> Operator:
    """The tables, filled. The seed of what is random is printed with a failure."""
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    shop = Shop(cluster, KEYSPACE, SEED)
    shop.create()
    for name, count in {"customers": 2000, "order_items": 2000, "codes": 500}.items():
        shop.insert(name, count)
    cluster.sql(KEYSPACE, "create table documents (id bigint not null, body mediumtext, primary key (id))")
    for start in range(0, DOCUMENTS, 500):
        rows = ", ".join(f"({number}, repeat('x', {DOCUMENT_BYTES}))" for number in range(start, start + 500))
        cluster.sql(KEYSPACE, f"insert into documents (id, body) values {rows}")
    return Operator(cluster, shop)


@pytest.fixture
def connector(cluster: Cluster) -> Connector:
    """The connector on the primaries."""
    return Connector({**cluster.config(KEYSPACE), "tablet_type": "PRIMARY"}, KEYSPACE, cluster.mysql_port)


@pytest.mark.needs_vitess("20", "VTGate before v20 streams from serving shards only, and cannot follow a reshard")
def test_splits_and_merges(operator: Operator, connector: Connector, tmp_path: Path) -> None:
    """From one shard to four and back: during a copy, while streaming, between syncs, too late, and during syncs."""
    catalog = connector.configured(*TABLES)
    store = Store.of_catalog(catalog)

    def sync(into: Store = store) -> None:
        assert connector.sync(into, catalog) is None
        connector.expect_all_equal(into, *TABLES)

    # An unsharded keyspace is split in the middle of a copy, and the other tables' copies begin after that.
    store.new_sync()
    for line in connector.lines(catalog):
        store.apply([line])
        if store.records.total() == 1 and len(operator.shards) == 1:
            assert shards_of(store) == {"0"}
            operator.shard()
            operator.switch(["0"], TWO)
    connector.expect_all_equal(store, *TABLES)
    assert shards_of(store) == {*TWO}
    operator.delete(["0"], TWO)
    sync()

    # Both shards are split while changes are read as they happen.
    stream(connector, store, catalog, tmp_path, lambda: operator.switch(TWO, FOUR))
    assert shards_of(store) == {*FOUR}
    operator.delete(TWO, FOUR)
    sync()

    # Two of the four are merged between syncs.
    operator.switch(FOUR[2:], TWO[1:])
    sync()
    assert shards_of(store) == {*FOUR[:2], *TWO[1:]}
    operator.delete(FOUR[2:], TWO[1:])
    sync()

    # The two others as well, but their old shards are deleted before the next sync.
    operator.switch(FOUR[:2], TWO[:1])
    operator.delete(FOUR[:2], TWO[:1])
    error = connector.sync(store, catalog)
    assert isinstance(error, PositionLostError)
    assert "is on shard -40, which keyspace shop does not have any more" in error.message
    again = Store.of_catalog(catalog)
    again.states, again.last_cursor = store.last_state, store.last_cursor
    resyncing = connector.with_config(invalid_cdc_position_behavior="Re-sync data")
    assert resyncing.sync(again, catalog) is None
    connector.expect_all_equal(again, *TABLES)
    assert any(error.message in line for line in again.logs)
    assert shards_of(again) == {*TWO}

    # One shard is left in the end, and syncs go on all the while. A position of before is good until the old ones go.
    late = copy.deepcopy(again)
    ended: list[ConnectorError | None] = []
    operator.switch(TWO, ["-"], lambda: ended.append(connector.sync(again, catalog)))
    assert set(ended) == {None}
    sync(again)
    assert shards_of(again) == {"-"}
    sync(late)
    operator.delete(TWO, ["-"])
    sync(again)


@pytest.mark.until_vitess("20")
def test_a_reshard_that_vtgate_cannot_follow(operator: Operator, connector: Connector) -> None:
    """Before v20 a sync after the switch says at once that its position is lost, and may copy everything again."""
    catalog = connector.configured(*TABLES)
    store = Store.of_catalog(catalog)
    assert connector.sync(store, catalog) is None
    operator.shard()
    operator.switch(["0"], TWO)

    error = connector.sync(store, catalog)

    assert isinstance(error, PositionLostError)
    assert "a VTGate before v20" in error.message
    again = Store.of_catalog(catalog)
    again.states, again.last_cursor = store.last_state, store.last_cursor
    resyncing = connector.with_config(invalid_cdc_position_behavior="Re-sync data")
    assert resyncing.sync(again, catalog) is None
    connector.expect_all_equal(again, *TABLES)
    assert shards_of(again) == {*TWO}
    operator.delete(["0"], TWO)
    assert connector.sync(again, catalog) is None
    connector.expect_all_equal(again, *TABLES)


def shards_of(store: Store) -> set[str]:
    """Returns the shards of the last state's position."""
    return {entry["shard"] for entry in store.states[-1]["global"]["shared_state"]["vgtid"]}


def stream(connector: Connector, store: Store, catalog: Json, folder: Path, operate: Callable[[], object]) -> None:
    """Runs a sync that goes on reading changes; does something then, and ends it when all that was written is there."""
    streaming = connector.with_config(keep_streaming_minutes=10, checkpoint_interval_seconds=1)
    store.new_sync()
    operated: Future[object] | None = None
    with (
        streaming.process(folder, "read", catalog=catalog, state=store.last_state) as process,
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            assert process.stdout is not None
            for line in process.stdout:
                store.apply([line])
                if operated is None and b"as they happen" in line:
                    operated = pool.submit(operate)
                elif operated is not None and operated.done() and b'"STATE"' in line:
                    operated.result()
                    if is_equal(connector, store):
                        process.send_signal(signal.SIGTERM)
        finally:
            process.terminate()
    assert process.returncode == 0
    connector.expect_all_equal(store, *TABLES)


def is_equal(connector: Connector, store: Store) -> bool:
    """Tells whether everything that was written has arrived."""
    try:
        connector.expect_all_equal(store, *TABLES)
    except OracleError:
        return False
    return True
