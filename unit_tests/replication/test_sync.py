"""Whole syncs against the Vitess in memory: whatever happens, the records applied in order are the database."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from itertools import pairwise, zip_longest
from typing import Any

import grpc
import pytest
from pymysql.constants import ER

from instruments.oracle import Store
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from source_vitess.errors import ConfigError, PositionLostError, TransientError
from source_vitess.keyspace import LiveVitess
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto import binlogdata_pb2
from source_vitess.replication import copies
from unit_tests.replication.conftest import AfterFirstCurrent, Settings
from unit_tests.syncing import COLUMNS, Syncs, cut_again_and_again, is_row, rows, streamed, table_state

SEED = random.randrange(1, 10**6)  # noqa: S311 - test data


def write(vitess: Vitess) -> None:
    """Changes of every kind, to rows that a copy may have emitted and to others."""
    with vitess.transaction():
        vitess.insert("a", {"id": 100, "name": "new"})
        vitess.update("a", {"id": 2}, {"name": "changed"})
        vitess.delete("a", {"id": 1})
        vitess.delete("b", {"id": 3})
    vitess.update("a", {"id": 4}, {"id": 40})
    vitess.update("b", {"id": 1}, {"id": 101, "name": "moved"})
    vitess.insert("b", *rows(2, 200))
    vitess.delete("a", {"id": 8})


def fill(vitess: Vitess) -> None:
    """Fills the tables of the fixture."""
    vitess.insert("a", *rows(9))
    vitess.insert("b", *rows(5))


def ends(lines: Sequence[bytes]) -> list[int]:
    """Returns after how many lines a death makes a difference: at first, after each record, each state.

    Other lines change nothing for a destination.
    """
    return [
        0,
        *(index + 1 for index, line in enumerate(lines) if line.startswith((b'{"type":"RECORD"', b'{"type":"STATE"'))),
    ]


def write_during_the_last_copy(vitess: Vitess) -> None:
    """Has changes made to `a`, which is copied then, and to `b`, whose copy begins."""
    begun: list[int] = []

    def change(event: binlogdata_pb2.VEvent) -> bool:
        if event.field_event.table_name == "b" and not begun:
            begun.append(1)
            with vitess.transaction():
                vitess.update("a", {"id": 3}, {"name": "while b is copied"})
                vitess.insert("a", *rows(2, 900))
            vitess.delete("a", {"id": 6})
            vitess.update("b", {"id": 4}, {"id": 44})
        return False

    vitess.faults.cut_after(change)


def test_changes_that_a_copy_does_not_contain(vitess: Vitess, after_first_current: AfterFirstCurrent) -> None:
    """What is written to a table after its copy, while another one is copied, comes in the same sync."""
    fill(vitess)
    syncs = Syncs(vitess)
    # So that the copy is ahead of the position that changes are read from.
    after_first_current(lambda: vitess.insert("a", *rows(20, 500)))
    write_during_the_last_copy(vitess)

    assert syncs.run() is None

    syncs.expect_equal()
    assert syncs.store.deletes["a"] == 1


@pytest.mark.parametrize(("records", "together"), [(1, True), (100_000, True), (100_000, False)])
def test_a_copy_that_dies_after_any_message(
    vitess: Vitess,
    settings: Settings,
    after_first_current: AfterFirstCurrent,
    monkeypatch: pytest.MonkeyPatch,
    records: int,
    together: bool,
) -> None:
    """Killed after message k of the first sync, for every k, and written to: the next sync ends with the database."""
    if not together:
        monkeypatch.setattr(copies, "GROUP_BYTES", 0)
    settings(checkpoint_records=records)
    fill(vitess)
    syncs = Syncs(vitess)
    after_first_current(lambda: vitess.insert("a", *rows(4, 500)))
    write_during_the_last_copy(vitess)
    lines = list(syncs.lines())
    if records == 1:
        write(vitess)

    for end in ends(lines):
        syncs.store = Store.of_catalog(syncs.catalog)
        syncs.store.apply(lines[:end])

        assert syncs.run() is None

        syncs.expect_equal()
    assert any(b'"lastpk"' in line for line in lines) == (records == 1)


@pytest.mark.parametrize("records", [1, 100_000])
def test_changes_that_die_after_any_message(vitess: Vitess, settings: Settings, records: int) -> None:
    """Killed after message k of a sync of changes, for every k, and written to: the next one ends with the database."""
    settings(checkpoint_records=records)
    vitess.rows_per_event = 1
    fill(vitess)
    syncs = Syncs(vitess)
    copied = list(syncs.lines())
    before = Store.of_catalog(syncs.catalog)
    before.apply(copied)
    write(vitess)
    syncs.store = before
    lines = list(syncs.lines())
    vitess.delete("a", {"id": 100})
    vitess.update("b", {"id": 200}, {"name": "later"})

    for end in ends(lines):
        syncs.store = Store.of_catalog(syncs.catalog)
        syncs.store.apply(copied)
        syncs.store.new_sync()
        syncs.store.apply(lines[:end])

        assert syncs.run() is None

        syncs.expect_equal()


def test_many_kills_with_writes_between(vitess: Vitess, settings: Settings) -> None:
    """Kills at random lines, again and again, with writes in between: the last sync ends with the database."""
    print(f"seed: {SEED}")  # noqa: T201 - shown when the test fails
    rnd = random.Random(SEED)  # noqa: S311 - test data
    settings(checkpoint_records=4)
    vitess.create_table("k", {"code": "varbinary(8)", "n": "int"}, key=["code"])
    for table in ("a", "b"):
        vitess.insert(table, *rows(12))
    codes = [bytes([n, 255 - n, 0x80]) for n in range(40)]
    for code in codes[:15]:
        vitess.insert("k", {"code": code, "n": 0})
    syncs = Syncs(vitess)
    number = 1000
    for _ in range(12):
        syncs.run(stop_after=rnd.randrange(1, 60))
        for _ in range(rnd.randrange(6)):
            number += 1
            table = rnd.choice("ab")
            ids = [row["id"] for row in vitess.rows(table)]
            match rnd.randrange(5):
                case 0:
                    vitess.insert(table, *rows(rnd.randrange(1, 4), number * 10))
                case 1 if ids:
                    vitess.delete(table, {"id": rnd.choice(ids)})
                case 2 if ids:
                    vitess.update(table, {"id": rnd.choice(ids)}, {"id": number * 10 + 5})
                case 3 if ids:
                    vitess.update(table, {"id": rnd.choice(ids)}, {"name": f"u{number}"})
                case _:
                    code = rnd.choice(codes)
                    if not vitess.update("k", {"code": code}, {"n": number}):
                        vitess.insert("k", {"code": code, "n": number})
                    vitess.delete("k", {"code": rnd.choice(codes)})
        if rnd.random() < 0.2:
            vitess.reparent(rnd.choice(["-80", "80-"]))

    assert syncs.run() is None

    syncs.expect_equal()


def test_many_small_tables_are_begun_by_few_states(vitess: Vitess) -> None:
    """Each record comes after a state that names its table as begun, and the states stay small next to the records."""
    for number in range(150):
        vitess.create_table(f"t{number:03}", COLUMNS, key=["id"])
        vitess.insert(f"t{number:03}", *rows(2))
    syncs = Syncs(vitess)
    begun: set[str] = set()
    states = 0

    for line in syncs.lines():
        message = json.loads(line)
        if message["type"] == "STATE":
            states += 1
            begun |= {entry["stream_descriptor"]["name"] for entry in message["state"]["global"]["stream_states"]}
        elif message["type"] == "RECORD":
            assert message["record"]["stream"] in begun
        syncs.store.apply([line])

    syncs.expect_equal()
    assert states == 4  # three groups and the end


def test_the_bytes_of_states_grow_with_the_tables_and_not_with_their_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many small tables are begun by no more states, so that all of these together hold twice as much."""
    monkeypatch.setattr(copies, "GROUP_BYTES", 0)  # as if there were thousands of tables
    states: dict[int, list[bytes]] = {}

    for tables in (32, 64):
        with Vitess() as vitess:
            for number in range(tables):
                vitess.create_table(f"t{number:03}", COLUMNS, key=["id"])
                vitess.insert(f"t{number:03}", *rows(2))
            states[tables] = [line for line in Syncs(vitess).lines() if line.startswith(b'{"type":"STATE"')]

    assert len(states[32]) == len(states[64]) == 17  # sixteen groups and the end
    assert sum(map(len, states[64])) < 2.2 * sum(map(len, states[32]))


def test_tables_that_were_begun_and_not_reached(vitess: Vitess) -> None:
    """A sync that fails in a copy follows no tables behind it: nothing of them was emitted."""
    fill(vitess)
    syncs = Syncs(vitess)
    text = "vttablet: fatal"
    cut_again_and_again(vitess, 20, lambda event: is_row(event) and not event.timestamp, text=text)

    assert isinstance(syncs.run(), TransientError)

    assert "copying" in (syncs.table_state("a") or {})
    assert syncs.table_state("b") is None
    vitess.faults = type(vitess.faults)()
    vitess.truncate("b")
    vitess.insert("b", *rows(2))
    assert syncs.run() is None
    syncs.expect_equal()


def test_ghosts_of_a_copy_that_was_killed_before_its_first_checkpoint(vitess: Vitess) -> None:
    """Rows whose records went out, deleted and moved to other keys before the next sync, do not stay."""
    fill(vitess)
    syncs = Syncs(vitess, "a")
    lines = list(syncs.lines())
    records = [index for index, line in enumerate(lines) if b'"RECORD"' in line]
    syncs.store = Store.of_catalog(syncs.catalog)
    syncs.store.apply(lines[: records[-1] + 1])
    assert len(syncs.store.tables["a"]) == 9
    vitess.delete("a", {"id": 1})
    vitess.update("a", {"id": 2}, {"id": 20})

    assert syncs.run() is None

    syncs.expect_equal()
    assert syncs.store.deletes["a"] == 2


def test_changes_that_the_copy_contains_are_not_repeated(
    vitess: Vitess, after_first_current: AfterFirstCurrent
) -> None:
    """What was written between the sync's start and a table's copy comes once, as copied rows; deleted rows never."""
    fill(vitess)
    syncs = Syncs(vitess)
    after_first_current(lambda: write(vitess))

    assert syncs.run() is None

    syncs.expect_equal()
    assert dict(syncs.store.records) == {name: len(vitess.rows(name)) for name in "ab"}
    assert syncs.store.deletes.total() == 0
    assert ("a", "b") in streamed(vitess)


def test_an_end_that_is_behind_a_copy(vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last position comes of a replica that is behind the one that was copied: changes are read up to the copy."""
    fill(vitess)
    syncs = Syncs(vitess, "a")
    real = LiveVitess.current
    positions: list[Vgtid] = []

    def current(live: LiveVitess) -> Vgtid:
        if not positions:
            positions.append(real(live))
            vitess.insert("a", *rows(20, 500))
        return positions[0]

    monkeypatch.setattr(LiveVitess, "current", current)

    assert syncs.run() is None

    syncs.expect_equal()
    assert syncs.table_state("a") == {"copied": True}


def test_a_sync_that_begins_in_a_failover_says_so(vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question that has no answer yet is in the log before the sync waits, not half a minute later."""
    fill(vitess)
    syncs = Syncs(vitess, "a")
    happened: list[str] = []
    monkeypatch.setattr(SystemClock, "wait", lambda _, seconds: happened.append(f"waited {seconds:g}"))
    for method in ("connect", "inspect_binlogs", "schema"):
        _fail_first(monkeypatch, method)

    for line in syncs.lines():
        message = json.loads(line)
        if message["type"] == "LOG" and "tried again" in message["log"]["message"]:
            happened.append(message["log"]["message"])

    assert happened == 3 * [
        "no primary This is tried again in 0.5 s (attempt 1 of 6).", "waited 0.5",
        "no primary This is tried again in 1 s (attempt 2 of 6).", "waited 1",
    ]  # fmt: skip


def _fail_first(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Has a question of LiveVitess fail twice."""
    real = getattr(LiveVitess, method)
    asked: list[None] = []

    def fail(*args: Any) -> Any:
        asked.append(None)
        if len(asked) <= 2:
            raise TransientError("no primary")
        return real(*args)

    monkeypatch.setattr(LiveVitess, method, fail)


def test_an_idle_keyspace_opens_no_stream(vitess: Vitess) -> None:
    """A position that is reached already is only asked for: no change stream that could wait for ever."""
    fill(vitess)
    syncs = Syncs(vitess)
    assert syncs.run() is None
    before = len(vitess.vstream.requests)
    emitted = syncs.store.records.total()

    assert syncs.run() is None

    asked = vitess.vstream.requests[before:]
    assert [[entry.gtid for entry in request.vgtid.shard_gtids] for request in asked] == [["current", "current"]]
    assert syncs.store.records.total() == emitted
    assert set(syncs.store.statuses.values()) == {"COMPLETE"}


def test_changes_are_one_stream_over_all_tables_and_shards(vitess: Vitess) -> None:
    """A copy is a stream per table; changes are one."""
    fill(vitess)
    syncs = Syncs(vitess)
    assert syncs.run() is None
    write(vitess)
    assert syncs.run() is None

    assert streamed(vitess) == [("a",), ("b",), ("a", "b")]


def test_a_table_that_was_added_has_its_own_copy(vitess: Vitess) -> None:
    """Another stream is selected later: it is copied, and no other row comes again."""
    fill(vitess)
    syncs = Syncs(vitess, "a")
    assert syncs.run() is None
    syncs.catalog = syncs.connector.configured("a", "b")
    syncs.store.keys = {"a": ["id"], "b": ["id"]}
    write(vitess)

    assert syncs.run() is None

    syncs.expect_equal()
    assert syncs.store.records["b"] == len(vitess.rows("b"))


class TestPositions:
    """A saved position that cannot be continued."""

    def test_purged_and_failing(self, vitess: Vitess) -> None:
        """The default: a config error that says so, nothing is emitted, and the state stays what it was."""
        fill(vitess)
        syncs = Syncs(vitess)
        assert syncs.run() is None
        write(vitess)
        vitess.purge()
        state = syncs.store.last_state[0]["global"]
        emitted = syncs.store.records.total()

        error = syncs.run()

        assert isinstance(error, PositionLostError)
        assert "purged" in error.message
        assert syncs.store.records.total() == emitted
        assert syncs.store.last_state[0]["global"]["shared_state"]["vgtid"] == state["shared_state"]["vgtid"]
        assert syncs.store.last_state[0]["global"]["stream_states"] == state["stream_states"]
        assert set(syncs.store.statuses.values()) == {"INCOMPLETE"}

    @pytest.mark.parametrize("lose", ["purge", "foreign"])
    def test_lost_and_copied_again(self, vitess: Vitess, lose: str) -> None:
        """With "Re-sync data" all is copied again in the same sync, and rows that are there are right."""
        fill(vitess)
        syncs = Syncs(vitess, invalid_cdc_position_behavior="Re-sync data")
        assert syncs.run() is None
        vitess.update("a", {"id": 2}, {"name": "changed"})
        if lose == "purge":
            vitess.purge()
        else:
            text = json.dumps(syncs.store.states[-1]).replace("00000001-", "deadbeef-")
            syncs.store.states.append(json.loads(text))

        assert syncs.run() is None

        syncs.expect_equal()
        assert any("copied again" in line for line in syncs.store.logs)
        assert syncs.run() is None

    def test_ahead_of_a_replica(self, vitess: Vitess, waits: list[float]) -> None:
        """A replica that lags behind the saved position is waited for, and then a transient error."""
        fill(vitess)
        syncs = Syncs(vitess, tablet_type="REPLICA")
        assert syncs.run() is None
        vitess.set_replica_lag("-80", 1)

        error = syncs.run()

        assert isinstance(error, TransientError)
        assert "No REPLICA tablet of shard -80 has replicated up to the saved position yet" in error.message
        assert len(waits) == 6

    @pytest.mark.parametrize("resync", [False, True])
    def test_lost_while_it_is_streamed(self, vitess: Vitess, resync: bool) -> None:
        """An old VTGate finds purged logs only when it streams: the same behaviour as if they were found before."""
        fill(vitess)
        behaviour = {"invalid_cdc_position_behavior": "Re-sync data"} if resync else {}
        syncs = Syncs(vitess, **behaviour)
        assert syncs.run() is None
        write(vitess)
        text = "Cannot replicate because the source purged required binary logs. (errno 1236)"
        vitess.faults.cut_after(is_row, grpc.StatusCode.UNKNOWN, text)

        error = syncs.run()

        if resync:
            assert error is None
            syncs.store.tables = {
                name: {key: row for key, row in table.items() if row in _json_rows(vitess, name)}
                for name, table in syncs.store.tables.items()
            }
            syncs.expect_equal()
        else:
            assert isinstance(error, PositionLostError)
            assert syncs.store.states

    def test_other_shards_than_before(self, vitess: Vitess) -> None:
        """A changed list of shards is a config error that names both lists, not a silent gap."""
        fill(vitess)
        syncs = Syncs(vitess)
        assert syncs.run() is None
        syncs.connector = syncs.connector.with_config(shards=["-80"])

        error = syncs.run()

        assert isinstance(error, ConfigError)
        assert "-80, 80-" in error.message

    def test_another_shard_than_before(self, vitess: Vitess, waits: list[float]) -> None:
        """A list of shards of which none is left is no reshard that would be waited for: the old one still serves."""
        fill(vitess)
        syncs = Syncs(vitess, shards=["-80"])
        assert syncs.run() is None
        syncs.connector = syncs.connector.with_config(shards=["80-"])

        error = syncs.run()

        assert isinstance(error, ConfigError)
        assert "of the shard -80, which the source does not read any more" in error.message
        assert waits == []


def _json_rows(vitess: Vitess, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in vitess.rows(table)]


class TestFailures:
    """Streams that fail, and syncs that fail."""

    def test_the_end_position_cannot_be_had(self, vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the last question for the position fails for good: a transient error after a state that is complete."""
        fill(vitess)
        syncs = Syncs(vitess)
        real = LiveVitess.current
        asked: list[int] = []

        def current(live: LiveVitess) -> Vgtid:
            asked.append(1)
            if len(asked) > 2:  # for the end, and before the copies
                raise TransientError("no tablet")
            return real(live)

        monkeypatch.setattr(LiveVitess, "current", current)

        error = syncs.run()

        assert isinstance(error, TransientError)
        assert len(asked) == 2 + 7
        assert set(syncs.store.statuses.values()) == {"INCOMPLETE"}
        monkeypatch.undo()
        emitted = syncs.store.records.total()
        assert syncs.run() is None
        syncs.expect_equal()
        assert syncs.store.records.total() == emitted

    def test_any_question_may_fail_once(self, vitess: Vitess, waits: list[float]) -> None:
        """Whatever a sync asks the MySQL port, a shard without a tablet at that moment is ridden out."""
        fill(vitess)
        syncs = Syncs(vitess)
        assert syncs.run() is None
        asked = len(vitess.mysql.statements)
        assert syncs.run() is None
        unanswered = ("use", "set")
        questions = [said for said in vitess.mysql.statements[asked:] if not said.sql.lower().startswith(unanswered)]
        assert len(questions) > 5
        shard = 'keyspace:"commerce" shard:"80-" tablet_type:PRIMARY'
        text = f"target: commerce.80-.primary: no healthy tablet available for '{shard}'"

        for number in range(len(questions)):
            waits.clear()
            vitess.mysql.fail_next(ER.UNKNOWN_ERROR, text, after=number)
            assert syncs.run() is None, questions[number]
            # How late replicas are is told if it is known.
            is_needed = "replication_status" not in questions[number].sql
            assert waits == [0.5] * is_needed, questions[number]

    def test_an_unknown_error_is_told_for_every_stream(self, vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fault of the program itself: no stream is left without an end, and no state is written after it."""
        fill(vitess)
        syncs = Syncs(vitess)

        def current(_: LiveVitess) -> Vgtid:
            raise ZeroDivisionError

        monkeypatch.setattr(LiveVitess, "current", current)
        with pytest.raises(ZeroDivisionError):
            syncs.run()

        assert syncs.store.statuses == {"a": "INCOMPLETE", "b": "INCOMPLETE"}
        assert syncs.store.states == []

    def test_a_stream_that_cannot_be_read_does_not_stop_the_others(self, vitess: Vitess) -> None:
        """One of the streams is gone: it is INCOMPLETE, the others are synced, and the sync is not green."""
        fill(vitess)
        syncs = Syncs(vitess)
        assert syncs.run() is None
        vitess.drop_table("b")
        vitess.insert("a", *rows(3, 50))

        error = syncs.run()

        assert isinstance(error, ConfigError)
        assert "1 of 2 streams did not sync: 'b'" in error.message
        assert syncs.store.statuses == {"a": "COMPLETE", "b": "INCOMPLETE"}
        syncs.expect_equal("a")

    def test_a_stream_that_comes_back_has_to_be_refreshed(self, vitess: Vitess) -> None:
        """A table that was gone for a sync is not taken up as if nothing had happened: its old rows are ghosts."""
        fill(vitess)
        syncs = Syncs(vitess)
        assert syncs.run() is None
        vitess.drop_table("b")
        syncs.run()
        vitess.create_table("b", COLUMNS, key=["id"])
        vitess.insert("b", {"id": 1, "name": "another"})

        assert isinstance(syncs.run(), ConfigError)
        assert syncs.store.statuses == {"a": "COMPLETE", "b": "INCOMPLETE"}

        refresh(syncs, "b")
        assert syncs.run() is None
        syncs.expect_equal()


def refresh(syncs: Syncs, stream: str) -> None:
    """Does what the platform does for a refresh with removal of old records: drops the stream's state and rows."""
    state = json.loads(json.dumps(syncs.store.states[-1]))
    states = state["global"]["stream_states"]
    state["global"]["stream_states"] = [e for e in states if e["stream_descriptor"]["name"] != stream]
    syncs.store.states.append(state)
    syncs.store.tables.pop(stream, None)


class TestRowsThatVanish:
    """Statements that remove rows without row events."""

    @pytest.mark.parametrize(
        ("statement", "how"),
        [
            (lambda vitess: vitess.truncate("b"), "truncated"),
            (lambda vitess: (vitess.drop_table("b"), vitess.create_table("b", COLUMNS, key=["id"])), "dropped"),
            (lambda vitess: (vitess.rename_table("b", "c"), vitess.create_table("b", COLUMNS, key=["id"])), "renamed"),
            (lambda vitess: vitess.ddl("alter table `b` drop partition p0", "b"), "DROP PARTITION"),
        ],
        ids=["truncate", "drop", "rename", "partition"],
    )
    def test_the_stream_fails_until_it_is_refreshed(
        self, vitess: Vitess, statement: Callable[[Vitess], Any], how: str
    ) -> None:
        """The stream is INCOMPLETE with a config error in this sync and the next; the others go on; a refresh helps."""
        fill(vitess)
        syncs = Syncs(vitess)
        assert syncs.run() is None
        vitess.insert("b", {"id": 70, "name": "before"})
        statement(vitess)
        vitess.insert("b", {"id": 71, "name": "after"})
        vitess.insert("a", {"id": 70, "name": "too"})

        for _ in range(2):
            syncs.store.errors.clear()

            error = syncs.run()

            assert isinstance(error, ConfigError)
            assert syncs.store.statuses == {"a": "COMPLETE", "b": "INCOMPLETE"}
            [told] = syncs.store.errors
            assert how in told["message"]
            assert told["failure_type"] == "config_error"
            assert told["stream_descriptor"] == {"name": "b", "namespace": "commerce"}
            assert "refresh_needed" in (table_state(syncs.store.states[-1], "b") or {})
        syncs.expect_equal("a")

        refresh(syncs, "b")
        assert syncs.run() is None
        syncs.expect_equal()

    @pytest.mark.parametrize(
        "statement",
        [
            lambda vitess: vitess.truncate("b"),
            lambda vitess: (vitess.drop_table("b"), vitess.create_table("b", COLUMNS, key=["id"])),
            lambda vitess: vitess.ddl("alter table `b` drop partition p0", "b"),
        ],
        ids=["truncate", "drop", "partition"],
    )
    def test_they_are_kept_if_so_configured(self, vitess: Vitess, statement: Callable[[Vitess], Any]) -> None:
        """With "Ignore" the stream goes on, in this sync and the next: old rows stay, and all newer changes come."""
        fill(vitess)
        syncs = Syncs(vitess, truncate_behavior="Ignore")
        assert syncs.run() is None
        vitess.insert("b", {"id": 70, "name": "before"})
        kept = {row["id"] for row in vitess.rows("b")}
        statement(vitess)
        vitess.insert("b", {"id": 71, "name": "after"})

        assert syncs.run() is None

        assert any("was" in line and "as configured" in line for line in syncs.store.logs)
        assert {key[0] for key in syncs.store.tables["b"]} == kept | {71}
        vitess.delete("b", {"id": 71})
        assert syncs.run() is None
        assert {key[0] for key in syncs.store.tables["b"]} == kept
        assert set(syncs.store.statuses.values()) == {"COMPLETE"}

    def test_other_rows_in_their_place_are_not_ignored(self, vitess: Vitess) -> None:
        """Another table takes the name: its rows were never told, so the stream has to be refreshed all the same."""
        fill(vitess)
        vitess.create_table("c", COLUMNS, key=["id"])
        vitess.insert("c", *rows(3, 300))
        syncs = Syncs(vitess, "a", "b", truncate_behavior="Ignore")
        assert syncs.run() is None
        vitess.drop_table("b")
        vitess.rename_table("c", "b")

        assert isinstance(syncs.run(), ConfigError)

        assert syncs.store.statuses == {"a": "COMPLETE", "b": "INCOMPLETE"}
        assert "replaced" in syncs.store.errors[0]["message"]

    def test_one_that_the_copy_contains_is_no_news(
        self, vitess: Vitess, after_first_current: AfterFirstCurrent
    ) -> None:
        """A table that is truncated after the sync's start and before its copy: nothing of it had been emitted."""
        fill(vitess)
        syncs = Syncs(vitess)

        def empty() -> None:
            vitess.truncate("b")
            vitess.insert("b", {"id": 9, "name": "since"})

        after_first_current(empty)

        assert syncs.run() is None

        syncs.expect_equal()


class TestFullRefresh:
    """Streams that are copied each time, without changes."""

    def test_every_sync_copies_everything(self, vitess: Vitess) -> None:
        """Each sync has all rows once, and follows nothing."""
        fill(vitess)
        syncs = Syncs(vitess, mode="full_refresh")
        for _ in range(2):
            syncs.store.tables.clear()
            syncs.store.records.clear()

            assert syncs.run() is None

            syncs.expect_equal()
            assert syncs.store.records.total() == len(vitess.rows("a")) + len(vitess.rows("b"))
            write_once = vitess.update("a", {"id": 5}, {"name": "changed"})
            assert write_once <= 1
        assert ("a", "b") not in streamed(vitess)

    def test_an_interrupted_one_goes_on_without_the_changes_in_between(
        self, vitess: Vitess, settings: Settings
    ) -> None:
        """Rows that were deleted or changed since do not come as live rows: each row comes at most once."""
        settings(checkpoint_records=1)
        fill(vitess)
        syncs = Syncs(vitess, "a", mode="full_refresh")
        properties = syncs.catalog["streams"][0]["stream"]["json_schema"]["properties"]
        for name in [name for name in properties if name.startswith("_ab_cdc")]:
            del properties[name]
        lines = list(syncs.lines())
        half = max(i for i, line in enumerate(lines) if b'"lastpk"' in line and b'"refreshing"' in line)
        syncs.store.apply(lines[: half + 1])
        copied = {key[0] for key in syncs.store.tables["a"]}
        assert copied
        vitess.delete("a", {"id": min(copied)})
        vitess.update("a", {"id": max(copied)}, {"name": "changed"})

        assert syncs.run() is None

        assert syncs.store.records["a"] == 9
        assert {key[0] for key in syncs.store.tables["a"]} == set(range(1, 10))

    def test_a_failed_one_is_incomplete(self, vitess: Vitess) -> None:
        """A full refresh of a table that VTGate does not know: INCOMPLETE, and the others are complete."""
        fill(vitess)
        syncs = Syncs(vitess, mode="full_refresh")
        vitess.faults.cut_after(
            lambda event: event.field_event.table_name == "a",
            grpc.StatusCode.UNKNOWN,
            "vttablet: rpc error: code = Unknown desc = unknown table a in schema",
        )

        error = syncs.run()

        assert isinstance(error, ConfigError)
        assert syncs.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
        assert syncs.run() is None
        syncs.expect_equal()


def test_two_syncs_at_once(vitess: Vitess) -> None:
    """Two processes from the same state, line by line in turns: each has the database, as if it were alone."""
    fill(vitess)
    first, second = Syncs(vitess), Syncs(vitess)
    for then in (lambda: write(vitess), lambda: vitess.delete("a", {"id": 100})):
        for a, b in zip_longest(first.lines(), second.lines()):
            for syncs, line in ((first, a), (second, b)):
                if line is not None:
                    syncs.store.apply([line])
        first.expect_equal()
        second.expect_equal()
        then()
    second.store.states = first.store.states
    assert second.run() is None
    second.expect_equal()


def test_a_clock_that_goes_backwards(vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sync an hour earlier than the one before: cursors still grow, so that the last record of a key wins."""
    fill(vitess)
    syncs = Syncs(vitess)
    now = [2e9]
    monkeypatch.setattr(SystemClock, "now", lambda _: now[0])
    cursors: list[int] = []
    for _ in range(3):
        lines = list(syncs.lines())
        syncs.store.apply(lines)
        cursors += [
            message["record"]["data"]["_ab_cdc_cursor"]
            for message in map(json.loads, lines)
            if message["type"] == "RECORD"
        ]
        syncs.expect_equal()
        now[0] -= 3600
        vitess.update("a", {"id": 2}, {"name": f"at {now[0]}"})
        vitess.insert("b", {"id": int(now[0])})

    assert cursors == sorted(set(cursors))
    assert len(cursors) == 14 + 2 * 2


def test_256_shards(waits: list[float]) -> None:
    """A VGTID of as many shards as there can be with one byte: copied, followed and resumed as with two."""
    bounds = ["", *(f"{number:02x}" for number in range(1, 256)), ""]
    with Vitess(shards=[f"{a}-{b}" for a, b in pairwise(bounds)]) as vitess:
        vitess.heartbeat_scale = 0.002
        vitess.create_table("a", COLUMNS, key=["id"])
        vitess.insert("a", *rows(300))
        syncs = Syncs(vitess)
        assert syncs.run() is None
        vitess.insert("a", *rows(5, 1000))
        vitess.delete("a", {"id": 7})

        assert syncs.run() is None

        syncs.expect_equal()
        assert len(syncs.store.states[-1]["global"]["shared_state"]["vgtid"]) == 256
    assert waits == []


def test_many_servers(vitess: Vitess) -> None:
    """A shard that had many primaries has a GTID set of many servers."""
    syncs = Syncs(vitess)
    for number in range(60):
        vitess.insert("a", {"id": number, "name": "x"}, shard="-80")
        vitess.reparent("-80")
        if number % 20 == 5:
            assert syncs.run() is None
    vitess.delete("a", {"id": 3})

    assert syncs.run() is None

    syncs.expect_equal()
    assert syncs.store.states[-1]["global"]["shared_state"]["vgtid"][0]["gtid"].count(",") == 60
