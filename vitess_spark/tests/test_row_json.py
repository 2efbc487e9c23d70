"""Rows as JSON, and the text of their keys, on a real Vitess: every value of the type matrix, copied and changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from instruments.type_matrix import TABLES, VECTORS, MatrixTable, quote
from vitess_local.cluster import Cluster

from vitess_spark.options import ReadOptions
from vitess_spark.parts import read_part
from vitess_spark.row_text import RowText
from vitess_spark.stream import Json, TableStream, look_up_tables

pytestmark = pytest.mark.cluster

KEYSPACE = "single"
TARGET = f"{KEYSPACE}:0@primary"

#: A key of many types, with values that a copy and the binary log write in different ways.
KEYED = """
create table keyed (
  price decimal(12,2) not null, name varchar(40) not null, at datetime(6) not null, raw varbinary(8) not null,
  big bigint unsigned not null, twice double not null, kind enum('é','b') not null, flags set('x','y') not null,
  day date not null, length time(2) not null, y year not null, bits bit(12) not null, n int,
  primary key (twice, price, name, at, raw, big, kind, flags, day, length, y, bits))"""
KEYS = (
    (
        "-0.50, 'a\"b\\\\', '2026-01-02 03:04:05.000006', x'00ff', 18446744073709551615, 1e300, 'é', '', '0001-01-01', "
        "'-838:59:59', 1999, 5"
    ),
    "0.00, 'é😀\\n', '1000-01-01 00:00:00', '', 0, -0.1, 'b', 'x,y', '9999-12-31', '-00:00:00.50', 0, 4095",
    "9999999999.99, '', '9999-12-31 23:59:59.999999', x'0a', 5, 1e16, 'b', 'y', '2026-01-02', '00:00:00', 2155, 0",
)


@dataclass(frozen=True)
class Read:
    """A row as a task gives it.

    Attributes:
        operation: What was done.
        key: The text of its key.
        row: Its text.
    """

    operation: str
    key: str | None
    row: str


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The cluster that the environment names, or one of its own."""
    if running := os.environ.get("SOURCE_VITESS_TEST_CLUSTER"):
        yield Cluster.find(running)
        return
    with Cluster.up("spark-json", keyspaces={KEYSPACE: 1}) as started:
        yield started


@pytest.fixture
def tables(cluster: Cluster) -> Iterator[Sequence[MatrixTable]]:
    """The matrix's tables, and the one with a key of many types, made."""
    described = cluster.describe()
    wanted = [*TABLES, *([VECTORS] if int(str(described["mysql_version"]).split(".")[0]) >= 9 else [])]
    made = [table.on(str(described["vitess_version"])) for table in wanted]
    with cluster.connect(TARGET) as connection, connection.cursor() as cursor:
        cursor.execute(KEYED)
        for table in made:
            cursor.execute(f"set sql_mode = '{table.sql_mode}'")
            cursor.execute(table.create())
    cluster.reload_schema(KEYSPACE)
    yield made
    for name in ("keyed", *(table.name for table in made)):
        cluster.sql(TARGET, f"drop table {quote(name)}")


def write(cluster: Cluster, tables: Sequence[MatrixTable], first_key: int) -> None:
    """Inserts a row for each value, with keys from `first_key` on."""
    with cluster.connect(TARGET) as connection, connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"set sql_mode = '{table.sql_mode}'")
            for row in range(table.rows):
                cursor.execute(table.insert(row, first_key + row))


def read(options: ReadOptions, stream: TableStream, begin: Json, end: Json) -> dict[str, list[Read]]:
    """Returns what the tasks of a batch give, by table."""
    tables = stream.read_tables(end)
    found: dict[str, list[Read]] = {name: [] for name in tables.by_name}
    for part in stream.parts(begin, end):
        for rows in read_part(options, tables.only(part.tables), part):
            form = RowText.of(tables.by_name[rows.table])
            found[rows.table] += [
                Read(operation, *form.of_row(members))
                for operation, members in zip(rows.operations, rows.members, strict=True)
            ]
    return found


def test_every_value_of_a_copy_and_of_changes(cluster: Cluster, tables: Sequence[MatrixTable]) -> None:
    """What the connector's records have, to the digit; and a key's text is the same in a copy and in changes."""
    write(cluster, tables, 1)
    cluster.sql(TARGET, "set sql_mode = ''")
    for values in KEYS:
        cluster.sql(TARGET, f"insert into keyed values ({values}, 1)")
    names = ["keyed", *(table.name for table in tables)]
    given = {**cluster.config(KEYSPACE), "tables": ",".join(names), "tablet_type": "PRIMARY"}
    options = ReadOptions.parse(given, streaming=True)
    stream = TableStream(options, look_up_tables(options, followed=True))
    begin = stream.initial()
    end = stream.latest(begin, None)

    copied = read(options, stream, begin, end)
    write(cluster, tables, 1001)
    cluster.sql(TARGET, "update keyed set n = 2")
    changed = read(options, stream, end, stream.latest(end, None))

    count = sum(expect(table, copied[table.name], 1) + expect(table, changed[table.name], 1001) for table in tables)
    assert count > 700
    assert {one.operation for one in copied["keyed"]} == {"copy"}
    assert {one.operation for one in changed["keyed"]} == {"upsert"}
    assert {one.key for one in copied["keyed"]} == {one.key for one in changed["keyed"]}
    assert len({one.key for one in copied["keyed"]}) == len(KEYS)
    assert {tuple(json.loads(str(one.key))) for one in copied["keyed"]} == {
        ("twice", "price", "name", "at", "raw", "big", "kind", "flags", "day", "length", "y", "bits")
    }


def parsed(text: str) -> Any:
    """Returns JSON with every digit of its numbers."""
    return json.loads(text, parse_float=Decimal)


def expect(table: MatrixTable, found: Sequence[Read], first_key: int) -> int:
    """Compares a table's rows with what is promised; returns how many values there were."""
    by_key: Mapping[str | None, Read] = {one.key: one for one in found}
    assert set(by_key) == {f'{{"id":{first_key + row}}}' for row in range(table.rows)}
    count = 0
    for row in range(table.rows):
        texts = {"id": str(first_key + row), **table.expected(row, changed=first_key > 1)}
        expected = {name: parsed(text) for name, text in texts.items()}
        for name in ("widest", "widest_whole") if table.name == "decimals" else ():
            # Of more digits than Spark's DECIMAL has: a string in a row.
            expected[name] = texts[name] if texts[name] != "null" else None
        assert parsed(by_key[f'{{"id":{first_key + row}}}'].row) == expected, (table.name, row)
        count += sum(text != "null" for text in texts.values())
    return count
