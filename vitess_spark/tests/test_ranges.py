"""Several tasks for each shard, and filters, on a real Vitess: together they read each row once, whatever the key."""

from __future__ import annotations

import datetime
import json
import operator
import os
import pickle
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pymysql
import pytest
from instruments.statement_limit import cut_statements, wait_until_cut
from source_vitess.clock import SystemClock
from source_vitess.conditions.values import Condition
from source_vitess.errors import ConfigError
from source_vitess.mysql.key_seeks import KeySeeks
from source_vitess.position.vgtid import contains
from source_vitess.row_filters.row_filter import copied_rows
from source_vitess.shard_reading.copies import ShardPart
from source_vitess.shard_reading.key_ranges import Key, in_ranges
from vitess_local.cluster import Cluster

from tests.engine import Engine, KilledError
from vitess_spark.connection import connected
from vitess_spark.options import ReadOptions
from vitess_spark.parts import Part, read_part
from vitess_spark.ranges import can_be_compared, cut_columns
from vitess_spark.stream import batch_parts, batch_terms, look_up_tables

pytestmark = pytest.mark.cluster

KEYSPACE = "shop"
#: Each message has a row, so that every row may be the last before VTGate goes on elsewhere, after a second.
ARGUMENTS = ("--vstream-packet-size=1", "--vstream-dynamic-packet-size=false", "--vreplication-copy-phase-duration=1s")

WORDS = ("a", "A", "ä", "ae", "B", "b ", "ß", "ss", "a b", "10", "9", "it''s", "\\\\", "日本", "😀", "_", "~", "")


@dataclass(frozen=True)
class Shape:
    """A table.

    Attributes:
        key: The key's columns and their types.
        rows: Values of the key, as SQL.
        cut: How many of the key's columns can be cut.
    """

    key: Mapping[str, str]
    rows: Sequence[str]
    cut: int = 0


ID = {"id": "bigint not null"}
MOMENTS = ("2025-12-31 23:59:59.999", "2026-01-01", "2026-01-31 12:00:00.5", "2026-02-01", "2026-07-01")

SHAPES: Mapping[str, Shape] = {
    "skewed": Shape(
        ID, [str(n) for n in (*range(-40, 60), *range(10**12, 10**12 + 40), 2**63 - 1, -(2**63), 2**53 + 1)]
    ),
    "unsigned": Shape({"id": "bigint unsigned not null"}, [str(n) for n in (*range(50), *range(2**64 - 50, 2**64))]),
    "composite": Shape(
        {"tenant": "int not null", "day": "date not null", **ID},
        [
            f"{tenant}, '{day}', {number}"
            for tenant, count in ((-1, 2), (1, 40), (2, 1), (3, 5))
            for day in ("2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01")
            for number in range(count)
        ],
    ),
    "texts": Shape(
        {"name": "varchar(40) collate utf8mb4_0900_ai_ci not null", **ID},
        [f"'{word}', {10 * place + number}" for place, word in enumerate(WORDS) for number in range(8)],
    ),
    "cased": Shape(
        {"name": "varchar(40) collate utf8mb4_0900_as_cs not null"},
        [f"'{word}{number}'" for word in WORDS for number in range(8)],
    ),
    "bin": Shape(
        {"name": "varchar(40) collate utf8mb4_0900_bin not null"},
        [f"'{word}{number}'" for word in WORDS for number in range(8)],
    ),
    "octets": Shape(
        {"id": "varbinary(9) not null"},
        [f"x'{first:02x}{second}'" for first in (0, 39, 92, 127, 255) for second in ("", "00", "0001", "ff", "27")],
    ),
    "prices": Shape(
        {"price": "decimal(12,2) not null", **ID},
        [f"{price}, {number}" for price in ("-5.10", "-5.09", "-0.01", "0", "7.25") for number in range(9, 18)],
    ),
    "moments": Shape(
        {"at": "datetime(3) not null", **ID},
        [f"'{moment}', {number}" for moment in MOMENTS for number in range(9)],
    ),
    # VTTablet does not compare this collation as MySQL does.
    "half": Shape(
        {"id": "smallint not null", "code": "varchar(9) collate latin1_swedish_ci not null"},
        [f"{number % 7}, 'c{number}'" for number in range(100)],
        cut=1,
    ),
    "few": Shape(ID, ["1", "2", "3"]),
    "nothing": Shape(ID, []),
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster whose tablets cut copies short, or the one that the environment names."""
    if running := os.environ.get("SOURCE_VITESS_TEST_CLUSTER"):
        yield Cluster.find(running)
        return
    with Cluster.up("spark-ranges", keyspaces={KEYSPACE: 2}, vttablet_args=ARGUMENTS) as started:
        yield started


@pytest.fixture(scope="module")
def kept(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """The table of a shape that the test names, with a note in each row that no other has. Not to be written to."""
    name = str(request.param)
    create(cluster, name, SHAPES[name])
    yield name
    cluster.sql(KEYSPACE, f"drop table {name}")


@pytest.fixture
def table(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """Likewise, to write to."""
    name = str(request.param)
    create(cluster, f"{name}_written", SHAPES[name])
    yield f"{name}_written"
    cluster.sql(KEYSPACE, f"drop table {name}_written")


def create(cluster: Cluster, name: str, shape: Shape) -> None:
    """Makes a table, and divides its rows among the shards in turn: to a copy it does not matter where they belong."""
    cluster.sql(KEYSPACE, f"drop table if exists {name}")
    columns = ", ".join(f"`{column}` {kind}" for column, kind in shape.key.items())
    key = ", ".join(f"`{column}`" for column in shape.key)
    cluster.sql(KEYSPACE, f"create table {name} (note varchar(20), {columns}, primary key ({key}))")
    for number, shard in enumerate(cluster.shards(KEYSPACE)):
        mine = [f"('{shard} {place}', {row})" for place, row in enumerate(shape.rows) if place % 2 == number]
        if mine:
            cluster.sql(f"{KEYSPACE}:{shard}@primary", f"insert into {name} (note, {key}) values {', '.join(mine)}")


def notes(cluster: Cluster, name: str) -> list[str]:
    """Returns the notes of all rows, as SELECT gives them."""
    return sorted(
        str(note)
        for shard in cluster.shards(KEYSPACE)
        for (note,) in cluster.sql(f"{KEYSPACE}:{shard}@primary", f"select note from {name}")
    )


def read(options: ReadOptions, parts: Sequence[Part]) -> list[list[str]]:
    """Reads parts; returns the notes of each."""
    tables = look_up_tables(options, followed=False)
    found = []
    for part in parts:
        assert isinstance(part.what, ShardPart)
        mine = []
        for rows in read_part(options, tables, pickle.loads(pickle.dumps(part))):
            assert contains(f"MySQL56/{rows.position}", part.what.at_least)
            mine += [json.loads(b"{" + members[:-1] + b"}")["note"] for members in rows.members]
        found.append(mine)
    return found


def options_of(cluster: Cluster, table: str, **more: str) -> ReadOptions:
    """Returns the options of a batch."""
    given = {**cluster.config(KEYSPACE), "table": table, "tablet_type": "PRIMARY", **more}
    return ReadOptions.parse(given, streaming=False)


@pytest.mark.parametrize("kept", SHAPES, indirect=True)
def test_together_the_tasks_read_each_row_once(cluster: Cluster, kept: str) -> None:
    """Whatever the key's types are; and no task has much more than its share."""
    options = options_of(cluster, kept, partitionsPerShard="4")
    parts = batch_parts(options, look_up_tables(options, followed=False))

    found = read(options, parts)

    assert sorted(note for mine in found for note in mine) == notes(cluster, kept)
    rows = len(SHAPES[kept].rows)
    if rows > 20 and kept != "half":
        assert len(parts) == 8
        assert max(map(len, found)) < rows / 8 * 1.7, [len(mine) for mine in found]


@pytest.mark.parametrize("kept", SHAPES, indirect=True)
def test_any_cuts_do(cluster: Cluster, kept: str, seed: int) -> None:
    """At random, of whole keys and of first values, beside each other or far apart."""
    chance = random.Random(f"{seed} {kept}")
    options = options_of(cluster, kept)
    there = look_up_tables(options, followed=False).one.table
    parts = []
    with connected(options.config, SystemClock()) as vitess:
        details = vitess.column_details(kept)
        columns = cut_columns(there, details)
        assert len(columns) == (SHAPES[kept].cut or len(SHAPES[kept].key))
        for shard, gtid in vitess.current().shards.items():
            with vitess.key_seeks(shard, there, columns, "") as seeks:
                cuts = random_cuts(chance, seeks, lambda key: can_be_compared(there, details, columns, key))
            for part in in_ranges(columns, cuts):
                ranges = tuple(copied_rows(Condition(terms), there, details) for terms in part if terms)
                parts.append(Part(ShardPart(KEYSPACE, shard, gtid, ranges), 0, (kept,)))

    found = read(options, parts)

    assert sorted(note for mine in found for note in mine) == notes(cluster, kept)


def random_cuts(chance: random.Random, seeks: KeySeeks, fits: Callable[[Key], bool]) -> list[Key]:
    """Walks through a table's keys; returns first values of some of them, in their order."""
    cuts: list[Key] = []
    last: Key = ()
    rows = 1
    while len(cuts) < 8 and (there := seeks.seek(last or None, rows)) is not None:
        key, _ = there
        if not fits(key):
            rows += 1
            continue
        alike = next((index for index, (one, other) in enumerate(zip(last, key, strict=False)) if one != other), 0)
        cuts.append(key[: chance.randint(alike + 1, len(key))])
        last, rows = key, chance.choice((1, 1, 2, 9))
    return cuts


@pytest.mark.parametrize("table", ["composite", "texts"], indirect=True)
def test_rows_that_are_written_at_the_borders_meanwhile(cluster: Cluster, table: str, seed: int) -> None:
    """Between the cuts being chosen and the last task: what was there and stays comes once, and nothing twice."""
    chance = random.Random(f"{seed} {table}")
    before = notes(cluster, table)
    options = options_of(cluster, table, partitionsPerShard="4")
    parts = batch_parts(options, look_up_tables(options, followed=False))
    *first, last = (f"`{column}`" for column in SHAPES[table.removesuffix("_written")].key)
    found: list[str] = []
    gone: set[str] = set()
    for number, part in enumerate(parts):
        for shard in cluster.shards(KEYSPACE):
            beside, victim = chance.choice(before), chance.choice(before)
            values = ", ".join((f"'late {number}'", *first, f"{last} + 1"))
            with suppress(pymysql.IntegrityError):
                cluster.sql(
                    f"{KEYSPACE}:{shard}@primary",
                    f"insert into {table} (note, {', '.join((*first, last))}) "
                    f"select {values} from {table} where note = '{beside}'",
                )
            cluster.sql(f"{KEYSPACE}:{shard}@primary", f"delete from {table} where note = '{victim}'")
            gone.add(victim)
        found += read(options, [part])[0]

    counted = Counter(note for note in found if not note.startswith("late"))
    assert max(counted.values()) == 1
    assert set(before) - gone <= counted.keys()


#: Each range has more than there is room for between MySQL and here.
_FILL = """
insert into wide select 'n', i % 3, i, repeat('x', 40000)
from (with recursive n (i) as (select 1 union all select i + 1 from n where i < {}) select i from n) as numbers"""


def test_a_copy_that_vttablet_cuts(cluster: Cluster) -> None:
    """It does so after an hour, here after a second: the rest is of a later position, and of the same range."""
    shard, count = cluster.shards(KEYSPACE)[0], 4000
    alias = cluster.primary(KEYSPACE, shard).alias
    cluster.sql(
        KEYSPACE, "create table wide (note varchar(9), tenant int, id int, filler text, primary key (tenant, id))"
    )
    try:
        with (
            cluster.connect_tablet(alias, database=f"vt_{KEYSPACE}", autocommit=True) as mysql,
            mysql.cursor() as cursor,
        ):
            cursor.execute("set session cte_max_recursion_depth = 10000")
            cursor.execute(_FILL.format(count))
            options = options_of(cluster, "wide", columns="tenant,id,filler", shards=shard)
            tables = look_up_tables(options, followed=False)
            # From within the first tenant to within the last one: three ranges.
            [part] = batch_parts(options, tables)
            assert isinstance(part.what, ShardPart)
            cuts = [(Decimal(0), Decimal(1000)), (Decimal(2), Decimal(900))]
            _, middle, _ = in_ranges(("tenant", "id"), cuts)
            ranges = tuple(copied_rows(Condition(terms), tables.one.table, {}) for terms in middle)
            reading = read_part(options, tables, replace(part, what=replace(part.what, ranges=ranges)))
            before = cut_statements(cluster, alias)
            read = [next(reading)]
            # MySQL waits for VTTablet, that for VTGate, and that for the next row being taken here.
            wait_until_cut(cluster, alias, before)
            cursor.execute("update wide set note = 'later' where tenant = 2")
            read += reading
            cursor.execute("select tenant, id from wide where (tenant, id) >= (0, 1000) and (tenant, id) < (2, 900)")
            wanted = sorted(cursor.fetchall())
        found = [json.loads(b"{" + members[:-1] + b"}") for rows in read for members in rows.members]
        assert sorted((row["tenant"], row["id"]) for row in found) == wanted
        assert len({rows.position for rows in read}) > 1
    finally:
        cluster.sql(KEYSPACE, "drop table wide")


@pytest.mark.parametrize("table", ["composite"], indirect=True)
def test_a_stream_copies_in_parts_too(cluster: Cluster, table: str, seed: int) -> None:
    """Killed anywhere, and with writes meanwhile: the sink is what SELECT gives."""
    given = {**cluster.config(KEYSPACE), "table": table, "tablet_type": "PRIMARY", "partitionsPerShard": "3"}
    engine = Engine(given, random.Random(seed), death=0.1)
    with suppress(KilledError):
        engine.run(batches=1)
    target = f"{KEYSPACE}:{cluster.shards(KEYSPACE)[0]}@primary"
    cluster.sql(target, f"delete from {table} where tenant = 2")
    cluster.sql(target, f"update {table} set id = id + 1000 where tenant = 3")

    engine.run_to_the_end()

    assert sorted(row["note"] for row in engine.rows.values()) == notes(cluster, table)
    assert engine.counts["copy"] >= len(engine.rows)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("id enum('a','b') primary key", "its primary key begins with 'id', which is enum('a','b')"),
        ("id set('a','b') primary key", "its primary key begins with 'id', which is set('a','b')"),
        ("id float primary key", "its primary key begins with 'id', which is float"),
        ("id timestamp primary key", "its primary key begins with 'id', which is timestamp"),
        ("id varchar(9) collate utf8mb4_general_ci primary key", "varchar(9) in utf8mb4_general_ci"),
        (
            "id int, b int, primary key (id, b desc)",
            "by its primary key, in that key's order, and table 'uncut' has no",
        ),
        ("id int not null, unique key (id)", "by its primary key, in that key's order, and table 'uncut' has no"),
        ("id varchar(90), primary key (id(5))", "by its primary key, in that key's order, and table 'uncut' has no"),
    ],
)
def test_keys_that_cannot_be_cut(cluster: Cluster, definition: str, message: str) -> None:
    """Said before a task starts, with what can be."""
    cluster.sql(KEYSPACE, f"create table uncut ({definition})")
    try:
        options = options_of(cluster, "uncut", partitionsPerShard="4")
        tables = look_up_tables(options, followed=False)

        with pytest.raises(ConfigError) as refused:
            batch_parts(options, tables)

        assert message in refused.value.message
        assert len(batch_parts(options_of(cluster, "uncut"), tables)) == 2
    finally:
        cluster.sql(KEYSPACE, "drop table uncut")


@dataclass(frozen=True)
class EqualTo:
    """As Spark's class of this name, and the others of theirs."""

    attribute: tuple[str, ...]
    value: Any


class GreaterThan(EqualTo):
    """A greater value."""


class GreaterThanOrEqual(EqualTo):
    """A greater value, or the same."""


class LessThan(EqualTo):
    """A smaller value."""


class LessThanOrEqual(EqualTo):
    """A smaller value, or the same."""


class In(EqualTo):
    """One of some values."""


class StringStartsWith(EqualTo):
    """A text that begins so."""


AS_SPARK: Mapping[type[EqualTo], Callable[[Any, Any], bool]] = {
    EqualTo: operator.eq,
    GreaterThan: operator.gt,
    GreaterThanOrEqual: operator.ge,
    LessThan: operator.lt,
    LessThanOrEqual: operator.le,
    In: lambda value, several: value in several,
    StringStartsWith: lambda value, beginning: value.startswith(beginning),
}
#: Those whose filters choose what Spark would, if all are taken.
EXACT = ("skewed", "unsigned", "composite", "bin", "octets", "prices", "moments")


@pytest.mark.parametrize("kept", [name for name in SHAPES if name not in ("few", "nothing")], indirect=True)
def test_filters_leave_out_no_row_that_spark_wants(cluster: Cluster, kept: str, seed: int) -> None:
    """At random, of every kind, with values of the table and in one task or three; and they leave out others."""
    chance = random.Random(f"{seed} {kept}")
    options = options_of(cluster, kept)
    tables = look_up_tables(options, followed=False)
    names = list(SHAPES[kept].key)
    rows = [
        row
        for shard in cluster.shards(KEYSPACE)
        for row in cluster.sql(
            f"{KEYSPACE}:{shard}@primary", f"select note, {', '.join(f'`{name}`' for name in names)} from {kept}"
        )
    ]
    fewer = 0
    # One that is sure to be taken comes first.
    equal = (EqualTo((names[0],), row[1]) for row in chance.sample(rows, len(rows)))
    first = next(one for one in equal if batch_terms(options, tables, [one]))
    for number in range(6):
        filters = [first] if number == 0 else []
        for place, name in enumerate(names if number else (), 1):
            if chance.random() < 0.4 and len(names) > 1:
                continue
            value = chance.choice(rows)[place]
            kinds = [kind for kind in AS_SPARK if kind is not StringStartsWith or isinstance(value, str)]
            kind = chance.choice(kinds)
            filters.append(kind((name,), tuple(row[place] for row in chance.sample(rows, 3)) if kind is In else value))
        wanted = sorted(
            row[0]
            for row in rows
            if all(AS_SPARK[type(one)](row[1 + names.index(one.attribute[0])], one.value) for one in filters)
        )
        terms = batch_terms(options, tables, filters)
        parts = batch_parts(replace(options, partitions_per_shard=chance.choice((1, 3))), tables, terms)

        found = sorted(note for mine in read(options, parts) for note in mine)

        assert set(wanted) <= set(found), filters
        assert len(set(found)) == len(found)
        if kept in EXACT and len(terms) == len(filters):
            assert found == wanted, filters
        fewer += len(found) < len(rows)
    assert fewer, "no filter was ever taken"


def test_what_is_left_to_spark(cluster: Cluster) -> None:
    """Other columns, texts whose order is a collation's, what a condition cannot hold, and what none can say."""
    create(cluster, "left_to_spark", SHAPES["texts"])
    try:
        options = options_of(cluster, "left_to_spark")
        tables = look_up_tables(options, followed=False)
        left: list[EqualTo] = [
            EqualTo(("note",), "x"),
            EqualTo(("id", "x"), 1),
            EqualTo(("id",), None),
            EqualTo(("id",), True),
            EqualTo(("id",), 1.5),
            EqualTo(("id",), Decimal("1.5")),
            EqualTo(("id",), Decimal("NaN")),
            EqualTo(("id",), 2**70),
            EqualTo(("id",), "1"),
            In(("id",), ()),
            In(("id",), (1, 1.5)),
            In(("id",), tuple(range(501))),
            LessThan(("name",), "b"),
            EqualTo(("name",), "\\"),
            EqualTo(("name",), datetime.date(2026, 2, 1)),
            StringStartsWith(("name",), "b"),
        ]

        assert batch_terms(options, tables, left) == ()
        assert len(batch_terms(options, tables, [EqualTo(("name",), "b"), In(("id",), (1, None))])) == 2
    finally:
        cluster.sql(KEYSPACE, "drop table left_to_spark")
