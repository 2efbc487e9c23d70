"""Streams that begin without a copy, because their rows were loaded by other means, or are not wanted.

Nothing may be skipped in silence: a stream begins so only if it is new to the connection, at a position that was
verified, and a state that says so is written before its first record.

- New is a stream that has no state, that no state before has known, and that the platform has never cleared or
  refreshed. Any other stream without a state was cleared, and is copied: so a refresh gives all rows again.
- It begins at the shared position, if streams are followed from it; else at the start position, or where the
  keyspace is now.
- A stream that could not be read when the others began is known from then on, and so is copied later: the changes in
  between were not followed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from source_vitess.errors import ConnectorError, TransientError
from source_vitess.position.lineage import Verdict
from source_vitess.position.start_position import start_refused
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.context import SyncContext
from source_vitess.replication.interfaces import Vitess
from source_vitess.replication.messages import Log, Message
from source_vitess.replication.settings import SelectedStream
from source_vitess.replication.table_state import FOLLOWED, Copied


def begin_without_copy(
    context: SyncContext, streams: Sequence[SelectedStream], refused: Sequence[str], now: Vgtid
) -> Iterator[Message]:
    """Has new streams begin without a copy, if that is asked for.

    Args:
        context: The sync.
        streams: The streams that can be read.
        refused: Those that cannot.
        now: Where the keyspace is.

    Raises:
        ConfigError: The start position cannot be used.
        TransientError: That is not known now.
    """
    state, settings = context.state, context.settings
    if not settings.changes_only:
        return
    state.known.update(state.tables)
    new = [stream.name for stream in streams if _is_new(stream, context)]
    is_followed = state.vgtid is not None and any(isinstance(table, FOLLOWED) for table in state.tables.values())
    start = settings.start
    if start is not None and is_followed:
        yield Log("The field start_position has no effect any more: streams go on from the saved position.")
    if new and not is_followed:
        if start is not None:
            yield from context.ask(lambda: verify_start(context.vitess, start, now.shards))
        state.vgtid = start or now
    for name in new:
        state.tables[name] = Copied()
    state.known.update(new, refused)
    if new:
        yield Log(
            f"{len(new)} streams begin without a copy, as configured, with the changes since "
            f"{'the saved position' if is_followed else 'the start position' if start else 'now'}."
        )
        yield context.checkpointer.now()


def verify_start(vitess: Vitess, start: Vgtid, shards: Collection[str]) -> None:
    """Checks that changes can be followed from a start position, as from a saved one.

    It has to be of the very shards that are read: of one that it left out, changes would be skipped in silence.

    Args:
        vitess: The keyspace.
        start: The position.
        shards: The shards that are read now.

    Raises:
        ConfigError: They cannot.
        TransientError: That is not known now, or no tablet has come so far.
    """
    if start.shards.keys() != set(shards):
        raise start_refused(
            f"has to be of the shards that are read, {', '.join(sorted(shards))} (after a reshard, take it and load "
            "the rows anew; or empty the field if this connection has synced since)",
            ", ".join(sorted(start.shards)),
        )
    for shard, finding in sorted(vitess.verify(start.shards).items()):
        if refusal := _refusal(shard, start.shards[shard], finding.verdict, vitess.tablet_type):
            raise refusal


def _is_new(stream: SelectedStream, context: SyncContext) -> bool:
    return (
        stream.incremental
        and stream.name not in context.state.tables
        and stream.name not in context.state.known
        and stream.name not in context.failed
        and not stream.generation_id
    )


def _refusal(shard: str, gtid: str, verdict: Verdict, tablet_type: str) -> ConnectorError | None:
    match verdict:
        case Verdict.OK:
            return None
        case Verdict.BEHIND:
            return TransientError(f"No {tablet_type} tablet of shard {shard} has replicated up to start_position yet.")
        case Verdict.PURGED:
            return start_refused(
                f"is too old: no {tablet_type} tablet of shard {shard} has all binary logs since then. Take a later "
                "position and load the rows anew; or empty the field if this connection has synced since",
                gtid,
            )
        case Verdict.UNKNOWN:
            return start_refused(
                f"has transactions that the primary of shard {shard} does not have, and no tablet that answered "
                "explains: it is mistyped, or was taken on a tablet that does not answer now. Take it on the primary",
                gtid,
            )
        case Verdict.FOREIGN:
            return start_refused(
                f"has transactions that the primary of shard {shard} does not have: it is of another cluster or shard, "
                "mistyped, or from before a failover that lost them",
                gtid,
            )
        case _:
            return TransientError(f"Shard {shard} is being resharded: start_position cannot be looked at now.")
