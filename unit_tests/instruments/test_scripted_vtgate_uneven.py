"""The Vitess in memory where its tablets differ: what each of them answers, and what VTGate makes of it.

The rules are those of Vitess 24.0.0; where one was seen on a real cluster, its docstring notes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

import pytest

from instruments.model_search.inprocess import Port, VirtualClock
from instruments.scripted_vtgate.client import request
from instruments.scripted_vtgate.events import position
from instruments.scripted_vtgate.model.cluster import Cluster
from instruments.scripted_vtgate.model.shard import Tablet
from instruments.scripted_vtgate.model.world import World
from instruments.scripted_vtgate.wire import values_of
from source_vitess.errors import ConnectorError, TransientError
from source_vitess.mysql.session import VtgateSession
from source_vitess.proto import binlogdata_pb2
from source_vitess.settings.config import Config

CONFIG = Config.from_json({"url": "vitess://127.0.0.1:1/commerce?mysql_port=2"})


@pytest.fixture
def cluster() -> Cluster:
    """Two shards, a primary and two replicas each, with a table."""
    made = Cluster(track_schema_versions=True)
    made.create_table("t", {"id": "bigint", "v": "int"}, key=["id"])
    made.make_uneven("PRIMARY", "REPLICA", "REPLICA")
    return made


@pytest.fixture
def port(cluster: Cluster) -> Iterator[Port]:
    """A connection to it."""
    opened = Port(cluster, VirtualClock(lambda _: None))
    with opened.connected():
        yield opened


def replicas(cluster: Cluster, shard: str = "-80") -> list[Tablet]:
    """Returns a shard's replicas by alias: the first one answers."""
    there = [tablet for tablet in cluster.shards[shard].tablets if tablet.tablet_type == "REPLICA"]
    return sorted(there, key=lambda tablet: tablet.alias)


def events(
    port: Port,
    gtids: Mapping[str, str],
    *tables: str,
    lastpk: Mapping[str, Mapping[str, bytes]] | None = None,
    tablet_type: str = "REPLICA",
) -> Iterator[binlogdata_pb2.VEvent]:
    """Yields the events of a stream up to its first moment of silence."""
    port.cluster.world = _Silent()
    with port.stream(request(position(gtids, lastpk), tables or ("t",), tablet_type=tablet_type)) as stream:
        try:
            for response in stream:
                yield from map(binlogdata_pb2.VEvent.FromString, response.events)
        except _SilenceError:
            return


class _SilenceError(Exception):
    """There is nothing more to send."""


class _Silent(World):
    def wait(self, changed: threading.Condition, ready: Callable[[], bool], seconds: float | None) -> bool:
        raise _SilenceError


def rows(found: list[binlogdata_pb2.VEvent]) -> list[list[bytes | None]]:
    """Returns the rows that there are after each change."""
    return [
        values_of(change.after) for event in found for change in event.row_event.row_changes if change.HasField("after")
    ]


def last_gtid(found: list[binlogdata_pb2.VEvent], shard: str = "-80") -> str:
    """Returns a shard's last position."""
    return [entry.gtid for event in found for entry in event.vgtid.shard_gtids if entry.shard == shard][-1]


def ask(target: str, sql: str) -> list[tuple[object, ...]]:
    """Asks VTGate's MySQL port."""
    with VtgateSession.connect(CONFIG) as session:
        session.use(target)
        return session.query(sql)


def test_a_replica_copies_the_rows_that_it_has_at_its_own_position(cluster: Cluster, port: Port) -> None:
    """The position of a copy from a tablet that lags is behind that of its primary."""
    replicas(cluster)[0].follows = False
    cluster.insert("t", {"id": 1, "v": 1}, shard="-80")
    copied = list(events(port, {"-80": ""}))
    assert rows(copied) == []
    assert last_gtid(copied) == replicas(cluster)[0].data.executed.position
    assert last_gtid(copied) != cluster.positions()["-80"]


def test_vtgate_looks_for_a_tablet_that_has_the_position(cluster: Cluster, port: Port) -> None:
    """A tablet refuses a position that it does not contain, and VTGate tries the others before it gives up."""
    replicas(cluster)[0].follows = False
    start = cluster.shards["-80"].executed.position
    cluster.touch("-80")
    assert rows(list(events(port, {"-80": cluster.positions()["-80"]}))) == []
    cluster.insert("t", {"id": 1, "v": 1}, shard="-80")
    assert rows(list(events(port, {"-80": start}))) == []  # the first one has the position, and no more
    replicas(cluster)[1].running = False
    with pytest.raises(TransientError, match="no REPLICA tablet of commerce/-80"):
        list(events(port, {"-80": cluster.positions()["-80"]}))


def test_a_failover_that_loses_transactions_drains_who_has_them(cluster: Cluster) -> None:
    """The promoted tablet's binlog is the shard's, and goes on under its own UUID."""
    first, second = replicas(cluster)
    first.follows = False
    cluster.insert("t", {"id": 1, "v": 1}, shard="-80")
    before = cluster.shards["-80"].executed
    assert cluster.promote("-80", first, dead=True) == 1
    assert cluster.rows("t") == []
    assert (second.running, second.drained) == (False, True)
    cluster.insert("t", {"id": 2, "v": 2}, shard="-80")
    assert not before <= cluster.shards["-80"].executed
    assert first.uuid in str(cluster.shards["-80"].executed)
    cluster.shards["-80"].rebuild(second, cluster.new_uuid())
    assert second.data.executed == cluster.shards["-80"].executed


def test_a_planned_reparent_loses_nothing(cluster: Cluster) -> None:
    """The new primary has all before it takes over, and the old one replicates from it."""
    first, second = replicas(cluster)
    first.follows = False
    cluster.insert("t", {"id": 1, "v": 1}, shard="-80")
    assert cluster.promote("-80", first, dead=False) == 0
    cluster.insert("t", {"id": 2, "v": 2}, shard="-80")
    assert [row["id"] for row in cluster.rows("t")] == [1, 2]
    assert second.data.executed == cluster.shards["-80"].executed
    assert replicas(cluster)[0].data.executed == cluster.shards["-80"].executed


def test_an_errant_transaction_is_known_to_one_tablet(cluster: Cluster, port: Port) -> None:
    """Which `gtid_executed` a question gets depends on who answers it."""
    cluster.shards["-80"].commit_errant(replicas(cluster)[0], cluster.clock)
    [(errant,)] = ask("commerce:-80@replica", "select @@global.gtid_executed")
    [(clean,)] = ask("commerce:-80@primary", "select @@global.gtid_executed")
    [(uuid,)] = ask("commerce:-80@replica", "select @@global.server_uuid")
    assert str(uuid) in str(errant)
    assert str(uuid) not in str(clean)
    assert ask("commerce:-80@primary", f"select gtid_subtract('{errant}', @@global.gtid_executed)") == [(f"{uuid}:1",)]


def test_replication_status_has_the_seconds_of_each_replica(cluster: Cluster, port: Port) -> None:
    """MySQL's own words are of any tablet of the type, so that one that stands still makes the others look like it.

    go/vt/vtgate/executor.go, ShowVitessReplicationStatus: `show replica status` is sent to the target, not the tablet.
    """
    replicas(cluster)[0].follows = False
    replicas(cluster)[0].stopped = True
    cluster.touch("-80", 3)
    found = {row[3]: row[7] for row in ask("commerce", "show vitess_replication_status") if row[1] == "-80"}
    assert set(found) == {"zone1-0000000101", "zone1-0000000102"}
    assert int(str(found["zone1-0000000101"])) > 1
    assert found["zone1-0000000102"] == "NULL"
    replicas(cluster)[0].follows = True
    replicas(cluster)[0].stopped = False
    cluster.touch("-80")
    found = {row[3]: row[7] for row in ask("commerce", "show vitess_replication_status") if row[1] == "-80"}
    assert set(found.values()) == {"0"}


def test_the_journal_can_be_read_while_routing_is_not_switched(cluster: Cluster, port: Port) -> None:
    """Seen: a prototext in `_vt.resharding_journal`; the local position is behind what the shard has by then."""
    cluster.begin_reshard(["-80"], ["-40", "40-80"])
    assert ask("commerce:-80@replica", "select id, db_name, val from _vt.resharding_journal") == []
    before = cluster.shards["-80"].executed.position
    cluster.write_journals(["-40", "40-80"])
    [(number, database, text)] = ask("commerce:-80@replica", "select id, db_name, val from _vt.resharding_journal")
    assert (number, database) == (1, "vt_commerce")
    assert isinstance(text, bytes)
    assert f'local_position:"{before}"'.encode() in text
    assert b'participants:{keyspace:"commerce" shard:"-80"}' in text
    assert ask("commerce", "show vitess_shards")[:2] == [("commerce/-80",), ("commerce/80-",)]
    with pytest.raises(ConnectorError):
        ask("commerce", "select id from _vt.resharding_journal")


def test_the_primary_of_an_ended_shard_does_not_answer_and_its_replicas_do(cluster: Cluster, port: Port) -> None:
    """Seen: NOT_SERVING and SERVING, from the moment in which writes are stopped; streams of old positions go on."""
    start = cluster.positions()["-80"]
    cluster.reshard(["-80"], ["-40", "40-80"])
    with pytest.raises(TransientError):
        ask("commerce:-80@primary", "select @@global.gtid_executed")
    assert ask("commerce:-80@replica", "select 1") == [(1,)]
    states = {(row[2], row[3], row[4]) for row in ask("commerce", "show vitess_tablets")}
    assert ("-80", "PRIMARY", "NOT_SERVING") in states
    assert ("-80", "REPLICA", "SERVING") in states
    cluster.insert("t", {"id": 1, "v": 1})
    for tablet_type in ("PRIMARY", "REPLICA"):
        followed = list(events(port, {"-80": start, "80-": cluster.positions()["80-"]}, tablet_type=tablet_type))
        assert {entry.shard for entry in followed[-2].vgtid.shard_gtids} <= {"80-", "-40", "40-80"}


def test_a_position_behind_the_journal_reads_what_reverse_replication_writes(cluster: Cluster, port: Port) -> None:
    """There is no error and no journal any more: the stream stays on the old shard forever."""
    cluster.begin_reshard(["-80", "80-"], ["-"])
    cluster.write_journals(["-"])
    behind = {shard: cluster.shards[shard].executed.position for shard in ("-80", "80-")}
    cluster.switch_routing(["-"], reverse=True)
    cluster.insert("t", {"id": 1, "v": 1})
    followed = list(events(port, behind))
    assert rows(followed) == [[b"1", b"1"]]
    assert {entry.shard for event in followed for entry in event.vgtid.shard_gtids} == {"-80", "80-"}


def test_a_way_back_leaves_the_old_journal_where_it_is(cluster: Cluster, port: Port) -> None:
    """Seen: after ReverseTraffic the shard serves again and has a journal of its former end."""
    cluster.reshard(["-80", "80-"], ["-"], reverse=True)
    cluster.insert("t", {"id": 1, "v": 1})
    cluster.reshard(["-"], ["-80", "80-"], reverse=True)
    assert [row["id"] for row in cluster.rows("t")] == [1]
    assert ask("commerce", "show vitess_shards")[:2] == [("commerce/-80",), ("commerce/80-",)]
    assert len(ask("commerce:-80@primary", "select id from _vt.resharding_journal")) == 1
    assert len(ask("commerce:-@replica", "select id from _vt.resharding_journal")) == 1


def test_an_enum_key_is_ordered_by_number_and_continued_by_text(cluster: Cluster, port: Port) -> None:
    """Seen: a copy that goes on after 'small' has 'large' and 'medium' behind it, which compare as less."""
    cluster.create_table("e", {"size": "enum('small','medium','large')", "id": "int"}, key=["size", "id"])
    for number, size in enumerate(("small", "medium", "large")):
        cluster.insert("e", {"size": size, "id": number}, shard="-80")
    cluster.batch_rows = 1
    first = next(
        entry.table_p_ks[0].lastpk
        for event in events(port, {"-80": ""}, "e")
        for entry in event.vgtid.shard_gtids
        if entry.table_p_ks
    )
    gone_on = list(events(port, {"-80": cluster.positions()["-80"]}, "e", lastpk={"-80": {"e": first}}))
    assert rows(gone_on) == []


def test_values_of_a_lastpk_are_taken_by_position(cluster: Cluster, port: Port) -> None:
    """Seen: after the columns of the key have changed places, the first value is compared with another column."""
    cluster.create_table("p", {"a": "int", "b": "int"}, key=["a", "b"])
    for number in range(3):
        cluster.insert("p", {"a": 100 + number, "b": number}, shard="-80")
    cluster.batch_rows = 1
    first = next(
        entry.table_p_ks[0].lastpk
        for event in events(port, {"-80": ""}, "p")
        for entry in event.vgtid.shard_gtids
        if entry.table_p_ks
    )
    cluster.change_key("p", "b", "a")
    gone_on = list(events(port, {"-80": cluster.positions()["-80"]}, "p", lastpk={"-80": {"p": first}}))
    assert rows(gone_on) == []


def test_the_cheapest_unique_key_orders_a_copy(cluster: Cluster) -> None:
    """go/vt/mysqlctl/schema.go: by the types' costs, so that another key can take over."""
    columns = {"a": "bigint not null", "c": "smallint not null", "n": "tinyint"}
    table = cluster.create_table("q", columns, unique={"a_key": ["a"], "n_key": ["n"]})
    assert table.copy_key == ("a",)
    cluster.add_unique("q", "z_c", "c")
    assert cluster.tables["q"].copy_key == ("c",)


def test_a_copy_has_the_columns_that_the_schema_engine_knows(cluster: Cluster, port: Port) -> None:
    """A replica that has not read its schema again leaves a new column out without an error."""
    cluster.insert("t", {"id": 1, "v": 1}, shard="-80")
    replicas(cluster)[0].keeps_known = True
    cluster.add_column("t", "c", "int", default=5)
    copied = list(events(port, {"-80": ""}))
    [field] = [event.field_event for event in copied if event.type == binlogdata_pb2.FIELD]
    assert [column.name for column in field.fields] == ["id", "v"]
    assert rows(copied) == [[b"1", b"1"]]
    replicas(cluster)[0].known.clear()
    assert rows(list(events(port, {"-80": ""}))) == [[b"1", b"1", b"5"]]


def test_create_table_as_select_is_at_its_end_before_its_rows(cluster: Cluster, port: Port) -> None:
    """Seen: BEGIN VGTID DDL, then FIELD ROW VGTID COMMIT with the same position."""
    cluster.insert("t", {"id": 1, "v": 1}, shard="-80")
    start = cluster.positions()["-80"]
    cluster.create_table_as_select("made", "t")
    found = list(events(port, {"-80": start}, "made"))
    kinds = [binlogdata_pb2.VEventType.Name(event.type) for event in found]
    assert kinds[:7] == ["BEGIN", "VGTID", "DDL", "FIELD", "ROW", "VGTID", "COMMIT"]
    assert found[1].vgtid == found[5].vgtid
    assert replicas(cluster)[0].data.rows["made"] == cluster.shards["-80"].rows["made"]


def test_create_table_as_select_of_no_rows_is_committed_all_the_same(cluster: Cluster, port: Port) -> None:
    """Seen with MySQL 9.7: BEGIN, the statement, and Xid (`integration_tests/test_moments.py`)."""
    start = cluster.positions()["-80"]
    cluster.create_table_as_select("made", "t")
    found = list(events(port, {"-80": start}, "made"))
    kinds = [binlogdata_pb2.VEventType.Name(event.type) for event in found]
    assert kinds[:5] == ["BEGIN", "VGTID", "DDL", "VGTID", "COMMIT"]
