"""Faults and operators of the Vitess in memory: what streams see of them is what Vitess shows."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc
import pytest

from instruments.scripted_vtgate.client import ids, is_lastpk, kinds, last_vgtid, request, rows
from instruments.scripted_vtgate.events import position
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.proto import binlogdata_pb2
from unit_tests.conftest import Follow, OpenStream

_COPY = {"-80": "", "80-": ""}


def test_a_restart_inside_the_call_repeats_fields_and_goes_on_from_the_last_position(
    vitess: Vitess, follow: Follow
) -> None:
    """A planned reparent in the middle of a copy: catch-up, FIELD again, the rest of the rows."""
    vitess.batch_rows = 2
    vitess.insert("t", *rows(6), shard="-80")
    gate = vitess.faults.pause_after(is_lastpk)
    stream = follow({"-80": ""})
    gate.wait_reached()
    vitess.reparent("-80")
    vitess.insert("t", {"id": 0}, shard="-80")
    gate.open()
    copied = stream.until_copied()
    assert sum(event.type == binlogdata_pb2.FIELD for response in copied for event in response.events) > 1
    assert sorted(set(ids(copied))) == list(range(7))
    assert "," in last_vgtid(copied).shard_gtids[0].gtid


def test_a_restart_after_the_first_position_drops_the_copy(vitess: Vitess, follow: Follow) -> None:
    """Neither rows nor COPY_COMPLETED come: what comes next are changes."""
    vitess.insert("t", *rows(3), shard="-80")
    vitess.faults.restart_after(lambda event: event.type == binlogdata_pb2.VGTID)
    stream = follow({"-80": ""})
    assert [kinds(response) for response in stream.take(2)] == ["BEGIN FIELD", "VGTID"]
    vitess.insert("t", {"id": 9}, shard="-80")
    assert ids([stream.next()]) == [9]


def test_an_emergency_reparent_loses_the_last_transactions(vitess: Vitess, follow: Follow) -> None:
    """They are gone from the tables; a stream that has seen them cannot be resumed."""
    vitess.insert("t", {"id": 1}, shard="-80")
    vitess.update("t", {"id": 1}, {"name": "lost"})
    seen = vitess.positions()
    vitess.reparent("-80", lost=1)
    assert vitess.rows("t") == [{"id": 1, "name": None}]
    with pytest.raises(grpc.RpcError, match="failed to find a PRIMARY tablet"):
        follow(seen).next()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_stream_is_cut_after_a_number_of_events(vitess: Vitess, follow: Follow, count: int) -> None:
    """What was sent before arrives; the fault happens once."""
    start = vitess.positions()
    vitess.insert("t", {"id": 1}, shard="-80")
    vitess.faults.cut_after(count)
    stream = follow(start)
    assert len(stream.next().events) == count
    with pytest.raises(grpc.RpcError) as raised:
        stream.next()
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert kinds(follow(start).next()) == "BEGIN FIELD ROW VGTID COMMIT"


def test_a_stream_ends_in_the_middle_of_a_transaction_without_an_error(vitess: Vitess, follow: Follow) -> None:
    """EOF, as from a proxy that closes properly."""
    start = vitess.positions()
    vitess.insert("t", {"id": 1}, shard="-80")
    vitess.faults.eof_after(3)
    assert [kinds(response) for response in follow(start)] == ["BEGIN FIELD ROW"]


def test_a_stream_hangs_and_then_can_be_cancelled(vitess: Vitess, follow: Follow) -> None:
    """Not even heartbeats come."""
    vitess.heartbeat_scale = 0.01
    vitess.faults.hang_after(1)
    stream = follow({"-80": ""}, heartbeat_interval=1)
    stream.next()
    stream.close()
    assert vitess.vstream.calls[0].wait_end(10)


def test_a_slow_stream_waits_before_each_response(vitess: Vitess, follow: Follow) -> None:
    """The delay is that of the model, to be set at any time."""
    vitess.faults.delay = 0.05
    begin = time.monotonic()
    follow({"-80": ""}).take(2)
    assert time.monotonic() - begin > 0.09


@pytest.mark.parametrize("include", [False, True])
def test_a_reshard_is_followed_to_the_new_shards(vitess: Vitess, follow: Follow, *, include: bool) -> None:
    """The journal's own position stays hidden unless asked for; the next VGTID has the new shards."""
    stream = follow(vitess.positions(), include_reshard_journal_events=include)
    vitess.insert("t", {"id": 1}, shard="80-")
    vitess.reshard(["80-"], ["80-c0", "c0-"])
    vitess.insert("t", {"id": 2}, shard="c0-")
    followed = stream.until(lambda event: len(event.vgtid.shard_gtids) == 3)
    expected = ["BEGIN FIELD ROW VGTID COMMIT", "BEGIN FIELD ROW VGTID COMMIT"]
    assert [kinds(response) for response in followed] == [
        *expected[:1],
        *(["BEGIN JOURNAL VGTID COMMIT"] if include else []),
        *expected[1:],
    ]
    assert [entry.shard for entry in last_vgtid(followed).shard_gtids] == ["-80", "80-c0", "c0-"]


def test_a_position_before_a_reshard_works_while_the_old_shard_exists(vitess: Vitess, follow: Follow) -> None:
    """Then it is refused by name."""
    before = vitess.positions()
    vitess.reshard(["-80", "80-"], ["-"])
    vitess.insert("t", {"id": 2})
    assert ids(follow(before).until(lambda event: event.type == binlogdata_pb2.ROW)) == [2]
    vitess.delete_shards("-80", "80-")
    with pytest.raises(grpc.RpcError, match="shard provided in VGTID, -80, not found"):
        follow(before).next()


def test_stop_on_reshard_ends_the_stream_when_no_shard_is_left(vitess: Vitess, follow: Follow) -> None:
    """JOURNAL is delivered, then EOF."""
    stream = follow({"80-": vitess.positions()["80-"]}, stop_on_reshard=True)
    vitess.reshard(["80-"], ["80-c0", "c0-"])
    assert [kinds(response) for response in stream] == ["BEGIN JOURNAL VGTID COMMIT"]


def test_a_merge_needs_all_participants_in_the_stream(vitess: Vitess, follow: Follow) -> None:
    """One shard of two is an error."""
    stream = follow({"80-": vitess.positions()["80-"]})
    vitess.reshard(["-80", "80-"], ["-"])
    with pytest.raises(grpc.RpcError, match="not all journaling participants are in the stream"):
        stream.next()


def test_a_reshard_in_a_copy_abandons_it(vitess: Vitess, follow: Follow) -> None:
    """Global COPY_COMPLETED never comes; the shards of the VGTID change."""
    vitess.create_table("u", {"id": "bigint"}, key=["id"])
    vitess.batch_rows = 1
    vitess.insert("t", *rows(2), shard="-80")
    vitess.insert("t", *rows(2, 10), shard="80-")
    gate = vitess.faults.pause_after(lambda event: is_lastpk(event) and event.shard == "80-")
    stream = follow(_COPY, "t", "u")
    gate.wait_reached()
    vitess.reshard(["80-"], ["80-c0", "c0-"])
    vitess.touch("c0-")
    gate.open()
    seen = stream.until(lambda event: len(event.vgtid.shard_gtids) == 3)
    assert not any(
        event.type == binlogdata_pb2.COPY_COMPLETED and not event.shard
        for response in seen
        for event in response.events
    )


def _purge(vitess: Vitess) -> None:
    vitess.touch()
    vitess.purge()


@pytest.mark.parametrize(
    ("spoil", "code", "text"),
    [
        (_purge, grpc.StatusCode.CANCELLED, "failed to find a PRIMARY tablet for VStream in commerce/-80"),
        (lambda v: v.drop_table("t"), grpc.StatusCode.UNKNOWN, "unknown table t in schema"),
        (lambda v: v.drop_column("t", "name"), grpc.StatusCode.UNKNOWN, "cannot determine table columns for t"),
        (lambda v: v.set_tablet_types("-80", "REPLICA"), grpc.StatusCode.CANCELLED, "failed to find a PRIMARY tablet"),
    ],
    ids=["purged", "dropped", "column-dropped", "no-tablet"],
)
def test_positions_that_cannot_be_followed(
    vitess: Vitess, follow: Follow, spoil: Callable[[Vitess], None], code: grpc.StatusCode, text: str
) -> None:
    """What happened since is sent as VTGate sends it."""
    start = vitess.positions()
    vitess.insert("t", {"id": 1}, shard="-80")
    spoil(vitess)
    with pytest.raises(grpc.RpcError) as raised:
        list(follow({"-80": start["-80"]}))
    assert raised.value.code() is code
    assert text in (raised.value.details() or "")


@pytest.mark.parametrize(
    ("start", "tables", "code", "text"),
    [
        ({}, ["t"], grpc.StatusCode.INVALID_ARGUMENT, "vgtid must have at least one value"),
        ({"": "MySQL56/x:1"}, ["t"], grpc.StatusCode.INVALID_ARGUMENT, "if shards are unspecified"),
        ({"7": ""}, ["t"], grpc.StatusCode.FAILED_PRECONDITION, "shard provided in VGTID, 7, not found"),
        ({"-80": ""}, ["nope"], grpc.StatusCode.UNKNOWN, "table nope is not present in the database"),
        ({"-80": "MySQL56/zz"}, ["t"], grpc.StatusCode.INTERNAL, "could not decode position: invalid MySQL 5.6 GTID"),
        ({"-80": "x/1"}, ["t"], grpc.StatusCode.INTERNAL, 'unknown GTIDSet flavor "x"'),
        ({"-80": "MySQL56/00000099-0000-11f0-8000-0242ac110002:1"}, ["t"], grpc.StatusCode.CANCELLED, "failed to find"),
    ],
)
def test_requests_that_are_refused(
    follow: Follow, start: dict[str, str], tables: list[str], code: grpc.StatusCode, text: str
) -> None:
    """Code and text are those of docs/vstream-observations.md."""
    with pytest.raises(grpc.RpcError) as raised:
        follow(start, *tables).next()
    assert raised.value.code() is code
    assert text in (raised.value.details() or "")


def test_an_unknown_keyspace_is_refused(vitess: Vitess, open_stream: OpenStream) -> None:
    """With VTGate's text about the topology."""
    asked = request(position({"0": ""}, keyspace="nope"), ["t"])
    with pytest.raises(grpc.RpcError, match="node doesn't exist: /vitess/global/keyspaces/nope/shards"):
        open_stream(vitess.vstream.port, asked).next()


def test_a_stream_of_replicas_ends_where_they_lag(vitess: Vitess, open_stream: OpenStream) -> None:
    """What a replica does not have yet is sent when it does."""
    vitess.create_table("t", {"id": "bigint"}, key=["id"])
    start = position({"-80": vitess.positions()["-80"]})
    vitess.set_replica_lag("-80", 1)
    vitess.insert("t", {"id": 1}, shard="-80")
    vitess.insert("t", {"id": 2}, shard="-80")
    stream = open_stream(vitess.vstream.port, request(start, ["t"], tablet_type="REPLICA"))
    assert ids([stream.next()]) == [1]
    vitess.set_replica_lag("-80", 0)
    assert ids([stream.next()]) == [2]
