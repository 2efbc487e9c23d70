"""What is asked, and what is said, when a stream ends that may never go on: by answers of a Vitess that is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest

from source_vitess.clock import SystemClock
from source_vitess.errors import NoTabletError, PositionLostError, StallError, TransientError
from source_vitess.position.gtid import GtidSet
from source_vitess.position.lineage import Finding, Verdict
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.context import SyncContext
from source_vitess.replication.interfaces import Vitess
from source_vitess.replication.lost_position import explain_no_tablet, explain_stall
from source_vitess.replication.records import Cursor
from source_vitess.replication.settings import SyncSettings
from source_vitess.replication.state import SyncState

UUID = "11111111-1111-1111-1111-111111111111"
GTID = f"MySQL56/{UUID}:1-5"
POSITION = Vgtid("shop", {"-80": GTID, "80-": GTID})
STALLED = StallError("nothing comes", {}, {"-80": GTID, "80-": GTID})


class Answers:
    """Answers what a test gives it; a question without an answer fails.

    Attributes:
        begun: By shards, where those begin that they were resharded to.
        partners: By shard, the shards that it ends together with; None if no journal comes in time.
        verdicts: By shard, what became of its position.
        asked: The shards that were asked about.
    """

    tablet_type = "REPLICA"

    def __init__(self) -> None:
        self.begun: dict[tuple[str, ...], Mapping[str, str]] = {}
        self.partners: dict[str, frozenset[str] | None] = {}
        self.verdicts: dict[str, Verdict] = {}
        self.asked: list[str] = []

    def begun_at(self, position: Vgtid, shard: str) -> Mapping[str, str]:
        """As VTGate's journals say."""
        self.asked.append(shard)
        return self.begun[tuple(position.shards)]

    def ends_with(self, shard: str, gtid: str) -> frozenset[str]:
        """As a journal says, if one comes."""
        self.asked.append(shard)
        partners = self.partners[shard]
        if partners is None:
            raise TransientError("no journal")
        return partners

    def verify(self, positions: Mapping[str, str]) -> Mapping[str, Finding]:
        """As the shards' tablets say."""
        return {shard: Finding(self.verdicts[shard], gtid, lineage=GtidSet({})) for shard, gtid in positions.items()}


@pytest.fixture
def vitess() -> Answers:
    """Answers nothing yet."""
    return Answers()


def context(vitess: Answers, vgtid: Vgtid | None = POSITION, *, stopping: bool = False) -> SyncContext:
    """Returns a sync that has come to a position."""
    clock, settings = SystemClock(), SyncSettings()
    if stopping:
        clock.stop()
    return SyncContext(
        cast("Vitess", vitess),
        clock,
        settings,
        Checkpointer(SyncState("shop", vgtid), Cursor(0, 0), clock, settings),
    )


def no_tablet(shard: str) -> NoTabletError:
    """Returns VTGate's error that a shard has no tablet for a position."""
    return NoTabletError(f"shop/{shard}", "no tablet")


@pytest.mark.parametrize(("vgtid", "stopping"), [(None, False), (POSITION, True)], ids=["no position", "asked to stop"])
def test_nothing_is_asked(vitess: Answers, vgtid: Vgtid | None, stopping: bool) -> None:
    """Without a position there is none to lose, and a sync that is asked to stop ends with the error that it has."""
    assert list(explain_no_tablet(context(vitess, vgtid, stopping=stopping), no_tablet("-80"))) == []
    explain_stall(context(vitess, vgtid, stopping=stopping), STALLED, POSITION)

    assert vitess.asked == []


def test_a_shard_that_no_journal_names(vitess: Answers) -> None:
    """Nothing is known of where it begins, so nothing is said to be lost."""
    vitess.begun["-80", "80-"] = {}

    assert list(explain_no_tablet(context(vitess), no_tablet("c0-"))) == []

    assert vitess.asked == ["c0-"]


def test_a_shard_of_a_later_reshard(vitess: Answers) -> None:
    """Journals are followed one after the other, to the position at which the shard begins."""
    vitess.begun["-80", "80-"] = {"80-c0": GTID, "c0-": GTID}
    vitess.begun["80-c0", "c0-"] = {"c0-e0": GTID, "e0-": GTID}
    vitess.verdicts["e0-"] = Verdict.PURGED

    with pytest.raises(PositionLostError, match="Shard e0- of keyspace shop has purged"):
        list(explain_no_tablet(context(vitess), no_tablet("e0-")))

    assert vitess.asked == ["e0-", "e0-"]


@pytest.mark.parametrize("first", [frozenset(), frozenset({"40-80"}), None], ids=["none", "another", "no answer"])
def test_each_shard_that_is_silent_is_asked_for_its_journal(vitess: Answers, first: frozenset[str] | None) -> None:
    """One that waits for nothing does not hide that another one does."""
    here = Vgtid("shop", {"-40": GTID, "40-80": GTID, "80-": GTID})
    stalled = StallError("nothing comes", {}, {"-40": GTID, "40-80": GTID})
    vitess.partners = {"-40": first, "40-80": first}
    explain_stall(context(vitess, here), stalled, here)
    assert sorted(vitess.asked) == ["-40", "40-80"]

    vitess.partners["40-80"] = frozenset({"80-"})

    with pytest.raises(PositionLostError, match="position of shard 40-80 of keyspace shop is from before a reshard"):
        explain_stall(context(vitess, here), stalled, here)


def test_a_shard_that_serves_no_more_is_asked_for_its_journal(vitess: Answers) -> None:
    """It has no end position, and what is silent are the shards that it was split into."""
    target = Vgtid("shop", {"-40": GTID, "40-80": GTID, "80-": GTID})
    stalled = StallError("nothing comes", {}, {"-40": "", "40-80": ""})
    vitess.partners = {"-80": frozenset({"80-"})}

    with pytest.raises(PositionLostError, match="position of shard -80 of keyspace shop is from before a reshard"):
        explain_stall(context(vitess), stalled, target)

    assert vitess.asked == ["-80"]
