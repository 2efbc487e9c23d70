"""Rows that VTGate cannot deliver, on a real Vitess with its default limit."""

from __future__ import annotations

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from source_vitess.errors import ConfigError
from source_vitess.replication import oversized_rows as stall

MIB = 1024 * 1024


def test_rows_above_the_message_limit(cluster: Cluster, single: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """VTGate retries them in silence forever: changes end with the table's name, a copy with its own stream only."""
    monkeypatch.setattr(stall, "PROBE_SECONDS", 5.0)
    for name in ("a", "b", "c"):
        cluster.sql(single.keyspace, f"create table {name} (id int primary key, v longtext)")
        cluster.sql(single.keyspace, f"insert into {name} (id, v) values (1, 'x'), (2, 'y')")
    store = Store.of_catalog(single.discover())
    catalog = single.configured("a", "b", "c")
    assert single.sync(store, catalog) is None
    # An update holds its row twice.
    cluster.sql(single.keyspace, f"update b set v = repeat('x', {9 * MIB}) where id = 2")
    cluster.sql(single.keyspace, f"update b set v = repeat('y', {9 * MIB}) where id = 2")
    cluster.sql(single.keyspace, "update c set v = 'after'")
    impatient = single.with_config(no_progress_timeout_seconds=10)

    error = impatient.sync(store, catalog)

    assert isinstance(error, ConfigError)
    assert "table 'b' in shard '0'" in error.message
    assert "--grpc-max-message-size" in error.message

    cluster.sql(single.keyspace, f"update b set v = repeat('z', {17 * MIB}) where id = 2")
    copied = Store.of_catalog(single.discover())
    error = impatient.sync(copied, catalog)
    assert isinstance(error, ConfigError)
    assert copied.statuses == {"a": "COMPLETE", "b": "INCOMPLETE", "c": "COMPLETE"}
    assert "table 'b' in shard '0'" in copied.errors[0]["message"]
    single.expect_all_equal(copied, "a", "c")


def test_children_deleted_by_a_foreign_key(cluster: Cluster, single: Connector) -> None:
    """MySQL before 9.6 does not write their deletes to its binary log: they stay. A later one writes them."""
    cluster.sql(single.keyspace, "create table parents (id int primary key)")
    cluster.sql(
        single.keyspace,
        "create table children (id int primary key, parent int, "
        "constraint c foreign key (parent) references parents (id) on delete cascade)",
    )
    cluster.sql(single.keyspace, "insert into parents values (1), (2)")
    cluster.sql(single.keyspace, "insert into children values (10, 1), (20, 2)")
    store = Store.of_catalog(single.discover())
    catalog = single.configured("parents", "children")
    assert single.sync(store, catalog) is None
    cluster.sql(single.keyspace, "delete from parents where id = 1")
    assert cluster.sql(single.keyspace, "select id from children") == [(20,)]

    assert single.sync(store, catalog) is None

    single.expect_all_equal(store, "parents")
    [(version,)] = cluster.sql(f"{single.keyspace}:0@primary", "select @@global.version")
    is_written = tuple(map(int, str(version).split(".")[:2])) >= (9, 6)
    assert sorted(store.tables["children"]) == ([(20,)] if is_written else [(10,), (20,)])


def test_a_label_with_an_emoji_in_a_key(cluster: Cluster, single: Connector) -> None:
    """A copy has the label, a change has `?` in its place: it does not find the copied row."""
    cluster.sql(
        single.keyspace,
        "create table moods (mood enum('good 🙂', 'bad') character set utf8mb4, id int, v int, primary key (mood, id))",
    )
    cluster.sql(single.keyspace, "insert into moods values ('good 🙂', 1, 0), ('bad', 1, 0)")
    store = Store.of_catalog(single.discover())
    catalog = single.configured("moods")
    assert single.sync(store, catalog) is None
    single.expect_all_equal(store, "moods")
    cluster.sql(single.keyspace, "update moods set v = 1")

    assert single.sync(store, catalog) is None

    assert {key: row["v"] for key, row in store.tables["moods"].items()} == {
        ("good 🙂", 1): 0,
        ("good ?", 1): 1,
        ("bad", 1): 1,
    }
