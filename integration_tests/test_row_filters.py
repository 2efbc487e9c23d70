"""Filtered tables on a real Vitess: what a destination holds is SELECT … WHERE, whatever comes between."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from instruments.select import select_rows
from source_vitess.check import check
from source_vitess.errors import ConfigError, ConnectorError
from source_vitess.settings.config import Config

pytestmark = pytest.mark.needs_vitess("22", "VTTablet knows IN and IS NULL in a filter since Vitess 22")

ROUNDS = 4
KILLS = 4

WORDS = (
    "abc",
    "ABC",
    "Abc",
    "äbc",
    "abc ",
    "ab",
    "",
    "ß",
    "ss",
    "É",
    "e",
    "Z",
    "z",
    "10",
    "9",
    "it's",
    "名前",
    "😀",
    "a-b",
    "%",
)
LABELS = ("new", "paid", "shipped-1", "a b")
#: Days that a DATE can have without NO_ZERO_IN_DATE among them, which VTTablet takes for days in January.
DAYS = (
    "0000-00-00",
    "2026-00-01",
    "2026-00-15",
    "2026-01-15",
    "1000-01-01",
    "1969-12-31",
    "2024-02-29",
    "2026-01-02",
    "2026-10-25",
    "9999-12-31",
)
TIMES = ("00:00:00", "00:30:00", "03:04:05.500", "23:59:59")
#: In which no moment is missing, or there twice, in any time zone that a server may have.
MOMENTS = (
    "1970-01-02 00:00:00",
    "2026-03-29 01:30:00",
    "2026-10-25 00:30:00",
    "2026-10-25 01:30:00",
    "2037-12-31 23:59:59",
)


def quoted(text: str) -> str:
    """Returns a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def any_of(values: Sequence[str]) -> Callable[[random.Random], str]:
    """Returns what chooses one of some values."""
    return lambda rnd: rnd.choice(values)


def whole(low: int, high: int) -> Callable[[random.Random], str]:
    """Returns what makes a number, often one of the ends."""
    return lambda rnd: str(
        rnd.choice([low, high, 0, 1, rnd.randint(low, high), rnd.randint(max(low, -9), min(high, 9))])
    )


def cents(rnd: random.Random) -> str:
    """Returns an amount of money."""
    return f"{rnd.choice(['', '-'])}{rnd.randint(0, 20)}.{rnd.choice(['00', '01', '5', '99'])}"


#: By column: its type, what makes a value for an INSERT, and what makes a literal for a condition.
COLUMNS: dict[str, tuple[str, Callable[[random.Random], str], Callable[[random.Random], str] | None]] = {
    "n": ("int", whole(-(2**31), 2**31 - 1), whole(-(2**31), 2**31 - 1)),
    "big": ("bigint", whole(-(2**63), 2**63 - 1), whole(-(2**53) + 1, 2**63 - 1)),
    "huge": ("bigint unsigned", whole(0, 2**64 - 1), whole(0, 2**64 - 1)),
    "flag": ("tinyint(1)", whole(-1, 2), whole(-1, 2)),
    "price": ("decimal(10,2)", cents, cents),
    "status": (
        f"enum({','.join(map(quoted, LABELS))}) character set latin1",
        any_of([*map(quoted, LABELS)]),
        any_of([*map(quoted, LABELS)]),
    ),
    "name": ("varchar(20) collate utf8mb4_0900_ai_ci", any_of([*map(quoted, WORDS)]), any_of([*map(quoted, WORDS)])),
    "code": ("char(20) collate utf8mb4_0900_as_cs", any_of([*map(quoted, WORDS)]), any_of([*map(quoted, WORDS)])),
    "word": ("varchar(20) collate utf8mb4_0900_bin", any_of([*map(quoted, WORDS)]), any_of([*map(quoted, WORDS)])),
    "raw": (
        "varbinary(8)",
        any_of(["x''", "x'00'", "x'0000'", "x'61'", "x'ff'", "'abc'"]),
        any_of(["x''", "x'00'", "x'61'", "x'80'", "'abc'"]),
    ),
    "hash": (
        "binary(4)",
        any_of(["x'00000000'", "x'61626364'", "x'ffffffff'"]),
        any_of(["x'00000000'", "x'61626364'", "x'80'"]),
    ),
    "day": ("date", any_of([*map(quoted, DAYS)]), any_of([*map(quoted, DAYS[3:])])),
    "at": (
        "datetime(3)",
        lambda rnd: quoted(f"{rnd.choice(DAYS[1:])} {rnd.choice(TIMES)}"),
        lambda rnd: quoted(rnd.choice([rnd.choice(DAYS[3:]), f"{rnd.choice(DAYS[3:])} {rnd.choice(TIMES)}"])),
    ),
    "seen": ("timestamp null", any_of([*map(quoted, MOMENTS)]), any_of([*map(quoted, MOMENTS), "'2026-10-25'"])),
    "yr": ("year", any_of(["0", "1901", "1999", "2026", "2155"]), any_of(["1901", "1999", "2026", "2155"])),
    "padded": ("varchar(20) collate utf8mb4_general_ci", any_of([*map(quoted, WORDS)]), None),
    "ratio": ("double", whole(0, 9), None),
}
OPERATORS = ("=", "!=", "<>", "<", "<=", ">", ">=")


class Writer:
    """Writes rows of `COLUMNS` at random.

    Args:
        cluster: Where.
        keyspace: The keyspace.
        rnd: What is random.
    """

    def __init__(self, cluster: Cluster, keyspace: str, rnd: random.Random) -> None:
        self._cluster = cluster
        self._keyspace = keyspace
        self._rnd = rnd
        self._next = 1

    def create(self, key: str = ", primary key (id)") -> None:
        """Creates the table, sharded by `id`."""
        columns = ", ".join(f"{name} {made[0]}" for name, made in COLUMNS.items())
        self._cluster.sql(self._keyspace, f"create table t (id bigint not null, {columns}, pad text{key})")
        if self._cluster.shards(self._keyspace) != ["0"]:
            self._cluster.sql(self._keyspace, f"alter vschema on {self._keyspace}.t add vindex xxh_t(id) using xxhash")

    def insert(self, count: int) -> None:
        """Inserts rows, in statements of 100, of a size that makes several messages of a copy."""
        for _ in range(0, count, 100):
            rows = []
            for _ in range(min(100, count)):
                rows.append(f"({self._next}, {', '.join(map(self._value, COLUMNS))}, repeat('x', 2000))")
                self._next += 1
            self._run(f"insert into t (id, {', '.join(COLUMNS)}, pad) values {', '.join(rows)}")

    def change(self, steps: int) -> None:
        """Updates that enter and leave a condition, deletes, inserts, and transactions of them."""
        for _ in range(steps):
            some = f"id between {(start := self._rnd.randint(1, self._next))} and {start + self._rnd.randint(0, 20)}"
            match self._rnd.randrange(6):
                case 0:
                    self._run(f"delete from t where {some}")
                case 1:
                    self.insert(self._rnd.randint(1, 20))
                case _:
                    names = self._rnd.sample([*COLUMNS], self._rnd.randint(1, 4))
                    self._run(
                        f"update t set {', '.join(f'{name} = {self._value(name)}' for name in names)} where {some}"
                    )

    def _value(self, name: str) -> str:
        return "null" if self._rnd.random() < 0.15 else COLUMNS[name][1](self._rnd)

    def _run(self, statement: str) -> None:
        with self._cluster.connect(self._keyspace) as connection, connection.cursor() as cursor:
            # Zero dates, and times of day that a DATE cannot hold.
            cursor.execute("set sql_mode = ''")
            cursor.execute("set time_zone = '+00:00'")
            cursor.execute(statement)
            connection.commit()


def term(rnd: random.Random) -> str:
    """Returns a comparison at random, one that is taken."""
    while True:
        made = any_term(rnd)
        if not (
            made.startswith(("day ", "at ")) and "-01-" in made and any(word in made for word in ("!=", "<>", " in "))
        ):
            return made


def any_term(rnd: random.Random) -> str:
    """Returns a comparison at random."""
    name = rnd.choice([*COLUMNS])
    literal = COLUMNS[name][2]
    if literal is None or rnd.random() < 0.1:
        return f"{name} is {rnd.choice(['', 'not '])}null"
    if rnd.random() < 0.25:
        return f"{name} in ({', '.join(literal(rnd) for _ in range(rnd.randint(1, 4)))})"
    if name == "status":
        return f"{name} {rnd.choice(['=', '!='])} {literal(rnd)}"
    if rnd.random() < 0.2:
        return f"{name} between {literal(rnd)} and {literal(rnd)}"
    return f"{name} {rnd.choice(OPERATORS)} {literal(rnd)}"


def filtered(connector: Connector, condition: str, **more: object) -> Connector:
    """Returns the connector that reads the rows of `t` that fit."""
    return connector.with_config(row_filters=[{"table": "t", "condition": condition}], **more)


@pytest.fixture
def rnd() -> random.Random:
    """What is random, with a seed that is printed."""
    seed = int(os.environ.get("SOURCE_VITESS_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed {seed}")  # noqa: T201
    return random.Random(seed)  # noqa: S311 - test data


@pytest.fixture
def writer(cluster: Cluster, shop: Connector, rnd: random.Random) -> Iterator[Writer]:
    """A table of all types that a condition can have, over two shards, with some rows."""
    made = Writer(cluster, shop.keyspace, rnd)
    made.create()
    made.insert(800)
    yield made
    cluster.sql(shop.keyspace, f"alter vschema on {shop.keyspace}.t drop vindex xxh_t")


@pytest.mark.timeout(900)
def test_any_condition_with_kills_and_changes(shop: Connector, writer: Writer, rnd: random.Random) -> None:
    """Copies that are killed and go on, and changes that enter and leave: exactly the rows that SELECT finds."""
    chosen = deleted = 0
    for _ in range(ROUNDS):
        condition = " and ".join(term(rnd) for _ in range(rnd.choice([1, 1, 1, 2, 3])))
        print(condition)  # noqa: T201
        connector = filtered(shop, condition)
        catalog = connector.configured("t")
        store = Store.of_catalog(connector.discover())
        for _ in range(KILLS):
            connector.sync(store, catalog, stop_after=rnd.randint(3, 60))
            writer.change(4)
        assert connector.sync(store, catalog) is None
        connector.expect_all_equal(store, "t")

        writer.change(40)
        assert connector.sync(store, catalog) is None

        connector.expect_all_equal(store, "t")
        chosen += 0 < len(store.tables.get("t", {})) < 1000
        deleted += store.deletes["t"] > 0
    assert chosen >= ROUNDS // 3, "too few conditions chose some rows, and not all"
    assert deleted >= ROUNDS // 3, "too few rows left their condition"


def synced(connector: Connector, store: Store, catalog: dict[str, object]) -> str:
    """Runs a sync that fails for the stream `t`; returns its error."""
    error = connector.sync(store, catalog)
    assert isinstance(error, ConnectorError)
    assert store.errors, error.message
    return str(store.errors[-1]["message"])


def refused(connector: Connector, condition: str, table: str = "t") -> str:
    """Returns why the check fails."""
    filters = [{"table": table, "condition": condition}]
    with pytest.raises(ConfigError) as caught:
        check(Config.from_json({**connector.config, "row_filters": filters}))
    return caught.value.message


def test_the_check_tells_what_is_read_and_what_is_not(cluster: Cluster, single: Connector) -> None:
    """Types and collations are the server's; a condition that is not certain fails the check by field and value."""
    Writer(cluster, "single", random.Random(1)).create()  # noqa: S311 - test data
    cluster.sql("single:0@primary", "alter table t add g int generated always as (n % 7) stored")

    lines = [line.text for line in check(Config.from_json(filtered(single, "n > 5 and NAME = 'x'").config))]
    assert any("Rows that are read: 't' with `n` > 5 AND `NAME` = 'x'." in line for line in lines)
    for condition, words in {
        "nope = 1": "The table has no column 'nope'",
        "padded = 'x'": "Column 'padded' is varchar(20). A VARCHAR like this one is not compared in the same way",
        "ratio = 1": "A DOUBLE like this one",
        "pad is null": "no condition on it is certain",
        "g = 1": "computed from others",
        "status = 'gone'": "'gone' is none",
        "n = 1 or n = 2": "instead of AND or the end",
        "n = (select 1)": "instead of a literal",
        "name = '\\' or 1 = 1 -- '": "cannot be read",
        "name = '" + "x" * 10_000 + "'": "at most 4,000 are read",
    }.items():
        message = refused(single, condition)
        assert message.startswith("The field row_filters")
        assert "'t'" in message
        assert words in message
    assert "a condition for the table 'T', which is none of the 1 tables" in refused(single, "n = 1", table="T")


def test_rows_that_leave_and_enter(cluster: Cluster, single: Connector) -> None:
    """One update each: a delete, an insert, an update, and nothing at all."""
    cluster.sql("single", "create table t (id int primary key, n int, v varchar(9) collate utf8mb4_0900_ai_ci)")
    cluster.sql(
        "single", "insert into t (id, n, v) values (1, 10, 'a'), (2, 1, 'a'), (3, 10, 'a'), (4, 1, 'a'), (5, null, 'a')"
    )
    connector = filtered(single, "n > 5")
    catalog, store = connector.configured("t"), Store.of_catalog(connector.discover())
    assert connector.sync(store, catalog) is None
    assert set(store.tables["t"]) == {(1,), (3,)}

    for statement in (
        "n = 2 where id = 1",
        "n = 20 where id = 2",
        "v = 'b' where id = 3",
        "v = 'b' where id = 4",
        "n = 6 where id = 5",
    ):
        cluster.sql("single", f"update t set {statement}")
    cluster.sql("single", "update t set id = 30 where id = 3")
    before = store.records["t"]
    assert connector.sync(store, catalog) is None

    connector.expect_all_equal(store, "t")
    assert set(store.tables["t"]) == {(2,), (5,), (30,)}
    # The change of a key is a delete and an insert.
    assert (store.records["t"] - before, store.deletes["t"]) == (6, 2)


def test_a_table_without_a_key_and_a_full_refresh(cluster: Cluster, shop: Connector, rnd: random.Random) -> None:
    """Rows that leave come as they were; a full refresh is the rows that fit now."""
    writer = Writer(cluster, "shop", rnd)
    writer.create(key="")
    writer.insert(300)
    connector = filtered(shop, "flag in (0, 1) and name is not null")
    catalog, store = connector.configured("t"), Store.of_catalog(connector.discover())
    assert connector.sync(store, catalog) is None
    connector.expect_all_equal(store, "t")
    writer.change(40)
    assert connector.sync(store, catalog) is None
    connector.expect_all_equal(store, "t")

    full = Store.of_catalog(connector.discover())
    assert connector.sync(full, connector.configured("t", mode="full_refresh")) is None
    connector.expect_all_equal(full, "t")
    cluster.sql("shop", "alter vschema on shop.t drop vindex xxh_t")


@pytest.mark.parametrize(
    "statement", ["drop n", "rename column n to m", "modify n tinyint", "change n n bigint default 5"]
)
def test_a_statement_that_changes_the_column_of_a_condition(
    cluster: Cluster, single: Connector, statement: str
) -> None:
    """The stream asks for a refresh, and the other one goes on; what came before the statement is no part of it."""
    for name in ("t", "other"):
        cluster.sql("single", f"create table {name} (id int primary key, n int, v int)")
        cluster.sql("single", f"insert into {name} (id, n, v) values (1, 10, 0), (2, 1, 0)")
    connector = filtered(single, "n > 5")
    catalog, store = connector.configured("t", "other"), Store.of_catalog(connector.discover())
    assert connector.sync(store, catalog) is None
    cluster.sql("single", "insert into t (id, n, v) values (3, 30, 0)")
    cluster.sql("single", f"alter table t {statement}")
    cluster.sql("single", "insert into t (id, v) values (4, 1)")
    cluster.sql("single", "insert into other (id, n, v) values (4, 1, 1)")

    assert "row_filters" in synced(connector, store, catalog)
    connector.expect_all_equal(store, "other")
    assert "refresh_needed" in json.dumps(store.states[-1])
    assert "efresh" in synced(connector, store, catalog)


def test_another_condition_and_the_refresh_after_it(cluster: Cluster, shop: Connector, writer: Writer) -> None:
    """It is never read on in silence; the refreshed stream has what fits now."""
    first = filtered(shop, "flag = 1")
    catalog, store = first.configured("t"), Store.of_catalog(first.discover())
    assert first.sync(store, catalog) is None
    writer.change(10)

    second = filtered(shop, "flag in (1, 2)")
    assert "is another one than when the stream was copied" in synced(second, store, catalog)
    store.states[-1]["global"]["stream_states"] = []
    store.tables["t"] = {}
    assert second.sync(store, catalog) is None
    second.expect_all_equal(store, "t")


def test_a_stream_that_begins_without_a_copy(cluster: Cluster, shop: Connector, writer: Writer) -> None:
    """Rows that were loaded by the same condition, and the changes since."""
    connector = filtered(shop, "flag in (0, 1)", initial_copy="None: changes only")
    catalog, store = connector.configured("t"), Store.of_catalog(connector.discover())
    assert connector.sync(store, catalog) is None
    for row in select_rows(shop.mysql_port, "shop", "t", where="flag in (0, 1)"):
        store.tables.setdefault("t", {})[(row["id"],)] = row
    writer.change(40)

    assert connector.sync(store, catalog) is None
    connector.expect_all_equal(store, "t")


def test_a_date_that_is_none(cluster: Cluster, single: Connector) -> None:
    """What VTTablet cannot compare ends the sync with the reason, in a copy and in changes; 0000-00-00 it can."""
    cluster.sql("single", "create table t (id int primary key, day date)")
    connector = filtered(single, "day < '2026-01-01'")
    catalog, store = connector.configured("t"), Store.of_catalog(connector.discover())
    for number, day in enumerate(("0000-00-00", "2025-00-01", "2025-11-00")):
        with cluster.connect("single") as connection, connection.cursor() as cursor:
            cursor.execute("set sql_mode = ''")
            cursor.execute(f"insert into t (id, day) values ({number}, '{day}')")
            connection.commit()
        if number < 2:
            assert connector.sync(store, catalog) is None
            connector.expect_all_equal(store, "t")
    for begun in (store, Store.of_catalog(connector.discover())):
        error = connector.sync(begun, catalog)
        assert isinstance(error, ConfigError)
        assert "a condition on a DATE column (the field row_filters)" in error.message
