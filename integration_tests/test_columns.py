"""Catalogs that select some columns, on a real Vitess: the copy asks for these alone, and every value is right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import META, Store, expect_equal
from instruments.select import select_rows
from integration_tests.test_row_images import NOBLOB, write
from source_vitess.commands import sync_settings
from source_vitess.errors import ConfigError, PositionLostError
from source_vitess.keyspace import LiveVitess
from source_vitess.schema import StreamedTable
from source_vitess.vstream.events import Event
from source_vitess.vstream.request import StreamRequest

#: Names that SQL, VTTablet's filter or JSON could take for something else.
_NAMES = [
    "select",
    "a`b",
    "p%c",
    "two words",
    "ünï",
    "日本",
    "Upper",
    "keyspace_id",
    "quote'x",
    'dq"x',
    "semi;x",
    "a.b",
    "*",
    "1",
    "a, b",
    "back\\slash",
    "#x",
    "-- x",
    "/*x*/",
    "?",
    ":v1",
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The columns that each stream of a copy was opened for, none for all; a state is due wherever one is possible."""
    columns: list[tuple[str, ...]] = []
    real = LiveVitess.stream

    def stream(
        vitess: LiveVitess, request: StreamRequest, tables: dict[str, StreamedTable]
    ) -> AbstractContextManager[Iterator[Event]]:
        if request.lastpks or "" in request.positions.values():
            columns.append(request.columns)
        return real(vitess, request, tables)

    monkeypatch.setattr(LiveVitess, "stream", stream)
    monkeypatch.setattr(
        "source_vitess.commands.sync_settings", lambda config: replace(sync_settings(config), checkpoint_records=1)
    )
    return columns


def selecting(catalog: Json, *names: str) -> Json:
    """Has the catalog's only stream select some columns."""
    schema = catalog["streams"][0]["stream"]["json_schema"]
    schema["properties"] = {name: schema["properties"][name] for name in (*names, *META)}
    return catalog


def expect_selected(single: Connector, store: Store, *names: str) -> None:
    """Compares some columns of `t` with SELECT; there must be no others."""
    rows = select_rows(single.mysql_port, single.keyspace, "t")
    expect_equal(store, "t", ({name: row[name] for name in names} for row in rows))


def copy_half(single: Connector, store: Store, catalog: Json) -> None:
    """Reads up to a state in the middle of the copy, and forgets what is after."""
    lines = list(single.lines(catalog))
    half = next(index for index, line in enumerate(lines) if b'"lastpk"' in line)
    store.apply(lines[: half + 1])
    assert store.records["t"] > 0
    assert any(line.startswith(b'{"type":"RECORD"') for line in lines[half:])


def alter(cluster: Cluster, statement: str) -> None:
    """Alters a table, and waits until the tablet has noted the columns: only then changes are named by the new ones."""
    with cluster.connect_tablet(cluster.primary("single", "0").alias) as connection, connection.cursor() as cursor:

        def noted() -> int:
            cursor.execute("select max(id) from _vt.schema_version")
            [[newest]] = cursor.fetchall()
            connection.commit()
            return int(newest or 0)

        before = noted()
        cluster.sql("single", statement)
        deadline = time.monotonic() + 60
        while noted() == before:
            assert time.monotonic() < deadline, statement
            time.sleep(0.02)


def test_a_copy_of_some_columns_with_ddl_in_between(
    cluster: Cluster, single: Connector, asked: list[tuple[str, ...]]
) -> None:
    """Interrupted, altered, changed, and gone on with: each column that is selected is what SELECT says."""
    sql = cluster.sql
    sql(
        "single",
        "create table t (first int, id int primary key, big text, a varchar(40), kind enum('x','y'), doc json, "
        "twice int generated always as (id * 2) stored, last varchar(20))",
    )
    for start in range(0, 24_000, 1000):
        values = ", ".join(
            f"(1, {n}, repeat('b', 50), 'a {n}', 'x', '{{}}', 'l{n}')" for n in range(start, start + 1000)
        )
        sql("single", f"insert into t (first, id, big, a, kind, doc, last) values {values}")
    cluster.reload_schema("single")
    selected = ("id", "a", "kind", "twice", "last")
    store = Store.of_catalog(single.discover())
    copy_half(single, store, selecting(single.configured("t"), *selected))
    sql("single", "update t set big = 'no selected column' where id = 5")
    sql("single", "update t set a = 'before', kind = 'y' where id in (1, 23000)")
    sql("single", "update t set id = 50000 where id = 2")
    write(cluster, ["update t set a = 'not whole in the binary log' where id = 6"], NOBLOB)
    alter(cluster, "alter table t add column new int default 9 after first")
    sql("single", "update t set a = 'added', new = 10 where id in (3, 23001)")
    alter(cluster, "alter table t rename column big to bigger")
    sql("single", "delete from t where id in (4, 23002)")
    alter(cluster, "alter table t drop column first")
    sql("single", "update t set last = 'dropped' where id in (7, 23003)")

    assert single.sync(store, selecting(single.configured("t"), *selected)) is None

    assert asked[:2] == [selected, selected]
    expect_selected(single, store, *selected)
    sql("single", "update t set kind = null, last = 'at the end' where id < 100")
    assert single.sync(store, selecting(single.configured("t"), *selected)) is None
    expect_selected(single, store, *selected)


def test_a_column_that_is_added_while_a_copy_is_interrupted(
    cluster: Cluster, single: Connector, asked: list[tuple[str, ...]]
) -> None:
    """Selected after it was added, in the middle of a copy: it starts over, since changes of before do not have it."""
    cluster.sql("single", "create table t (id int primary key, a varchar(40), b varchar(40))")
    for start in range(0, 30_000, 2000):
        values = ", ".join(f"({n}, 'a {n}')" for n in range(start, start + 2000))
        cluster.sql("single", f"insert into t (id, a) values {values}")
    cluster.reload_schema("single")
    store = Store.of_catalog(single.discover())
    copy_half(single, store, selecting(single.configured("t"), "id", "a"))
    cluster.sql("single", "update t set a = 'before' where id in (1, 29000)")
    alter(cluster, "alter table t add column new int default 7")
    cluster.sql("single", "update t set new = 5 where id < 5000 or id > 26000")

    assert single.sync(store, selecting(single.configured("t"), "id", "a", "new")) is None

    assert asked == [("id", "a"), ("id", "a", "new")]
    expect_selected(single, store, "id", "a", "new")


def test_a_selected_column_is_dropped_before_the_copy(
    cluster: Cluster, single: Connector, asked: list[tuple[str, ...]]
) -> None:
    """Between the look at the schema and the copy: no row is copied without it, and the next sync knows better."""
    cluster.sql("single", "create table t (id int primary key, a varchar(40), b varchar(40))")
    cluster.sql("single", "insert into t (id, a, b) values (1, 'a', 'b')")
    cluster.reload_schema("single")
    store = Store.of_catalog(single.discover())
    catalog = selecting(single.configured("t"), "id", "a")

    def read() -> None:
        for line in single.lines(catalog):
            store.apply([line])
            if b"Copying table" in line:
                cluster.sql("single", "alter table t drop column a")
                cluster.reload_schema("single")

    with pytest.raises(ConfigError):
        read()

    assert asked[:2] == [("id", "a"), ()]
    assert store.statuses == {"t": "INCOMPLETE"}
    assert store.records["t"] == 0
    assert single.sync(store, catalog) is None
    expect_selected(single, store, "id")


@pytest.mark.needs_vitess("22", "VTTablet names the table since v22; before v20 it sends an ENUM as its number")
@pytest.mark.parametrize("change", ["drop column kind", "rename column kind to sort"])
def test_an_enum_that_is_gone_when_changes_are_read(cluster: Cluster, single: Connector, change: str) -> None:
    """VTTablet cannot stream what was written before: the stream says so at once, the others go on."""
    cluster.sql("single", "create table t (id int primary key, kind enum('a', 'b'), v int)")
    cluster.sql("single", "create table u (id int primary key)")
    catalog = single.configured("t", "u")
    store = Store.of_catalog(catalog)
    assert single.sync(store, catalog) is None
    cluster.sql("single", "insert into t values (1, 'b', 2)")
    cluster.sql("single", f"alter table t {change}")
    cluster.sql("single", "insert into u values (1)")

    error = single.sync(store, catalog)

    assert isinstance(error, ConfigError)
    assert store.statuses == {"t": "INCOMPLETE", "u": "COMPLETE"}
    assert "ENUM or SET column of it was dropped or renamed" in store.errors[0]["message"]
    single.expect_all_equal(store, "u")


@pytest.mark.needs_vitess("20", "VTTablet before v20 sends an ENUM as its number, whatever has become of its column")
@pytest.mark.until_vitess("22")
@pytest.mark.parametrize("change", ["drop column kind", "rename column kind to sort"])
def test_an_enum_that_is_gone_from_some_table(cluster: Cluster, single: Connector, change: str) -> None:
    """VTTablet v20 and v21 do not say of which: the position is lost, and a re-sync comes past it."""
    cluster.sql("single", "create table t (id int primary key, kind enum('a', 'b'), v int)")
    catalog = single.configured("t")
    store = Store.of_catalog(catalog)
    assert single.sync(store, catalog) is None
    cluster.sql("single", "insert into t values (1, 'b', 2)")
    cluster.sql("single", f"alter table t {change}")

    error = single.sync(store, catalog)

    assert isinstance(error, PositionLostError)
    assert "ENUM or SET column kind of a table" in error.message
    again = single.with_config(invalid_cdc_position_behavior="Re-sync data")
    assert again.sync(store, catalog) is None
    expect_selected(single, store, "id", "v")


@pytest.mark.until_vitess("20")
@pytest.mark.parametrize("change", ["drop column kind", "rename column kind to sort"])
def test_an_enum_that_is_gone_is_left_out(cluster: Cluster, single: Connector, change: str) -> None:
    """Before v20 VTTablet streams such a change, and the other columns' values keep their names."""
    cluster.sql("single", "create table t (id int primary key, kind enum('a', 'b'), v int)")
    catalog = single.configured("t")
    store = Store.of_catalog(catalog)
    assert single.sync(store, catalog) is None
    cluster.sql("single", "insert into t values (1, 'b', 2)")
    cluster.sql("single", f"alter table t {change}")

    assert single.sync(store, catalog) is None

    assert store.statuses == {"t": "COMPLETE"}
    expect_selected(single, store, "id", "v")


@pytest.mark.parametrize("left_out", ["a`b", "more"])
def test_names_of_columns(cluster: Cluster, single: Connector, asked: list[tuple[str, ...]], left_out: str) -> None:
    """They reach VTTablet as they are."""
    names = ["id", *_NAMES, "more"]
    quoted = ["`" + name.replace("`", "``") + "`" for name in names]
    cluster.sql("single:0@primary", f"create table t ({', '.join(f'{name} int' for name in quoted)}, primary key (id))")
    cluster.sql("single:0@primary", f"insert into t values ({', '.join(map(str, range(len(names))))})")
    cluster.reload_schema("single")
    selected = [name for name in names if name != left_out]
    store = Store.of_catalog(single.discover())

    assert single.sync(store, selecting(single.configured("t"), *selected)) is None

    assert asked == [tuple(selected)]
    expect_selected(single, store, *selected)


def test_names_that_vttablet_takes_for_equal(cluster: Cluster, single: Connector, asked: list[tuple[str, ...]]) -> None:
    """To MySQL ẞ and ß are two columns, to VTTablet one: it sends the first for either."""
    cluster.sql("single:0@primary", "create table t (id int primary key, `ẞ` int, `ß` int)")
    cluster.sql("single:0@primary", "insert into t values (1, 10, 20)")
    cluster.reload_schema("single")
    store = Store.of_catalog(single.discover())

    assert single.sync(store, selecting(single.configured("t"), "id", "ß")) is None

    assert asked == [("id", "ß"), ()]
    expect_selected(single, store, "id", "ß")
