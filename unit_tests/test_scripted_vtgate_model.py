"""The Vitess in memory behaves as Vitess does where several shards, faults or operators are involved."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping

import grpc
import pytest

from source_vitess.proto import binlogdata_pb2, vtgate_pb2
from unit_tests.conftest import OpenStream
from unit_tests.scripted_vtgate.client import Response, Stream, kinds, last_vgtid, request
from unit_tests.scripted_vtgate.events import position
from unit_tests.scripted_vtgate.model.values import Value
from unit_tests.scripted_vtgate.vitess import Vitess
from unit_tests.scripted_vtgate.wire import values_of

Follow = Callable[..., Stream]
_COPY = {"-80": "", "80-": ""}


@pytest.fixture
def follow(vitess: Vitess, open_stream: OpenStream) -> Follow:
    """Opens a stream of table `t`, from positions or from a VGTID."""
    vitess.create_table("t", {"id": "bigint", "name": "varchar(20)"}, key=["id"])

    def open_one(
        start: Mapping[str, str] | binlogdata_pb2.VGtid, *tables: str, **flags: bool | int | list[str]
    ) -> Stream:
        vgtid = start if isinstance(start, binlogdata_pb2.VGtid) else position(start)
        made = vtgate_pb2.VStreamFlags(**flags)  # type: ignore[arg-type]
        return open_stream(vitess.vstream.port, request(vgtid, tables or ["t"], flags=made))

    return open_one


def rows(count: int, start: int = 1) -> list[dict[str, int | str]]:
    """Returns rows for table `t`."""
    return [{"id": number, "name": f"n{number}"} for number in range(start, start + count)]


def ids(responses: Iterable[Response]) -> list[int]:
    """Returns the ids of the rows there are after each change, in order."""
    return [
        int(values_of(change.after)[0] or 0)
        for response in responses
        for event in response.events
        for change in event.row_event.row_changes
        if change.HasField("after")
    ]


def apply(responses: Iterable[Response], store: dict[int, Value]) -> None:
    """Applies the changes of table `t` to a store, as a destination would."""
    for response in responses:
        for event in response.events:
            for change in event.row_event.row_changes:
                if change.HasField("before"):
                    store.pop(int(values_of(change.before)[0] or 0), None)
                if change.HasField("after"):
                    key, name = values_of(change.after)
                    store[int(key or 0)] = None if name is None else name.decode()


def is_lastpk(event: binlogdata_pb2.VEvent) -> bool:
    """Tells a checkpoint of a copy."""
    return any(entry.table_p_ks for entry in event.vgtid.shard_gtids)


def test_start_and_stop_are_quick_and_leave_no_thread() -> None:
    """A test that uses a Vitess pays milliseconds."""
    with Vitess():
        pass
    begin = time.monotonic()
    with Vitess():
        pass
    assert time.monotonic() - begin < 0.5
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(("vstream", "scripted"))] == []


def test_rows_are_spread_over_the_shards(vitess: Vitess, follow: Follow) -> None:
    """Each shard copies its own rows; together they are all."""
    vitess.insert("t", *rows(20))
    assert vitess.rows("t", "-80")
    assert vitess.rows("t", "80-")
    assert sorted(ids(follow(_COPY).until_copied())) == list(range(1, 21))


def test_a_copy_in_batches_has_a_checkpoint_after_each(vitess: Vitess, follow: Follow) -> None:
    """BEGIN is a response of its own before each later batch; other shards' checkpoints stay in each VGTID."""
    vitess.batch_rows = 2
    vitess.insert("t", *rows(5), shard="-80")
    copied = follow({"-80": ""}).until_copied()
    assert [kinds(response) for response in copied] == [
        *("BEGIN FIELD", "VGTID", "ROW ROW VGTID COMMIT"),
        *("BEGIN", "ROW ROW VGTID COMMIT", "BEGIN", "ROW VGTID COMMIT"),
        *("BEGIN VGTID COMMIT", "COPY_COMPLETED COPY_COMPLETED"),
    ]


def test_the_checkpoint_of_one_shard_stays_in_the_vgtids_of_the_other(vitess: Vitess, follow: Follow) -> None:
    """A VGTID is the position of all shards, unfinished copies included."""
    vitess.batch_rows = 1
    vitess.insert("t", *rows(3), shard="-80")
    vitess.insert("t", *rows(3, 10), shard="80-")
    copied = follow(_COPY).until_copied()
    both = [
        event
        for response in copied
        for event in response.events
        if all(entry.table_p_ks for entry in event.vgtid.shard_gtids) and len(event.vgtid.shard_gtids) == 2
    ]
    assert both


def test_every_checkpoint_of_a_copy_can_be_resumed_from(vitess: Vitess, follow: Follow) -> None:
    """Rows read before a checkpoint, and what a copy resumed there sends, are all rows."""
    vitess.batch_rows = 2
    vitess.insert("t", *rows(12))
    copied = follow(_COPY).until_copied()
    for end, response in enumerate(copied, 1):
        if not any(is_lastpk(event) for event in response.events):
            continue
        vgtid = last_vgtid(copied[:end])
        if any(entry.gtid and not entry.table_p_ks for entry in vgtid.shard_gtids):
            continue
        assert sorted({*ids(copied[:end]), *ids(follow(vgtid).until_copied())}) == list(range(1, 13))


def test_current_names_current_for_shards_that_have_not_answered(vitess: Vitess, follow: Follow) -> None:
    """Each shard answers VGTID, OTHER; the last VGTID is complete."""
    first, second = follow({"-80": "current", "80-": "current"}).take(2)
    assert (kinds(first), kinds(second)) == ("VGTID OTHER", "VGTID OTHER")
    assert [entry.gtid for entry in first.events[0].vgtid.shard_gtids][1] == "current"
    assert {entry.shard: entry.gtid for entry in last_vgtid([second]).shard_gtids} == vitess.positions()


def test_no_shard_means_all_of_them(vitess: Vitess, follow: Follow) -> None:
    """`current` without a shard is followed on every serving shard."""
    first = follow({"": "current"}).next()
    assert [entry.shard for entry in first.events[0].vgtid.shard_gtids] == ["-80", "80-"]


def test_changes_are_followed_live(vitess: Vitess, follow: Follow) -> None:
    """A write that happens while a stream is open is sent without delay."""
    stream = follow(vitess.positions())
    vitess.insert("t", {"id": 1}, shard="-80")
    assert kinds(stream.next()) == "BEGIN FIELD ROW VGTID COMMIT"
    vitess.insert("t", {"id": 2}, shard="-80")
    assert kinds(stream.next()) == "BEGIN ROW VGTID COMMIT"


def test_transactions_of_other_tables_are_empty(vitess: Vitess, follow: Follow) -> None:
    """They move the position."""
    vitess.create_table("u", {"id": "bigint"}, key=["id"])
    stream = follow(vitess.positions())
    vitess.insert("u", {"id": 1}, shard="80-")
    vitess.touch("80-")
    assert [kinds(response) for response in stream.take(2)] == ["BEGIN VGTID COMMIT"] * 2
    vitess.ddl("grant select on *.* to u")
    assert kinds(stream.next()) == "VGTID OTHER"


def test_a_transaction_of_many_statements_comes_in_one_piece(vitess: Vitess, follow: Follow) -> None:
    """FIELD and ROW events alternate; a rolled-back transaction leaves nothing."""
    vitess.create_table("u", {"id": "bigint"}, key=["id"])
    stream = follow(vitess.positions(), "t", "u")
    with pytest.raises(ValueError, match="duplicate key"), vitess.transaction():
        vitess.insert("t", {"id": 9}, {"id": 9}, shard="-80")
    with vitess.transaction():
        vitess.insert("t", {"id": 1}, shard="-80")
        vitess.insert("u", {"id": 1}, shard="-80")
        vitess.update("t", {"id": 1}, {"name": "x"})
    assert kinds(stream.next()) == "BEGIN FIELD ROW FIELD ROW ROW VGTID COMMIT"
    assert vitess.rows("t") == [{"id": 1, "name": "x"}]


def test_a_statement_can_make_several_row_events(vitess: Vitess, follow: Follow) -> None:
    """As a statement of more than some 8 KB does."""
    vitess.rows_per_event = 2
    start = vitess.positions()
    vitess.insert("t", *rows(3), shard="-80")
    assert kinds(follow(start).next()) == "BEGIN FIELD ROW ROW VGTID COMMIT"


def test_responses_can_be_cut_anywhere(vitess: Vitess, follow: Follow) -> None:
    """A response need not be a transaction."""
    vitess.events_per_response = 2
    start = vitess.positions()
    vitess.insert("t", {"id": 1}, shard="-80")
    assert [kinds(response) for response in follow(start).take(3)] == ["BEGIN FIELD", "ROW VGTID", "COMMIT"]


def test_heartbeats_come_when_nothing_is_sent(vitess: Vitess, follow: Follow) -> None:
    """They have neither keyspace nor shard."""
    vitess.heartbeat_scale = 0.02
    beat = follow(vitess.positions(), heartbeat_interval=1).next()
    assert kinds(beat) == "HEARTBEAT"
    assert (beat.events[0].keyspace, beat.events[0].shard) == ("", "")


def test_catch_up_leaves_out_tables_that_have_not_begun(vitess: Vitess, follow: Follow) -> None:
    """A resumed copy of one table sends no changes of a table whose copy has not begun, but the position moves."""
    vitess.create_table("u", {"id": "bigint"}, key=["id"])
    vitess.insert("t", *rows(2), shard="-80")
    begun = last_vgtid(follow({"-80": ""}).until(is_lastpk))
    vitess.insert("u", {"id": 7}, shard="-80")
    resumed = follow(begun, "t", "u").until_copied()
    assert kinds(resumed[0]) == "BEGIN VGTID COMMIT"
    assert ids(resumed) == [7]


def test_a_copy_drops_a_table_when_resumed_before_its_first_checkpoint(vitess: Vitess, follow: Follow) -> None:
    """A VGTID with a position and no lastpk starts no copy: the trap of vstream.md §2.4."""
    vitess.insert("t", *rows(2), shard="-80")
    before_rows = last_vgtid(follow({"-80": ""}).until(lambda event: event.type == binlogdata_pb2.VGTID))
    vitess.touch("-80")
    assert [kinds(response) for response in follow(before_rows).take(1)] == ["BEGIN VGTID COMMIT"]


def test_tables_to_copy_narrows_a_copy_and_not_the_changes(vitess: Vitess, follow: Follow) -> None:
    """Only the named tables are copied; afterwards the others' changes are sent."""
    vitess.create_table("u", {"id": "bigint"}, key=["id"])
    vitess.insert("t", *rows(2), shard="-80")
    vitess.insert("u", {"id": 7}, shard="-80")
    stream = follow({"-80": ""}, "t", "u", tables_to_copy=["u"])
    assert ids(stream.until_copied()) == [7]
    vitess.insert("t", {"id": 3}, shard="-80")
    assert ids([stream.next()]) == [3]


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
    """The errors of vstream.md §3 that depend on what happened since."""
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
    """The errors of vstream.md §3 that depend on the request alone."""
    with pytest.raises(grpc.RpcError) as raised:
        follow(start, *tables).next()
    assert raised.value.code() is code
    assert text in (raised.value.details() or "")


def test_an_unknown_keyspace_is_refused(vitess: Vitess, open_stream: OpenStream) -> None:
    """With VTGate's text about the topology."""
    asked = request(position({"0": ""}, keyspace="nope"), ["t"])
    with pytest.raises(grpc.RpcError, match="node doesn't exist: /vitess/global/keyspaces/nope/shards"):
        open_stream(vitess.vstream.port, asked).next()


def test_an_exact_rule_without_a_query_dies_after_the_copy(vitess: Vitess, follow: Follow) -> None:
    """It copies, then fails with the first change."""
    asked = request(position({"-80": ""}), ["t"])
    asked.filter.rules[0].filter = ""
    del follow
    stream = Stream(vitess.vstream.port, asked)
    stream.until_copied()
    vitess.insert("t", {"id": 1}, shard="-80")
    with pytest.raises(grpc.RpcError, match="Query was empty"):
        stream.next()
    stream.close()


def test_old_rows_come_under_new_names_unless_versions_are_tracked() -> None:
    """A column that was added in the middle shifts the names; with `--track-schema-versions` it does not."""
    names = {}
    for tracked in (False, True):
        with Vitess(track_schema_versions=tracked) as vitess:
            vitess.create_table("t", {"id": "bigint", "b": "varchar(5)"}, key=["id"])
            start = vitess.positions()
            vitess.insert("t", {"id": 1, "b": "x"}, shard="-80")
            vitess.add_column("t", "c", "varchar(5)", after="id")
            stream = Stream(vitess.vstream.port, request(position({"-80": start["-80"]}), ["t"]))
            names[tracked] = [field.name for field in stream.next().events[1].field_event.fields]
            stream.close()
    assert names == {False: ["id", "c"], True: ["id", "b"]}


def test_types_that_clash_lose_their_names(vitess: Vitess, follow: Follow) -> None:
    """A column that became another kind of type makes all names `@n`."""
    start = vitess.positions()
    vitess.insert("t", {"id": 1, "name": "1"}, shard="-80")
    vitess.modify_column("t", "name", "bigint")
    fields = follow({"-80": start["-80"]}).next().events[1].field_event.fields
    assert [field.name for field in fields] == ["@1", "@2"]


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


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_and_the_changes_after_it_give_the_tables(vitess: Vitess, follow: Follow, seed: int) -> None:
    """Whatever is written during a copy, rows and changes applied in order end as the truth."""
    chance = random.Random(seed)  # noqa: S311 # not for secrets
    vitess.batch_rows = 3
    vitess.insert("t", *rows(30))
    store: dict[int, Value] = {}
    gate = vitess.faults.pause_after(chance.randint(1, 40))
    stream = follow(_COPY)
    gate.wait_reached()
    for _ in range(10):
        key = chance.randint(1, 40)
        if not vitess.update("t", {"id": key}, {"name": f"new{chance.random()}"}):
            vitess.insert("t", {"id": key})
        vitess.delete("t", {"id": chance.randint(1, 40)})
    gate.open()
    apply(stream.until_copied(), store)
    vitess.touch()
    apply(stream.until_gtids(vitess.positions()), store)
    assert store == {row["id"]: row["name"] for row in vitess.rows("t")}
