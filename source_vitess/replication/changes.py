"""The changes of all followed tables, up to an end position: one VStream, and another when it breaks off."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing

from source_vitess.errors import (
    ConfigError,
    MergedShardError,
    MessageTooLargeError,
    NoTabletError,
    StallError,
    StreamError,
    TransientError,
)
from source_vitess.position.gtid import FLAVOR, GtidSet
from source_vitess.position.vgtid import Vgtid, contains, gtid_set
from source_vitess.replication.change_stream import PASSING, ChangeContext, ChangeStream
from source_vitess.replication.context import SyncContext
from source_vitess.replication.end_position import EndPosition
from source_vitess.replication.exclusions import Exclusions
from source_vitess.replication.filtered_rows import conditions
from source_vitess.replication.lost_position import explain_no_tablet, explain_stall
from source_vitess.replication.messages import Message
from source_vitess.replication.oversized_rows import blamed_shards, explain_changes
from source_vitess.replication.patience import Retry
from source_vitess.replication.records import RecordMaker
from source_vitess.replication.schema_changes import SchemaChanges
from source_vitess.replication.settings import SelectedStream
from source_vitess.replication.table_state import FOLLOWED

_NOTHING = GtidSet({})


class Changes:
    """Reads changes from the state's position to a target.

    Args:
        context: The sync.
        streams: The streams that may take part, by table.
        makers: Their record makers.
    """

    def __init__(
        self, context: SyncContext, streams: Mapping[str, SelectedStream], makers: Mapping[str, RecordMaker]
    ) -> None:
        self._context = context
        self._state = context.state
        self._streams = streams
        self._exclusions = Exclusions(context)
        self._end = EndPosition(context.vitess, context.clock)
        self._schema_changes = SchemaChanges(context, streams, self._exclusions)
        self._shared = ChangeContext(context, streams, makers, self._exclusions, self._schema_changes, self._end)
        self._left_at: Vgtid | None = None
        # By shard, errant transactions that all tablets have purged.
        self._purged: dict[str, GtidSet] = {}
        # By shard, where the last stream that stalled was.
        self._stalled_at: Mapping[str, str] | None = None

    def current(self) -> Vgtid:
        """Asks for the position of all serving shards now, which is what is to be reached next.

        Raises:
            TransientError: A shard does not answer now.
            ConfigError: The user has to act.
        """
        return self._end.ask()

    @property
    def asked_at(self) -> float:
        """When the position that was reached last was asked for, in seconds since 1970."""
        return self._end.asked_at

    def leave_out(self, shard: str, errant: GtidSet) -> None:
        """Leaves out the changes of transactions that are not of the shard's lineage."""
        self._exclusions.leave_out(shard, errant)

    def run(self, target: Vgtid, *, until: float = -math.inf) -> Iterator[Message]:
        """Yields the changes up to the target, with checkpoints; leaves the state at a position that covers it.

        Args:
            target: The position to reach.
            until: On the monotonic clock; before that, changes go on to be read as they happen.

        Raises:
            TransientError: The stream broke off too often, or nothing came for too long.
            PositionLostError: The server cannot continue from the state's position.
            ConfigError: The user has to act.
        """
        try:
            yield from self._run(target, until)
        except NoTabletError as error:
            yield from explain_no_tablet(self._context, error)
            raise

    def _run(self, target: Vgtid, until: float) -> Iterator[Message]:
        retry = self._context.new_retry()
        self._stalled_at = None
        waiting: frozenset[str] = frozenset()
        shards: frozenset[str] | None = None
        self._forget_lowered()
        self._end.adopt()
        while (start := self._state.vgtid) is not None and (self._is_streaming(until) or not start.covers(target)):
            tables = self._followed()
            if not tables:
                # Nobody needs the changes in between, and following later starts from a copy.
                if not start.covers(target):
                    self._state.vgtid = target
                return
            self._exclusions.drop_passed(start)
            try:
                if shards is not None and (waiting or shards != frozenset(start.shards) or self._is_streaming(until)):
                    # The stream that broke off had gone over a reshard: the target may be of shards that are no more,
                    # or from before the journal that some stand still at. Or it had no end: reaching what was reached
                    # before is no progress.
                    target = self._end.ask()
                    self._end.adopt()
                shards = frozenset(start.shards)
                start = self._with_purged(start)
                with closing(ChangeStream(self._shared, start, target, retry, until, waiting)) as stream:
                    is_over = yield from stream.read(tables)
                if not is_over:
                    continue
                if not waiting:
                    # That is final: a target that a failover or a reshard has made unreachable is never covered.
                    break
                waiting = frozenset()
                retry.progressed()
            except (TransientError, StreamError) as error:
                yield self._recover(error, start, target, tables, retry)
                waiting = self._to_wait(error, waiting)
            except MessageTooLargeError as error:
                self._context.checkpointer.settle()
                at = self._state.vgtid or start
                if explained := self._explain(at, blamed_shards(error, at.shards), tables):
                    raise explained from error
                raise
        if self._state.vgtid is not None:
            self._exclusions.drop_passed(self._state.vgtid)
            self._left_at = self._state.vgtid

    def _recover(
        self,
        error: TransientError | StreamError,
        start: Vgtid,
        target: Vgtid,
        tables: tuple[str, ...],
        retry: Retry,
    ) -> Message:
        """Prepares another stream, without the table that is to blame, and returns what to report of it.

        Raises:
            ConnectorError: The error itself, or a better one, if another stream is no help.
        """
        if isinstance(error, StreamError):
            if error.stream not in tables or (isinstance(error, PASSING) and retry.left):
                return retry.failed(error)
            return self._context.give_up(error)
        if isinstance(error, StallError):
            at = Vgtid(start.keyspace, error.positions)
            if explained := self._explain(at, error.shards, tables):
                raise explained from error
            if error.shards == self._stalled_at or not retry.left:
                # Opening the stream anew was no help, or would be one time too many.
                explain_stall(self._context, error, target)
                raise error
            self._stalled_at = error.shards
        return retry.failed(error)

    def _to_wait(self, error: TransientError | StreamError, waiting: frozenset[str]) -> frozenset[str]:
        """Returns the shards that stand still in the next stream: one more each time, as several may be at journals."""
        if isinstance(error, MergedShardError) and (here := self._state.vgtid) is not None:
            more = waiting | {error.shard.rpartition("/")[2]}
            if more < here.shards.keys():
                return more
        return frozenset()

    def _explain(self, at: Vgtid, shards: Collection[str], tables: tuple[str, ...]) -> ConfigError | None:
        where = conditions(self._streams, tables)
        return explain_changes(self._context.vitess, self._context.clock, at, shards, tables, where)

    def _with_purged(self, start: Vgtid) -> Vgtid:
        """Returns a position with the errant transactions that the first one had.

        No position keeps any, but where all tablets have purged some, none streams from a position without them.
        """
        for shard, errant in self._context.checkpointer.errant.items():
            if shard in start.shards:
                self._purged[shard] = self._purged.get(shard, _NOTHING) | (gtid_set(start.shards[shard]) & errant)
        return start.union({shard: f"{FLAVOR}/{purged}" for shard, purged in self._purged.items() if purged})

    def _is_streaming(self, until: float) -> bool:
        return self._context.clock.monotonic() < until

    def _followed(self) -> tuple[str, ...]:
        return tuple(name for name in self._streams if isinstance(self._state.tables.get(name), FOLLOWED))

    def _forget_lowered(self) -> None:
        """Forgets what statements did to columns that come again: a copy has lowered the position since."""
        now, before = self._state.vgtid, self._left_at
        if now is not None and before is not None:
            for shard, gtid in now.shards.items():
                if shard in before.shards and not contains(gtid, before.shards[shard]):
                    self._schema_changes.read_again(shard, gtid)
