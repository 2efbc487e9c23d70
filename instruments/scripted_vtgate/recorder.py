r"""Records what a real VTGate sends in the scenarios, for unit_tests/fixtures/vstream (see `recordings`).

    vitess-local up --name recorded --keyspace main:1 --vitess-version 22.4
    python -m instruments.scripted_vtgate.recorder GRPC_PORT MYSQL_PORT main 22.0.4  # one of `recordings.RELEASES`
    vitess-local down --name recorded

The keyspace must be unsharded: tables whose names begin with `sv_` are made and dropped in it. Newer releases come
first, as only what differs from the next newer one is kept.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence

import pymysql

from instruments.scripted_vtgate.client import Stream, request
from instruments.scripted_vtgate.model.values import Document, Given
from instruments.scripted_vtgate.recordings import save
from instruments.scripted_vtgate.scenarios import SCENARIOS, TABLES
from source_vitess.proto import binlogdata_pb2


class SqlDriver:
    """A real Vitess."""

    def __init__(self, grpc_port: int, mysql_port: int, keyspace: str, shard: str = "0") -> None:
        self.keyspace = keyspace
        self.shard = shard
        self._port = grpc_port
        self._connection = pymysql.connect(
            host="127.0.0.1", port=mysql_port, user="recorder", database=keyspace, charset="utf8mb4", autocommit=True
        )

    def create_table(self, name: str, columns: Mapping[str, str], *, key: Sequence[str]) -> None:
        """Creates a table."""
        parts = [f"`{column}` {declaration}" for column, declaration in columns.items()]
        self._run(f"create table `{name}` ({', '.join(parts)}, primary key ({', '.join(key)}))")
        time.sleep(1)

    def insert(self, table: str, *rows: Mapping[str, Given]) -> None:
        """Inserts rows with one statement."""
        names = list(rows[0])
        marks = ", ".join(f"({', '.join(_mark(row[name]) for name in names)})" for row in rows)
        values = [row[name] for row in rows for name in names if not isinstance(row[name], Document)]
        self._run(f"insert into `{table}` ({', '.join(f'`{name}`' for name in names)}) values {marks}", values)

    def update(self, table: str, where: Mapping[str, Given], values: Mapping[str, Given]) -> None:
        """Updates rows."""
        self._run(
            f"update `{table}` set {_assignments(values, ', ')} where {_assignments(where, ' and ')}",
            [*values.values(), *where.values()],
        )

    def delete(self, table: str, where: Mapping[str, Given]) -> None:
        """Deletes rows."""
        self._run(f"delete from `{table}` where {_assignments(where, ' and ')}", list(where.values()))

    def add_column(self, table: str, name: str, declaration: str) -> None:
        """Adds a column as the last."""
        self._run(f"alter table `{table}` add column `{name}` {declaration}")
        time.sleep(1)

    def truncate(self, table: str) -> None:
        """Empties a table."""
        self._run(f"truncate table `{table}`")

    def open(self, vgtid: binlogdata_pb2.VGtid, tables: Iterable[str], columns: Iterable[str] = ()) -> Stream:
        """Opens a stream."""
        return Stream(self._port, request(vgtid, tables, columns=columns))

    def gtids(self) -> Mapping[str, str]:
        """Returns the position of the shard."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"use `{self.keyspace}:{self.shard}@primary`")
            cursor.execute("select @@global.gtid_executed")
            [(gtids,)] = cursor.fetchall()
            cursor.execute(f"use `{self.keyspace}`")
        return {self.shard: "MySQL56/" + gtids.replace("\n", "")}

    def drop(self, tables: Iterable[str]) -> None:
        """Drops the tables that there are."""
        for table in tables:
            self._run(f"drop table if exists `{table}`")
        time.sleep(1)

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _run(self, sql: str, values: Sequence[Given] = ()) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, list(values) or None)


def _mark(value: Given) -> str:
    return value.expression if isinstance(value, Document) else "%s"


def _assignments(values: Mapping[str, Given], separator: str) -> str:
    return separator.join(f"`{name}` = %s" for name in values)


def main() -> None:
    """Records a real Vitess."""
    grpc_port, mysql_port, keyspace, release = sys.argv[1:]
    driver = SqlDriver(int(grpc_port), int(mysql_port), keyspace)
    recorded = {}
    try:
        for scenario in SCENARIOS:
            driver.drop(TABLES)
            recorded[scenario.__name__] = scenario(driver)
        driver.drop(TABLES)
    finally:
        driver.close()
    save(release, recorded)


if __name__ == "__main__":
    main()
