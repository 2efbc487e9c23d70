"""Goes on from the offset that Debezium has stored itself: a part of `make crosscheck`.

Debezium copies a table, follows some changes and is ended between two of them, with its offset in a file. The connector
gets that offset as it is, and both together have to give what SELECT gives.
"""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path

from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from tools import debezium

TABLE = "handover"
_SECONDS = 120
_ROWS = 20
_FACTORY = "io.debezium.connector.vitess.pipeline.txmetadata.VitessOrderedTransactionMetadataFactory"


def hand_over(cluster: Cluster, folder: Path, keyspace: str) -> None:
    """Lets Debezium begin and the connector go on, and compares.

    Args:
        cluster: Where.
        folder: For what Debezium writes.
        keyspace: An unsharded keyspace.

    Raises:
        ConnectorError: The connector's sync failed.
        OracleError: What they read together is not what SELECT gives.
        DebeziumError: Debezium did not come so far.
    """
    cluster.sql(keyspace, f"drop table if exists {TABLE}")
    cluster.sql(keyspace, f"create table {TABLE} (id int not null primary key, name varchar(20))")
    cluster.reload_schema(keyspace)
    for key in range(_ROWS):
        cluster.sql(keyspace, f"insert into {TABLE} (id, name) values ({key}, 'copied')")

    records, offsets = folder / "handover.records", folder / "handover.offsets"
    reading = threading.Thread(target=_read, args=(cluster, folder, keyspace, records, offsets))
    records.touch()
    reading.start()
    while reading.is_alive() and records.read_bytes().count(b'"op":"c"') < _ROWS:
        time.sleep(0.2)
    for key in range(_ROWS):
        _change(cluster, keyspace, key, "by Debezium, or not")
    reading.join()
    offset = re.findall(rb'\{"[ -~]*"vgtid":"[ -~]*?\}(?=[^ -~]|\w)', offsets.read_bytes())[-1].decode()
    for key in range(_ROWS // 2, _ROWS):
        _change(cluster, keyspace, key, "by this connector")

    config = {**cluster.config(keyspace), "initial_copy": "None: changes only", "start_position": offset}
    connector = Connector(config, keyspace, cluster.mysql_port)
    store = Store.of_catalog(connector.discover())
    table = store.tables.setdefault(TABLE, {})
    for line in records.read_bytes().splitlines():
        record = json.loads(line.partition(b"\t")[2])
        if record.get("op") == "d":
            table.pop((record["before"]["id"],), None)
        elif "op" in record:
            table[record["after"]["id"],] = record["after"]
    if error := connector.sync(store, connector.configured(TABLE)):
        raise error
    connector.expect_all_equal(store, TABLE)
    print(
        f"\nGone on from Debezium's own offset, to what SELECT gives, with {store.records[TABLE]} records:\n  {offset}"
    )


def _change(cluster: Cluster, keyspace: str, key: int, name: str) -> None:
    if key % 3:
        cluster.sql(keyspace, f"update {TABLE} set name = '{name}' where id = {key}")
    else:
        cluster.sql(keyspace, f"delete from {TABLE} where id = {key}")
        cluster.sql(keyspace, f"replace into {TABLE} (id, name) values ({key + _ROWS}, '{name}')")


def _read(cluster: Cluster, folder: Path, keyspace: str, records: Path, offsets: Path) -> None:
    reading = debezium.run(
        folder,
        host="127.0.0.1",
        grpc_port=cluster.grpc_port,
        keyspace=keyspace,
        # The copy with its transactions' marks, and a part of the changes.
        records=2 * _ROWS,
        seconds=_SECONDS,
        output=records,
        heap="512m",
        settings={
            "table.include.list": rf"{keyspace}\.{TABLE}",
            "provide.transaction.metadata": "true",
            "transaction.metadata.factory": _FACTORY,
            "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
            "offset.storage.file.filename": str(offsets),
            "offset.flush.interval.ms": "0",
        },
    )
    if not reading.complete:
        raise debezium.DebeziumError(f"Debezium read {reading}; see {folder}/debezium.log.")
