"""Answers that were right when they were given: keys, shards and engines that change while a table is copied.

Each of these was once a sync that ended COMPLETE with rows missing, or one that never ended.
"""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import Store
from integration_tests.shop import Shop
from source_vitess import commands
from source_vitess.commands import sync_settings
from source_vitess.errors import PositionLostError
from source_vitess.replication import change_stream

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data


def follow(connector: Connector, store: Store, catalog: Json, react: Callable[[bytes], None]) -> None:
    """Runs a sync, letting a test act on each line."""
    store.new_sync()
    for line in connector.lines(catalog, store.last_state):
        store.apply([line])
        react(line)


def interrupt(connector: Connector, store: Store, catalog: Json) -> None:
    """Runs a sync until a state with a lastpk, as if the process was killed right after it."""
    store.new_sync()
    lines = connector.lines(catalog, store.last_state)
    for line in lines:
        store.apply([line])
        if line.startswith(b'{"type":"STATE"') and b'"lastpk"' in line:
            lines.close()  # type: ignore[attr-defined] # a generator
            return
    raise AssertionError("no state in the middle of the copy")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a state follow every batch of a copy."""
    monkeypatch.setattr("source_vitess.replication.checkpoint.Checkpointer.due", lambda self: [self.now()])


def fill(cluster: Cluster, columns: str, key: str, row: Callable[[int], str], count: int = 3000) -> None:
    """Creates a table `t` whose copy takes several batches, and fills it."""
    cluster.sql("single", f"create table t ({columns}, body varchar(400), {key})")
    for start in range(0, count, 500):
        rows = ", ".join(f"({row(number)}, repeat('x', 300))" for number in range(start, start + 500))
        cluster.sql("single", f"insert into t values {rows}")


KEYS = {
    "order of the columns": (
        "a int not null, b int not null",
        "primary key (a, b)",
        lambda number: f"{number}, {3000 - number}",
        "alter table t drop primary key, add primary key (b, a)",
    ),
    "another column": (
        "a int not null, b int not null",
        "primary key (a)",
        lambda number: f"{number}, {3000 - number}",
        "alter table t drop primary key, add primary key (b)",
    ),
    "collation": (
        "a varchar(20) collate utf8mb4_0900_ai_ci not null, b int",
        "primary key (a)",
        lambda number: f"'{'aA'[number % 2]}{number:05d}', {number}",
        "alter table t modify a varchar(20) collate utf8mb4_bin not null",
    ),
    "type": (
        "a varchar(20) not null, b int",
        "primary key (a)",
        lambda number: f"'{number}', {number}",
        "alter table t modify a int not null",
    ),
    "order of an ENUM's labels": (
        "a enum('s','m','l') not null, b int not null",
        "primary key (a, b)",
        lambda number: f"'{'sml'[number % 3]}', {number}",
        "alter table t modify a enum('l','m','s') not null",
    ),
    "a unique key that VTTablet likes better": (
        "a bigint not null, c smallint not null",
        "unique key (a)",
        lambda number: f"{number}, {3000 - number}",
        "alter table t add unique key c_is_cheaper (c)",
    ),
}


#: Before v20 a statement that names a character set ends its table's stream (docs/versions.md).
_MARKS = {
    "collation": pytest.mark.needs_vitess("20", "VTTablet announces the character sets of columns since v20"),
}


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("name", [pytest.param(name, marks=_MARKS.get(name, ())) for name in KEYS])
def test_a_key_that_is_altered_while_a_copy_is_interrupted(cluster: Cluster, single: Connector, name: str) -> None:
    """VTTablet takes the values of a lastpk by their place. The copy starts over, and no row is missing."""
    columns, key, row, alter = KEYS[name]
    fill(cluster, columns, key, row)
    catalog = single.configured("t")
    store = Store.of_catalog(catalog)
    interrupt(single, store, catalog)
    cluster.sql("single", alter)
    cluster.reload_schema("single")
    now = single.configured("t")
    again = Store.of_catalog(now)
    again.states = store.states
    again.last_cursor = store.last_cursor

    assert single.sync(again, now) is None

    single.expect_all_equal(again, "t")


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(("rows", "least_states"), [(3, 4), (0, 2)])
def test_create_table_select(cluster: Cluster, single: Connector, rows: int, least_states: int) -> None:
    """MySQL writes statement and rows under one GTID: no state lies between the two. So it does without any rows."""
    cluster.sql("single", "create table source (id int not null primary key, v varchar(20))")
    for number in range(rows):
        cluster.sql("single", f"insert into source values ({number}, 'a')")
    cluster.sql("single", "create table t (id int not null primary key, v varchar(20))")
    config = single.with_config(truncate_behavior="Ignore")
    catalog = config.configured("t")
    store = Store.of_catalog(catalog)
    assert config.sync(store, catalog) is None
    cluster.sql("single:0@primary", "drop table t")
    cluster.sql("single:0@primary", "create table t (primary key (id)) select id, v from source")
    cluster.reload_schema("single")
    lines = list(config.lines(catalog, store.last_state))
    states = [number for number, line in enumerate(lines) if b'"type":"STATE"' in line]
    for end in states:
        killed = copy.deepcopy(store)
        killed.new_sync()
        killed.apply(lines[: end + 1])
        assert config.sync(killed, catalog) is None
        config.expect_all_equal(killed, "t")
    assert len(states) >= least_states


def test_changes_without_a_position(cluster: Cluster, single: Connector) -> None:
    """The last change of a shard is to a MyISAM table, which has no position: the sync ends all the same."""
    with cluster.connect_tablet("single/0") as connection, connection.cursor() as cursor:
        cursor.execute("use vt_single")
        cursor.execute("create table m (id int not null primary key, v varchar(20)) engine = myisam")
        cursor.execute("create table t (id int not null primary key, v varchar(20))")
        cluster.reload_schema("single")
        catalog = single.configured("m", "t")
        store = Store.of_catalog(single.discover())
        assert single.sync(store, catalog) is None
        for number in range(3):
            cursor.execute(f"insert into t values ({number}, 'x')")
            for part in range(4):
                cursor.execute(f"insert into m values ({10 * number + part}, 'x')")
            cursor.execute(f"update m set v = 'y' where id = {10 * number}")

            assert single.sync(store, catalog) is None

            single.expect_all_equal(store, "m", "t")
    assert single.sync(store, catalog) is None
    single.expect_all_equal(store, "m", "t")


def test_changes_without_a_position_as_they_happen(
    cluster: Cluster, single: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are no reason to think that the shard is stuck, for as long as nothing else is written."""
    monkeypatch.setattr(change_stream, "STREAMING_TARGET_SECONDS", 1)
    monkeypatch.setattr(
        commands,
        "sync_settings",
        lambda config: replace(sync_settings(config), streaming_seconds=12, no_progress_seconds=5),
    )
    with cluster.connect_tablet("single/0") as connection, connection.cursor() as cursor:
        cursor.execute("use vt_single")
        cursor.execute("create table m (id int not null primary key, v varchar(20)) engine = myisam")
        cluster.reload_schema("single")
        catalog = single.configured("m")
        store = Store.of_catalog(single.discover())
        follow(single, store, catalog, lambda line: None)

        def react(line: bytes) -> None:
            if b"as they happen" in line:
                for number in range(3):
                    cursor.execute(f"insert into m values ({number}, 'x')")

        follow(single, store, catalog, react)

        single.expect_all_equal(store, "m")
        assert store.records["m"] == 3
        assert store.statuses == {"m": "COMPLETE"}
        assert not [line for line in store.logs if "broke off" in line]


@pytest.fixture
def resharding() -> Iterator[Cluster]:
    """A cluster of its own of two shards, one of which is to be split."""
    with Cluster.up("moments", keyspaces={"shop": 2}) as started:
        yield started


@pytest.mark.needs_vitess("20", "VTGate before v20 streams from serving shards only, and cannot follow a reshard")
@pytest.mark.parametrize("shard", ["-80", "-40"], ids=["old", "new"])
def test_a_resharded_shard_without_its_binary_logs(
    resharding: Cluster, shard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old shard, or a new one, has purged what comes next: the position is lost, and the error says so.

    From v23 on VTGate says only that it finds no tablet, after 90 seconds; before, what MySQL says, at once.
    """
    told_by_vtgate = int(str(resharding.describe()["vitess_version"]).partition(".")[0]) < 23
    lost = "The server" if told_by_vtgate else f"Shard {shard} of keyspace shop"
    monkeypatch.setattr(commands, "sync_settings", lambda config: replace(sync_settings(config), retries=0))
    shop = Shop(resharding, "shop", SEED)
    shop.create("customers")
    shop.insert("customers", 200)
    connector = Connector({**resharding.config("shop"), "tablet_type": "PRIMARY"}, "shop", resharding.mysql_port)
    catalog = connector.configured("customers")
    store = Store.of_catalog(connector.discover())
    assert connector.sync(store, catalog) is None
    shop.insert("customers", 50)
    resharding.reshard("shop", ["-80"], ["-40", "40-80"], stop_before="complete", reverse=False)
    shop.insert("customers", 50)
    resharding.purge_binlogs(f"shop/{shard}")

    error = connector.sync(store, catalog)

    assert isinstance(error, PositionLostError), error
    assert f"{lost} has purged the binary logs" in error.message


@pytest.mark.parametrize("mode", ["incremental", "full_refresh"])
def test_traffic_that_is_switched_before_a_copy(resharding: Cluster, mode: str) -> None:
    """The change stream, or the copy of another table, goes over a reshard: the next copy is of the new shards."""
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    shop = Shop(resharding, "shop", SEED)
    shop.create("customers", "codes")
    shop.insert("customers", 3000)
    shop.insert("codes", 100)
    connector = Connector({**resharding.config("shop"), "tablet_type": "PRIMARY"}, "shop", resharding.mysql_port)
    first = connector.configured("customers", mode=mode)
    store = Store.of_catalog(connector.discover())
    if mode == "incremental":
        assert connector.sync(store, first) is None
        for number in range(80):
            # More than what is under way between VTTablet and the connector: the other shard's end comes before it.
            resharding.sql("shop:80-@primary", f"update customers set name = 'backlog {number}'")
    resharding.reshard("shop", ["-80"], ["-40", "40-80"], stop_before="switch")
    catalog = connector.configured("customers", "codes", mode=mode)
    switched: list[str] = []

    def react(line: bytes) -> None:
        if not switched and line.startswith(b'{"type":"RECORD"'):
            switched.append("switched")
            resharding.reshard("shop", ["-80"], ["-40", "40-80"], stop_before="complete", reverse=False)
            shop.insert("codes", 60)

    follow(connector, store, catalog, react)

    assert switched
    connector.expect_all_equal(store, "codes")
    if mode == "incremental":
        assert connector.sync(store, catalog) is None
        connector.expect_all_equal(store, "codes", "customers")
