"""Binary logs of several files: no stream reads across a start of MySQL, and each other one reads on."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from instruments.scripted_vtgate.model.storage import RowsWritten
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.mysql import starts
from source_vitess.proto import vtgate_pb2
from unit_tests.syncing import Syncs, is_commit, rows, streamed

OPENED_AGAIN = "MySQL of a tablet of shard '-80' may have been restarted at this point of its binary log"


@pytest.fixture
def syncs(vitess: Vitess) -> Syncs:
    """`a` is copied and followed."""
    vitess.insert("a", *rows(3))
    made = Syncs(vitess, "a")
    assert made.run() is None
    return made


def opened(vitess: Vitess, syncs: Syncs) -> int:
    """Runs a sync that ends well, and returns how many streams it needed for the changes."""
    before = len(streamed(vitess))
    assert syncs.run() is None
    return len(streamed(vitess)) - before


def without_numbers(response: vtgate_pb2.VStreamResponse) -> Iterator[vtgate_pb2.VStreamResponse]:
    """Events as they are up to v22."""
    for event in response.events:
        event.sequence_number, event.event_gtid = 0, ""
    yield response


def write(vitess: Vitess, number: int) -> None:
    """Inserts a row into the first shard."""
    vitess.insert("a", {"id": number, "name": "written"}, shard="-80")


@pytest.mark.parametrize("rounds", [1, 3])
def test_changes_behind_a_start_are_read(vitess: Vitess, syncs: Syncs, rounds: int) -> None:
    """By a stream of their own for each time that MySQL was started, which the log tells."""
    for number in range(rounds):
        write(vitess, 10 + number)
        vitess.shards["-80"].data.start_again(vitess.clock)
    write(vitess, 20)

    assert opened(vitess, syncs) == 1 + rounds

    syncs.expect_equal("a")
    assert sum(line.startswith(OPENED_AGAIN) for line in syncs.store.logs) == rounds


def test_a_start_that_a_statement_follows(vitess: Vitess, syncs: Syncs) -> None:
    """It is no less one: the statement's number is the first one of the file, not the next one of the old."""
    write(vitess, 10)
    vitess.shards["-80"].data.start_again(vitess.clock)
    vitess.add_column("a", "more", "int")
    write(vitess, 11)

    assert opened(vitess, syncs) == 2

    assert {key[0] for key in syncs.store.tables["a"]} == {1, 2, 3, 10, 11}


def test_a_file_that_is_full_is_read_on(vitess: Vitess, syncs: Syncs) -> None:
    """MySQL has run all the while, as it says itself: the stream is as good as before."""
    write(vitess, 10)
    vitess.clock += 3600
    write(vitess, 11)
    vitess.shards["-80"].data.begin_file()
    write(vitess, 12)

    assert opened(vitess, syncs) == 1

    syncs.expect_equal("a")


def test_where_it_is_not_known_a_file_is_taken_for_a_start(
    vitess: Vitess, syncs: Syncs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a proxy or a right keeps MySQL from telling: another stream costs little."""
    monkeypatch.setattr(starts, "_STARTED", "nonsense of no_table")
    write(vitess, 10)
    vitess.clock += 3600
    write(vitess, 11)
    vitess.shards["-80"].data.begin_file()
    write(vitess, 12)

    assert opened(vitess, syncs) == 2

    syncs.expect_equal("a")


@pytest.mark.parametrize("kind", ["REPLICA", "DRAINED"])
def test_a_tablet_that_tells_nothing_may_have_started(vitess: Vitess, syncs: Syncs, kind: str) -> None:
    """It may be the one that is streamed from: VTGate streams from tablets that do not serve, too."""
    shard = vitess.shards["-80"]
    shard.set_types(["PRIMARY", "REPLICA", kind])
    shard.tablets[2].running = kind != "REPLICA"
    write(vitess, 10)
    vitess.clock += 3600
    write(vitess, 11)
    shard.data.begin_file()
    write(vitess, 12)

    assert opened(vitess, syncs) == 2

    syncs.expect_equal("a")


def test_what_comes_again_with_each_stream_does_not_end_it(vitess: Vitess, syncs: Syncs) -> None:
    """An errant transaction in an older file of a replica, which no position keeps: the sync gets behind it."""
    shard = vitess.shards["-80"]
    shard.make_uneven([shard.uuid, "22222222-2222-3333-4444-555555555555"], ["PRIMARY", "REPLICA"])
    replica = shard.tablets[1]
    row = shard.tables["b"].row({"id": 99, "name": "errant"})
    shard.commit_errant(replica, vitess.clock, [RowsWritten(shard.tables["b"], ((None, row),))])
    replica.data.begin_file()
    write(vitess, 10)
    write(vitess, 11)

    for _ in range(2):
        assert syncs.run() is None

    syncs.expect_equal("a")


@pytest.mark.parametrize("kind", ["REPLICA", "DRAINED"])
def test_a_release_that_numbers_nothing(vitess: Vitess, syncs: Syncs, kind: str) -> None:
    """Before v23 the sync that may have read across a start warns of it, also if another tablet tells nothing."""
    vitess.shards["-80"].set_types(["PRIMARY", "REPLICA", kind])
    vitess.sql.variables["version_comment"] = "Version: 22.0.4 (Git revision  branch '') built on  by @ using go1.24"
    vitess.rewrite = without_numbers
    syncs.store.logs.clear()
    vitess.clock = int(time.time()) + 10
    vitess.shards["-80"].data.start_again(vitess.clock)
    write(vitess, 10)

    assert syncs.run() is None

    [told] = [line for line in syncs.store.logs if "Refresh the streams whose changes matter" in line]
    assert told.startswith("MySQL of a tablet of shard -80 was started at ")
    syncs.expect_equal("a")


def test_a_stream_that_vtgate_opens_again_has_read_no_other_file(vitess: Vitess, syncs: Syncs) -> None:
    """The same transaction twice, or the one that follows, is of the same file."""
    for number in range(4):
        write(vitess, 10 + number)
    vitess.faults.restart_after(is_commit)

    assert opened(vitess, syncs) == 1

    syncs.expect_equal("a")


def test_a_table_that_is_made_of_a_select_is_no_other_file(vitess: Vitess, syncs: Syncs) -> None:
    """Its transaction is shown twice: by its statement, and by its end."""
    write(vitess, 10)
    vitess.create_table_as_select("made", "a")
    write(vitess, 11)

    assert opened(vitess, syncs) == 1

    syncs.expect_equal("a")
