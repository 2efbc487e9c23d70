"""How far syncs are apart, beside the time for which MySQL keeps its binary logs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from unit_tests.syncing import Syncs, rows

HOUR = 3600.0
#: In the log of a sync that comes late.
LATE = "The last sync that caught up did so "


class Calendar:
    """The sync's clock, which moves only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def skip(self, hours: float) -> None:
        """Lets hours go by."""
        self.seconds += hours * HOUR


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Calendar:
    """Has both of the sync's clocks stand still."""
    standing = Calendar()
    for clock in ("now", "monotonic"):
        monkeypatch.setattr(SystemClock, clock, lambda _: standing.seconds)
    return standing


@pytest.fixture
def syncs(vitess: Vitess, calendar: Calendar) -> Syncs:
    """A keyspace whose binary logs are kept for 24 h in the one shard and 72 h in the other, synced once."""
    vitess.insert("a", *rows(4))
    vitess.sql.variables["binlog_expire_logs_seconds"] = 72 * 3600
    vitess.sql.variables_of[vitess.shards["80-"].tablets[1].alias] = {"binlog_expire_logs_seconds": 24 * 3600}
    synced = Syncs(vitess)
    assert late(synced) == []
    return synced


def late(syncs: Syncs, *, fails: bool = False) -> list[str]:
    """Runs a sync; returns its warnings of a long time since the last one."""
    before = len(syncs.store.logs)
    assert (syncs.run() is not None) is fails
    return [line for line in syncs.store.logs[before:] if line.startswith(LATE)]


def test_more_than_half_of_the_shortest_time(syncs: Syncs, calendar: Calendar) -> None:
    """One warning a sync, with both times, the shard and what to do; none while the interval is half or less."""
    calendar.skip(12)
    assert late(syncs) == []
    calendar.skip(12.5)

    [warning] = late(syncs)

    assert warning == (
        f"{LATE}12.5 h ago (2027-01-15 20:00:00 UTC), and MySQL keeps binary logs for 24 h (shard 80-). If they are "
        "purged before a sync has read them, changes are lost, and everything has to be copied again. Sync more often, "
        "or keep binary logs for longer (binlog_expire_logs_seconds)."
    )
    assert late(syncs) == []


def test_a_sync_that_does_not_catch_up_does_not_count(vitess: Vitess, syncs: Syncs, calendar: Calendar) -> None:
    """Its state is of now, but not its position: syncs that fail each night are no reason for silence."""
    calendar.skip(10)
    vitess.insert("a", *rows(4, 100))
    vitess.replicates = False
    assert late(syncs, fails=True) == []
    vitess.replicates = True
    calendar.skip(10)

    [warning] = late(syncs)

    assert warning.startswith(f"{LATE}20 h ago")


@pytest.mark.parametrize("kept", [0, None])
def test_binary_logs_that_are_not_purged_by_time(
    vitess: Vitess, syncs: Syncs, calendar: Calendar, kept: int | None
) -> None:
    """No limit, or none that is known: nothing to compare with."""
    vitess.sql.variables_of.clear()
    if kept is None:
        del vitess.sql.variables["binlog_expire_logs_seconds"]
    else:
        vitess.sql.variables["binlog_expire_logs_seconds"] = kept
    calendar.skip(1000)

    assert late(syncs) == []


def test_a_state_without_the_time(syncs: Syncs, calendar: Calendar) -> None:
    """One of a release that did not write it is gone on from, without a warning."""
    shared = syncs.store.states[-1]["global"]["shared_state"]
    assert shared.pop("caught_up_at") == "2027-01-15T08:00:00Z"
    calendar.skip(20)

    assert late(syncs) == []
    assert syncs.store.states[-1]["global"]["shared_state"]["caught_up_at"] == "2027-01-16T04:00:00Z"


def test_streams_that_are_only_refreshed(vitess: Vitess, calendar: Calendar) -> None:
    """Nobody needs the changes in between."""
    vitess.sql.variables["binlog_expire_logs_seconds"] = 3600
    syncs = Syncs(vitess, mode="full_refresh")
    assert late(syncs) == []
    calendar.skip(20)

    assert late(syncs) == []


def test_a_sync_that_keeps_streaming_has_caught_up_all_the_time(
    vitess: Vitess, syncs: Syncs, calendar: Calendar
) -> None:
    """A sync that streams for 20 hours, and is killed, leaves a state of its last minutes."""
    streaming = Syncs(vitess, keep_streaming_minutes=20 * 60)
    streaming.store = syncs.store

    def much_later() -> None:
        calendar.skip(19)
        vitess.insert("a", {"id": 201})

    acts: list[Callable[[], None]] = [lambda: vitess.insert("a", {"id": 200}), much_later]
    for line in streaming.lines():
        streaming.store.apply([line])
        if b"as they happen" in line or b'"STATE"' in line[:20]:
            if not acts:
                break
            acts.pop(0)()
    assert not acts
    vitess.vstream.wait_until_idle()
    calendar.skip(1)

    assert late(syncs) == []
    syncs.expect_equal()


def test_a_position_that_is_lost_is_no_late_one(vitess: Vitess, calendar: Calendar) -> None:
    """What starts over begins anew, also if it is killed right then: nothing is late any more."""
    vitess.sql.variables["binlog_expire_logs_seconds"] = 24 * 3600
    vitess.insert("a", *rows(4))
    syncs = Syncs(vitess, invalid_cdc_position_behavior="Re-sync data")
    assert late(syncs) == []
    vitess.insert("a", *rows(4, 100))
    vitess.purge()
    vitess.insert("a", *rows(4, 200))
    calendar.skip(30)
    for line in syncs.lines():
        syncs.store.apply([line])
        if b'"RECORD"' in line[:20]:
            break
    vitess.vstream.wait_until_idle()
    calendar.skip(1)

    assert late(syncs) == []
    syncs.expect_equal()
