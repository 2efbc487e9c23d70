"""The Vitess in memory copies and follows changes as Vitess does, where the recordings do not reach."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable

import grpc
import pytest

from instruments.scripted_vtgate.client import Response, Stream, ids, is_lastpk, kinds, last_vgtid, request, rows
from instruments.scripted_vtgate.events import position
from instruments.scripted_vtgate.model.values import Value
from instruments.scripted_vtgate.vitess import Vitess
from instruments.scripted_vtgate.wire import row_of, values_of
from source_vitess.proto import binlogdata_pb2, query_pb2
from unit_tests.conftest import Follow

_COPY = {"-80": "", "80-": ""}


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
    """A VGTID with a position and no lastpk starts no copy (uvstreamer.go, init)."""
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


@pytest.mark.usefixtures("follow")
def test_an_exact_rule_without_a_query_dies_after_the_copy(vitess: Vitess) -> None:
    """It copies, then fails with the first change."""
    asked = request(position({"-80": ""}), ["t"])
    asked.filter.rules[0].filter = ""
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


@pytest.mark.parametrize("seed", range(5))
def test_a_copy_and_the_changes_after_it_give_the_tables(vitess: Vitess, follow: Follow, seed: int) -> None:
    """Whatever is written during a copy, rows and changes applied in order end as the truth."""
    chance = random.Random(seed)  # not for secrets
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


@pytest.mark.parametrize(
    ("kind", "value", "rest"),
    [(query_pb2.ENUM, b"small", []), (query_pb2.UINT64, b"1", [b"medium", b"large"])],
    ids=["label", "number"],
)
def test_a_copy_goes_on_by_labels_or_by_numbers(
    vitess: Vitess, follow: Follow, kind: query_pb2.Type, value: bytes, rest: list[bytes]
) -> None:
    """An ENUM is sorted by number, and compared by what lastpk holds (docs/vstream-observations.md)."""
    vitess.create_table("sizes", {"k": "enum('small','medium','large')"}, key=("k",))
    vitess.insert("sizes", *({"k": size} for size in ("large", "small", "medium")), shard="-80")
    vitess.batch_rows = 1
    begun = last_vgtid(follow({"-80": ""}, "sizes").until(is_lastpk))
    [copy] = begun.shard_gtids[0].table_p_ks
    lastpk = query_pb2.QueryResult.FromString(copy.lastpk)
    assert values_of(lastpk.rows[0]) == [b"small"]
    lastpk.fields[0].type = kind
    lastpk.rows[0].CopyFrom(row_of([value]))
    copy.lastpk = lastpk.SerializeToString()

    responses = follow(begun, "sizes").until_copied()

    changes = [change for one in responses for event in one.events for change in event.row_event.row_changes]
    assert [values_of(change.after) for change in changes] == [[size] for size in rest]
