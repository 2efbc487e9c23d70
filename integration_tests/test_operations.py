"""What operators do to a keyspace that is being read: online schema changes, throttling, MoveTables; and two syncs."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from integration_tests.shop import Shop

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data

KEYED = ("customers", "order_items", "codes")


@pytest.fixture
def tables(cluster: Cluster, shop: Connector) -> Iterator[Shop]:
    """The shop's tables, filled. The seed of what is random is printed with a failure."""
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    made = Shop(cluster, shop.keyspace, SEED)
    made.create()
    for name, count in {"customers": 5000, "order_items": 900, "codes": 300}.items():
        made.insert(name, count)
    yield made
    made.drop_vschema()


def online(cluster: Cluster, keyspace: str) -> None:
    """Changes a table with Vitess' own online change: a shadow table, and a cut-over."""
    cluster.ddl(keyspace, "alter table customers modify name varchar(90), engine=innodb", strategy="vitess")


def swapped(cluster: Cluster, keyspace: str) -> None:
    """Changes a table as gh-ost does: a shadow table with the same rows takes the table's place."""
    for shard in sorted(cluster.serving_shards(keyspace)):
        for statement in (
            "create table _customers_gho like customers",
            "alter table _customers_gho modify name varchar(90)",
            "insert into _customers_gho select * from customers",
            "rename table customers to _customers_del, _customers_gho to customers",
            "drop table _customers_del",
        ):
            cluster.sql(f"{keyspace}:{shard}@primary", statement)


def test_syncs_that_are_far_apart(tables: Shop, cluster: Cluster, shop: Connector) -> None:
    """A sync warns when more than half of the time has passed for which a shard's tablets keep binary logs."""
    store = Store.of_catalog(shop.discover())
    catalog = shop.configured("codes")
    assert shop.sync(store, catalog) is None
    shards = sorted(cluster.serving_shards(shop.keyspace))
    [[kept]] = cluster.sql(f"{shop.keyspace}:{shards[0]}@primary", "select @@global.binlog_expire_logs_seconds")
    store.states[-1]["global"]["shared_state"]["caught_up_at"] = "2026-01-02T03:04:05Z"

    assert shop.sync(store, catalog) is None

    [late] = [line for line in store.logs if line.startswith("The last sync that caught up")]
    assert "(2026-01-02 03:04:05 UTC)" in late
    assert f"for {int(kept) // 3600} h (shard {', '.join(shards)})" in late
    tables.change(20)
    assert shop.sync(store, catalog) is None
    assert sum(line.startswith("The last sync that caught up") for line in store.logs) == 1


@pytest.mark.parametrize("change", [online, swapped])
def test_online_schema_changes(
    tables: Shop, cluster: Cluster, shop: Connector, change: Callable[[Cluster, str], None]
) -> None:
    """A table that is replaced by its changed self keeps its rows: nothing is copied again, between and during syncs.

    Changes before, between and after two replacements arrive, and no stream asks for a refresh.
    """
    catalog = shop.configured(*KEYED)
    store = Store.of_catalog(shop.discover())
    assert shop.sync(store, catalog) is None
    tables.change(10)
    change(cluster, shop.keyspace)
    tables.change(10)
    assert shop.sync(store, catalog) is None
    shop.expect_all_equal(store, *KEYED)
    records = store.records.total()

    with ThreadPoolExecutor(1) as pool:
        changed = pool.submit(change, cluster, shop.keyspace)
        while not changed.done():
            assert shop.sync(store, catalog) is None
        changed.result()
    tables.change(10)
    assert shop.sync(store, catalog) is None

    shop.expect_all_equal(store, *KEYED)
    assert store.records.total() < records + 1000


@pytest.mark.needs_vitess(
    "21", "VTTablet before v21 holds streams back while its throttler is on and no heartbeat is written"
)
def test_throttled_tablets(tables: Shop, cluster: Cluster, shop: Connector) -> None:
    """A change stream that the tablets hold back for some seconds is waited for, and is whole."""
    catalog = shop.configured(*KEYED)
    store = Store.of_catalog(shop.discover())
    assert shop.sync(store, catalog) is None
    tables.change(10)
    throttle = ("UpdateThrottlerConfig", "--throttle-app=vstreamer", "--throttle-app-ratio=1.0")
    cluster.vtctl(*throttle, "--throttle-app-duration=15s", "--enable", shop.keyspace)
    try:
        assert shop.sync(store, catalog) is None
    finally:
        cluster.vtctl("UpdateThrottlerConfig", "--unthrottle-app=vstreamer", "--disable", shop.keyspace)

    shop.expect_all_equal(store, *KEYED)


def test_two_syncs_at_once(tables: Shop, shop: Connector) -> None:
    """Two connections that read the same keyspace at the same time do not know of each other."""
    catalog = shop.configured(*KEYED)
    stores = [Store.of_catalog(shop.discover()) for _ in range(2)]
    for _ in range(2):
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda store: shop.sync(store, catalog), stores)) == [None, None]
        tables.change(10)
    for store in stores:
        assert shop.sync(store, catalog) is None

        shop.expect_all_equal(store, *KEYED)


def test_move_tables(cluster: Cluster, shop: Connector, single: Connector) -> None:
    """A table that is moved to another keyspace: followed while Vitess replicates it back, then told to be gone."""
    for name in ("moved", "kept"):
        cluster.sql(single.keyspace, f"create table {name} (id int primary key, v varchar(20))")
        cluster.sql(single.keyspace, f"insert into {name} (id, v) values (1, 'x'), (2, 'y')")
    catalog = single.configured("moved", "kept")
    store = Store.of_catalog(single.discover())
    assert single.sync(store, catalog) is None
    move = ("MoveTables", "--workflow=away", f"--target-keyspace={shop.keyspace}")
    cluster.sql(shop.keyspace, f"alter vschema on {shop.keyspace}.moved add vindex xxh_moved(id) using xxhash")
    try:
        cluster.vtctl(*move, "create", f"--source-keyspace={single.keyspace}", "--tables=moved")
        wait_for_workflow(cluster, shop.keyspace)
        assert single.sync(store, catalog) is None
        cluster.vtctl(*move, "switchtraffic")
        cluster.sql(shop.keyspace, "insert into moved (id, v) values (3, 'after the switch')")
        while store.tables["moved"].get((3,)) is None:  # replicated back in its own time
            assert single.sync(store, catalog) is None
        assert single.sync(store, catalog) is None
        single.expect_all_equal(store, "kept")

        cluster.vtctl(*move, "complete")
        cluster.sql(single.keyspace, "update kept set v = 'z'")
        error = single.sync(store, catalog)

        assert error is not None
        assert store.statuses == {"moved": "INCOMPLETE", "kept": "COMPLETE"}
        assert "There is no table 'moved'" in store.errors[0]["message"]
        single.expect_all_equal(store, "kept")
    finally:
        cluster.sql(shop.keyspace, f"alter vschema on {shop.keyspace}.moved drop vindex xxh_moved")


def wait_for_workflow(cluster: Cluster, keyspace: str) -> None:
    """Waits until a workflow's streams have copied everything."""
    while '"Running"' not in (shown := cluster.vtctl("Workflow", f"--keyspace={keyspace}", "show", "--workflow=away")):
        assert '"Error"' not in shown
