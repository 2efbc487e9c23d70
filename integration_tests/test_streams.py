"""Streams that cannot be read: each is told on its own, and the others go on."""

from __future__ import annotations

import copy

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import Store
from source_vitess.errors import ConfigError


@pytest.fixture
def store(cluster: Cluster, single: Connector) -> Store:
    """Two tables with rows, discovered."""
    for name in ("a", "b"):
        cluster.sql(single.keyspace, f"create table {name} (id int primary key, v varchar(20), w int)")
        cluster.sql(single.keyspace, f"insert into {name} (id, v, w) values (1, 'x', 1), (2, 'y', 2)")
    return Store.of_catalog(single.discover())


def errors_of(store: Store, stream: str) -> list[str]:
    """Lists the messages of a stream's error traces."""
    return [
        error["message"]
        for error in store.errors
        if error["stream_descriptor"]["name"] == stream and error["failure_type"] == "config_error"
    ]


def expect_partial(error: object, store: Store, failed: str, word: str) -> None:
    """Checks that one stream failed with an error that holds a word, and the other is complete."""
    other = "b" if failed == "a" else "a"
    assert isinstance(error, ConfigError)
    assert repr(failed) in error.message
    assert store.statuses == {failed: "INCOMPLETE", other: "COMPLETE"}
    assert word in errors_of(store, failed)[-1]
    assert errors_of(store, other) == []


def refreshed(state: list[Json], stream: str) -> list[Json]:
    """Returns the state as Airbyte passes it after a stream was refreshed."""
    state = copy.deepcopy(state)
    streams = state[0]["global"]["stream_states"]
    state[0]["global"]["stream_states"] = [s for s in streams if s["stream_descriptor"]["name"] != stream]
    return state


@pytest.mark.parametrize("statement", ["truncate table a", "drop table a", "rename table a to c"])
def test_removed_rows_are_told_until_the_stream_is_refreshed(
    cluster: Cluster, single: Connector, store: Store, statement: str
) -> None:
    """TRUNCATE, DROP and RENAME tell no rows: the stream asks for a refresh, sync after sync, and then it is whole."""
    catalog = single.configured("a", "b")
    assert single.sync(store, catalog) is None
    cluster.sql(single.keyspace, statement)
    if not statement.startswith("truncate"):
        cluster.sql(single.keyspace, "create table a (id int primary key, v varchar(20), w int)")
    cluster.sql(single.keyspace, "insert into a (id, v, w) values (7, 'z', 7)")
    cluster.sql(single.keyspace, "update b set w = 5")

    for _ in range(2):
        expect_partial(single.sync(store, catalog), store, "a", "Refresh this stream")
        single.expect_all_equal(store, "b")

    store.states = refreshed(store.last_state, "a")
    store.tables["a"].clear()
    assert single.sync(store, catalog) is None
    single.expect_all_equal(store, "a", "b")


def test_dropped_partitions_are_kept_if_so_configured(cluster: Cluster, single: Connector) -> None:
    """A partition a day, the oldest dropped: with "Ignore" its rows stay, and every change of the others comes."""
    days = ", ".join(f"partition p{day} values less than ({day + 1})" for day in range(1, 5))
    sql = f"create table a (id int, day int, primary key (id, day)) partition by range (day) ({days})"
    cluster.sql(single.keyspace, sql)
    for day in range(1, 5):
        cluster.sql(single.keyspace, f"insert into a (id, day) values (1, {day}), (2, {day})")
    keeping = single.with_config(truncate_behavior="Ignore")
    store = Store.of_catalog(single.discover())
    catalog = single.configured("a")
    assert keeping.sync(store, catalog) is None
    cluster.sql(single.keyspace, "alter table a drop partition p1")
    cluster.sql(single.keyspace, "alter table a add partition (partition p5 values less than (6))")
    cluster.sql(single.keyspace, "insert into a (id, day) values (1, 5)")
    cluster.sql(single.keyspace, "delete from a where day = 2 and id = 1")

    for _ in range(2):
        assert keeping.sync(store, catalog) is None
        held = {(row["id"], row["day"]) for row in store.tables["a"].values()}
        assert held == {(1, 1), (2, 1), (2, 2), (1, 3), (2, 3), (1, 4), (2, 4), (1, 5)}
    assert any("DROP PARTITION" in line and "as configured" in line for line in store.logs)

    cluster.sql(single.keyspace, "truncate table a")
    cluster.sql(single.keyspace, "insert into a (id, day) values (9, 5)")
    assert keeping.sync(store, catalog) is None
    assert len(store.tables["a"]) == 9


def test_a_table_that_is_gone(cluster: Cluster, single: Connector, store: Store) -> None:
    """A stream without a table is told; it is not forgotten what it would miss if the table came back."""
    catalog = single.configured("a", "b")
    assert single.sync(store, catalog) is None
    cluster.sql(single.keyspace, "drop table a")
    cluster.sql(single.keyspace, "update b set w = 5")

    expect_partial(single.sync(store, catalog), store, "a", "no table")
    single.expect_all_equal(store, "b")

    cluster.sql(single.keyspace, "create table a (id int primary key, v varchar(20), w int)")
    expect_partial(single.sync(store, catalog), store, "a", "no table")


def test_a_column_that_changed_its_type(cluster: Cluster, single: Connector, store: Store) -> None:
    """A column of another type would break the destination's table: the stream asks for a schema refresh."""
    catalog = single.configured("a", "b")
    assert single.sync(store, catalog) is None
    cluster.sql(single.keyspace, "alter table a modify w varchar(10)")
    cluster.sql(single.keyspace, "update a set w = 'text' where id = 1")

    expect_partial(single.sync(store, catalog), store, "a", "'w'")


def test_a_key_that_changed(cluster: Cluster, single: Connector, store: Store) -> None:
    """Rows must not be deduplicated by a key that is none any more."""
    catalog = single.configured("a", "b")
    assert single.sync(store, catalog) is None
    cluster.sql(single.keyspace, "alter table a drop primary key, add primary key (id, w)")

    expect_partial(single.sync(store, catalog), store, "a", "key")


def test_columns_that_come_and_go(cluster: Cluster, single: Connector, store: Store) -> None:
    """A column that is dropped leaves a warning, one that is added waits for a schema refresh; rows stay right."""
    catalog = single.configured("a", "b")
    assert single.sync(store, catalog) is None
    cluster.sql(single.keyspace, "update a set w = 50 where id = 1")
    cluster.sql(single.keyspace, "alter table a add column n int default 9 after id")
    cluster.sql(single.keyspace, "update a set v = 'after add' where id = 2")
    cluster.sql(single.keyspace, "alter table a drop column w")
    cluster.sql(single.keyspace, "insert into a (id, v) values (3, 'after drop')")

    assert single.sync(store, catalog) is None

    assert any("no column 'w'" in line for line in store.logs)
    assert {row["id"]: row["v"] for row in store.tables["a"].values()} == {1: "x", 2: "after add", 3: "after drop"}
    assert all("n" not in row for row in store.tables["a"].values())
    single.sync(store, single.configured("a", "b"))
    cluster.sql(single.keyspace, "update a set v = 'again'")
    assert single.sync(store, single.configured("a", "b")) is None
    single.expect_all_equal(store, "a")


def test_a_stream_of_another_keyspace(single: Connector, store: Store) -> None:
    """A stream whose namespace is not the keyspace is told."""
    catalog = single.configured("a", "b")
    catalog["streams"][0]["stream"]["namespace"] = "elsewhere"

    expect_partial(single.sync(store, catalog), store, "a", "'elsewhere'")
    single.expect_all_equal(store, "b")


def test_what_discover_lists(cluster: Cluster, single: Connector, store: Store) -> None:
    """Base tables only, with their keys in key order and both sync modes."""
    sql = cluster.sql
    sql(single.keyspace, "create table pair (x int, y int, z int, primary key (z, x))")
    sql(single.keyspace, "create table alt (x int not null, y int, unique key (x))")
    sql(single.keyspace, "create table none (x int, y int)")
    sql(
        single.keyspace,
        "create table seq (id bigint primary key, next_id bigint, cache bigint) comment 'vitess_sequence'",
    )
    sql(f"{single.keyspace}:0@primary", "create view seen as select id from a")
    sql(single.keyspace, f"create table _vt_hld_{'0' * 32}_20260101000000_ (id int primary key)")

    streams = {stream["name"]: stream for stream in single.discover()["streams"]}

    assert set(streams) == {"a", "b", "pair", "alt", "none"}
    assert streams["pair"]["source_defined_primary_key"] == [["z"], ["x"]]
    assert streams["alt"]["source_defined_primary_key"] == [["x"]]
    assert "source_defined_primary_key" not in streams["none"]
    for name, stream in streams.items():
        assert stream["namespace"] == single.keyspace
        assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
        assert stream["source_defined_cursor"] is True
        assert stream["is_resumable"] is (name != "none")
