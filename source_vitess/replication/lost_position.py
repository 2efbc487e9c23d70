"""A position from which no stream can continue: how a failed stream shows it, and the errors that report it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from source_vitess.errors import ConnectorError, NoTabletError, PositionLostError, StallError, TransientError
from source_vitess.position.lineage import Verdict
from source_vitess.position.vgtid import Vgtid, contains
from source_vitess.replication.context import SyncContext
from source_vitess.replication.messages import Message


def explain_no_tablet(context: SyncContext, error: NoTabletError) -> Iterator[Message]:
    """Finds out whether no tablet takes the position because it is lost, which a check before could not know.

    - A shard that the position's shard was resharded to has purged its binary logs since the reshard, or a failover has
      lost what it had by then. Or all of its tablets have purged errant transactions: a position can be given these,
      the one that VTGate takes from the journal cannot.
    - A resharded shard's primary has purged its binary logs. It cannot be asked. But it was there before, with the
      position, and if it is there now as well, and VTGate has found it unfit for that position again and again in
      between, nothing else is left (go/vt/discovery/tablet_error_action.go).

    Raises:
        PositionLostError: It is lost.
    """
    here = context.state.vgtid
    shard = error.shard.rpartition("/")[2]
    if here is None or context.clock.stopping:
        return
    shards: Mapping[str, str] = here.shards
    while shard not in shards:
        at = Vgtid(here.keyspace, shards)
        begun = yield from context.ask(lambda: context.vitess.begun_at(at, shard))  # noqa: B023 # asked at once
        if not begun:
            return
        shards = begun
    gtid = shards[shard]
    finding = (yield from context.ask(lambda: context.vitess.verify({shard: gtid})))[shard]
    if finding.verdict is Verdict.FOREIGN:
        raise foreign(here.keyspace, shard) from error
    is_there = finding.verdict is Verdict.NOT_SERVING and finding.lineage is not None
    is_refused = finding.verdict is Verdict.PURGED or (
        finding.verdict is Verdict.OK and shard not in here.shards and not contains(gtid, finding.position)
    )
    if is_refused or (is_there and context.vitess.tablet_type == "PRIMARY"):
        raise purged(here.keyspace, shard) from error


def explain_stall(context: SyncContext, error: StallError, target: Vgtid) -> None:
    """Finds out whether VTGate waits at the journal of a reshard for shards whose positions are past theirs already.

    That is so after a reshard that merged shards and was reversed, if the position of one of them was asked of a
    replica that had not replicated the journal yet (go/vt/vtgate/vstream_manager.go, getJournalEvent). A shard that
    has reached its end position is past its journal: no end position is of a shard that has ended. The one that waits
    has not reached its own, or has none, as it was resharded since.

    Args:
        context: The sync.
        error: How it ended.
        target: The end position.

    Raises:
        PositionLostError: VTGate waits forever.
    """
    here = context.state.vgtid
    if here is None or context.clock.stopping:
        return
    past = here.shards.keys() & target.shards.keys() - error.shards.keys()
    if not past:
        return
    for shard in here.shards.keys() - past:
        with suppress(TransientError):
            if others := context.vitess.ends_with(shard, here.shards[shard]) & past:
                raise PositionLostError(
                    f"The saved position of shard {shard} of keyspace {here.keyspace} is from before a reshard that "
                    f"was reversed, and that of {', '.join(sorted(others))} from after it, so VTGate waits forever. "
                    "Re-sync the data. The position was read from a replica that lagged."
                ) from error


def merged_without(keyspace: str, shards: Collection[str]) -> PositionLostError:
    """Returns the error of shards whose next journal is that of a merge with others that are past it."""
    return PositionLostError(
        f"The saved position of shard {', '.join(sorted(shards))} of keyspace {keyspace} is from before it was merged "
        "with other shards, and that of the others from after it, as when the merge was reversed since: VTGate cannot "
        "go on. Re-sync the data. If the field shards leaves some of the shards out, empty it first."
    )


def purged(keyspace: str, shard: str) -> PositionLostError:
    """Returns the error of binary logs that are needed and gone."""
    return PositionLostError(
        f"Shard {shard} of keyspace {keyspace} has purged the binary logs since the saved position. Re-sync the data, "
        "and keep binary logs longer (MySQL's binlog_expire_logs_seconds) or sync more often."
    )


def foreign(keyspace: str, shard: str) -> PositionLostError:
    """Returns the error of transactions that no server has."""
    return PositionLostError(
        f"The saved position of shard {shard} holds transactions that keyspace {keyspace} does not have, as when it "
        "was restored from a backup, or a failover without semi-synchronous replication has lost them. Re-sync the "
        "data."
    )


def refusal(keyspace: str, shard: str, verdict: Verdict, tablet_type: str) -> ConnectorError | None:
    """Returns why changes cannot be followed from a saved position; None if they can."""
    match verdict:
        case Verdict.SHARD_GONE:
            return PositionLostError(
                f"The saved position is on shard {shard}, which keyspace {keyspace} does not have any more: its "
                "changes since then are gone. Re-sync the data; and after a reshard let a sync run before the old "
                "shards are deleted."
            )
        case Verdict.OUT_OF_REACH:
            return PositionLostError(
                f"Shard {shard} of keyspace {keyspace} was resharded since the saved position, and a VTGate before v20 "
                "cannot stream from a shard that has stopped serving. Re-sync the data; or switch the traffic back, "
                "upgrade VTGate, and reshard then."
            )
        case Verdict.PURGED:
            return purged(keyspace, shard)
        case Verdict.FOREIGN:
            return foreign(keyspace, shard)
        case Verdict.BEHIND:
            return TransientError(
                f"No {tablet_type} tablet of shard {shard} has replicated up to the saved position yet."
            )
        case Verdict.UNKNOWN:
            return TransientError(
                f"The saved position of shard {shard} holds transactions that the primary does not have, and not all "
                f"{tablet_type} tablets answered whether they do."
            )
        case _:
            return None
