"""Whether a position can be gone on from, by what the tablets of its shard have executed and purged.

A GTID set is an answer of one server. The servers of a shard differ: replicas lag, some hold transactions that were
written to them alone (errant GTIDs), and an asynchronous failover loses what the new primary never got. So a position
is judged by the shard's lineage, which is what its primary has executed, and by all tablets that can be streamed from.

- What the primary has not executed, although it was asked later, is no part of the lineage. If a tablet holds it all
  the same, it is errant there: it neither ends a sync nor is it waited for. If no tablet does, it is lost, or the
  position is of another cluster.
- VTTablet refuses a position that it does not contain (go/vt/vttablet/tabletserver/vstreamer/uvstreamer.go, "GTIDSet
  Mismatch"), and VTGate then tries another tablet. So a position is gone on from without what is errant.
- MySQL refuses a position that does not contain all that it has purged, errant or not. Only what every tablet has
  purged beside the lineage is therefore added to a position.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from source_vitess.position.gtid import FLAVOR, GtidSet

_NOTHING = GtidSet({})


@dataclass(frozen=True)
class TabletGtids:
    """What a tablet's MySQL has executed, and which of that its binary logs do not hold any more."""

    executed: GtidSet
    purged: GtidSet


@dataclass(frozen=True)
class ShardGtids:
    """What the tablets of a shard have.

    Attributes:
        lineage: What the primary has executed; asked after the tablets.
        tablets: The tablets that can be streamed from, as far as they answered.
        all_asked: Whether each of them is among `tablets`.
        primary: The primary's server UUID, in lower case.
    """

    lineage: GtidSet
    tablets: Sequence[TabletGtids]
    all_asked: bool = True
    primary: str = ""

    @property
    def errant(self) -> GtidSet:
        """What tablets have executed and the primary has not, and did not write itself.

        With semi-synchronous replication replicas have a transaction before its primary has, which waits for them.
        """
        executed = reduce(GtidSet.__or__, (tablet.executed for tablet in self.tablets), _NOTHING) - self.lineage
        return GtidSet({uuid: numbers for uuid, numbers in executed.intervals.items() if uuid != self.primary})


class Verdict(enum.Enum):
    """Whether a shard's changes can be followed from a position."""

    #: A tablet has the position and everything after it.
    OK = "ok"
    #: Every tablet has purged binary logs that are needed.
    PURGED = "purged"
    #: The position holds transactions that no server of the shard has: lost in a failover, or of another cluster.
    FOREIGN = "foreign"
    #: The position is the shard's, and no tablet has come as far yet.
    BEHIND = "behind"
    #: Not all tablets could be asked, and those that were do not explain the position; or its last transactions are not
    #: committed on the primary yet.
    UNKNOWN = "unknown"
    #: VTGate knows no tablet of the shard any more.
    SHARD_GONE = "shard gone"
    #: The shard was resharded. Its tablets are still there, so VTGate can follow it to the new shards. They have the
    #: position, if the finding tells what the primary has executed; whether its binary logs do, a primary does not say.
    NOT_SERVING = "not serving"
    #: Likewise, and this VTGate streams from no tablets of a shard that has stopped serving.
    OUT_OF_REACH = "resharded"
    #: The shard serves, and is not among those that are read.
    NOT_SELECTED = "not selected"


@dataclass(frozen=True)
class Finding:
    """What became of a position.

    Attributes:
        verdict: Whether it can be gone on from.
        position: The position to go on from, `MySQL56/<gtid set>`.
        errant: Transactions that tablets of the shard hold and its primary does not; empty if there are none.
        lineage: What the primary has executed; None if it was not asked.
    """

    verdict: Verdict
    position: str
    errant: GtidSet = _NOTHING
    lineage: GtidSet | None = None


def judge(gtid: str, shard: ShardGtids) -> Finding:
    """Returns whether a shard's changes can be followed from a position.

    Args:
        gtid: The position, with or without Vitess' `MySQL56/` before it. Asked for before the tablets were.
        shard: What the shard's tablets have.

    Raises:
        GtidError: The position is none.
    """
    position = GtidSet.parse(gtid)
    errant, lineage = shard.errant, shard.lineage
    beyond = position - lineage
    if unexplained := beyond - errant:
        is_known = shard.all_asked and unexplained.intervals.keys() != {shard.primary}
        verdict = Verdict.FOREIGN if is_known else Verdict.UNKNOWN
        return Finding(verdict, _text(position), errant, lineage)
    own = position - beyond
    purged = [tablet.purged - lineage for tablet in shard.tablets]
    # One that any tablet takes, else one that a tablet does.
    for more in (reduce(GtidSet.__and__, purged, *purged[:1]), *purged) if purged else ():
        wanted = own | more
        if any(wanted <= tablet.executed and tablet.purged <= wanted for tablet in shard.tablets):
            return Finding(Verdict.OK, _text(wanted), errant, lineage)
    kept = any((tablet.purged & lineage) <= own for tablet in shard.tablets)
    verdict = Verdict.BEHIND if kept or not shard.all_asked else Verdict.PURGED
    return Finding(verdict, _text(own), errant, lineage)


def judge_ended(gtid: str, lineage: GtidSet | None, tablets: Sequence[TabletGtids], *, all_asked: bool) -> Finding:
    """Tells whether changes can be followed from a position on a shard that was resharded.

    Args:
        gtid: The position.
        lineage: What the primary has executed, asked after the tablets; None if it did not answer.
        tablets: What the tablets have that can be streamed from. None of a primary, which does not say.
        all_asked: Whether each of them answered.

    Raises:
        GtidError: The position is none.
    """
    if lineage is None:
        # What nobody has may be the primary's alone.
        known = reduce(GtidSet.__or__, (tablet.executed for tablet in tablets), GtidSet.parse(gtid))
        finding = judge(gtid, ShardGtids(known, tablets, all_asked))
        is_purged = bool(tablets) and finding.verdict is Verdict.PURGED
        return Finding(Verdict.PURGED if is_purged else Verdict.NOT_SERVING, finding.position)
    finding = judge(gtid, ShardGtids(lineage, tablets or (TabletGtids(lineage, _NOTHING),), all_asked))
    return replace(finding, verdict=Verdict.NOT_SERVING) if finding.verdict is Verdict.OK else finding


def _text(position: GtidSet) -> str:
    return f"{FLAVOR}/{position}"
