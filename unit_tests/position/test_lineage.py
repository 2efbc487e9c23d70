"""Whether a position can be gone on from, by what the tablets of its shard have: every kind of unevenness."""

from __future__ import annotations

import pytest

from source_vitess.position.gtid import GtidSet
from source_vitess.position.lineage import ShardGtids, TabletGtids, Verdict, judge, judge_ended

P = "11111111-1111-1111-1111-111111111111"
R = "22222222-2222-2222-2222-222222222222"
X = "99999999-9999-9999-9999-999999999999"


def tablet(executed: str, purged: str = "") -> TabletGtids:
    """Returns what a tablet has."""
    return TabletGtids(GtidSet.parse(executed), GtidSet.parse(purged))


def shard(lineage: str, *tablets: TabletGtids, all_asked: bool = True, primary: str = "") -> ShardGtids:
    """Returns what a shard's primary and the tablets that can be streamed from have."""
    return ShardGtids(GtidSet.parse(lineage), tablets, all_asked, primary)


@pytest.mark.parametrize(
    ("position", "servers", "verdict", "on"),
    [
        pytest.param(f"{P}:1-5", shard(f"{P}:1-9", tablet(f"{P}:1-9")), Verdict.OK, f"{P}:1-5", id="the usual"),
        pytest.param(
            f"{P}:1-5",
            shard(f"{P}:1-9", tablet(f"{P}:1-4"), tablet(f"{P}:1-5")),
            Verdict.OK,
            f"{P}:1-5",
            id="one replica is behind, another has it",
        ),
        pytest.param(
            f"{P}:1-5", shard(f"{P}:1-9", tablet(f"{P}:1-4")), Verdict.BEHIND, f"{P}:1-5", id="no replica has it yet"
        ),
        pytest.param(
            f"{P}:1-5",
            shard(f"{P}:1-9", tablet(f"{P}:1-9", f"{P}:1-6"), tablet(f"{P}:1-9", f"{P}:1-3")),
            Verdict.OK,
            f"{P}:1-5",
            id="one replica has purged it, another keeps it",
        ),
        pytest.param(
            f"{P}:1-5",
            shard(f"{P}:1-9", tablet(f"{P}:1-9", f"{P}:1-6"), tablet(f"{P}:1-9", f"{P}:1-7")),
            Verdict.PURGED,
            f"{P}:1-5",
            id="all have purged it",
        ),
        pytest.param(
            f"{P}:1-5",
            shard(f"{P}:1-9", tablet(f"{P}:1-9", f"{P}:1-6"), tablet(f"{P}:1-4", f"{P}:1-3")),
            Verdict.BEHIND,
            f"{P}:1-5",
            id="who keeps it is behind: it will come",
        ),
        pytest.param(
            f"{P}:1-5,{R}:1-2",
            shard(f"{P}:1-9", tablet(f"{P}:1-9,{R}:1-2"), tablet(f"{P}:1-9")),
            Verdict.OK,
            f"{P}:1-5",
            id="errant on one replica: it is left out, and the other can go on",
        ),
        pytest.param(
            f"{P}:1-7",
            shard(f"{P}:1-5,{R}:1", tablet(f"{P}:1-7,{R}:1")),
            Verdict.OK,
            f"{P}:1-5",
            id="errant under the UUID of a former primary",
        ),
        pytest.param(
            f"{P}:1-7", shard(f"{P}:1-5,{R}:1", tablet(f"{P}:1-5,{R}:1")), Verdict.FOREIGN, f"{P}:1-7", id="lost"
        ),
        pytest.param(f"{X}:1-7", shard(f"{P}:1-5", tablet(f"{P}:1-5")), Verdict.FOREIGN, f"{X}:1-7", id="elsewhere"),
        pytest.param(
            f"{P}:1-5,{R}:1-2",
            shard(f"{P}:1-9", tablet(f"{P}:1-9"), all_asked=False),
            Verdict.UNKNOWN,
            f"{P}:1-5,{R}:1-2",
            id="the replica that may be errant was not asked",
        ),
        pytest.param(
            f"{P}:1-5",
            shard(f"{P}:1-9", tablet(f"{P}:1-9,{R}:1-3", f"{P}:1-2,{R}:1-3")),
            Verdict.OK,
            f"{P}:1-5,{R}:1-3",
            id="MySQL wants the errant ones that it has purged",
        ),
        pytest.param(
            f"{P}:1-5",
            shard(f"{P}:1-9", tablet(f"{P}:1-9,{R}:1-3", f"{P}:1-2,{R}:1-3"), tablet(f"{P}:1-9")),
            Verdict.OK,
            f"{P}:1-5",
            id="unless another replica can go on without",
        ),
        pytest.param(
            f"{P}:1-5",
            shard(
                f"{P}:1-9",
                tablet(f"{P}:1-9,{R}:1-3", f"{P}:1-2,{R}:1-3"),
                tablet(f"{P}:1-9,{X}:1", f"{P}:1-2,{X}:1"),
            ),
            Verdict.OK,
            f"{P}:1-5,{R}:1-3",
            id="each replica has purged errant ones of its own: one of them is chosen",
        ),
        pytest.param(
            f"{P}:1-10",
            shard(f"{P}:1-9", tablet(f"{P}:1-10"), primary=P),
            Verdict.UNKNOWN,
            f"{P}:1-10",
            id="the primary itself is not done with it: semi-synchronous replication",
        ),
        pytest.param("", shard(f"{P}:1-9", tablet(f"{P}:1-9")), Verdict.OK, "", id="nothing yet"),
    ],
)
def test_a_position(position: str, servers: ShardGtids, verdict: Verdict, on: str) -> None:
    """Each outcome has its verdict, and the position to go on from is one that a tablet takes."""
    found = judge(f"MySQL56/{position}", servers)

    assert (found.verdict, found.position) == (verdict, f"MySQL56/{on}")
    assert str(found.errant) == str(servers.errant)


@pytest.mark.parametrize(
    ("position", "lineage", "tablets", "all_asked", "verdict"),
    [
        pytest.param(f"{P}:1-5", f"{P}:1-9", [tablet(f"{P}:1-9")], True, Verdict.NOT_SERVING, id="the usual"),
        pytest.param(f"{P}:1-5", f"{P}:1-9", [], True, Verdict.NOT_SERVING, id="a primary that has it"),
        pytest.param(f"{P}:1-5,{X}:1", f"{P}:1-9", [], True, Verdict.FOREIGN, id="a primary that lacks some of it"),
        pytest.param(
            f"{P}:1-5", f"{P}:1-9", [tablet(f"{P}:1-9", f"{P}:1-6")], True, Verdict.PURGED, id="all replicas purged it"
        ),
        pytest.param(
            f"{P}:1-5", None, [tablet(f"{P}:1-9", f"{P}:1-6")], True, Verdict.PURGED, id="and the primary is gone"
        ),
        pytest.param(
            f"{P}:1-5",
            None,
            [tablet(f"{P}:1-9", f"{P}:1-6")],
            False,
            Verdict.NOT_SERVING,
            id="one did not answer: nothing is known",
        ),
        pytest.param(
            f"{P}:1-5", None, [tablet(f"{P}:1-4")], True, Verdict.NOT_SERVING, id="the primary may have what they lack"
        ),
        pytest.param(f"{P}:1-5", None, [], True, Verdict.NOT_SERVING, id="nobody answers"),
        pytest.param(f"{P}:1-5", f"{P}:1-9", [tablet(f"{P}:1-4")], True, Verdict.BEHIND, id="a replica lags"),
    ],
)
def test_a_position_on_a_shard_that_was_resharded(
    position: str, lineage: str | None, tablets: list[TabletGtids], all_asked: bool, verdict: Verdict
) -> None:
    """Its primary tells what it has executed only to a stream, and never what it has purged."""
    known = None if lineage is None else GtidSet.parse(lineage)

    finding = judge_ended(position, known, tablets, all_asked=all_asked)

    assert finding.verdict is verdict
    assert finding.position == f"MySQL56/{position}" or verdict is Verdict.FOREIGN
    assert finding.lineage == known or verdict is not Verdict.NOT_SERVING
