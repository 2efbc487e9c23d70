"""The change stream against the Vitess in memory: what breaks it off, what it leaves out, where it ends."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

import grpc
import pytest

from instruments.oracle import Store
from instruments.scripted_vtgate.model.faults import After
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.airbyte.configured_catalog import parse_configured_catalog
from source_vitess.clock import SystemClock
from source_vitess.commands import Commands
from source_vitess.errors import ConfigError, SchemaMismatchError, TransientError
from source_vitess.keyspace import LiveVitess
from source_vitess.position.gtid import GtidSet
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto import binlogdata_pb2, vtgate_pb2
from source_vitess.replication import change_stream, held_rows
from source_vitess.replication.changes import Changes
from source_vitess.replication.messages import Message
from source_vitess.vstream.current_position import CURRENT_TIMEOUT
from source_vitess.vstream.request import NO_TABLE
from unit_tests.replication.conftest import AfterFirstCurrent, Settings
from unit_tests.syncing import COLUMNS, Syncs, cut_again_and_again, is_commit, is_row, rows, streamed, table_state

Response = vtgate_pb2.VStreamResponse


@pytest.fixture
def synced(vitess: Vitess) -> Syncs:
    """Tables `a` and `b`, copied."""
    vitess.insert("a", *rows(6))
    vitess.insert("b", *rows(4))
    syncs = Syncs(vitess)
    assert syncs.run() is None
    return syncs


def change(vitess: Vitess) -> None:
    """Some transactions on both shards, one of them of several rows."""
    for number in range(5):
        vitess.insert("a", *rows(3, 100 + 10 * number))
    vitess.update("b", {"id": 2}, {"id": 20})
    vitess.delete("a", {"id": 1})
    vitess.touch(count=2)


class TestBreaks:
    """Streams that end before their time."""

    @pytest.mark.parametrize("after", [is_row, is_commit, 9, 17], ids=["row", "commit", "9", "17"])
    @pytest.mark.parametrize("how", ["cut", "eof"])
    def test_it_goes_on_from_the_last_transaction(self, vitess: Vitess, synced: Syncs, how: str, after: After) -> None:
        """UNAVAILABLE or an EOF, in the middle of a transaction or between two: ridden out, nothing is missing."""
        vitess.rows_per_event = 1
        vitess.events_per_response = 1
        change(vitess)
        if how == "cut":
            vitess.faults.cut_after(after)
        else:
            vitess.faults.eof_after(after)

        assert synced.run() is None

        synced.expect_equal()
        assert set(synced.store.statuses.values()) == {"COMPLETE"}

    def test_it_gives_up_after_some_tries_without_progress(
        self, vitess: Vitess, synced: Syncs, waits: list[float]
    ) -> None:
        """Six tries with longer and longer waits, then a transient error, with a state to go on from."""
        change(vitess)
        cut_again_and_again(vitess, 20, is_row)
        states = len(synced.store.states)

        error = synced.run()

        assert isinstance(error, TransientError)
        assert waits == [0.5, 1, 2, 4, 8, 16]
        assert len(synced.store.states) > states
        assert set(synced.store.statuses.values()) == {"INCOMPLETE"}
        vitess.faults = type(vitess.faults)()
        assert synced.run() is None
        synced.expect_equal()

    def test_progress_gives_new_tries(self, vitess: Vitess, synced: Syncs, waits: list[float]) -> None:
        """A stream that breaks after each transaction, a dozen times, still gets to its end."""
        for number in range(12):
            vitess.insert("a", {"id": 100 + number}, shard="-80")
        cut_again_and_again(vitess, 11, is_commit)

        assert synced.run() is None

        synced.expect_equal()
        assert waits == [0.5] * 11

    def test_a_restart_within_vtgate(self, vitess: Vitess, synced: Syncs) -> None:
        """VTGate opens a shard's tablet stream again in the middle of the call: FIELD comes again, rows do not."""
        change(vitess)
        vitess.faults.restart_after(is_commit)
        before = synced.store.records.total()

        assert synced.run() is None

        synced.expect_equal()
        assert synced.store.records.total() == before + 15 + 2 + 1
        assert len(streamed(vitess)) == 3


class TestSchemas:
    """Changes that do not fit the table's columns any more."""

    def test_columns_that_a_tablet_does_not_remember(self, vitess: Vitess, synced: Syncs) -> None:
        """Old rows with more columns than the table has now: that stream fails once, the others go on. No loop."""
        vitess.insert("a", *rows(2, 50))
        vitess.drop_column("a", "name")
        vitess.insert("b", *rows(2, 50))

        error = synced.run()

        assert isinstance(error, ConfigError)
        assert synced.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
        assert [told["stream_descriptor"]["name"] for told in synced.store.errors if "stream_descriptor" in told] == [
            "a"
        ]
        assert "refresh_needed" in (table_state(synced.store.states[-1], "a") or {})
        synced.expect_equal("b")

    @pytest.mark.parametrize(
        "text",
        [
            "vttablet: cannot determine table columns for a: event has [8 3 15], schema has [id name]",
            "vttablet: table a is not present in the database",
        ],
    )
    def test_columns_that_a_tablet_notes_a_moment_late(self, vitess: Vitess, synced: Syncs, text: str) -> None:
        """Rows behind an ALTER are there before the schema tracker has noted it: a later try gets them all."""
        change(vitess)
        cut_again_and_again(vitess, 3, is_row, grpc.StatusCode.UNKNOWN, text)

        assert synced.run() is None

        assert set(synced.store.statuses.values()) == {"COMPLETE"}
        synced.expect_equal()

    @pytest.mark.parametrize("late", [1, 4, 100])
    def test_a_dropped_column_that_a_tablet_names_for_a_moment(self, vitess: Vitess, late: int) -> None:
        """Rows right behind a DROP are named by the columns of before: no value is emitted under a wrong name.

        Another try gets them all, unless the tablet never notes the new columns: then the stream asks for a refresh.
        """
        vitess.track_schema_versions = True
        vitess.add_column("a", "x", "varchar(20)", after="id")
        vitess.add_column("a", "last", "varchar(20)")
        synced = Syncs(vitess)
        assert synced.run() is None
        vitess.insert("a", {"id": 1, "x": "x", "name": "n", "last": "l"}, shard="-80")
        vitess.drop_column("a", "x")
        vitess.insert("a", {"id": 2, "name": "n", "last": "l"}, shard="-80")
        vitess.late_notes = late

        error = synced.run()

        if late == 100:
            assert isinstance(error, ConfigError)
            assert synced.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
            assert (2,) not in synced.store.tables["a"]
        else:
            assert error is None
            assert {**synced.store.tables["a"][2,], "x": 0} == {"id": 2, "name": "n", "last": "l", "x": 0}

    def test_a_dropped_column_that_a_tablet_names_in_the_next_sync(self, vitess: Vitess) -> None:
        """The statement came in the sync before: its rows are not read under wrong names for that."""
        vitess.track_schema_versions = True
        vitess.add_column("a", "x", "varchar(20)", after="id")
        vitess.add_column("a", "last", "varchar(20)")
        synced = Syncs(vitess)
        assert synced.run() is None
        vitess.insert("a", {"id": 1, "x": "x", "name": "n", "last": "l"}, shard="-80")
        vitess.drop_column("a", "x")
        assert synced.run() is None
        vitess.insert("a", {"id": 2, "name": "n", "last": "l"}, shard="-80")
        vitess.late_notes = 100

        error = synced.run()

        assert isinstance(error, ConfigError)
        assert (2,) not in synced.store.tables["a"]

        vitess.late_notes = 0
        state = synced.store.states[-1]["global"]
        state["stream_states"] = [each for each in state["stream_states"] if each["stream_descriptor"]["name"] != "a"]
        synced.store.tables.pop("a")
        synced.catalog = synced.connector.configured()
        vitess.insert("a", {"id": 3, "name": "n", "last": "l"}, shard="-80")
        assert synced.run() is None
        for shard in ("-80", "80-"):
            vitess.insert("a", {"id": 4 + (shard == "80-"), "name": "n", "last": "l"}, shard=shard)
        assert synced.run() is None
        synced.expect_equal()
        assert "dropped_columns" not in synced.store.states[-1]["global"]["shared_state"]

    def test_an_error_about_a_table_that_nobody_reads(self, vitess: Vitess, synced: Syncs) -> None:
        """VTGate blames a table that is not in the request: tried again, then the sync's own error. No loop."""
        change(vitess)
        text = "vttablet: unknown table zzz in schema"
        cut_again_and_again(vitess, 20, is_row, grpc.StatusCode.UNKNOWN, text)

        error = synced.run()

        assert isinstance(error, SchemaMismatchError)
        assert len(streamed(vitess)) == 2 + 7
        assert table_state(synced.store.states[-1], "zzz") is None

    def test_columns_without_names(self, vitess: Vitess, synced: Syncs) -> None:
        """`@1` instead of names, because types clash: that stream fails and says what vttablet needs."""
        vitess.insert("a", *rows(2, 50))
        vitess.drop_column("a", "name")
        vitess.add_column("a", "name", "bigint")
        vitess.insert("b", *rows(2, 50))
        # The catalog is of the table as it is now; the change is of before.
        synced.catalog = synced.connector.configured()

        error = synced.run()

        assert isinstance(error, ConfigError)
        assert synced.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
        assert "--track-schema-versions" in synced.store.errors[0]["message"]
        synced.expect_equal("b")

    def test_values_under_the_name_of_a_later_column(self, vitess: Vitess, synced: Syncs) -> None:
        """`ADD COLUMN … AFTER` shifts old values to wrong names: noticed when the statement comes, and told."""
        vitess.insert("a", *rows(2, 50), shard="-80")
        vitess.add_column("a", "nick", "varchar(20)", after="id")
        vitess.insert("b", *rows(2, 50))

        error = synced.run()

        assert isinstance(error, ConfigError)
        assert synced.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
        assert "(nick)" in synced.store.errors[0]["message"]
        assert "refresh_needed" in (synced.table_state("a") or {})
        synced.expect_equal("b")

    @pytest.mark.parametrize("after", [None, "id"])
    def test_columns_that_were_added_without_harm(self, vitess: Vitess, synced: Syncs, after: str | None) -> None:
        """As the last column, or with tablets that remember their columns: the values are right, and nothing fails."""
        vitess.track_schema_versions = after is not None
        vitess.insert("a", *rows(2, 50), shard="-80")
        vitess.add_column("a", "nick", "varchar(20)", after=after)
        vitess.insert("a", {"id": 60, "name": "n", "nick": "k"}, shard="-80")
        vitess.add_column("a", "later", "varchar(20)", after=after)
        vitess.insert("a", {"id": 61, "name": "m", "nick": "k"}, shard="-80")

        assert synced.run() is None

        assert [synced.store.tables["a"][number,]["name"] for number in (50, 51, 60, 61)] == ["n50", "n51", "n", "m"]

    def test_a_type_that_drifts(self, vitess: Vitess, synced: Syncs, after_first_current: AfterFirstCurrent) -> None:
        """A column becomes another type while the sync runs: that stream fails, with what to do."""
        vitess.insert("a", *rows(1, 50))

        def drift() -> None:
            vitess.modify_column("a", "name", "binary(20)")
            vitess.insert("b", *rows(2, 50))

        after_first_current(drift)

        error = synced.run()

        assert isinstance(error, ConfigError)
        assert synced.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
        assert "another type" in synced.store.errors[0]["message"]

    def test_an_added_column_is_left_out_until_it_is_selected(self, vitess: Vitess, synced: Syncs) -> None:
        """A column that the catalog does not have yet: rows come without it, and nothing fails."""
        vitess.add_column("a", "extra", "int", default=7)
        vitess.insert("a", {"id": 50, "name": "n", "extra": 8})

        assert synced.run() is None

        assert synced.store.tables["a"][50,] == {"id": 50, "name": "n"}


class TestErrantTransactions:
    """Transactions that were errant when the sync began."""

    @pytest.fixture
    def followed(self, vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> Syncs:
        """A table that is followed, whose next changes in `-80` are taken for errant."""
        vitess.insert("a", *rows(3), shard="-80")
        syncs = Syncs(vitess, "a")
        assert syncs.run() is None
        vitess.insert("a", *rows(2, 50), shard="-80")
        gtids = GtidSet.parse(str(vitess.shards["-80"].executed).partition(":")[0] + ":1-1000")
        real = Changes.run

        def run(changes: Changes, target: Vgtid, *, until: float = -math.inf) -> Iterator[Message]:
            changes.leave_out("-80", gtids)
            return real(changes, target, until=until)

        monkeypatch.setattr(Changes, "run", run)
        return syncs

    def test_one_that_the_primary_has_by_now(self, followed: Syncs) -> None:
        """Its tablet was made the primary meanwhile: what it changed is emitted."""
        assert followed.run() is None

        followed.expect_equal("a")

    def test_a_statement_of_one_that_the_primary_has_by_now(self, vitess: Vitess, followed: Syncs) -> None:
        """It is carried out like any other."""
        vitess.truncate("a")

        assert isinstance(followed.run(), ConfigError)

        assert "refresh_needed" in (table_state(followed.store.states[-1], "a") or {})

    def test_one_that_no_primary_has(self, followed: Syncs, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it changed is no row of the shard."""
        before = Vgtid.from_json(followed.store.states[-1]["global"]["shared_state"]["vgtid"])
        monkeypatch.setattr(LiveVitess, "lineage", lambda _: before)

        assert followed.run() is None

        assert {row["id"] for row in followed.store.tables["a"].values()} == {1, 2, 3}

    def test_one_whose_shard_is_resharded_by_now(
        self, vitess: Vitess, followed: Syncs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its primary is not asked any more, so what is known of it stays."""
        there = Vgtid("commerce", {"80-": f"MySQL56/{vitess.shards['80-'].executed}"})
        monkeypatch.setattr(LiveVitess, "lineage", lambda _: there)

        assert followed.run() is None

        assert {row["id"] for row in followed.store.tables["a"].values()} == {1, 2, 3}


class TestHeldRows:
    """Rows of a transaction that may be contained in the copy already."""

    @pytest.mark.parametrize("key", [["id"], []], ids=["keyed", "keyless"])
    def test_a_huge_transaction_goes_to_a_file(
        self,
        vitess: Vitess,
        monkeypatch: pytest.MonkeyPatch,
        after_first_current: AfterFirstCurrent,
        key: list[str],
    ) -> None:
        """More rows than are held in memory: those that the copy contains are not emitted again, the others are."""
        monkeypatch.setattr(held_rows, "MEMORY_BYTES", 300)
        vitess.rows_per_event = 2
        vitess.events_per_response = 3
        vitess.create_table("t", COLUMNS, key=key)
        vitess.insert("t", *rows(6), shard="-80")
        syncs = Syncs(vitess, "t")

        def write() -> None:
            vitess.insert("t", *rows(30, 100), shard="-80")
            vitess.update("t", {"id": 100}, {"name": "newer"})
            vitess.delete("t", {"id": 101})

        after_first_current(write)

        assert syncs.run() is None

        syncs.expect_equal()
        assert syncs.store.records["t"] == 6 + 30 - 1  # the copy alone
        vitess.insert("t", *rows(30, 200), shard="-80")
        assert syncs.run() is None
        syncs.expect_equal()
        assert syncs.store.records["t"] == 6 + 30 - 1 + 30

    def test_it_dies_in_a_huge_transaction(
        self, vitess: Vitess, monkeypatch: pytest.MonkeyPatch, after_first_current: AfterFirstCurrent
    ) -> None:
        """A break after some of its rows went out, which the copy contained: newer rows win in the end."""
        monkeypatch.setattr(held_rows, "MEMORY_BYTES", 300)
        vitess.rows_per_event = 2
        vitess.events_per_response = 1
        vitess.insert("a", *rows(6), shard="-80")
        syncs = Syncs(vitess, "a")

        def write() -> None:
            vitess.insert("a", *rows(30, 100), shard="-80")
            vitess.update("a", lambda row: True, {"name": "newest"})
            seen: list[int] = []

            def in_the_change_stream(event: binlogdata_pb2.VEvent) -> bool:
                if is_row(event) and event.timestamp:
                    seen.append(1)
                return len(seen) >= 12

            cut_again_and_again(vitess, 8, in_the_change_stream)

        after_first_current(write)
        syncs.run()
        vitess.faults = type(vitess.faults)()

        assert syncs.run() is None

        syncs.expect_equal()

    @pytest.mark.parametrize("key", [["id"], []], ids=["keyed", "keyless"])
    @pytest.mark.parametrize("contained", [True, False])
    def test_a_break_while_rows_are_held(
        self, vitess: Vitess, after_first_current: AfterFirstCurrent, key: list[str], contained: bool
    ) -> None:
        """A transaction is cut off among its rows, which the copy contains or not: they come once all the same."""
        vitess.rows_per_event = 1
        vitess.events_per_response = 1
        vitess.create_table("t", COLUMNS, key=key)
        vitess.create_table("z", COLUMNS, key=["id"])
        vitess.insert("t", *rows(6), shard="-80")
        vitess.insert("z", *rows(1), shard="-80")
        syncs = Syncs(vitess, "t", "z")
        written: list[int] = []
        changes: list[int] = []

        def write() -> None:
            written.append(1)
            with vitess.transaction():
                vitess.insert("t", *rows(4, 100), shard="-80")
                vitess.update("t", {"id": 2}, {"name": "newer"})

        def cut(event: binlogdata_pb2.VEvent) -> bool:
            if event.field_event.table_name == "z" and not written:
                write()
            if is_row(event) and event.timestamp:
                changes.append(1)
            return len(changes) == (3 if contained else 4)

        vitess.faults.cut_after(cut)
        # With something that the copy contains, all rows are held until their transaction's end is seen.
        after_first_current(write if contained else lambda: vitess.insert("t", *rows(1, 50), shard="-80"))

        assert syncs.run() is None

        syncs.expect_equal()
        assert syncs.store.records["t"] == (10 if contained else 7 + 4 + (1 if key else 2))

    def test_a_transaction_without_a_position_of_its_own(
        self, vitess: Vitess, after_first_current: AfterFirstCurrent
    ) -> None:
        """Its end has the position that was there before: nothing shows that the copy contains it, so it is emitted."""
        vitess.insert("a", *rows(3), shard="-80")
        syncs = Syncs(vitess, "a", "b")
        after_first_current(lambda: vitess.insert("a", {"id": 50, "name": "before its copy"}, shard="-80"))
        last: list[str] = []

        def with_the_last_position(response: Response) -> Iterator[Response]:
            if any(is_row(event) and event.timestamp for event in response.events):
                for entry in (entry for event in response.events for entry in event.vgtid.shard_gtids if last):
                    if entry.shard == "-80" and any(event.shard == "-80" for event in response.events):
                        entry.gtid = last[0]
            yield response

        vitess.rewrite = with_the_last_position
        for line in syncs.lines():
            syncs.store.apply([line])
            if b"Copying table 'b'" in line:
                vitess.insert("a", {"id": 60, "name": "later"}, shard="-80")
                vitess.insert("a", {"id": 61, "name": "later"}, shard="-80")
                for number in range(70, 75):  # these have the stream go on
                    vitess.insert("a", {"id": number, "name": "later"}, shard="80-")
                last.append(f"MySQL56/{vitess.shards['-80'].executed}")

        syncs.expect_equal()


class TestItsEnd:
    """Where the change stream ends."""

    def test_heartbeats_are_no_end(self, vitess: Vitess, synced: Syncs) -> None:
        """Heartbeats between any two events do not end the stream, nor count as progress."""
        vitess.faults.delay = 0.03
        vitess.events_per_response = 1
        change(vitess)

        assert synced.run() is None

        synced.expect_equal()

    def test_an_end_that_a_failover_has_lost(
        self, vitess: Vitess, synced: Syncs, monkeypatch: pytest.MonkeyPatch, after_first_current: AfterFirstCurrent
    ) -> None:
        """The end position holds a transaction that the new primary never got: the sync ends all the same, once."""
        monkeypatch.setattr(change_stream, "SILENCE_SECONDS", 0)
        vitess.insert("a", *rows(3, 50), shard="-80")
        vitess.insert("a", {"id": 90, "name": "kept"}, shard="80-")
        after_first_current(lambda: vitess.reparent("-80", lost=1))

        assert synced.run() is None

        synced.expect_equal()
        assert len(streamed(vitess)) == 3

    def test_a_reshard_before_the_end(
        self, vitess: Vitess, synced: Syncs, after_first_current: AfterFirstCurrent
    ) -> None:
        """A shard is split while the other one's changes are still awaited: the same stream goes on to a new end."""
        for number in range(8):
            vitess.insert("a", {"id": 100 + number}, shard="-80")
        after_first_current(lambda: reshard(vitess))

        assert synced.run() is None

        assert synced.run() is None
        synced.expect_equal()
        assert len(streamed(vitess)) <= 4
        shards = synced.store.states[-1]["global"]["shared_state"]["vgtid"]
        assert [entry["shard"] for entry in shards] == ["-80", "80-c0", "c0-"]

    def test_a_break_after_a_reshard(
        self, vitess: Vitess, synced: Syncs, after_first_current: AfterFirstCurrent
    ) -> None:
        """The stream breaks off right after it went over to new shards: the old end position is of no use any more."""
        for number in range(8):
            vitess.insert("a", {"id": 100 + number}, shard="-80")
        after_first_current(lambda: reshard(vitess))
        vitess.faults.cut_after(lambda event: is_commit(event) and event.shard == "80-c0")

        assert synced.run() is None

        assert synced.run() is None
        synced.expect_equal()

    def test_a_reshard_between_syncs(self, vitess: Vitess, synced: Syncs) -> None:
        """From a position of the old shards to the new ones; once the old ones are deleted it is an error."""
        change(vitess)
        reshard(vitess)
        old = list(synced.store.states)

        assert synced.run() is None

        synced.expect_equal()
        vitess.delete_shards("80-")
        assert synced.run() is None
        synced.store.states = old
        error = synced.run()
        assert isinstance(error, ConfigError)
        assert "does not have any more" in error.message

    def test_a_reshard_while_a_sync_begins(
        self, vitess: Vitess, synced: Syncs, monkeypatch: pytest.MonkeyPatch, waits: list[float]
    ) -> None:
        """The shards are switched when the sync has looked at them and asks them nothing yet: it looks again."""
        change(vitess)
        real = LiveVitess.describe

        def describe(live: LiveVitess) -> Iterator[str]:
            reshard(vitess)
            return real(live)

        monkeypatch.setattr(LiveVitess, "describe", describe)

        assert synced.run() is None

        assert not waits
        synced.expect_equal()

    def test_shards_are_merged(self, vitess: Vitess, synced: Syncs) -> None:
        """Two shards become one."""
        change(vitess)
        vitess.reshard(["-80", "80-"], ["-"])
        vitess.touch()
        vitess.delete("a", {"id": 2})

        assert synced.run() is None

        synced.expect_equal()

    def test_a_shard_that_makes_no_progress(
        self,
        vitess: Vitess,
        synced: Syncs,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
        after_first_current: AfterFirstCurrent,
    ) -> None:
        """Nothing comes of what is awaited, while heartbeats do: tried once more, then an error with advice."""
        settings(no_progress_seconds=0.05)
        monkeypatch.setattr(change_stream, "SILENCE_SECONDS", 1e9)
        vitess.insert("a", *rows(3, 50), shard="-80")
        after_first_current(lambda: vitess.reparent("-80", lost=1))

        error = synced.run()

        assert isinstance(error, TransientError)
        assert "throttled" in error.message
        assert "'-80' (at MySQL56/" in error.message
        # At last it is looked for a journal that VTGate may wait at.
        assert streamed(vitess)[2:] == [*[("a", "b"), ("a", "b"), (NO_TABLE,)] * 2, (NO_TABLE,)]

    def test_a_row_above_the_message_limit(self, vitess: Vitess, synced: Syncs, settings: Settings) -> None:
        """VTGate would retry it for ever: a config error after one wait, which names table, shard, place and limit."""
        settings(no_progress_seconds=0.1)
        for name in ("c", "d"):
            vitess.create_table(name, COLUMNS, key=["id"])
        synced.catalog = synced.connector.configured()
        synced.store = Store.of_catalog(synced.catalog)
        assert synced.run() is None
        state = synced.store.states[-1]
        change(vitess)
        vitess.insert("c", {"id": 9, "name": "x" * 10_000}, shard="80-")
        vitess.insert("d", *rows(3))
        vitess.max_message_bytes = 5000
        begun = len(streamed(vitess))

        error = synced.run()

        assert isinstance(error, ConfigError)
        for what in ("table 'c'", "shard '80-'", "after the position MySQL56/", "--grpc-max-message-size", "deselect"):
            assert what in error.message
        tried = [("a", "b", "c", "d"), ("a", "b", "c", "d"), (NO_TABLE,), ("a", "b"), ("c",), ("c",)]
        assert streamed(vitess)[begun:] == tried
        assert set(synced.store.statuses.values()) == {"INCOMPLETE"}
        assert synced.store.states[-1] != state

        vitess.max_message_bytes = None
        assert synced.run() is None
        synced.expect_equal()

    def test_a_reader_that_stalls(self, vitess: Vitess, synced: Syncs, monkeypatch: pytest.MonkeyPatch) -> None:
        """Minutes that the reader of stdout takes over each line are not VTGate's silence."""
        vitess.faults.delay = 0.02  # so that heartbeats come, on which the silence is looked at
        vitess.rows_per_event = 1
        vitess.events_per_response = 1
        change(vitess)
        skipped = [0.0]
        monkeypatch.setattr(SystemClock, "monotonic", lambda _: time.monotonic() + skipped[0])

        for line in synced.lines():
            synced.store.apply([line])
            skipped[0] += 1000

        synced.expect_equal()
        assert len(streamed(vitess)) == 3

    def test_stop(self, vitess: Vitess, synced: Syncs) -> None:
        """`stop` while the stream waits for a transaction: a state and a transient error at once."""
        change(vitess)
        vitess.faults.hang_after(is_row)
        commands = Commands()
        begun = len(vitess.vstream.requests)

        def stop() -> None:
            vitess.vstream.wait_for_calls(begun + 2)
            commands.stop()

        stopper = threading.Thread(target=stop)
        stopper.start()
        synced.store.new_sync()
        catalog = parse_configured_catalog(synced.catalog)
        lines = commands.read(synced.connector.config, catalog, synced.store.last_state)
        with pytest.raises(TransientError, match="asked to stop"):
            synced.store.apply(line for chunk in lines for line in chunk.splitlines())
        stopper.join()

        assert synced.run() is None
        synced.expect_equal()

    def test_stop_after_the_position_was_asked_for_again(
        self, vitess: Vitess, synced: Syncs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`stop` ends the change stream also when another stream was open within it."""
        monkeypatch.setattr(change_stream, "SILENCE_SECONDS", 0)
        vitess.insert("a", *rows(3, 50), shard="-80")
        commands = Commands()
        real = LiveVitess.current
        positions: list[Vgtid] = []

        def current(live: LiveVitess) -> Vgtid:
            positions.append(real(live))
            if len(positions) == 1:
                vitess.reparent("-80", lost=1)  # its end position is never reached
            elif len(positions) == 2:
                monkeypatch.setattr(change_stream, "SILENCE_SECONDS", 1e9)
                threading.Timer(0.1, commands.stop).start()
            return positions[0]

        monkeypatch.setattr(LiveVitess, "current", current)
        catalog = parse_configured_catalog(synced.catalog)

        with pytest.raises(TransientError, match="asked to stop"):
            list(commands.read(synced.connector.config, catalog, synced.store.last_state))

    def test_stop_while_the_position_is_asked_for(self, vitess: Vitess, synced: Syncs) -> None:
        """`stop` while a shard does not tell its position: not only after the time that it has for that."""
        vitess.faults.hang_after(1)
        commands = Commands()
        begun = len(vitess.vstream.requests)

        def stop() -> None:
            vitess.vstream.wait_for_calls(begun + 1)
            commands.stop()

        stopper = threading.Thread(target=stop)
        stopper.start()
        began = time.monotonic()
        with pytest.raises(TransientError, match="asked to stop"):
            list(commands.read(synced.connector.config, parse_configured_catalog(synced.catalog), []))
        stopper.join()

        assert time.monotonic() - began < CURRENT_TIMEOUT / 2


def reshard(vitess: Vitess) -> None:
    """Splits a shard in two, and writes as VTGate's workflows do at the end."""
    vitess.reshard(["80-"], ["80-c0", "c0-"])
    vitess.touch("80-c0")
    vitess.touch("c0-")
    vitess.insert("a", *rows(9, 300))
