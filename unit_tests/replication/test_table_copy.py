"""A table's copy against the Vitess in memory: interrupted, restarted, resharded, out of time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

import grpc
import pytest

from instruments.oracle import META, Store, expect_equal
from instruments.scripted_vtgate.client import is_lastpk
from instruments.scripted_vtgate.model.faults import After
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from source_vitess.errors import ConfigError, CopyTimeUpError, TransientError
from source_vitess.proto import binlogdata_pb2
from unit_tests.replication.conftest import Settings
from unit_tests.syncing import (
    COLUMNS,
    Syncs,
    again_and_again,
    as_json,
    cut_again_and_again,
    is_row,
    rows,
    streamed,
    table_state,
)


def fill(vitess: Vitess) -> None:
    """Ten rows on each shard of `a`, and none in `b`."""
    vitess.insert("a", *rows(10), shard="-80")
    vitess.insert("a", *rows(10, 100), shard="80-")


class FirstPosition:
    """Tells the position that follows a copy's first FIELD in `-80`: a copy that restarts there is dropped silently."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self, event: binlogdata_pb2.VEvent) -> bool:
        """Tells whether it is this event."""
        if event.shard != "-80":
            return False
        found = self._told and event.type == binlogdata_pb2.VGTID
        self._told = event.type == binlogdata_pb2.FIELD and not event.timestamp
        return found


def interrupt(vitess: Vitess, syncs: Syncs) -> None:
    """Runs a sync up to a checkpoint in the middle of the copy of `a`, both shards begun, and forgets what is after."""
    lines = list(syncs.lines())
    ends = [
        index
        for index, line in enumerate(lines)
        if line.startswith(b'{"type":"STATE"') and line.count(b'"lastpk"') == 2
    ]
    syncs.store = Store.of_catalog(syncs.catalog)
    syncs.store.apply(lines[: ends[-1] + 1])
    assert "copying" in (table_state(syncs.store.states[-1], "a") or {})


def apply_each(syncs: Syncs, react: Callable[[bytes], None]) -> None:
    """Runs a sync, letting a test act on each line."""
    for line in syncs.lines():
        syncs.store.apply([line])
        react(line)


class TestBreaks:
    """Streams that end before their time."""

    @pytest.mark.parametrize("after", [is_row, is_lastpk, 12, 30], ids=["row", "lastpk", "12", "30"])
    @pytest.mark.parametrize("how", ["cut", "eof", "restart"])
    def test_it_goes_on_from_the_last_batch(self, vitess: Vitess, settings: Settings, how: str, after: After) -> None:
        """UNAVAILABLE, an EOF, or a restart within VTGate: no row is missing, in this sync or after later changes."""
        settings(no_progress_seconds=0.2)  # a copy that is dropped silently is noticed by that, in an idle keyspace
        fill(vitess)
        syncs = Syncs(vitess)
        match how:
            case "cut":
                vitess.faults.cut_after(after)
            case "eof":
                vitess.faults.eof_after(after)
            case _:
                vitess.faults.restart_after(after)

        assert syncs.run() is None

        syncs.expect_equal()
        vitess.delete("a", {"id": 3})
        vitess.update("a", {"id": 100}, {"id": 5000})
        assert syncs.run() is None
        syncs.expect_equal()

    @pytest.mark.parametrize("key", [["id"], []], ids=["keyed", "keyless"])
    def test_a_restart_within_vtgate_while_rows_change(self, vitess: Vitess, key: list[str]) -> None:
        """FIELD comes again in the middle of the copy: rows that were deleted since do not stay, none is missing."""
        vitess.create_table("t", COLUMNS, key=key)
        vitess.insert("t", *rows(10), shard="-80")
        syncs = Syncs(vitess, "t")
        seen: list[int] = []

        def restart(event: binlogdata_pb2.VEvent) -> bool:
            if seen or not is_lastpk(event):
                return False
            seen.append(1)
            vitess.delete("t", {"id": 2})
            vitess.insert("t", *rows(2, 50), shard="-80")
            return True

        vitess.faults.restart_after(restart)

        assert syncs.run() is None

        assert seen
        if key:
            syncs.expect_equal()
        assert {row["id"] for row in vitess.rows("t")} <= _ids(syncs, "t")
        assert table_state(syncs.store.states[-1], "t") == {"copied": True}

    def test_one_that_vtgate_always_ends(self, vitess: Vitess, waits: list[float]) -> None:
        """An EOF before the first batch, each time, is no success: an error after some tries."""
        vitess.insert("a", *rows(10), shard="-80")
        syncs = Syncs(vitess, "a")
        again_and_again(40, vitess.faults.eof_after, FirstPosition())

        error = syncs.run()

        assert isinstance(error, TransientError)
        assert len(streamed(vitess)) == 7
        assert waits == [0.5, 1, 2, 4, 8, 16]

    def test_rows_that_vanish_between_two_attempts(self, vitess: Vitess) -> None:
        """A row goes out, the stream breaks before a checkpoint, the row is deleted: it does not stay."""
        fill(vitess)
        syncs = Syncs(vitess, "a")
        seen: list[int] = []

        def vanish(event: binlogdata_pb2.VEvent) -> bool:
            if is_row(event) and not seen:
                seen.append(1)
                for table_row in vitess.rows("a", event.shard)[:1]:
                    vitess.delete("a", {"id": table_row["id"]})
                return True
            return False

        vitess.faults.cut_after(vanish)

        assert syncs.run() is None

        syncs.expect_equal()
        assert syncs.store.deletes["a"] == 1

    def test_a_copy_that_vtgate_drops_silently(self, vitess: Vitess, waits: list[float]) -> None:
        """A restart before the first row, after a position was sent: the shard is copied again, the other is not."""
        fill(vitess)
        syncs = Syncs(vitess, "a")
        is_first_position = FirstPosition()
        dropped: list[int] = []

        def drop(event: binlogdata_pb2.VEvent) -> bool:
            if not is_first_position(event):
                return False
            dropped.append(1)
            vitess.insert("a", {"id": 77, "name": "not copied"}, shard="-80")
            return True

        vitess.faults.restart_after(drop)

        assert syncs.run() is None

        syncs.expect_equal()
        assert dropped == [1]
        assert waits == [0.5]

    def test_one_that_vtgate_always_drops(self, vitess: Vitess) -> None:
        """The same, each time: an error after some tries, instead of trying for ever."""
        vitess.insert("a", *rows(10), shard="-80")
        syncs = Syncs(vitess, "a")
        is_first_position = FirstPosition()
        number = [1000]

        def drop(event: binlogdata_pb2.VEvent) -> bool:
            if is_first_position(event):
                number[0] += 1
                vitess.insert("a", {"id": number[0]}, shard="-80")
                return True
            return False

        again_and_again(40, vitess.faults.restart_after, drop)

        error = syncs.run()

        assert isinstance(error, TransientError)
        assert len(streamed(vitess)) == 7

    def test_a_table_without_key_that_never_gets_to_its_end(self, vitess: Vitess) -> None:
        """Without a key an interrupted copy starts over: that is no progress, and ends after some tries."""
        vitess.create_table("t", COLUMNS)
        vitess.insert("t", *rows(30), shard="-80")
        syncs = Syncs(vitess, "t")
        batches: list[int] = []

        def fifth_batch(event: binlogdata_pb2.VEvent) -> bool:
            if is_lastpk(event):
                batches.append(1)
                return len(batches) % 5 == 0
            return False

        cut_again_and_again(vitess, 40, fifth_batch)

        error = syncs.run()

        assert isinstance(error, TransientError)
        assert len(streamed(vitess)) == 7
        assert any("has no key" in line and "come again" in line for line in syncs.store.logs)
        vitess.faults = type(vitess.faults)()
        assert syncs.run() is None
        assert _ids(syncs, "t") == set(range(1, 31))

    def test_a_table_that_a_replica_does_not_know_yet(self, vitess: Vitess, waits: list[float]) -> None:
        """Right after CREATE TABLE: asked again for a while, then that stream fails and the others are synced."""
        fill(vitess)
        syncs = Syncs(vitess)
        text = "vttablet: rpc error: code = Unknown desc = table a is not present in the database"

        def of_a(event: binlogdata_pb2.VEvent) -> bool:
            return event.type == binlogdata_pb2.FIELD and event.field_event.table_name == "a"

        cut_again_and_again(vitess, 3, of_a, grpc.StatusCode.UNKNOWN, text)
        assert syncs.run() is None
        syncs.expect_equal()
        assert len(waits) == 3

        syncs.store = Store.of_catalog(syncs.catalog)
        cut_again_and_again(vitess, 50, of_a, grpc.StatusCode.UNKNOWN, text)
        error = syncs.run()

        assert isinstance(error, ConfigError)
        assert syncs.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
        assert "copying" in (table_state(syncs.store.states[-1], "a") or {})
        vitess.faults = type(vitess.faults)()
        vitess.delete("a", {"id": 1})
        assert syncs.run() is None
        syncs.expect_equal()


def _ids(syncs: Syncs, table: str) -> set[int]:
    def number(value: object) -> int:
        return int(str(value).removeprefix("number "))

    return {number(json.loads(row)["id"]) for row in syncs.store.rows(table)}


class TestResumes:
    """Copies that an earlier sync has begun."""

    @pytest.mark.usefixtures("often")
    def test_it_goes_on_after_the_last_key(self, vitess: Vitess) -> None:
        """Rows that are copied and unchanged do not come again."""
        fill(vitess)
        syncs = Syncs(vitess, "a")
        interrupt(vitess, syncs)
        copied = syncs.store.records["a"]

        assert syncs.run() is None

        syncs.expect_equal()
        assert syncs.store.records["a"] == 20
        assert copied > 3

    def test_an_estimate_is_only_made_from_statistics(self, vitess: Vitess) -> None:
        """How much a copy will be, if the server has an idea; statistics that say 0 rows are none."""
        vitess.insert("a", *rows(3))
        syncs = Syncs(vitess)

        estimates = [line for line in syncs.lines() if b'"ESTIMATE"' in line]

        assert [(b'"name":"a"' in line, b'"row_estimate":3' in line) for line in estimates] == [(True, True)]

    @pytest.mark.usefixtures("often")
    def test_its_changes_are_purged_meanwhile(self, vitess: Vitess) -> None:
        """The copy's own position is lost, the shared one is not: the copy starts over, and the sync is green."""
        fill(vitess)
        syncs = Syncs(vitess, "a")
        interrupt(vitess, syncs)
        vitess.delete("a", {"id": 1})
        # The changes are read; the copy dies before its first checkpoint, and the logs go.
        lines = syncs.lines()
        read = []
        for line in lines:
            read.append(line)
            if b"Copying table" in line:
                break
        lines.close()  # type: ignore[attr-defined] # a generator
        syncs.store.apply(read)
        vitess.purge()

        assert syncs.run() is None

        syncs.expect_equal()
        assert any("from the beginning" in line for line in syncs.store.logs)

    @pytest.mark.usefixtures("often")
    def test_the_table_has_changed_meanwhile(self, vitess: Vitess) -> None:
        """What changed before the copy goes on cannot be read with the table's columns of now: it starts over."""
        fill(vitess)
        syncs = Syncs(vitess, "a")
        interrupt(vitess, syncs)
        text = "vttablet: rpc error: code = Unknown desc = cannot determine table columns for a: event has 2, has 3"
        vitess.insert("a", {"id": 60, "name": "n"}, shard="-80")

        def caught_up(event: binlogdata_pb2.VEvent) -> bool:
            return is_row(event) and bool(event.timestamp)

        seen: list[int] = []

        def in_the_copy(event: binlogdata_pb2.VEvent) -> bool:
            if caught_up(event):
                seen.append(1)
            return len(seen) == 2  # the first one is in the change stream

        vitess.faults.cut_after(in_the_copy, grpc.StatusCode.UNKNOWN, text)

        assert syncs.run() is None

        syncs.expect_equal()
        assert len(seen) == 2

    @pytest.mark.usefixtures("often")
    def test_the_keyspace_is_resharded_meanwhile(self, vitess: Vitess) -> None:
        """Shards of the half copy are gone: it starts over on the new ones, and nothing stays that was deleted."""
        fill(vitess)
        syncs = Syncs(vitess)
        interrupt(vitess, syncs)
        vitess.delete("a", {"id": 100})
        vitess.reshard(["80-"], ["80-c0", "c0-"])
        vitess.touch()

        assert syncs.run() is None

        syncs.expect_equal()

    def test_a_reshard_in_the_middle(self, vitess: Vitess, settings: Settings) -> None:
        """VTGate abandons a copy at a reshard without a word: it is noticed, and copied from the new shards."""
        settings(no_progress_seconds=0.2)
        fill(vitess)
        syncs = Syncs(vitess, "a")
        seen: list[int] = []

        def reshard(event: binlogdata_pb2.VEvent) -> bool:
            if is_lastpk(event) and not seen:
                seen.append(1)
                vitess.reshard(["80-"], ["80-c0", "c0-"])
                vitess.touch()
                vitess.delete("a", {"id": 1})
            return False

        vitess.faults.cut_after(reshard)

        assert syncs.run() is None

        assert seen
        syncs.expect_equal()

    def test_a_reshard_that_breaks_the_copy(self, vitess: Vitess) -> None:
        """The change stream gets to the new shards first; then the copy is of them, and what was begun with it, too."""
        fill(vitess)
        vitess.insert("b", *rows(4, 300))
        syncs = Syncs(vitess)
        seen: list[int] = []

        def reshard(event: binlogdata_pb2.VEvent) -> bool:
            if seen or not is_row(event):
                return False
            seen.append(1)
            vitess.reshard(["80-"], ["80-c0", "c0-"])
            vitess.update("b", {"id": 300}, {"name": "on the way"})
            return True

        vitess.faults.cut_after(reshard)

        assert syncs.run() is None

        syncs.expect_equal()
        assert any("was resharded while table 'a' was being copied" in line for line in syncs.store.logs)


@pytest.fixture
def often(settings: Settings) -> None:
    """A state wherever a transaction ends."""
    settings(checkpoint_records=1)


def select(syncs: Syncs, *names: str) -> None:
    """Has the catalog select some columns."""
    for entry in syncs.catalog["streams"]:
        schema = entry["stream"]["json_schema"]
        schema["properties"] = {name: schema["properties"][name] for name in (*names, *META)}


def expect_selected(syncs: Syncs, table: str, *names: str) -> None:
    """Compares some columns of a table with the model's rows; there must be no others."""
    expected = [{name: value for name, value in row.items() if name in names} for row in syncs.vitess.rows(table)]
    expect_equal(syncs.store, table, map(as_json, expected))


def queries(vitess: Vitess) -> list[str]:
    """Returns what was asked for in streams of one table, in order, and what in a stream of changes."""
    return [
        ("resumed: " if any(entry.table_p_ks for entry in request.vgtid.shard_gtids) else "") + rule.filter
        for request in vitess.vstream.requests
        if any(entry.gtid != "current" for entry in request.vgtid.shard_gtids)
        for rule in request.filter.rules
    ]


class TestColumns:
    """A catalog that selects some of the columns."""

    WIDE: Mapping[str, str] = {"x": "varchar(20)", "id": "bigint", "a`b": "text", "y": "int", "last": "json"}

    def _fill(self, vitess: Vitess, *, key: Sequence[str] = ("id",)) -> None:
        vitess.create_table("t", self.WIDE, key=key)
        for shard, start in (("-80", 1), ("80-", 100)):
            for number in range(start, start + 10):
                vitess.insert("t", {"x": "x", "id": number, "a`b": "b"}, shard=shard)

    def test_only_the_selected_and_the_key_are_copied(self, vitess: Vitess) -> None:
        """The copy asks for them in the table's order, changes for all columns."""
        self._fill(vitess)
        syncs = Syncs(vitess, "t")
        select(syncs, "y", "a`b", "id")

        assert syncs.run() is None

        assert queries(vitess) == ["select `id`, `a``b`, `y` from `t`"]
        expect_selected(syncs, "t", "id", "a`b", "y")
        vitess.update("t", {"id": 3}, {"y": 5})
        vitess.update("t", {"id": 4}, {"last": "[]"})
        vitess.delete("t", {"id": 100})
        assert syncs.run() is None
        assert queries(vitess)[1:] == ["select * from `t`"]
        expect_selected(syncs, "t", "id", "a`b", "y")

    def test_a_full_refresh(self, vitess: Vitess) -> None:
        """The key's columns are asked for, and left out of the records if they are not selected."""
        self._fill(vitess)
        syncs = Syncs(vitess, "t", mode="full_refresh")
        select(syncs, "y")
        syncs.catalog["streams"][0]["primary_key"] = []

        records = [json.loads(line)["record"]["data"] for line in syncs.lines() if b'"RECORD"' in line]

        assert queries(vitess) == ["select `id`, `y` from `t`"]
        assert [{*record} - {*META} for record in records] == [{"y"}] * 20

    def test_all_columns(self, vitess: Vitess) -> None:
        """With all columns selected the request names none."""
        self._fill(vitess)

        syncs = Syncs(vitess, "t")
        select(syncs, *self.WIDE)
        assert syncs.run() is None

        assert queries(vitess) == ["select * from `t`"]
        syncs.expect_equal()

    def test_a_table_without_a_key(self, vitess: Vitess) -> None:
        """It is copied whole: all NULLs of a column would come in one message, however many they are."""
        self._fill(vitess, key=())
        syncs = Syncs(vitess, "t")
        select(syncs, "y")

        assert syncs.run() is None

        assert queries(vitess) == ["select * from `t`"]
        expect_selected(syncs, "t", "y")

    @pytest.mark.usefixtures("often")
    def test_it_goes_on(self, vitess: Vitess) -> None:
        """A copy that was interrupted goes on with the same columns; rows that changed meanwhile are right."""
        self._fill(vitess)
        syncs = Syncs(vitess, "t")
        select(syncs, "id", "y")
        lines = list(syncs.lines())
        half = max(index for index, line in enumerate(lines) if line.count(b'"lastpk"') == 2)
        syncs.store = Store.of_catalog(syncs.catalog)
        syncs.store.apply(lines[: half + 1])
        vitess.delete("t", {"id": 1})
        vitess.update("t", {"id": 100}, {"id": 7000})
        vitess.update("t", {"id": 2}, {"y": 9})
        asked = len(queries(vitess))

        assert syncs.run() is None

        assert queries(vitess)[asked:] == [
            "select * from `t`",
            "resumed: select `id`, `y` from `t`",
        ]
        expect_selected(syncs, "t", "id", "y")
        assert syncs.store.deletes["t"] == 2  # by the change stream, and not by the copy again

    @pytest.mark.usefixtures("often")
    @pytest.mark.parametrize("track", [True, False], ids=["tracked", "untracked"])
    def test_a_column_is_added_while_a_copy_is_interrupted(self, vitess: Vitess, track: bool) -> None:
        """Changes of before do not have it: the copy starts over behind them, and every value is right."""
        vitess.track_schema_versions = track
        self._fill(vitess)
        syncs = Syncs(vitess, "t")
        select(syncs, "id", "y")
        lines = list(syncs.lines())
        half = max(index for index, line in enumerate(lines) if line.count(b'"lastpk"') == 2)
        syncs.store = Store.of_catalog(syncs.catalog)
        syncs.store.apply(lines[: half + 1])
        vitess.update("t", {"id": 2}, {"y": 9})
        vitess.add_column("t", "new", "int", default=5)
        vitess.update("t", {"id": 3}, {"new": 8})
        syncs.catalog = syncs.connector.configured("t")
        select(syncs, "id", "y", "new")

        assert syncs.run() is None

        assert not [query for query in queries(vitess) if query.startswith("resumed")]
        expect_selected(syncs, "t", "id", "y", "new")

    def test_a_column_that_the_tablet_does_not_know(self, vitess: Vitess, waits: list[float]) -> None:
        """It is waited for, then the stream fails with the column's name; never are rows copied without it."""
        self._fill(vitess)
        syncs = Syncs(vitess, "t")
        select(syncs, "id", "y", "a`b")

        def drop(line: bytes) -> None:
            if b"Copying table" in line:
                vitess.drop_column("t", "y")

        with pytest.raises(ConfigError):
            apply_each(syncs, drop)

        assert queries(vitess)[:2] == ["select `id`, `a``b`, `y` from `t`", "select * from `t`"]
        assert syncs.store.statuses == {"t": "INCOMPLETE"}
        assert syncs.store.records["t"] == 0
        assert len(waits) == 6
        vitess.add_column("t", "y", "int", default=5)
        assert syncs.run() is None
        expect_selected(syncs, "t", "id", "a`b", "y")

    def test_names_that_vttablet_takes_for_equal(self, vitess: Vitess) -> None:
        """To MySQL ẞ and ß are two columns, to VTTablet they are one, and it sends the first: it is noticed."""
        vitess.create_table("t", {"id": "bigint", "ẞ": "int", "ß": "int", "x": "int"}, key=["id"])
        vitess.insert("t", {"id": 1, "ẞ": 10, "ß": 20})
        syncs = Syncs(vitess, "t")
        select(syncs, "id", "ß")

        assert syncs.run() is None

        assert queries(vitess)[:2] == ["select `id`, `ß` from `t`", "select * from `t`"]
        expect_selected(syncs, "t", "id", "ß")

    def test_nothing_comes_of_some_columns(self, vitess: Vitess, settings: Settings) -> None:
        """Rows that are small may be too many for a message: after a silence it is tried with all columns."""
        settings(no_progress_seconds=0.1)
        vitess.create_table("t", self.WIDE, key=["id"])
        vitess.insert("t", {"id": 1, "y": 1}, shard="80-")
        syncs = Syncs(vitess, "t")
        select(syncs, "id", "y")
        # An empty shard whose copy is dropped silently never says that it is complete.
        vitess.faults.restart_after(FirstPosition())

        assert syncs.run() is None

        assert queries(vitess) == ["select `id`, `y` from `t`", "select * from `t`"]
        expect_selected(syncs, "t", "id", "y")

    def test_a_large_value_that_is_not_selected(self, vitess: Vitess) -> None:
        """It does not hold the copy up."""
        self._fill(vitess)
        vitess.insert("t", {"id": 50, "a`b": "x" * 10_000})
        vitess.max_message_bytes = 5000
        syncs = Syncs(vitess, "t")
        select(syncs, "id", "y")

        assert syncs.run() is None

        expect_selected(syncs, "t", "id", "y")


class TestTime:
    """Limits of time."""

    def test_the_time_for_copying_is_over(
        self, vitess: Vitess, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A state and a transient error; the next sync reads the changes first, and goes on, until it is done."""
        settings(copy_seconds=10)
        fill(vitess)
        syncs = Syncs(vitess)
        skipped = [0.0]
        monkeypatch.setattr(SystemClock, "monotonic", lambda _: time.monotonic() + skipped[0])
        errors = []
        for number in range(12):
            before = len(streamed(vitess))
            syncs.store.new_sync()
            try:
                for line in syncs.connector.lines(syncs.catalog, syncs.store.last_state):
                    syncs.store.apply([line])
                    if b'"RECORD"' in line and (skipped[0] // 100) <= number:
                        skipped[0] += 100
            except TransientError as error:
                errors.append(error)
                opened = streamed(vitess)[before:]
                assert number == 0 or opened[0] == ("a",)
            else:
                break
            vitess.update("a", {"id": 1}, {"name": f"round {number}"})

        assert errors
        assert all(isinstance(error, CopyTimeUpError) for error in errors)
        syncs.expect_equal()

    def test_a_shard_that_is_silent(self, vitess: Vitess, settings: Settings) -> None:
        """Nothing comes of a shard, while heartbeats and the other one's changes do: tried again, then an error."""
        settings(no_progress_seconds=0.05)
        vitess.insert("a", *rows(4), shard="80-")
        syncs = Syncs(vitess, "a")
        # An empty shard whose copy is dropped silently never says that it is complete.
        again_and_again(40, vitess.faults.restart_after, FirstPosition())

        error = syncs.run()

        assert isinstance(error, TransientError)
        assert "throttled" in error.message
        assert streamed(vitess) == [("a",)] * 6

    @pytest.mark.parametrize("key", [["id"], []], ids=["key", "no key"])
    def test_a_row_above_the_message_limit(
        self, vitess: Vitess, settings: Settings, waits: list[float], key: list[str]
    ) -> None:
        """VTGate would retry it for ever: that stream fails after one wait, and the others are copied."""
        settings(no_progress_seconds=0.1)
        fill(vitess)
        vitess.create_table("aa", COLUMNS, key=key)
        vitess.insert("aa", *rows(20), {"id": 21, "name": "x" * 10_000}, *rows(5, 30))
        vitess.max_message_bytes = 5000
        syncs = Syncs(vitess, "aa", "b")

        error = syncs.run()

        assert isinstance(error, ConfigError)
        assert syncs.store.statuses == {"aa": "INCOMPLETE", "b": "COMPLETE"}
        [told] = [told["message"] for told in syncs.store.errors if "stream_descriptor" in told]
        assert "'aa' in shard" in told
        assert "--grpc-max-message-size" in told
        assert waits == []
        copied = syncs.store.records["aa"]

        vitess.max_message_bytes = None
        assert syncs.run() is None
        syncs.expect_equal("b")
        if key:
            syncs.expect_equal()
            assert copied > 3
            assert syncs.store.records["aa"] < 26 + copied
