"""A keyspace that is read by two sources at once, a part of the shards each, as docs/scaling.md describes it."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from integration_tests.shop import Shop

TABLES = ("customers", "order_items", "codes")
SHARDS = ("-80", "80-")


@pytest.fixture
def writer(cluster: Cluster, shop: Connector) -> Iterator[Shop]:
    """The shop's tables, with some rows."""
    seed = int(os.environ.get("SOURCE_VITESS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}")  # noqa: T201
    made = Shop(cluster, shop.keyspace, seed)
    made.create()
    for name in TABLES:
        made.insert(name, 60)
    yield made
    made.drop_vschema()


def together(stores: list[Store]) -> Store:
    """Returns what a UNION ALL view of the connections' tables shows; no row may be in two of them."""
    store = Store(stores[0].keys)
    for name in TABLES:
        for one in stores:
            here, rows = store.tables.setdefault(name, {}), one.tables.get(name, {})
            assert not here.keys() & rows.keys()
            here.update(rows)
    return store


def test_two_sources_at_once(cluster: Cluster, shop: Connector, writer: Shop) -> None:
    """Each reads its shards, is killed and goes on, while rows change: their rows together are what SELECT gives."""
    sources = [shop.with_config(shards=[shard]) for shard in SHARDS]
    catalogs = [source.configured(*TABLES) for source in sources]
    stores = [Store.of_catalog(source.discover()) for source in sources]
    with ThreadPoolExecutor(3) as pool:
        writing = pool.submit(writer.change, 60)
        for stop_after in (3, 25, 60):
            syncs = [
                pool.submit(source.sync, store, catalog, stop_after=stop_after)
                for source, store, catalog in zip(sources, stores, catalogs, strict=True)
            ]
            for sync in syncs:
                sync.result()
        writing.result()
        ended = [
            pool.submit(source.sync, store, catalog)
            for source, store, catalog in zip(sources, stores, catalogs, strict=True)
        ]
        assert [sync.result() for sync in ended] == [None, None]

    shop.expect_all_equal(together(stores), *TABLES)
    for store, shard in zip(stores, SHARDS, strict=True):
        assert sum(store.records.values()) > 0
        assert [entry["shard"] for entry in store.states[-1]["global"]["shared_state"]["vgtid"]] == [shard]


def test_a_row_that_moves_between_shards(cluster: Cluster, shop: Connector) -> None:
    """It is deleted in one source and inserted in the other, and between their syncs it is in both or in none."""
    keyspace = shop.keyspace
    cluster.sql(keyspace, "create table moves (id int not null primary key, region int not null)")
    cluster.sql(keyspace, f"alter vschema on {keyspace}.moves add vindex xxh_moves(region) using xxhash")
    try:
        cluster.sql(keyspace, "insert into moves (id, region) values " + ", ".join(f"(1{n}, {n})" for n in range(9)))
        sources = [shop.with_config(shards=[shard]) for shard in SHARDS]
        catalogs = [source.configured("moves") for source in sources]
        stores = [Store.of_catalog(source.discover()) for source in sources]
        for source, store, catalog in zip(sources, stores, catalogs, strict=True):
            assert source.sync(store, catalog) is None
        (moved, old), new = next(
            ((key, row["region"]), next(iter(stores[1].tables["moves"].values()))["region"])
            for key, row in stores[0].tables["moves"].items()
        )

        cluster.sql(keyspace, f"delete from moves where id = {moved[0]} and region = {old}")
        cluster.sql(keyspace, f"insert into moves (id, region) values ({moved[0]}, {new})")
        assert sources[1].sync(stores[1], catalogs[1]) is None
        assert [moved in store.tables["moves"] for store in stores] == [True, True]
        assert sources[0].sync(stores[0], catalogs[0]) is None

        assert [moved in store.tables["moves"] for store in stores] == [False, True]
        assert stores[0].deletes["moves"] == 1
    finally:
        cluster.sql(keyspace, f"alter vschema on {keyspace}.moves drop vindex xxh_moves")
