"""Changes without a position of their own, as of engines without transactions, and positions that are none."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from instruments.model_search.play import play
from instruments.scripted_vtgate import events
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from source_vitess.errors import InternalError
from source_vitess.keyspace import LiveVitess
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto import binlogdata_pb2, vtgate_pb2
from source_vitess.replication import change_stream
from unit_tests.replication.conftest import AfterFirstCurrent
from unit_tests.syncing import Syncs, rows, streamed

Response = vtgate_pb2.VStreamResponse


def without_positions(response: Response) -> Iterator[Response]:
    """Changes of `b` come as those of a MyISAM table do; a copy, and all changes of other tables, as ever."""
    changed = {event.row_event.table_name.rpartition(".")[2] for event in response.events if event.timestamp}
    if "b" not in changed:
        yield response
        return
    kept = [event for event in response.events if event.type != binlogdata_pb2.VGTID]
    yield Response(events=kept)


@pytest.fixture
def syncs(vitess: Vitess) -> Syncs:
    """Both tables are copied and followed."""
    vitess.insert("a", *rows(3))
    vitess.insert("b", *rows(3))
    made = Syncs(vitess)
    assert made.run() is None
    vitess.rewrite = without_positions
    return made


def questions(vitess: Vitess) -> int:
    """Returns how often the position of now was asked for."""
    return sum(
        all(entry.gtid == "current" for entry in request.vgtid.shard_gtids) for request in vitess.vstream.requests
    )


def saved(syncs: Syncs) -> Vgtid:
    """Returns the position in the last state."""
    return Vgtid.from_json(syncs.store.states[-1]["global"]["shared_state"]["vgtid"])


def test_the_end_is_reached_by_counting(vitess: Vitess, syncs: Syncs) -> None:
    """As many as are missing have come: that is the end, without another question, and the state is there."""
    vitess.insert("b", {"id": 50, "name": "one"}, shard="-80")
    vitess.insert("b", {"id": 51, "name": "two"}, shard="-80")
    vitess.insert("b", {"id": 52, "name": "other shard"}, shard="80-")
    before = questions(vitess)

    assert syncs.run() is None

    syncs.expect_equal()
    assert questions(vitess) == before + 1
    assert {shard: gtid.partition("/")[2] for shard, gtid in saved(syncs).shards.items()} == {
        name: str(vitess.shards[name].executed) for name in ("-80", "80-")
    }
    assert syncs.run() is None
    assert syncs.store.records["b"] == 6


def test_one_that_the_copy_contains(vitess: Vitess, after_first_current: AfterFirstCurrent) -> None:
    """What a copy of the table has already is left out by the transactions that were missing."""
    vitess.insert("b", *rows(3), shard="-80")
    syncs = Syncs(vitess, "b")
    vitess.rewrite = without_positions
    after_first_current(lambda: vitess.insert("b", {"id": 50, "name": "before its copy"}, shard="-80"))

    assert syncs.run() is None

    syncs.expect_equal()
    assert syncs.store.records["b"] == 4


def test_a_later_position_contains_them(vitess: Vitess, syncs: Syncs) -> None:
    """A transaction with a position ends the count: what came before it is not counted again."""
    vitess.insert("b", {"id": 50, "name": "without"}, shard="-80")
    vitess.insert("a", {"id": 50, "name": "with"}, shard="-80")
    vitess.insert("b", {"id": 51, "name": "without"}, shard="-80")

    assert syncs.run() is None

    syncs.expect_equal()
    assert syncs.store.records == {"a": 4, "b": 5}


def test_a_position_that_nothing_continues_from(vitess: Vitess, syncs: Syncs) -> None:
    """A shard without a position in a VGTID breaks the protocol: the sync ends with the state of before."""

    def emptied(response: Response) -> Iterator[Response]:
        is_change = any(event.type == binlogdata_pb2.ROW for event in response.events)
        for event in response.events:
            for entry in event.vgtid.shard_gtids:
                if is_change and entry.shard == "80-":
                    entry.gtid = ""
        yield response

    vitess.rewrite = emptied
    vitess.insert("a", {"id": 50, "name": "n"}, shard="-80")
    before = saved(syncs)

    error = syncs.run()

    assert isinstance(error, InternalError)
    assert "a position that cannot be continued from" in error.message
    assert saved(syncs) == before
    vitess.rewrite = None
    assert syncs.run() is None
    syncs.expect_equal()


def test_copied_rows_without_a_position(vitess: Vitess) -> None:
    """Nobody could tell which changes such rows contain, so none is emitted."""

    def stripped(response: Response) -> Iterator[Response]:
        is_copy = not any(event.timestamp for event in response.events)
        is_answer = any(
            entry.gtid == "current" for one in vitess.vstream.requests[-1:] for entry in one.vgtid.shard_gtids
        )
        kept = [event for event in response.events if event.type != binlogdata_pb2.VGTID]
        yield Response(events=kept) if is_copy and not is_answer else response

    vitess.insert("a", *rows(3))
    syncs = Syncs(vitess, "a")
    vitess.rewrite = stripped

    error = syncs.run()

    assert isinstance(error, InternalError)
    assert "without a position" in error.message
    assert not syncs.store.records


def test_an_end_in_shards_that_the_stream_is_not_of_yet(
    vitess: Vitess, syncs: Syncs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end that is asked for in a silence is of new shards: counting what came of the old ones proves nothing."""
    monkeypatch.setattr(change_stream, "SILENCE_SECONDS", 0)
    vitess.insert("a", {"id": 50, "name": "n"}, shard="-80")
    real = LiveVitess.current
    asked: list[Vgtid] = []

    def current(live: LiveVitess) -> Vgtid:
        if len(asked) == 1:
            vitess.reshard(["80-"], ["80-c0", "c0-"])
            vitess.insert("b", {"id": 51, "name": "n"}, shard="80-c0")
            vitess.insert("a", {"id": 52, "name": "n"}, shard="c0-")
        asked.append(real(live))
        return asked[-1]

    def silent_first(response: Response) -> Iterator[Response]:
        is_answer = all(entry.gtid == "current" for entry in vitess.vstream.requests[-1].vgtid.shard_gtids)
        if len(asked) == 1 and not is_answer:
            yield Response(events=[events.heartbeat()])
        yield from without_positions(response)

    vitess.rewrite = silent_first
    monkeypatch.setattr(LiveVitess, "current", current)

    assert syncs.run() is None

    assert {*asked[1].shards} == {"-80", "80-c0", "c0-"}
    vitess.touch("80-c0")
    assert syncs.run() is None
    syncs.expect_equal()


@pytest.mark.parametrize("late", [False, True], ids=["before the question", "after it"])
def test_while_changes_are_read_as_they_happen(
    vitess: Vitess, syncs: Syncs, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """What came is counted against each new end position, so that its states cover it; the stream stays open."""
    seconds = [time.monotonic()]
    monkeypatch.setattr(SystemClock, "monotonic", lambda _: seconds[0])
    syncs.connector = syncs.connector.with_config(keep_streaming_minutes=30)
    real = LiveVitess.current
    asked: list[Vgtid] = []

    def current(live: LiveVitess) -> Vgtid:
        if emitted:
            if late:
                vitess.insert("b", {"id": 50, "name": "on its way"}, shard="-80")
            asked.append(real(live))
        return real(live)

    monkeypatch.setattr(LiveVitess, "current", current)
    begun = len(streamed(vitess))
    emitted: list[bytes] = []
    for line in syncs.lines():
        syncs.store.apply([line])
        if b"as they happen" in line:
            vitess.insert("a", {"id": 50, "name": "first"}, shard="-80")
        elif line.startswith(b'{"type":"RECORD"'):
            emitted.append(line)
            if len(emitted) == 1 and not late:
                vitess.insert("b", {"id": 50, "name": "before the question"}, shard="-80")
            elif len(emitted) == 1 or not late:
                seconds[0] += 60  # for another end position, and a state
            else:
                seconds[0] += 30 * 60
        elif line.startswith(b'{"type":"STATE"') and len(emitted) == 2 and asked and not late:
            seconds[0] += 30 * 60

    syncs.expect_equal()
    assert len(emitted) == 2
    assert len(asked) == 1
    assert len(streamed(vitess)) == begun + 1
    assert saved(syncs).shards["-80"].partition("/")[2] == str(vitess.shards["-80"].executed)


def test_rows_that_are_held_back_of_two_shards() -> None:
    """Each is judged by its own shard's transaction: the copy of one contains what that of the other does not."""
    schedule = (9, 2, 0, 1, 0, 0, 0, 0, 0, 0, 26, 0, 1, 2, 12, 0, 0, 0, 4, 0, 7, 0)

    assert play(schedule).kind == "equal"


def test_a_stream_that_vtgate_opens_again_in_between() -> None:
    """What has come without a position comes again: it was counted twice, and the row that followed was left out."""
    schedule = (9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 26, 0, 7, 0, 19, 0, 0, 0, 16, 8, 0, 0)

    assert play(schedule).kind == "equal"
