"""Tables that are loaded in bulk and followed from a position, on a real Vitess."""

from __future__ import annotations

import json
import logging
import os
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import Store
from instruments.select import select_rows
from integration_tests.shop import Shop
from source_vitess.source import SourceVitess

KEYED = ("customers", "order_items", "codes")


@pytest.fixture
def tables(cluster: Cluster, shop: Connector) -> Iterator[Shop]:
    """The shop's tables, with some rows."""
    seed = int(os.environ.get("SOURCE_VITESS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}")  # noqa: T201
    made = Shop(cluster, shop.keyspace, seed)
    made.create()
    for name in KEYED:
        made.insert(name, 150)
    yield made
    made.drop_vschema()


def position(cluster: Cluster, keyspace: str) -> list[dict[str, str]]:
    """Returns where each shard is, asked as the documentation says."""
    return [
        {
            "keyspace": keyspace,
            "shard": shard,
            "gtid": str(cluster.sql(f"{keyspace}:{shard}@primary", "select @@global.gtid_executed")[0][0]),
        }
        for shard in sorted(cluster.serving_shards(keyspace))
    ]


def load(connector: Connector, store: Store, *tables: str) -> int:
    """Loads the rows of now, as a dump would; returns how many."""
    count = 0
    for table in tables:
        for row in select_rows(connector.mysql_port, connector.keyspace, table):
            store.tables.setdefault(table, {})[tuple(row[name] for name in store.keys[table])] = dict(row)
            count += 1
    return count


def check_fails(connector: Connector, start: Any) -> str:
    """Returns what the check says of a start position."""
    chosen = connector.with_config(start_position=start if isinstance(start, str) else json.dumps(start))
    return str(SourceVitess().check(logging.getLogger("airbyte.tests"), chosen.config).message)


def without(state: Json, *streams: str) -> None:
    """Clears streams as Airbyte does."""
    states = state["global"]["stream_states"]
    states[:] = [entry for entry in states if entry["stream_descriptor"]["name"] not in streams]


def test_a_bulk_load_while_writers_write(cluster: Cluster, shop: Connector, tables: Shop) -> None:
    """Position, rows after it, changes over them, with syncs that are killed: exactly SELECT; then a refresh copies."""
    tables.change(20)
    start = position(cluster, "shop")
    tables.change(60)
    chosen = shop.with_config(initial_copy="None: changes only", start_position=json.dumps(start))
    assert SourceVitess().check(logging.getLogger("airbyte.tests"), chosen.config).status.value == "SUCCEEDED"
    catalog = chosen.configured(*KEYED)
    store = Store.of_catalog(chosen.discover())

    writer = threading.Thread(target=tables.change, args=(60,))
    writer.start()
    loaded = load(chosen, store, *KEYED)
    for stop_after in (0, 2, 15, 40):
        chosen.sync(store, catalog, stop_after=stop_after)
    writer.join()
    assert chosen.sync(store, catalog) is None

    chosen.expect_all_equal(store, *KEYED)
    replayed = sum(store.records.values())
    assert loaded > 300
    assert replayed > 0
    assert store.states[-1]["global"]["shared_state"]["known_streams"] == sorted(KEYED)

    without(store.states[-1], "codes")
    before = store.records["codes"]
    assert chosen.sync(store, catalog) is None
    assert store.records["codes"] - before == len(store.tables["codes"])
    chosen.expect_all_equal(store, *KEYED)


def test_a_stream_that_is_added_and_full_refreshes(cluster: Cluster, shop: Connector, tables: Shop) -> None:
    """Rows loaded after the last sync, and the changes since it; a full refresh is a copy as ever."""
    chosen = shop.with_config(initial_copy="None: changes only")
    store = Store.of_catalog(chosen.discover())
    assert chosen.sync(store, chosen.configured("customers")) is None
    assert store.records == {}

    tables.insert("codes", 10)
    load(chosen, store, "codes")
    cluster.sql("shop", "update codes set n = 1000")
    assert chosen.sync(store, chosen.configured("customers", "codes")) is None
    chosen.expect_all_equal(store, "codes")
    assert store.records == {"codes": 170}

    full = Store.of_catalog(chosen.discover())
    assert chosen.sync(full, chosen.configured("customers", mode="full_refresh")) is None
    chosen.expect_all_equal(full, "customers")


def test_check_refuses_positions_that_cannot_be_followed(cluster: Cluster, shop: Connector) -> None:
    """Malformed, of another keyspace, shard or server, ahead, purged: named with the field and the value."""
    keyspace = shop.keyspace
    cluster.sql(keyspace, "create table customers (id bigint primary key)")
    now = position(cluster, keyspace)
    chosen = shop.with_config(initial_copy="None: changes only")

    assert "cannot be used: it is not JSON. Found 'now'" in check_fails(chosen, "now")
    other = [{**entry, "keyspace": "single"} for entry in now]
    assert "is of keyspace 'single', and the source reads 'shop'" in check_fails(chosen, other)
    assert "has to be of the shards that are read" in check_fails(chosen, now[:1])
    swapped = [{**now[0], "gtid": now[1]["gtid"]}, {**now[1], "gtid": now[0]["gtid"]}]
    assert "that the primary of shard" in check_fails(chosen, swapped)
    assert f"Found 'MySQL56/{now[1]['gtid']}"[:60] in check_fails(chosen, swapped)
    ahead = [{**entry, "gtid": entry["gtid"].rpartition("-")[0] + "-999999999"} for entry in now]
    assert "does not have" in check_fails(chosen, ahead)

    shard = now[0]["shard"]
    with cluster.connect_tablet(cluster.primary(keyspace, shard).alias) as connection, connection.cursor() as cursor:
        cursor.execute("flush binary logs")
        cursor.execute("show binary logs")
        last = list(cursor.fetchall())[-1][0]
        cursor.execute(f"purge binary logs to '{last}'")
    old = [{**entry, "gtid": entry["gtid"].partition(":")[0] + ":1"} for entry in now]
    message = check_fails(chosen, old)
    assert "is too old" in message
    assert ":1'" in message
    assert check_fails(chosen, position(cluster, keyspace)) == "None"
