"""docs/from-debezium.md: its positions, given to the connector, and its SQL, run on records that Debezium wrote."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import threading
from pathlib import Path
from typing import Any

import duckdb
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from instruments.select import select_rows
from integration_tests.shop import Shop
from source_vitess.source import SourceVitess

DOCUMENT = (Path(__file__).resolve().parent.parent / "docs" / "from-debezium.md").read_text(encoding="utf-8")
POSITIONS = re.findall(r"```json\n(.*?)```", DOCUMENT, flags=re.DOTALL)
TABLE, VIEW, LAST = re.findall(r"```sql\n(.*?)```", DOCUMENT, flags=re.DOTALL)

KEYED = ("customers", "order_items", "codes")

#: What Debezium 3.5 wrote of the row below (copied), and then of an insert, an update of its key and a delete.
RECORDS = (Path(__file__).resolve().parent / "debezium_orders.jsonl").read_text(encoding="utf-8").splitlines()
ROW = (
    "18446744073709551615, -5, 1234567890.50, 0.5, 'paid', 'a,b', 'é', '{\"a\": 1.50}', x'ff00', '2026-01-02', "
    "'2026-01-02 03:04:05.120', '1969-12-31 23:59:59.000006', '-100:00:00.250', 2026, '2026-01-02 03:04:05.000006', 1"
)
NAMES = "id, qty, price, weight, status, tags, note, doc, token, made_on, opened, closed, lasted, born, seen, active"


def _of_now(example: str, cluster: Cluster, keyspace: str) -> str:
    """Returns an example of a position, with the keyspace and the GTID sets of this cluster in their places."""
    first, second = (
        str(cluster.sql(f"{keyspace}:{shard}@primary", "select @@global.gtid_executed")[0][0])
        for shard in ("-80", "80-")
    )
    changed = re.sub(r"fa6ec871-[-0-9a-f]+:[-0-9]+", first.replace("\n", ""), example)
    changed = re.sub(r"fa7b5159-[-0-9a-f]+:[-0-9]+", second.replace("\n", ""), changed)
    return changed.replace("commerce", keyspace)


def test_a_sync_goes_on_from_an_offset(cluster: Cluster, shop: Connector) -> None:
    """A check accepts each form of the document; the changes since then, over the rows, are what SELECT gives."""
    seed = int(os.environ.get("SOURCE_VITESS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}")  # noqa: T201
    writer = Shop(cluster, shop.keyspace, seed)
    writer.create()
    try:
        for name in KEYED:
            writer.insert(name, 20)
        assert len(POSITIONS) == 4
        chosen = shop
        for example in POSITIONS:
            position = _of_now(example, cluster, shop.keyspace)
            chosen = shop.with_config(initial_copy="None: changes only", start_position=position)
            checked = SourceVitess().check(logging.getLogger("airbyte.tests"), chosen.config)
            assert checked.status.value == "SUCCEEDED", checked.message

        catalog = chosen.configured(*KEYED)
        store = Store.of_catalog(chosen.discover())
        changing = threading.Thread(target=writer.change, args=(40,))
        changing.start()
        for name in KEYED:
            for row in select_rows(chosen.mysql_port, chosen.keyspace, name):
                store.tables.setdefault(name, {})[tuple(row[column] for column in store.keys[name])] = dict(row)
        changing.join()
        assert chosen.sync(store, catalog) is None

        chosen.expect_all_equal(store, *KEYED)
        assert sum(store.records.values()) > 0
    finally:
        writer.drop_vschema()


def _insert_records(database: duckdb.DuckDBPyConnection, columns: list[str], lines: list[bytes]) -> None:
    messages = (json.loads(line) for chunk in lines for line in chunk.splitlines())
    for message in messages:
        if message["type"] == "RECORD":
            data: dict[str, Any] = message["record"]["data"]
            marks = ", ".join("?" * len(columns))
            database.execute(f"insert into orders values ({marks})", [data[column] for column in columns])


def test_the_view_gives_this_connectors_rows(cluster: Cluster, single: Connector) -> None:
    """Of Debezium's records the view makes the rows that this connector writes, deletes and moved keys included."""
    cluster.sql("single", TABLE)
    cluster.sql("single", f"insert into orders ({NAMES}) values ({ROW})")
    lines = list(single.lines(single.configured("orders"), []))

    with duckdb.connect() as database:
        database.execute("set time zone 'UTC'")
        database.execute("create table topic (kafka_offset bigint, value json)")
        # After each delete comes its tombstone.
        values = [value for record in RECORDS for value in ([record, None] if '"op":"d"' in record else [record])]
        database.executemany("insert into topic values (?, ?)", list(enumerate(values)))
        database.execute(VIEW)
        database.execute("create table orders as select * from orders_as_streamed limit 0")
        columns = [str(name) for name, *_ in database.sql("describe orders").fetchall()]
        _insert_records(database, columns, lines)

        names = NAMES.replace(", ", ",")
        [ours] = database.sql(f"select {names} from orders").fetchall()
        [debeziums] = database.sql(f"select {names} from ({LAST})").fetchall()
        history = database.sql(
            "select cast(id as varchar), _ab_cdc_deleted_at is null from orders_as_streamed order by _ab_cdc_cursor"
        ).fetchall()
        times = database.sql("select distinct year(_ab_cdc_updated_at) from orders_as_streamed").fetchall()
        newer = database.sql(
            "select min(orders._ab_cdc_cursor) > max(topic.kafka_offset) from orders, topic"
        ).fetchall()

    assert columns == [*names.split(","), "_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_cursor"]
    assert ours == debeziums
    assert None not in ours
    assert history == [("18446744073709551615", True), ("2", True), ("2", False), ("3", True), ("3", False)]
    assert times == [(2026,)]
    assert newer == [(True,)]
