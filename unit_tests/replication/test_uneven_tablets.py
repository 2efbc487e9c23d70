"""Whole syncs where the tablets of a shard differ: what only one of them has, and what a failover loses meanwhile."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import pytest

from instruments.model_search.play import play
from instruments.oracle import Store
from instruments.scripted_vtgate.model.shard import Shard, Tablet
from instruments.scripted_vtgate.model.storage import RowsWritten
from instruments.scripted_vtgate.model.world import World
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, PositionLostError, TransientError
from source_vitess.keyspace import LiveVitess
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import list_tablets
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto import binlogdata_pb2
from unit_tests.replication.conftest import AfterFirstCurrent, Settings
from unit_tests.syncing import Syncs, is_commit, is_row, rows, table_state

#: Has something happen right before the n-th question of a sync for what the primaries have executed.
BeforeLineage = Callable[[int, Callable[[], object]], None]

#: More streams that break than a sync opens while it does not get on.
CUTS = 20

RESYNC = {"invalid_cdc_position_behavior": "Re-sync data"}


class Chosen(World):
    """VTGate takes the tablet that the test has chosen."""

    index = 0

    def pick(self, shard: Shard, candidates: Sequence[Tablet]) -> Tablet:
        """Returns the chosen one, the last if there are not so many."""
        return candidates[min(self.index, len(candidates) - 1)]


@pytest.fixture
def before_lineage(monkeypatch: pytest.MonkeyPatch) -> BeforeLineage:
    """The first question of a sync is asked at its start, one after its copies if there are any, one at its end."""
    real = LiveVitess.lineage

    def plan(number: int, action: Callable[[], object]) -> None:
        asked: list[int] = []

        def lineage(live: LiveVitess) -> Vgtid:
            asked.append(1)
            if len(asked) == number:
                action()
            return real(live)

        monkeypatch.setattr(LiveVitess, "lineage", lineage)

    return plan


def replicas(vitess: Vitess) -> list[Tablet]:
    """Returns those of `-80`, by alias."""
    return [tablet for tablet in vitess.shards["-80"].tablets if tablet.tablet_type == "REPLICA"]


def saved_gtid(syncs: Syncs) -> str:
    """Returns the position of `-80` in the last state."""
    return Vgtid.from_json(syncs.store.states[-1]["global"]["shared_state"]["vgtid"]).shards["-80"]


def lagging_replica(vitess: Vitess, row: int) -> Tablet:
    """Inserts a row that the replica does not get, and returns the replica."""
    (replica,) = replicas(vitess)
    replica.follows = False
    vitess.insert("a", {"id": row, "name": "lost"}, shard="-80")
    return replica


def test_a_change_that_turns_out_to_be_errant(vitess: Vitess, after_first_current: AfterFirstCurrent) -> None:
    """What was read before it was known to be errant is reported, and is no part of the position that is kept."""
    vitess.make_uneven("PRIMARY", "REPLICA", "REPLICA")
    world = vitess.world = Chosen()
    shard, (first, _) = vitess.shards["-80"], replicas(vitess)
    vitess.insert("a", *rows(3), shard="-80")
    syncs = Syncs(vitess, "a")
    assert syncs.run() is None
    vitess.insert("a", {"id": 50, "name": "first"}, shard="-80")
    first.follows = False
    vitess.insert("a", {"id": 51, "name": "second"}, shard="-80")
    world.index = 1  # the end position is of the replica that has both

    def write_on_the_replica(event: binlogdata_pb2.VEvent) -> bool:
        if is_row(event) and not first.follows:
            table = first.data.tables["a"]
            written = RowsWritten(table, ((None, table.row({"id": 99, "name": "errant"})),))
            shard.commit_errant(first, vitess.clock, [written])
            first.follows = True
            shard.replicate()
            vitess.notify()
        return False

    after_first_current(lambda: setattr(world, "index", 0))
    vitess.faults.cut_after(write_on_the_replica)

    assert syncs.run() is None

    assert {row["id"] for row in syncs.store.tables["a"].values()} == {1, 2, 3, 50, 51, 99}
    assert sum("were read that its primary does not have" in line for line in syncs.store.logs) == 1
    assert first.uuid not in saved_gtid(syncs)
    assert str(shard.executed) == saved_gtid(syncs).partition("/")[2]


def test_the_tablets_are_others_than_those_that_were_asked(vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Vitess 24 another replica may have answered for the one that was meant: it is asked again."""
    vitess.sql.variables["version_comment"] = "Version: 23.0.3 (Git revision x branch '') built on x"
    vitess.make_uneven("PRIMARY", "REPLICA")
    vitess.insert("a", *rows(3), shard="-80")
    syncs = Syncs(vitess, "a", tablet_type="REPLICA")
    assert syncs.run() is None
    shared = syncs.store.states[-1]["global"]["shared_state"]
    for entry in shared["vgtid"]:
        entry["gtid"] += ",99999999-9999-9999-9999-999999999999:1" if entry["shard"] == "-80" else ""
    looks: list[int] = []

    def list_now(session: VtgateSession, name: str) -> tuple[object, ...]:
        looks.append(1)
        return () if len(looks) == 1 else list_tablets(session, name)

    monkeypatch.setattr("source_vitess.keyspace.list_tablets", list_now)

    error = syncs.run()

    assert isinstance(error, PositionLostError)
    assert len(looks) == 2
    assert sum("changed while they were asked" in line for line in syncs.store.logs) == 1


def test_an_errant_change_is_no_progress(vitess: Vitess) -> None:
    """It is no part of a position, so each new stream begins with it: a sync whose streams break there never ends."""
    vitess.make_uneven("PRIMARY", "REPLICA")
    shard, (replica,) = vitess.shards["-80"], replicas(vitess)
    vitess.insert("a", *rows(3), shard="-80")
    syncs = Syncs(vitess, "a")
    assert syncs.run() is None
    replica.follows = False
    table = replica.data.tables["a"]
    written = RowsWritten(table, ((None, table.row({"id": 99, "name": "errant"})),))
    shard.commit_errant(replica, vitess.clock, [written])
    vitess.insert("a", {"id": 50, "name": "after it"}, shard="-80")
    replica.follows = True
    shard.replicate()
    cut: list[binlogdata_pb2.VEvent] = []

    def is_next_commit(event: binlogdata_pb2.VEvent) -> bool:
        if not is_commit(event) or (cut and cut[-1] is event):
            return False
        cut.append(event)
        return True

    for _ in range(CUTS):
        vitess.faults.cut_after(is_next_commit)

    error = syncs.run()

    assert isinstance(error, TransientError)
    assert len(cut) < CUTS


@pytest.mark.parametrize("resync", [False, True], ids=["fail", "resync"])
def test_changes_that_are_lost_before_the_sync_ends(
    vitess: Vitess, before_lineage: BeforeLineage, resync: bool
) -> None:
    """A sync does not succeed with changes that no server has any more; the next one copies again if so configured."""
    vitess.make_uneven("PRIMARY", "REPLICA")
    vitess.insert("a", *rows(3), shard="-80")
    syncs = Syncs(vitess, "a", tablet_type="PRIMARY", **(RESYNC if resync else {}))
    assert syncs.run() is None
    replica = lagging_replica(vitess, 50)
    before_lineage(2, lambda: vitess.promote("-80", replica, dead=True))

    error = syncs.run()

    assert isinstance(error, TransientError if resync else PositionLostError)
    assert "a failover without semi-synchronous replication has lost them" in error.message
    assert syncs.store.statuses == {"a": "INCOMPLETE"}
    if not resync:
        assert isinstance(syncs.run(), PositionLostError)
        return
    assert "The next sync copies everything again" in error.message
    assert syncs.run() is None
    del syncs.store.tables["a"][50,]  # as a refresh with removal of old records does; the log advises it
    syncs.expect_equal()


@pytest.mark.parametrize("resync", [False, True], ids=["fail", "resync"])
@pytest.mark.parametrize("ending", [False, True], ids=["after the copies", "at the end"])
def test_copied_rows_that_are_lost(vitess: Vitess, before_lineage: BeforeLineage, ending: bool, resync: bool) -> None:
    """A copy that holds what no server has any more: its stream needs a refresh, or is copied again as configured."""
    vitess.make_uneven("PRIMARY", "REPLICA")
    vitess.insert("a", *rows(3), shard="-80")
    syncs = Syncs(vitess, "a", tablet_type="PRIMARY", **(RESYNC if resync else {}))
    replica = lagging_replica(vitess, 50)
    before_lineage(3 if ending else 2, lambda: vitess.promote("-80", replica, dead=True))

    error = syncs.run()

    assert syncs.store.tables["a"][50,]["name"] == "lost"  # as it was read
    if resync:
        assert (error is not None) == ending
        assert any(
            "It is copied again, as configured" in text for text in (*syncs.store.logs, *map(str, syncs.store.errors))
        )
        assert syncs.run() is None
        del syncs.store.tables["a"][50,]
        syncs.expect_equal()
        return
    assert syncs.store.statuses == {"a": "INCOMPLETE"}
    assert "refresh_needed" in (table_state(syncs.store.states[-1], "a") or {})
    assert isinstance(syncs.run(), ConfigError)


@pytest.mark.parametrize("resync", [False, True], ids=["fail", "resync"])
def test_copied_rows_that_are_lost_in_the_middle(vitess: Vitess, resync: bool) -> None:
    """A failover loses what the first rows may contain, and breaks the copy: it is not gone on with."""
    vitess.make_uneven("PRIMARY", "REPLICA")
    vitess.insert("a", *rows(10), shard="-80")
    replica = lagging_replica(vitess, 50)
    syncs = Syncs(vitess, "a", tablet_type="PRIMARY", **(RESYNC if resync else {}))

    def fail_over(event: binlogdata_pb2.VEvent) -> bool:
        if not is_commit(event) or event.timestamp or event.shard != "-80":
            return False
        vitess.promote("-80", replica, dead=True)
        return True

    vitess.faults.cut_after(fail_over)

    error = syncs.run()

    if resync:
        assert error is None
        syncs.expect_equal()
        assert any("since then are gone (foreign)" in line for line in syncs.store.logs)
        return
    assert isinstance(error, ConfigError)
    assert syncs.store.records["a"] == 3
    assert "refresh_needed" in (table_state(syncs.store.states[-1], "a") or {})


def stop_in_the_copy(syncs: Syncs) -> None:
    """Runs a sync, and forgets what came after the last state in the middle of the copy."""
    lines = list(syncs.lines())
    last = max(index for index, line in enumerate(lines) if line.startswith(b'{"type":"STATE"') and b'"lastpk"' in line)
    syncs.store = Store.of_catalog(syncs.catalog)
    syncs.store.apply(lines[: last + 1])


def test_a_copy_that_no_replica_has_come_up_to(
    vitess: Vitess, settings: Settings, after_first_current: AfterFirstCurrent, waits: list[float]
) -> None:
    """It was read from one that has: the others are waited for, then a transient error; the copy stays as it is."""
    settings(checkpoint_records=1)
    vitess.insert("a", *rows(10), shard="-80")
    syncs = Syncs(vitess, "a", tablet_type="REPLICA")
    after_first_current(lambda: vitess.insert("a", *rows(1, 50), shard="-80"))
    stop_in_the_copy(syncs)
    vitess.set_replica_lag("-80", 1)

    error = syncs.run()

    assert isinstance(error, TransientError)
    assert "No REPLICA tablet of shard '-80' has come as far as the copy of table 'a' yet" in error.message
    assert len(waits) == 6
    vitess.set_replica_lag("-80", 0)
    assert syncs.run() is None
    syncs.expect_equal()
    assert not any("starts from the beginning" in line for line in syncs.store.logs)


@pytest.mark.parametrize("of", ["sync", "copy"])
def test_the_primary_commits_what_a_replica_has_already(
    vitess: Vitess, settings: Settings, waits: list[float], of: str
) -> None:
    """With semi-synchronous replication it comes last: a position with that is not taken for lost, but waited for."""
    settings(checkpoint_records=1)
    vitess.insert("a", *rows(10), shard="-80")
    syncs = Syncs(vitess, "a")
    stop_in_the_copy(syncs)
    state = syncs.store.states[-1]["global"]
    text = json.dumps(state["shared_state" if of == "sync" else "stream_states"])
    last = str(vitess.shards["-80"].executed)
    ahead = re.sub(r"\d+$", lambda number: str(int(number[0]) + 1), last)
    state["shared_state" if of == "sync" else "stream_states"] = json.loads(text.replace(last, ahead))

    error = syncs.run()

    assert isinstance(error, TransientError)
    assert "not all REPLICA tablets answered" in error.message or "Not all REPLICA tablets" in error.message
    assert len(waits) == 6
    syncs.store.states[-1]["global"]["shared_state"] = state["shared_state"]
    syncs.store.states[-1]["global"]["stream_states"] = state["stream_states"]
    vitess.touch("-80")
    assert syncs.run() is None
    syncs.expect_equal()
    assert not any("starts from the beginning" in line for line in syncs.store.logs)


def test_tablets_that_are_behind_are_named(vitess: Vitess) -> None:
    """A tablet that is minutes behind is no error: the log says how old what is read from it is."""
    vitess.insert("a", *rows(3))
    vitess.lag_seconds = 1_234
    syncs = Syncs(vitess, "a")

    assert syncs.run() is None

    said = [line for line in syncs.store.logs if "What is read from it is as old as that" in line]
    assert len(said) == 2
    assert all("1,234 s behind its primary" in line for line in said)


def test_replication_that_stands_still_everywhere(vitess: Vitess, waits: list[float]) -> None:
    """A shard in which no tablet replicates has nothing new to read: the sync says so instead of waiting for ever."""
    vitess.make_uneven("PRIMARY", "REPLICA")
    vitess.insert("a", *rows(3))
    for tablet in replicas(vitess):
        tablet.stopped = True
    syncs = Syncs(vitess, "a")

    error = syncs.run()

    assert isinstance(error, TransientError)
    assert "of shard -80 does not replicate" in error.message
    assert waits


def test_replication_that_stands_still_in_a_shard_of_a_reshard_meanwhile() -> None:
    """A reshard and the way back during a sync: the shard that was not asked about at the start is at the end.

    Its replicas have stopped; the sync was complete, with data as old as that.
    """
    begin = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 16, 0, 0, 0, 6, 0, 0, 0, 14, 0, 0, 0, 14, 0, 0)
    schedule = (*begin, 0, 14, 0, 9, 0, 14, 8, 0, 5, 14, 0, 0, 0, 14, 0, 0)

    outcome = play(schedule)

    assert outcome.kind == "equal", outcome.text
    assert any("of shard - does not replicate" in line for line in outcome.trace)


def test_a_failover_after_the_last_change_was_read() -> None:
    """The primaries are asked once more at the end: the sync that has read what is lost says so, not the next one."""
    schedule = (0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 35, 0, 0, 1, 13, 9, 0, 0)

    outcome = play(schedule)

    assert outcome.kind == "equal", outcome.text
    first = outcome.trace[: outcome.trace.index("  peace: everything replicates, nothing fails any more")]
    assert any("PositionLostError" in line for line in first), outcome.trace
