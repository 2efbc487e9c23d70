"""A copy that goes on after a row, for every kind of key: whatever the key, the result equals SELECT.

The tablets send a message for each row, so that a copy can be interrupted anywhere, and cut a copy after two seconds
instead of an hour.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from instruments.statement_limit import cut_statements, wait_until_cut
from source_vitess.commands import sync_settings

KEYSPACE = "single"
ARGUMENTS = (
    *("--vstream-packet-size=1", "--vstream-dynamic-packet-size=false"),
    "--vreplication-copy-phase-duration=2s",
)

_DIGITS = ("-2", "-1", "0", "1", "2", "9", "10", "100")
_TEXTS: tuple[str, ...] = (
    "''",
    "'a'",
    "'B'",
    "'b'",
    "'ä'",
    "'ae'",
    "'z'",
    "'ß'",
    "'ss'",
    "'a b'",
    "'10'",
    "'9'",
    r"'\''",
    r"'\\'",
)
_TEXTS += (r"'\\%'", r"'\\_'", r"'a\0'", "'\"'")
_UNICODE = (*_TEXTS, "'é'", "'日本'", "'я'", "'ﬁ'", "'ch'", "'😀'", "'😀a'")
_LONG = tuple(f"concat(repeat('x', 2000), '{end}')" for end in "onmlkjihgfedcba")


@dataclass(frozen=True)
class Case:
    """Tables whose key has a column `k` of a type.

    Attributes:
        column: The type.
        values: Of the column, as SQL.
        keys: The primary keys to try. `id` is an INT column, 1 and 2 for each value.
        alone: Each value comes once, with an id of its own.
    """

    column: str
    values: Sequence[str]
    keys: Sequence[str] = ("k, id",)
    alone: bool = False


_EVERYWHERE = ("k", "k, id", "id, k")


def _text(collation: str, values: Sequence[str] = _TEXTS, column: str = "varchar(40)") -> Case:
    return Case(f"{column} character set {collation.split('_')[0]} collate {collation}", values)


CASES: dict[str, dict[str, Case]] = {
    "integers": {
        **{name: Case(name, _DIGITS) for name in ("tinyint", "mediumint", "bigint")},
        "bigint_unsigned": Case("bigint unsigned", ("0", "9", "10", "9223372036854775808", "18446744073709551615")),
        "zerofill": Case("int(8) unsigned zerofill", ("0", "9", "10", "123456789")),
        "bit": Case("bit(17)", ("0", "1", "39", "92", "23588", "131071"), ("k", "k, id")),
        "year": Case("year", ("0", "1901", "2000", "2155")),
    },
    "decimals": {
        "decimal": Case("decimal(10,2)", ("-99999999.99", "-1.10", "-1.09", "0", "0.01", "9.99", "10", "99999999.99")),
        "scale": Case("decimal(65,30)", ("-1e-30", "0", "1e-30", "0.123456789012345678901234567891", "1e34")),
        "double": Case(
            "double", ("-1.7976931348623157e308", "-0.1", "-5e-324", "0", "0.1", "0.3", "0.1 + 0.2e0", "1e16")
        ),
    },
    "times": {
        "date": Case("date", ("'1000-01-01'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'")),
        "datetime": Case("datetime(6)", ("'1000-01-01'", "'2024-02-29 23:59:58.000001'", "'2024-02-29 23:59:58.1'")),
        "timestamp": Case("timestamp(3)", ("'1970-01-02'", "'2024-10-27 00:30:00'", "'2024-10-27 01:30:00.001'")),
        "time": Case("time(6)", ("'-838:59:59'", "'-10:00:00.5'", "'-10:00:00'", "'0'", "'9:0:0'", "'100:00:00'")),
    },
    "zero dates": {
        "date": Case("date", ("'0000-00-00'", "'2024-03-01'", "'2024-03-02'")),
        "datetime": Case("datetime", ("'2024-00-00'", "'2024-03-01'", "'2024-03-02'")),
        "timestamp": Case("timestamp", ("0", "'2024-03-01'", "'2024-03-02'"), ("k, id", "id, k")),
    },
    "texts of Unicode": {
        collation: _text(collation, _UNICODE)
        for collation in (
            *("utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin", "utf8mb4_de_pb_0900_ai_ci"),
            *("utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "utf16_general_ci", "utf32_bin"),
        )
    },
    "texts of other character sets": {
        **{name: _text(name) for name in ("latin1_swedish_ci", "latin1_bin", "latin1_german2_ci")},
        **{
            name: _text(name, ("''", "'ソ'", "'表'", "'a'", "'A'", r"'\\'"))
            for name in ("sjis_bin", "ujis_japanese_ci")
        },
        **{name: _text(name, ("''", "'中'", "'國'", "'a'", "'B'", r"'\\'")) for name in ("gbk_chinese_ci", "big5_bin")},
        "gb18030": _text("gb18030_chinese_ci", ("''", "'中'", "'國'", "'😀'", "'a'", r"'\\'")),
        "cp1251": _text("cp1251_general_ci", ("''", "'я'", "'Ё'", "'ж'", "'a'", r"'\\'")),
        "ascii": _text("ascii_general_ci", [text for text in _TEXTS if text.isascii()]),
        "char": _text("utf8mb4_general_ci", _UNICODE, "char(20)"),
    },
    "bytes": {
        "binary": Case("binary(4)", ("x'00'", "x'61'", "x'5c25'", "x'27'", "x'ff'")),
        "varbinary": Case(
            "varbinary(9)", ("x''", "x'00'", "x'0000'", "x'61'", "x'6100'", "x'5c5f'", "x'5c5c25'", "x'ff'")
        ),
        "blob": Case("blob", ("x''", "x'00'", "x'61'", "x'5c25'", "x'ff'"), ("k(4)", "k(4), id", "id, k(4)")),
    },
    "parts": {
        "prefix": Case("varchar(40)", ("'abcz'", "'abdz'", "'Abe'", "''"), ("k(3)", "k(3), id", "id, k(3)")),
        "descending": Case("int", _DIGITS, ("k desc", "k desc, id", "k desc, id desc", "id, k desc")),
        "mixed": Case("varchar(9)", _TEXTS, ("k, id desc",)),
        "long": Case("text", _LONG, ("k(10), id",), alone=True),
        "long_general": Case("text collate utf8mb4_general_ci", _LONG, ("k(10), id",), alone=True),
        "long_bin": Case("text collate utf8mb4_bin", _LONG, ("k(10), id",), alone=True),
    },
    "ENUM": {
        "sizes": Case("enum('small', 'medium', 'large')", ("1", "2", "3"), _EVERYWHERE),
        "digits": Case("enum('3', '2', '1', '10')", ("1", "2", "3", "4"), _EVERYWHERE),
        "sorted": Case("enum('a', 'b', 'c')", ("1", "2", "3"), _EVERYWHERE),
        "invalid": Case("enum('b', 'a')", ("1", "2", "'no label'"), _EVERYWHERE),
        "empty": Case("enum('b', '', 'a')", ("1", "2", "3"), _EVERYWHERE),
        "latin1": Case("enum('ß', 'é', 'a') character set latin1", ("1", "2", "3"), _EVERYWHERE),
    },
    "SET": {
        "letters": Case("set('a', 'b', 'c')", tuple("01234567"), _EVERYWHERE),
        "falling": Case("set('c', 'b', 'a')", tuple("01234567"), _EVERYWHERE),
        "most": Case(f"set({', '.join(repr(f'm{n}') for n in range(63))})", ("1", "2", "4611686018427387904", "6")),
    },
    "FLOAT": {
        # More than six digits are not the copy's to tell.
        "tenths": Case("float", ("-0.1", "0.1", "0.3", "0.7", "1.1"), _EVERYWHERE),
        "declared": Case("float(7,3)", ("-0.001", "0.1", "0.3", "1.005"), _EVERYWHERE),
        "declared_double": Case("double(10,3)", ("-0.003", "-0.002", "-0.001", "0.3"), _EVERYWHERE),
    },
}


#: Groups whose tables are interrupted twice: the first value tells more than one in the middle.
THOROUGH = ("parts", "ENUM", "SET", "FLOAT")


@pytest.fixture(scope="module")
def chatty() -> Iterator[Cluster]:
    """A cluster whose tablets send a message for each row."""
    running = os.environ.get("SOURCE_VITESS_RESUME_CLUSTER")
    if running:
        yield Cluster.find(running)
        return
    with Cluster.up("resume", keyspaces={KEYSPACE: 1}, vttablet_args=ARGUMENTS) as cluster:
        yield cluster


@pytest.fixture
def connector(chatty: Cluster) -> Iterator[Connector]:
    """The connector, on a keyspace that is empty before and after a test."""
    _drop_all(chatty)
    yield Connector({**chatty.config(KEYSPACE), "tablet_type": "PRIMARY"}, KEYSPACE, chatty.mysql_port)
    _drop_all(chatty)


def _drop_all(cluster: Cluster) -> None:
    for name, _ in cluster.sql(KEYSPACE, "show full tables"):
        cluster.sql(KEYSPACE, f"drop table `{name}`")


@pytest.fixture(autouse=True)
def state_at_every_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a state due wherever a transaction ends: after each row of a copy."""
    monkeypatch.setattr(
        "source_vitess.commands.sync_settings", lambda config: replace(sync_settings(config), checkpoint_records=1)
    )


@pytest.mark.parametrize("group", CASES)
def test_a_copy_goes_on_after_any_row(chatty: Cluster, connector: Connector, group: str) -> None:
    """Killed after a row of each table, with changes since: equal to SELECT, whether it goes on or starts over."""
    tables = {
        f"t_{name}_{number}": (case, key) for name, case in CASES[group].items() for number, key in enumerate(case.keys)
    }
    create(chatty, tables)
    catalog = connector.configured()
    discovered = connector.discover()
    lines = list(connector.lines(catalog))
    write(chatty, [f"update {table} set v = v + 100 where v % 3 = 0" for table in tables])
    write(chatty, [f"delete from {table} where v = 1" for table in tables])
    wrong = []
    interrupted = 0

    for table in tables:
        ends = [number for number, line in enumerate(lines) if is_state_within(line, table)]
        assert len(ends) >= 2, table
        for end in (ends[0], ends[len(ends) // 2])[0 if group in THOROUGH else 1 :]:
            store = Store.of_catalog(discovered)
            store.apply(lines[: end + 1])
            assert connector.sync(store, catalog) is None, table
            interrupted += 1
            try:
                connector.expect_all_equal(store, table)
            except AssertionError as error:
                wrong.append(str(error))

    print(f"{interrupted} copies were interrupted")  # noqa: T201 - shown when a test fails
    assert wrong == []


@pytest.mark.parametrize(
    "key", ["id int, primary key (id)", "k enum('c', 'b', 'a') default 'b', id int, primary key (k, id)"]
)
@pytest.mark.parametrize("mode", ["incremental", "full_refresh"])
def test_a_copy_that_the_tablet_cuts(chatty: Cluster, connector: Connector, key: str, mode: str) -> None:
    """VTTablet ends a copy's SELECT after an hour, and VTGate goes on at a later position: nothing is lost.

    The rows that come first and last are changed and deleted between the two; a later sync has them right.
    """
    count = 4000
    chatty.sql(KEYSPACE, f"create table t (v mediumtext, {key})")
    chatty.reload_schema(KEYSPACE)
    # More than there is room for between MySQL and here.
    write(chatty, [f"insert into t (id, v) with recursive n (i) as ({_NUMBERS.format(count)}) {_ROWS}"])
    if "k enum" in key:
        write(chatty, ["update t set k = id % 3 + 1"])
    catalog = connector.configured(mode=mode)
    store = Store.of_catalog(connector.discover())
    alias = chatty.primary(KEYSPACE, "0").alias
    before = cut_statements(chatty, alias)
    changed = False

    for line in connector.lines(catalog):
        store.apply([line])
        if store.records["t"] == 10 and not changed:
            changed = True
            write(chatty, ["update t set v = 'new' where id % 100 = 3", "delete from t where id % 100 = 4"])
            wait_until_cut(chatty, alias, before)

    assert changed
    assert store.statuses == {"t": "COMPLETE"}
    if mode == "full_refresh":
        # The changes in between are no part of it.
        assert len(store.rows("t")) in range(count * 99 // 100, count + 1)
    else:
        connector.expect_all_equal(store)


_NUMBERS = "select 1 union all select i + 1 from n where i < {}"
_ROWS = "select i, repeat('x', 10000) from n"


def test_a_float_key_is_warned_of(chatty: Cluster, connector: Connector) -> None:
    """Two rows that a copy gives the same six digits are one to a destination: the sync says so."""
    chatty.sql(KEYSPACE, "create table t (k float primary key)")
    chatty.reload_schema(KEYSPACE)
    write(chatty, ["insert into t values (0.5), (16777215), (16777216)"])
    store = Store.of_catalog(connector.discover())

    assert connector.sync(store, connector.configured()) is None

    assert (store.records["t"], len(store.rows("t"))) == (3, 2)
    assert any("The key of table 't' has the FLOAT column 'k'" in line for line in store.logs)


def create(cluster: Cluster, tables: dict[str, tuple[Case, str]]) -> None:
    """Creates the tables and their rows, two for each value where the key has an id."""
    for table, (case, key) in tables.items():
        cluster.sql(KEYSPACE, f"create table {table} (v int, k {case.column}, id int, primary key ({key}))")
    cluster.reload_schema(KEYSPACE)
    statements = []
    for table, (case, key) in tables.items():
        if case.alone:
            rows = [(value, number) for number, value in enumerate(case.values)]
        else:
            rows = [(value, number) for value in case.values for number in ((2, 1) if "id" in key else (1,))]
        statements += [
            f"insert ignore into {table} (v, k, id) values ({v}, {value}, {number})"
            for v, (value, number) in enumerate(rows)
        ]
    write(cluster, statements)


def write(cluster: Cluster, statements: Sequence[str]) -> None:
    """Runs statements on the shard's own MySQL, without checks of what is written: zero dates, invalid labels."""
    with cluster.connect_tablet(cluster.primary(KEYSPACE, "0").alias) as connection, connection.cursor() as cursor:
        cursor.execute(f"use vt_{KEYSPACE}")
        cursor.execute("set names utf8mb4")
        cursor.execute("set session sql_mode = '', cte_max_recursion_depth = 10000")
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


def is_state_within(line: bytes, table: str) -> bool:
    """Tells a state of the middle of a table's copy."""
    return (
        line.startswith(b'{"type":"STATE"') and b'"lastpk"' in line and f'"name":"{table}"'.encode() in _copying(line)
    )


def _copying(line: bytes) -> bytes:
    """Returns what a state says of the table that is being copied: one at a time is."""
    parts = line.split(b'"stream_descriptor"')
    return b"".join(part for part in parts if b'"lastpk"' in part)
