"""Tablets that disagree: replicas that lag, stop, or hold transactions of their own, and failovers that lose some.

A question asked of one tablet is not an answer about another. Each of these was once a sync that ended COMPLETE with
rows lost, stale or too many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import Store
from source_vitess.errors import ConfigError, PositionLostError, TransientError

KEYSPACE = "uneven"
SHARD = "uneven/0"
TARGET = "uneven:0@primary"


@dataclass
class Replica:
    """A replica whose replication can be held up.

    Attributes:
        cluster: Its cluster.
        alias: Its alias.
    """

    cluster: Cluster
    alias: str

    def run(self, *statements: str) -> None:
        """Runs statements on its MySQL server, past Vitess."""
        with self.cluster.connect_tablet(self.alias) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def delay(self, seconds: int) -> None:
        """Has it apply every transaction so many seconds late."""
        self.run(
            "stop replica sql_thread",
            f"change replication source to source_delay = {seconds}",
            "start replica sql_thread",
        )

    def stop(self) -> None:
        """Stops its replication."""
        self.run("stop replica")

    def start(self) -> None:
        """Starts its replication, without a delay."""
        self.run("stop replica", "change replication source to source_delay = 0", "start replica")

    def write(self, *statements: str) -> None:
        """Writes to this server only: errant transactions."""
        self.run("set global super_read_only = off", *statements, "set global super_read_only = on")


@dataclass
class Uneven:
    """A keyspace of one shard with two replicas.

    Attributes:
        cluster: The cluster.
        connector: The connector on the replicas.
    """

    cluster: Cluster
    connector: Connector

    @property
    def replicas(self) -> list[Replica]:
        """The two replicas."""
        primary = self.cluster.primary(KEYSPACE, "0").alias
        return [Replica(self.cluster, tablet.alias) for tablet in self.cluster.tablets if tablet.alias != primary]

    def sql(self, *statements: str) -> None:
        """Runs statements on the primary."""
        for statement in statements:
            self.cluster.sql(TARGET, statement)

    def insert(self, table: str, first: int, count: int) -> None:
        """Inserts rows, one transaction each."""
        with self.cluster.connect(TARGET) as connection, connection.cursor() as cursor:
            for number in range(first, first + count):
                cursor.execute(f"insert into {table} (id, v) values ({number}, 'v{number}')")

    def wait_replicated(self) -> None:
        """Waits until every replica has everything."""
        self.cluster.wait_replicated(SHARD)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A primary and two replicas."""
    with Cluster.up("uneven", keyspaces={KEYSPACE: 1}, replicas=2) as started:
        yield started


@pytest.fixture
def uneven(cluster: Cluster) -> Iterator[Uneven]:
    """The keyspace, with a table `t` that every tablet has; replication runs at the start and the end of a test."""
    made = Uneven(
        cluster, Connector({**cluster.config(KEYSPACE), "tablet_type": "REPLICA"}, KEYSPACE, cluster.mysql_port)
    )
    made.sql("create table t (id bigint not null, v varchar(20), primary key (id))")
    made.insert("t", 1, 50)
    made.wait_replicated()
    cluster.reload_schema(KEYSPACE)
    yield made
    for replica in made.replicas:
        replica.start()
    for [name] in cluster.sql(TARGET, "show tables"):
        cluster.sql(TARGET, f"drop table `{name}`")
    made.wait_replicated()


def test_a_replica_that_lags(uneven: Uneven) -> None:
    """Position and copy come from two replicas, one of which is behind: nothing is lost, in twelve first syncs."""
    lowered = 0
    for number in range(12):
        late = uneven.replicas[number % 2]
        late.delay(3)
        uneven.insert("t", 1000 + 100 * number, 30)
        catalog = uneven.connector.configured("t")
        store = Store.of_catalog(catalog)

        assert uneven.connector.sync(store, catalog) is None
        lowered += any("is behind the position" in line for line in store.logs)
        uneven.insert("t", 1050 + 100 * number, 5)
        late.start()
        uneven.wait_replicated()

        assert uneven.connector.sync(store, catalog) is None
        uneven.connector.expect_all_equal(store, "t")
    print(f"{lowered} of 12 copies were behind the position")  # noqa: T201 - shown when the test fails


def test_a_table_without_a_key_beside_one_that_is_behind(uneven: Uneven) -> None:
    """What is read again because another table's copy was behind is not counted twice."""
    uneven.sql("create table bag (id bigint, v varchar(20))")
    uneven.insert("bag", 1, 20)
    uneven.wait_replicated()
    uneven.cluster.reload_schema(KEYSPACE)
    for number in range(4):
        first = uneven.connector.configured("bag")
        store = Store.of_catalog(uneven.connector.discover())
        assert uneven.connector.sync(store, first) is None
        late = uneven.replicas[number % 2]
        late.delay(3)
        uneven.insert("bag", 1000 + 100 * number, 20)
        uneven.insert("t", 1000 + 100 * number, 20)
        both = uneven.connector.configured("bag", "t")
        assert uneven.connector.sync(store, both) is None
        late.start()
        uneven.wait_replicated()
        assert uneven.connector.sync(store, both) is None
        uneven.connector.expect_all_equal(store, "bag", "t")


def test_replication_that_has_stopped(uneven: Uneven) -> None:
    """With one replica the other is read; with none, the sync fails and says why; then it goes on."""
    catalog = uneven.connector.configured("t")
    store = Store.of_catalog(catalog)
    assert uneven.connector.sync(store, catalog) is None
    for replica in uneven.replicas:
        replica.stop()
    uneven.insert("t", 500, 10)

    error = uneven.connector.sync(store, catalog)

    assert isinstance(error, TransientError)
    assert "does not replicate" in error.message
    assert uneven.replicas[0].alias in error.message
    for replica in uneven.replicas:
        replica.start()
    uneven.wait_replicated()
    assert uneven.connector.sync(store, catalog) is None
    assert "complete up to" in store.logs[-1]
    uneven.connector.expect_all_equal(store, "t")


def test_errant_transactions_on_a_replica(uneven: Uneven) -> None:
    """They neither end a sync, nor start a copy over, nor are they waited for; the log names them, once a sync."""
    catalog = uneven.connector.configured("t")
    store = Store.of_catalog(catalog)
    assert uneven.connector.sync(store, catalog) is None
    errant = uneven.replicas[0]
    errant.write("create database if not exists elsewhere", "drop database elsewhere")
    with uneven.cluster.connect_tablet(errant.alias) as connection, connection.cursor() as cursor:
        cursor.execute("select @@server_uuid")
        [(uuid,)] = cursor.fetchall()
    for number in range(8):
        uneven.insert("t", 500 + number, 1)
        uneven.wait_replicated()
        before = len(store.logs)

        assert uneven.connector.sync(store, catalog) is None

        uneven.connector.expect_all_equal(store, "t")
        assert [line for line in store.logs[before:] if "errant" in line and str(uuid) in line].__len__() == 1
    again = Store.of_catalog(catalog)
    assert uneven.connector.sync(again, catalog) is None
    uneven.connector.expect_all_equal(again, "t")


def test_an_errant_change_is_left_out(uneven: Uneven) -> None:
    """What was written to one replica only is no row of the shard, whichever replica the changes are read from."""
    catalog = uneven.connector.configured("t")
    store = Store.of_catalog(catalog)
    assert uneven.connector.sync(store, catalog) is None
    errant = uneven.replicas[1]
    errant.write("insert into vt_uneven.t (id, v) values (77777, 'errant')")
    try:
        for number in range(6):
            uneven.insert("t", 500 + number, 1)
            uneven.wait_replicated()
            assert uneven.connector.sync(store, catalog) is None
            uneven.connector.expect_all_equal(store, "t")
    finally:
        errant.write("delete from vt_uneven.t where id = 77777")


def test_a_selected_column_that_a_replica_does_not_have_yet(uneven: Uneven) -> None:
    """The primary has it, the replica that is copied from has not: its rows are not copied without it."""
    for replica in uneven.replicas:
        replica.delay(8)
    uneven.sql("alter table t add column c int not null default 5")
    uneven.cluster.reload_schema(KEYSPACE)
    catalog = uneven.connector.configured("t")
    assert "c" in catalog["streams"][0]["stream"]["json_schema"]["properties"]
    store = Store.of_catalog(catalog)

    assert uneven.connector.sync(store, catalog) is None

    for replica in uneven.replicas:
        replica.start()
    uneven.wait_replicated()
    assert uneven.connector.sync(store, catalog) is None
    uneven.connector.expect_all_equal(store, "t")


def follow(connector: Connector, store: Store, catalog: Json, react: Callable[[bytes], None]) -> None:
    """Runs a sync, letting a test act on each line."""
    store.new_sync()
    for line in connector.lines(catalog, store.last_state):
        store.apply([line])
        react(line)


def lose_by_failover(uneven: Uneven, *statements: str) -> Callable[[], None]:
    """Has the primary commit transactions that no replica gets, and returns what makes a replica primary instead."""
    for replica in uneven.replicas:
        replica.run("stop replica io_thread")
    uneven.sql(*statements)

    def fail_over() -> None:
        old = uneven.cluster.primary(KEYSPACE, "0").alias
        uneven.cluster.kill_tablet(old, mysqld=True)
        uneven.cluster.reparent(SHARD, emergency=True)

    return fail_over


@pytest.fixture
def primaries() -> Iterator[Uneven]:
    """The connector on the primary of a cluster of its own, which loses it. Replication is asynchronous."""
    with Cluster.up("failing", keyspaces={KEYSPACE: 1}, replicas=1) as cluster:
        made = Uneven(
            cluster, Connector({**cluster.config(KEYSPACE), "tablet_type": "PRIMARY"}, KEYSPACE, cluster.mysql_port)
        )
        made.sql("create table t (id bigint not null, v varchar(20), primary key (id))")
        made.sql("create table u (id bigint not null, v varchar(20), primary key (id))")
        made.insert("t", 1, 50)
        made.insert("u", 1, 50)
        made.wait_replicated()
        yield made


@pytest.mark.parametrize("resync", [False, True], ids=["fail", "resync"])
def test_copied_transactions_that_a_failover_loses(primaries: Uneven, resync: bool) -> None:
    """A copy holds what the new primary never got: the stream asks for a refresh, or is copied again as configured."""
    behaviour = {"invalid_cdc_position_behavior": "Re-sync data"} if resync else {}
    connector = primaries.connector.with_config(**behaviour)
    catalog = connector.configured("t")
    store = Store.of_catalog(catalog)
    fail_over = lose_by_failover(
        primaries, "insert into t values (999, 'lost')", "update t set v = 'lost' where id = 7"
    )
    done: list[str] = []

    def react(line: bytes) -> None:
        if not done and b"Copied table" in line:
            done.append("failed over")
            fail_over()

    try:
        follow(connector, store, catalog, react)
        error = None
    except (ConfigError, TransientError) as raised:
        error = raised

    assert done
    assert store.tables["t"][999,]["v"] == "lost"  # as it was read
    if resync:
        assert error is None
        assert store.statuses == {"t": "COMPLETE"}
        del store.tables["t"][999,]  # as a refresh with removal of old records does; the log advises it
        connector.expect_all_equal(store, "t")
        return
    assert store.statuses == {"t": "INCOMPLETE"}
    assert error is not None
    assert any("lost" in str(trace["message"]) for trace in store.errors) or isinstance(error, PositionLostError)
    assert isinstance(connector.sync(store, catalog), ConfigError)


def test_changes_that_a_failover_loses(primaries: Uneven) -> None:
    """Changes were read that the new primary never got: the next sync says that the position is lost."""
    catalog = primaries.connector.configured("t")
    store = Store.of_catalog(catalog)
    assert primaries.connector.sync(store, catalog) is None
    fail_over = lose_by_failover(primaries, "insert into t values (999, 'lost')")
    assert primaries.connector.sync(store, catalog) is None
    fail_over()
    primaries.insert("t", 500, 3)

    error = primaries.connector.sync(store, catalog)

    assert isinstance(error, PositionLostError)
    assert "failover" in error.message


def test_changes_that_a_failover_loses_before_a_copy_goes_on(primaries: Uneven) -> None:
    """The copy is of the new primary, and lowers the position below what was read: the rows stay, and it is said.

    They were followed because the copy had begun in an earlier sync.
    """
    connector, catalog = primaries.connector, primaries.connector.configured("t")
    store = Store.of_catalog(catalog)
    store.new_sync()
    for line in connector.lines(catalog):
        store.apply([line])
        if line.startswith(b'{"type":"STATE"'):
            break
    fail_over = lose_by_failover(primaries, "insert into t values (999, 'lost')")
    done: list[str] = []

    def react(line: bytes) -> None:
        if not done and line.startswith(b'{"type":"RECORD"'):
            done.append("failed over")
            fail_over()

    with pytest.raises((ConfigError, TransientError)) as raised:
        follow(connector, store, catalog, react)

    assert done
    assert store.tables["t"][999,]["v"] == "lost"
    assert store.statuses == {"t": "INCOMPLETE"}
    assert any("lost" in str(trace["message"]) for trace in store.errors), raised.value
    assert isinstance(connector.sync(store, catalog), ConfigError)
