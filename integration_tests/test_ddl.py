"""What statements do, as our parser says it, beside what MySQL did.

`SOURCE_VITESS_SEED` repeats a run; `SOURCE_VITESS_STATEMENTS` makes it longer.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import pymysql
import pytest
from pymysql.cursors import Cursor
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store, expect_equal
from instruments.select import select_rows
from integration_tests.ddl_forms import DdlForms, Example
from source_vitess.ddl.parser import opens_transaction, parse
from source_vitess.ddl.statements import AddColumn, AlterTable, ChangeColumn, DropColumn, RenameColumn
from source_vitess.errors import ConfigError
from source_vitess.replication.ddl_effects import rows_gone
from source_vitess.replication.rewritten_values import RewrittenValues
from source_vitess.schema import Column, StreamedTable, Table

_STATEMENTS = int(os.environ.get("SOURCE_VITESS_STATEMENTS", "200"))
#: Of the statements that are made, MySQL takes at least this share.
_ACCEPTED = 0.5
#: So many values are changed, as a share of the statements that are made at first.
_CHANGED = 0.05

_DATABASE = "ddl_forms"
_TABLESPACE_DISCARDED = 1814
_NUMBERS = re.compile(r"(?:tiny|small|medium|big)?int|decimal|double|float")
_TIMES = re.compile(r"datetime|timestamp|time")

Row = Mapping[str, object]


@dataclass(frozen=True)
class State:
    """A table as MySQL has it.

    Attributes:
        columns: In order, by name.
        rows: By the value of `id`, or by number if there is none.
    """

    columns: Mapping[str, Column]
    rows: Mapping[object, Row]


@pytest.fixture
def cursor(cluster: Cluster) -> Iterator[Cursor]:
    """A session on a MySQL server of Vitess, in a database that no keyspace has."""
    with cluster.connect_tablet(cluster.primary("single", "0").alias) as connection, connection.cursor() as opened:
        opened.execute(f"create database if not exists {_DATABASE} charset utf8mb4")
        opened.execute(f"use {_DATABASE}")
        opened.execute("set time_zone = '+00:00', lock_wait_timeout = 5")
        # MySQL before 8.4 has no such restriction.
        if opened.execute("show variables like 'restrict_fk_on_non_standard_key'"):
            opened.execute("set restrict_fk_on_non_standard_key = off")
        yield opened
        opened.execute("set sql_mode = ''")
        opened.execute(f"drop database {_DATABASE}")


def test_statements_do_what_is_said_of_them(cursor: Cursor) -> None:
    """Rows that are gone, columns, values that changed: what MySQL did is told, and no rows that are there are gone.

    What is parsed is the statement as the server wrote it into its binary log.
    """
    seed = int(os.environ.get("SOURCE_VITESS_SEED", random.randrange(10**6)))  # noqa: S311 - test data
    forms = DdlForms(seed)
    accepted = compared = told = changed = warned = 0
    for number in range(3 * _STATEMENTS):
        # Few statements change values: there are more until enough did.
        if number >= _STATEMENTS and changed >= _CHANGED * _STATEMENTS:
            break
        example = forms.example()
        if (outcome := _carry_out(cursor, example)) is None:
            continue
        accepted += 1
        before, after, written = outcome
        # With a backslash it may make sense in two SQL modes, which is said; then the default mode is taken.
        is_ambiguous = "\\" in written and not parse(written).understood
        if is_ambiguous and "BACKSLASH" in example.mode:
            continue
        compared += 1
        try:
            assert is_ambiguous or parse(written).understood
            told += _expect_rows_gone(before, after, written)
            _expect_columns(before, after, example.table, written)
            has_changed, was_told = _expect_values(before, after, written)
            changed += has_changed
            warned += was_told
        except AssertionError as error:
            raise AssertionError(
                f"seed {seed}, statement {number}, mode {example.mode!r}: {example.statement!r}, in the binary log "
                f"{written!r}: {error}"
            ) from error
    print(  # noqa: T201
        f"SOURCE_VITESS_SEED={seed}: {accepted} of {number} statements were accepted, {compared} compared, {told} "
        f"removed rows, {changed} changed values, {warned} were told to have perhaps"
    )
    assert accepted >= _ACCEPTED * number
    assert compared >= 0.95 * accepted
    assert told >= accepted / 10
    assert changed >= _CHANGED * _STATEMENTS


def test_create_table_as_select(cursor: Cursor) -> None:
    """The server writes such a statement, its rows and the commit as one transaction, and marks it."""
    at = _log_position(cursor)
    cursor.execute("create table made (id int primary key) as select 1 as id union select 2")
    cursor.execute("create table plain (id int primary key) comment 'start transaction'")

    made, plain = (text for text in _written(cursor, at) if "TABLE" in text.upper())

    assert opens_transaction(made)
    assert not opens_transaction(plain)


def _carry_out(cursor: Cursor, example: Example) -> tuple[Mapping[str, State], Mapping[str, State], str] | None:
    cursor.execute("set sql_mode = ''")
    cursor.execute("select table_name, table_type from information_schema.tables where table_schema = database()")
    for name, kind in cursor.fetchall():
        quoted = "`" + name.replace("`", "``") + "`"
        cursor.execute(f"drop {'view' if kind == 'VIEW' else 'table'} {quoted}")
        cursor.execute(f"drop temporary table if exists {quoted}")
    try:
        for statement in example.setup:
            cursor.execute(statement)
        cursor.connection.commit()
        before = _states(cursor)
        at = _log_position(cursor)
        cursor.execute(f"set sql_mode = '{example.mode}'")
        cursor.execute(example.statement)
    except pymysql.MySQLError:
        return None
    finally:
        cursor.execute("set sql_mode = ''")
    written = _written(cursor, at)
    cursor.execute(f"drop temporary table if exists `{example.table.replace('`', '``')}`")
    try:
        after = _states(cursor)
    except pymysql.MySQLError:
        return None  # an expression of a new column fails for some rows
    return before, after, written[0] if written else example.statement


def _log_position(cursor: Cursor) -> tuple[str, int]:
    # The last one is written to. What would say so alone has another name in MySQL 8.0.
    cursor.execute("show binary logs")
    row = cursor.fetchall()[-1]
    return row[0], row[1]


def _written(cursor: Cursor, at: tuple[str, int]) -> list[str]:
    """Lists the statements in the binary log since a position."""
    cursor.execute(f"show binlog events in '{at[0]}' from {at[1]}")
    found = []
    for row in cursor.fetchall():
        text = re.sub(r" /\* xid=\d+ \*/$", "", row[5])
        if row[2] == "Query" and text.startswith(f"use `{_DATABASE}`; "):
            found.append(text.removeprefix(f"use `{_DATABASE}`; "))
    return found


def _states(cursor: Cursor) -> dict[str, State]:
    cursor.execute(
        "select table_name from information_schema.tables where table_schema = database() and table_type = 'BASE TABLE'"
    )
    states = {}
    for (name,) in list(cursor.fetchall()):
        cursor.execute(
            "select column_name, column_type, character_set_name, is_nullable from information_schema.columns "
            "where table_schema = database() and table_name = %s order by ordinal_position",
            (name,),
        )
        columns = {row[0]: Column(row[0], _text(row[1]), row[2], row[3] == "YES") for row in cursor.fetchall()}
        rows: dict[object, Row] = {}
        listed = ", ".join("`" + column.replace("`", "``") + "`" for column in columns)
        try:
            cursor.execute(f"select {listed} from `{name.replace('`', '``')}`")
        except pymysql.MySQLError as error:
            if error.args[0] != _TABLESPACE_DISCARDED:
                raise
        else:
            for at, values in enumerate(cursor.fetchall()):
                row = dict(zip(columns, values, strict=True))
                rows[row.get("id", at)] = row
        states[name] = State(columns, rows)
    return states


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _expect_rows_gone(before: Mapping[str, State], after: Mapping[str, State], written: str) -> bool:
    gone = {each.table for each in rows_gone(written)}
    lost = set()
    for name, state in before.items():
        if (
            name not in after
            or (state.rows and not after[name].rows)
            or (_have_same_key(state, after[name]) and set(state.rows) - set(after[name].rows))
        ):
            lost.add(name)
    assert lost - gone == set(), "rows are gone and nobody said so"
    assert (gone & set(before)) - lost == set(), "nothing is gone"
    return bool(lost)


def _have_same_key(before: State, after: State) -> bool:
    return "id" in after.columns and before.columns["id"].column_type == after.columns["id"].column_type


def _expect_columns(before: Mapping[str, State], after: Mapping[str, State], table: str, written: str) -> None:
    statement = parse(written).statement
    if not isinstance(statement, AlterTable) or table not in before or table not in after:
        return
    assert statement.table.name == table
    if any(each.table == table for each in rows_gone(written)):
        return
    names = {name.lower() for name in before[table].columns}
    given: set[str] = set()
    for action in statement.actions:
        match action:
            case AddColumn(column):
                given.add(column.name.lower())
            case DropColumn(name):
                names.discard(name.lower())
            case ChangeColumn(old, column):
                names.discard(old.lower())
                given.add(column.name.lower())
            case RenameColumn(old, new):
                names.discard(old.lower())
                given.add(new.lower())
            case _:
                pass
    assert names | given == {name.lower() for name in after[table].columns}


def _expect_values(before: Mapping[str, State], after: Mapping[str, State], written: str) -> tuple[bool, bool]:
    """Returns whether values changed, and whether it was told that they may have."""
    gone = {each.table for each in rows_gone(written)}
    any_changed = any_told = False
    for name, state in before.items():
        now = after.get(name)
        if now is None or name in gone or not _have_same_key(state, now):
            continue
        changed = set()
        for key, row in now.rows.items():
            old = state.rows[key]
            for column, value in row.items():
                types = [each.columns[column].column_type for each in (state, now) if column in each.columns]
                if not _are_equal(old.get(column), value, types):
                    changed.add(column)
        any_changed |= bool(changed)
        # Discovered before the statement, as when it is carried out in a sync, and after it.
        for discovered in (state, now):
            told = set()
            every: dict[str, dict[str, object]] = {column: {} for column in (*state.columns, *now.columns)}
            table = Table(name, tuple(discovered.columns.values()), key=("id",))
            for change in RewrittenValues({name: StreamedTable(table, every)}).changed("0", written, lambda _: True):
                told |= set(change.text.split(" values of ")[1].split(" in rows")[0].split(" and of "))
            any_told |= bool(told) and discovered is state
            texts = {column for column, each in now.columns.items() if each.charset}
            named = {column for column in changed if f"column {column!r}" in told}
            if any("computed" in text for text in told):
                named.add("g")
            if "its text columns" in told:
                named |= texts
            assert changed - named == set(), f"values of {changed - named} changed, told were {told}"
    return any_changed, any_told


def _are_equal(old: object, new: object, types: list[str]) -> bool:
    if old == new and type(old) is type(new):
        return True
    if old is None or new is None:
        return False
    if all(_NUMBERS.match(each) for each in types):
        return Decimal(str(old)) == Decimal(str(new))
    if all(_TIMES.match(each) for each in types):
        return str(old) == str(new)
    return False


_PARTITIONS = ", ".join(f"partition p{number} values less than ({number * 10})" for number in range(1, 4))


def _on_the_server(cluster: Cluster, keyspace: str, shard: str, *statements: str) -> None:
    """Has statements carried out past Vitess, which would write them in its own words."""
    with cluster.connect_tablet(cluster.primary(keyspace, shard).alias) as connection, connection.cursor() as opened:
        opened.execute(f"use vt_{keyspace}")
        for statement in statements:
            opened.execute(statement)
        connection.commit()


def _warnings(store: Store) -> list[str]:
    return [line for line in store.logs if "was altered" in line or "not understood" in line]


@pytest.mark.parametrize(
    ("statements", "how"),
    [
        (["alter table `a` ALGORITHM=INPLACE, LOCK=DEFAULT, DROP PARTITION p1"], "DROP PARTITION"),
        (["ALTER TABLE a /*!50100 DROP PARTITION p1 */"], "DROP PARTITION"),
        pytest.param(
            ["ALTER TABLE a /* why */ /*!080000 TRUNCATE PARTITION `p1` */ -- done"],
            "TRUNCATE PARTITION",
            marks=pytest.mark.needs_mysql("8.4", "MySQL 8.0.31 reads five digits of the version in a comment only"),
        ),
        (["set sql_mode = 'ANSI_QUOTES'", 'TRUNCATE TABLE "a"'], "truncated"),
        (
            [
                "create table _a_import (id int primary key, v varchar(20))",
                "insert into _a_import values (5, 'other')",
                "RENAME TABLE a TO a_old, _a_import TO a",
            ],
            "replaced",
        ),
    ],
)
def test_rows_that_vanish(cluster: Cluster, single: Connector, statements: list[str], how: str) -> None:
    """In forms that are seldom: the stream asks for a refresh, and the other one goes on."""
    sql = f"create table a (id int primary key, v varchar(20)) partition by range (id) ({_PARTITIONS})"
    cluster.sql(single.keyspace, sql)
    cluster.sql(single.keyspace, "create table b (id int primary key, v varchar(20))")
    for name in ("a", "b"):
        cluster.sql(single.keyspace, f"insert into {name} (id, v) values (1, 'x'), (11, 'y'), (21, 'z')")
    store = Store.of_catalog(single.discover())
    catalog = single.configured("a", "b")
    assert single.sync(store, catalog) is None

    _on_the_server(cluster, single.keyspace, "0", *statements)
    cluster.sql(single.keyspace, "update b set v = 'changed'")

    assert isinstance(single.sync(store, catalog), ConfigError)
    assert store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
    assert how in store.errors[-1]["message"]
    single.expect_all_equal(store, "b")


def test_words_in_comments_and_labels(cluster: Cluster, shop: Connector) -> None:
    """Are no clauses: both shards' streams go on, and nothing is said but where values may have changed, once."""
    cluster.sql(shop.keyspace, "create table rides (id bigint primary key, price decimal(10,2), email varchar(40))")
    cluster.sql(shop.keyspace, "alter vschema on shop.rides add vindex xxh_rides(id) using xxhash")
    try:
        for key in range(12):
            cluster.sql(shop.keyspace, f"insert into rides (id, price, email) values ({key}, 1.25, 'a@b')")
        store = Store.of_catalog(shop.discover())
        catalog = shop.configured("rides")
        assert shop.sync(store, catalog) is None
        for shard in cluster.serving_shards(shop.keyspace):
            _on_the_server(
                cluster,
                shop.keyspace,
                shard,
                "alter table rides add column note varchar(50) comment 'please rename to remark later'",
                "alter table rides add column place varchar(50) comment 'drop location of the ride'",
                "alter table rides add column `add` int comment 'please add email later, drop price'",
                "alter table rides add column todo enum('rename file', ', DROP PARTITION p0', 'it''s')",
                "alter table rides comment 'truncate', add index i (email) comment 'drop email, rename to x'",
                "drop temporary table if exists rides",
            )
        cluster.sql(shop.keyspace, "update rides set price = 2.55 where id < 6")

        assert shop.sync(store, catalog) is None
        rows = select_rows(shop.mysql_port, shop.keyspace, "rides")
        expect_equal(store, "rides", ({name: row[name] for name in ("id", "price", "email")} for row in rows))
        assert _warnings(store) == []

        for shard in cluster.serving_shards(shop.keyspace):
            _on_the_server(cluster, shop.keyspace, shard, "alter table rides modify price decimal(10,1)")
        shop.sync(store, catalog)
        [told] = _warnings(store)
        assert "'rides'" in told
        assert "'price'" in told
    finally:
        cluster.sql(shop.keyspace, "alter vschema on shop.rides drop vindex xxh_rides")


#: Before v20 such a statement ends its table's stream (docs/versions.md).
_ANNOUNCED = pytest.mark.needs_vitess("20", "VTTablet announces the character sets of columns since v20")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        pytest.param("alter table a convert to character set utf8mb4", "its text columns", marks=_ANNOUNCED),
        pytest.param("alter table a modify v varchar(20) character set utf8mb4", "'v'", marks=_ANNOUNCED),
        ("alter table a modify k enum('small','large')", "'k'"),
    ],
)
def test_changes_from_before_an_alter_of_their_characters(
    cluster: Cluster, single: Connector, statement: str, said: str
) -> None:
    """VTTablet gives them the character set, and the labels, of now, so that values are wrong: the log says so.

    A refresh of the stream, as is advised, mends it.
    """
    cluster.sql(
        single.keyspace,
        "create table a (id int primary key, v varchar(20), k enum('large','small')) character set latin1",
    )
    store = Store.of_catalog(single.discover())
    catalog = single.configured("a")
    assert single.sync(store, catalog) is None
    cluster.sql(single.keyspace, "insert into a (id, v, k) values (1, 'Ã©', 'large')")

    _on_the_server(cluster, single.keyspace, "0", statement)

    assert single.sync(store, catalog) is None
    [warning] = _warnings(store)
    assert said in warning
    assert "refresh this stream" in warning
    again = Store.of_catalog(catalog)
    assert single.sync(again, catalog) is None
    single.expect_all_equal(again, "a")


@pytest.mark.parametrize(
    "statements",
    [
        ["use mysql", "truncate vt_single.a"],
        ["/*!50100 truncate a */"],
        ["insert into other values (11, 'others')", "alter table other exchange partition p1 with table a"],
    ],
)
def test_what_vttablet_does_not_pass_on(cluster: Cluster, single: Connector, statements: list[str]) -> None:
    """A limit: with these statements rows are gone, and the change stream says nothing of them."""
    cluster.sql(single.keyspace, "create table a (id int primary key, v varchar(20))")
    sql = f"create table other (id int primary key, v varchar(20)) partition by range (id) ({_PARTITIONS})"
    cluster.sql(single.keyspace, sql)
    cluster.sql(single.keyspace, "insert into a (id, v) values (1, 'x'), (2, 'y')")
    store = Store.of_catalog(single.discover())
    catalog = single.configured("a")
    assert single.sync(store, catalog) is None

    _on_the_server(cluster, single.keyspace, "0", *statements)

    assert single.sync(store, catalog) is None
    assert {row["id"] for row in store.tables["a"].values()} == {1, 2}
    assert cluster.sql(f"{single.keyspace}:0@primary", "select count(*) from a where id < 3") == [(0,)]
