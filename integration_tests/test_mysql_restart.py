"""MySQL of a tablet that is started again between two syncs: what was written before and after it is read, all of it.

MySQL numbers the tables in its binary log anew when it starts. VTTablet keeps what it knows by these numbers for as
long as a stream lasts (go/vt/vttablet/tabletserver/vstreamer/vstreamer.go, parseEvent): a stream that reads from before
a restart to behind it takes a table for another one of the same number, and leaves its changes out.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import Store

numbered = pytest.mark.needs_vitess("23", "up to Vitess 22 no event tells its transaction's number in the binary log")

#: How many numbers each table takes, before and after: more than MySQL's own tables take when it starts.
NUMBERS = 250


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster whose MySQL may be ended: with one shard and its primary."""
    with Cluster.up("restarted", keyspaces={"single": 1}) as started:
        yield started


def write_elsewhere(cluster: Cluster) -> None:
    """Writes to a table of another database, which takes a new number for each row."""
    with cluster.connect_tablet("single/0") as connection, connection.cursor() as cursor:
        cursor.execute("create database if not exists elsewhere")
        cursor.execute("create table if not exists elsewhere.t (id int auto_increment primary key)")
        for _ in range(NUMBERS):
            cursor.execute("flush local tables elsewhere.t")
            cursor.execute("insert into elsewhere.t () values ()")
        connection.commit()


def write(cluster: Cluster, first: int, value: str = "1") -> None:
    """Writes rows to the table that is read, which takes a new number for each."""
    with cluster.connect_tablet("single/0") as connection, connection.cursor() as cursor:
        cursor.execute("use vt_single")
        for number in range(first, first + NUMBERS):
            cursor.execute("flush local tables t")
            cursor.execute("insert into t (id, v) values (%s, %s)", (number, value))
            connection.commit()


def restart(cluster: Cluster) -> None:
    """Ends MySQL and the tablet, and starts them again."""
    cluster.kill_tablet("single/0", mysqld=True)
    cluster.start_tablet("single/0")


def follow(cluster: Cluster, kind: str) -> tuple[Connector, Json, Store]:
    """Makes the table, whose column `v` is of a type, and syncs it once; returns what the next sync needs."""
    single = Connector({**cluster.config("single"), "tablet_type": "PRIMARY"}, "single", cluster.mysql_port)
    cluster.sql("single", f"create table t (id int primary key, v {kind})")
    catalog = single.configured("t")
    store = Store.of_catalog(single.discover())
    assert single.sync(store, catalog) is None
    return single, catalog, store


@numbered
def test_changes_behind_a_restart_are_read(cluster: Cluster) -> None:
    """Though their table has a number behind it that was that of a table of no concern."""
    single, catalog, store = follow(cluster, "int")
    write_elsewhere(cluster)
    restart(cluster)
    write(cluster, 0)

    assert single.sync(store, catalog) is None

    single.expect_all_equal(store, "t")


@numbered
def test_values_behind_an_alter_and_a_restart_are_right(cluster: Cluster) -> None:
    """Though the table has the number behind it that it had before the statement, with another number of digits."""
    single, catalog, store = follow(cluster, "decimal(10,1)")
    write(cluster, 0, "0.5")
    cluster.sql("single", "alter table t modify v decimal(10,2)")
    restart(cluster)
    write(cluster, 1000, "0.05")

    assert single.sync(store, catalog) is None

    single.expect_all_equal(store, "t")


@pytest.mark.until_vitess("23")
def test_a_restart_is_told(cluster: Cluster) -> None:
    """Where it does not show in the stream: once, in the sync that has read across it."""
    single, catalog, store = follow(cluster, "int")
    restart(cluster)

    told = []
    for _ in range(2):
        store.logs.clear()
        assert single.sync(store, catalog) is None
        told.append(sum("Refresh the streams whose changes matter" in line for line in store.logs))

    assert told == [1, 0]
