"""One VStream of the changes of all followed tables, over all shards, up to an end position.

- It ends where a transaction ends and every shard contains the end position; never by equality of positions, never
  because nothing came for a while.
- Tables of non-transactional engines get no position of their own. The end is reached, too, when at least as many
  such transactions have come since a shard's last position as are missing: a binary log has an order. VTGate opens a
  shard's stream again in silence when its tablet ends it, from the last position: then they come again, with their
  columns, and are counted anew.
- A reshard needs nothing: VTGate follows it, and the end position is asked for anew. But VTGate ends the stream, each
  time, at a journal that merges shards while one participant is not in the stream yet because it comes out of an
  earlier reshard (go/vt/vtgate/vstream_manager.go, getJournalEvent). That shard then waits until another one has
  passed a reshard.
- Where MySQL of a tablet was restarted, another stream goes on: see `vstream.binlog_files`.
- It can stay open for a time after its end position. Heartbeats prove nothing then either: every half minute the
  shards' positions are a new one, so that a shard that is stuck is noticed.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from source_vitess.errors import SchemaMismatchError, StreamError, TableNotFoundError, TransientError
from source_vitess.position.gtid import FLAVOR, GtidSet
from source_vitess.position.vgtid import Vgtid, contains, gtid_set
from source_vitess.replication.context import SyncContext
from source_vitess.replication.end_position import EndPosition
from source_vitess.replication.exclusions import Exclusions
from source_vitess.replication.filtered_rows import conditions
from source_vitess.replication.goal import Goal
from source_vitess.replication.held_rows import HeldRows
from source_vitess.replication.lost_position import merged_without
from source_vitess.replication.messages import Log, Message
from source_vitess.replication.oversized_rows import stalled
from source_vitess.replication.patience import Retry, Silence
from source_vitess.replication.records import RecordMaker
from source_vitess.replication.schema_changes import SchemaChanges
from source_vitess.replication.settings import SelectedStream
from source_vitess.replication.table_state import FOLLOWED
from source_vitess.rows.columns import Rows
from source_vitess.schema import is_transactional
from source_vitess.vstream.events import BinlogLeft, Committed, Ddl, Fields, Heartbeat, TableFailed, Unpositioned
from source_vitess.vstream.request import HEARTBEAT_SECONDS, StreamRequest
from source_vitess.vstream.stream_position import StreamPosition

#: Seconds of waiting without a transaction after which a new end position is asked for: the old one may hold
#: transactions that no server has any more (a failover), and then it would never be reached.
SILENCE_SECONDS = 10

#: While the stream stays open: seconds between two heartbeats, on which a state is written that a burst of changes
#: has left due, and between two new end positions.
STREAMING_HEARTBEAT_SECONDS = 1
STREAMING_TARGET_SECONDS = 30

#: Errors of a table that may pass by themselves: a tablet that was just switched to may not know a young table yet,
#: and with --track-schema-versions the rows after an ALTER can be there before the tablet has noted the new columns
#: (go/vt/vttablet/tabletserver/schema/{tracker,historian}.go).
PASSING = (TableNotFoundError, SchemaMismatchError)


@dataclass(frozen=True)
class ChangeContext:
    """What all VStreams of a sync's changes share.

    Attributes:
        sync: The sync.
        streams: The streams that may take part, by table.
        makers: Their record makers.
        exclusions: Which transactions are left out.
        schema_changes: Carries out statements.
        end: Asks for end positions.
    """

    sync: SyncContext
    streams: Mapping[str, SelectedStream]
    makers: Mapping[str, RecordMaker]
    exclusions: Exclusions
    schema_changes: SchemaChanges
    end: EndPosition


class ChangeStream:
    """Reads changes from one VStream. Made anew for each, and to be closed.

    Args:
        context: What all streams share.
        start: The position to begin with.
        target: The position to reach.
        retry: Is reset when the stream gets on.
        until: On the monotonic clock; before that, changes go on to be read as they happen.
        waiting: Shards that stand still. The stream ends when another one has come past a reshard.
    """

    def __init__(
        self,
        context: ChangeContext,
        start: Vgtid,
        target: Vgtid,
        retry: Retry,
        until: float,
        waiting: frozenset[str] = frozenset(),
    ) -> None:
        self._context = context
        self._sync = context.sync
        self._state = context.sync.state
        self._checkpointer = context.sync.checkpointer
        self._waiting = waiting
        self._checkpointer.waiting = {shard: gtid for shard, gtid in start.shards.items() if shard in waiting}
        start = Vgtid(start.keyspace, {shard: gtid for shard, gtid in start.shards.items() if shard not in waiting})
        self._start = start
        self._goal = Goal(start, target)
        self._retry = retry
        self._until = until
        self._targeted_at = self._now()
        self._streaming = self._targeted_at < until
        self._silence = Silence(context.sync.clock)
        self._ended = False
        # Whether records went out, or are held back, whose transaction has not ended yet.
        self._in_transaction = False
        self._held = HeldRows()
        self._statements: list[Ddl] = []
        # By shard, the position that its last transaction ended at.
        self._last: dict[str, str | None] = dict(start.shards)
        # By shard, transactions without a position since the last one with one, and the tables that they had rows of.
        # Their GTIDs are empty where Vitess does not tell them.
        self._unpositioned: dict[str, list[str]] = {}
        self._unpositioned_tables: dict[str, set[str]] = {}
        self._without_transactions = frozenset(
            name for name, stream in context.streams.items() if not is_transactional(stream.streamed.table.engine)
        )

    def close(self) -> None:
        """Forgets what is held back, and leaves the state where the last transaction ended."""
        self._held.clear()
        self._context.schema_changes.stream_ended()
        self._checkpointer.settle()

    def read(self, tables: tuple[str, ...]) -> Generator[Message, None, bool]:
        """Yields the changes of some tables up to the end position, with checkpoints.

        Returns:
            Whether it came there. If not, another stream is to go on from where this one is.

        Raises:
            TransientError: The stream broke off, or nothing came for too long.
            PositionLostError: The server cannot continue from the start.
            StreamError: A table cannot be read, perhaps not yet.
            ConfigError: The user has to act.
        """
        request = StreamRequest(
            self._start.keyspace,
            self._start.shards,
            tables,
            heartbeat_seconds=STREAMING_HEARTBEAT_SECONDS if self._streaming else HEARTBEAT_SECONDS,
            where=conditions(self._context.streams, tables),
        )
        streamed = {name: self._context.streams[name].streamed for name in tables}
        self._check_waiting()
        with self._sync.vitess.stream(request, streamed) as events:
            for event in self._silence.watch(events):
                match event:
                    case Rows():
                        yield from self._rows(event)
                    case Committed():
                        yield from self._committed(event)
                    case Unpositioned():
                        yield from self._committed_without_position(event)
                    case Heartbeat():
                        yield from self._heartbeat()
                    case TableFailed(_, error):
                        yield self._table_failed(error)
                    case Fields():
                        if event.table in self._unpositioned_tables.get(event.shard, ()):
                            self._count_again(event.shard)
                        if stale := self._context.schema_changes.check_columns(event):
                            yield self._table_failed(stale)
                    case Ddl():
                        self._statements.append(event)
                    case BinlogLeft() if (yield from self._has_to_end(event)):
                        yield Log(
                            f"MySQL of a tablet of shard {event.shard!r} may have been restarted at this point of its "
                            "binary log: the stream is opened again from here, since Vitess can mix up tables in one "
                            "that reads across a restart."
                        )
                        return False
                    case _:
                        pass
                if self._streaming and not self._in_transaction and not self._ended:
                    yield from self._keep_streaming()
                if self._ended:
                    return True
        raise TransientError("VTGate ended the change stream before its end position was reached.")

    def _now(self) -> float:
        return self._sync.clock.monotonic()

    def _has_to_end(self, left: BinlogLeft) -> Generator[Message, None, bool]:
        """Returns whether VTTablet may mix up tables from here on, and another stream would get on.

        One would not where this one began: what a position does not keep comes again, from an older file.
        """
        yield from self._pass_unpositioned(left.shard)
        self._checkpointer.settle()
        here = self._state.vgtid
        if here is None or left.shard not in here.shards:
            return False
        began = self._start.shards.get(left.shard)
        has_moved = began is None or not contains(began, here.shards[left.shard])
        return has_moved and left.may_be_a_start(self._sync.vitess.last_starts((left.shard,)))

    def _pass_unpositioned(self, shard: str) -> Iterator[Message]:
        """Takes over into the position what has come of a shard without one, if it is known what that was."""
        gtids = self._unpositioned.get(shard)
        self._checkpointer.settle()
        here = self._state.vgtid
        if gtids and all(gtids) and here is not None and shard in here.shards:
            passed = gtid_set(f"{FLAVOR}/{','.join(gtids)}")
            yield from self._end_transaction(shard, passed)
            self._reach(here, {shard: f"{FLAVOR}/{passed}"})

    def _rows(self, rows: Rows) -> Iterator[Message]:
        self._in_transaction = True
        if self._without_transactions and rows.table in self._without_transactions:
            self._unpositioned_tables.setdefault(rows.shard, set()).add(rows.table)
        if not isinstance(self._state.tables.get(rows.table), FOLLOWED):
            return  # failed in this sync
        if self._held or self._context.exclusions.may_exclude(rows):
            self._held.add(rows)
        else:
            yield self._emit(rows)

    def _emit(self, rows: Rows) -> Message:
        records = self._context.makers[rows.table].make(rows)
        self._checkpointer.emitted(records)
        return records

    def _committed(self, event: Committed) -> Iterator[Message]:
        shard, position = event.shard, event.position
        gtid = position.gtid(shard)
        self._in_transaction = False
        is_errant = False
        if self._held or self._statements or self._context.exclusions.knows_errant(shard):
            transaction = self._transaction(shard, gtid) if gtid is not None else None
            is_errant = self._context.exclusions.is_errant(shard, transaction)
            if self._held or self._statements:
                yield from self._end_transaction(shard, transaction)
        # Not the whole of it: that names every shard, each time.
        self._last[shard] = gtid
        if self._unpositioned or self._unpositioned_tables:
            self._unpositioned_tables.pop(shard, None)
            self._unpositioned.pop(shard, None)
        self._checkpointer.reached(position)
        if self._goal.resharded(shard):
            self._follow_reshard(position)
            if self._waiting:
                self._ended = True
                return
        if (self._waiting or self._goal.awaits(shard)) and not is_errant:
            # Not what a shard that has reached its end goes on to send: another one may be stuck. Nor what is no part
            # of a position that is kept, and so comes again with every new stream.
            self._silence.end()
            if not self._streaming and not self._waiting:
                self._retry.progressed()
        if self._goal.reached(shard, gtid) and not self._streaming:
            self._ended = True
            return
        yield from self._checkpointer.due()
        self._check_waiting()
        self._check_progress()

    def _follow_reshard(self, position: StreamPosition) -> None:
        """Goes on to an end position of the shards that VTGate has gone over to."""
        here = position.to_vgtid(self._start.keyspace)
        self._context.exclusions.drop_other_shards(self._waiting.union(here.shards))
        if self._waiting:
            return
        self._goal = Goal(here, self._context.end.ask())
        self._context.end.adopt()

    def _end_transaction(self, shard: str, transaction: GtidSet | None) -> Iterator[Message]:
        """Emits or leaves out what was held back of a transaction, and carries out its statements."""
        exclusions = self._context.exclusions
        exclusions.reconsider(shard, transaction)
        others = []
        for rows in self._held.drain():
            if shard and rows.shard != shard:
                # Of a transaction without a position, whose end is still to come.
                others.append(rows)
                continue
            state = self._state.tables.get(rows.table)
            if isinstance(state, FOLLOWED) and not exclusions.exclude(rows.table, shard, transaction):
                yield self._emit(rows)
        for rows in others:
            self._held.add(rows)
        statements, self._statements = self._statements, []
        for statement in statements:
            yield from self._context.schema_changes.carry_out(statement, transaction)

    def _transaction(self, shard: str, gtid: str) -> GtidSet:
        """Returns the transaction that has brought a shard to a position, with those before it that had none.

        A stream that has just gone over to the shard does not report where it began: then the whole position counts.
        """
        before = self._last.get(shard)
        return gtid_set(gtid) - gtid_set(before) if before else gtid_set(gtid)

    def _committed_without_position(self, event: Unpositioned) -> Iterator[Message]:
        self._in_transaction = False
        self._unpositioned.setdefault(event.shard, []).append(event.gtid)
        if (yield from self._has_all(self._goal)):
            if self._streaming:
                self._goal = self._goal_to(self._goal.target)
            else:
                self._ended = True

    def _count_again(self, shard: str) -> None:
        """Forgets the transactions without a position of a shard: VTGate has opened its stream again before them."""
        del self._unpositioned_tables[shard]
        self._unpositioned.pop(shard, None)
        for rows in list(self._held.drain()):
            if rows.shard != shard:
                self._held.add(rows)

    def _heartbeat(self) -> Iterator[Message]:
        yield from self._checkpointer.due()
        if self._waiting and self._silence.seconds >= SILENCE_SECONDS:
            raise TransientError(
                f"The shard {', '.join(sorted(self._waiting))} was merged with others, and these do not come to that."
            )
        if not self._streaming and self._silence.seconds >= SILENCE_SECONDS:
            fresh = self._goal_now()
            if fresh.is_reached or (yield from self._has_all(fresh)):
                self._context.end.adopt()
                self._ended = True
                return
        self._check_progress()

    def _check_waiting(self) -> None:
        """Expects one of the shards to be still on its way to the merge that the waiting ones stand still at."""
        if self._waiting and self._goal.is_final:
            raise merged_without(self._start.keyspace, self._waiting)

    def _table_failed(self, error: StreamError) -> Message:
        """Goes on without a table, unless it may be read by another stream.

        Raises:
            StreamError: The error itself, if another stream is worth opening.
        """
        if isinstance(error, PASSING) and self._retry.left:
            raise error
        return self._sync.give_up(error)

    def _keep_streaming(self) -> Iterator[Message]:
        """Ends a stream that stays open when its time is over, and has it aim at a new end position now and then."""
        if self._goal.is_reached:
            self._silence.end()
            self._retry.progressed()
            if self._now() >= self._until:
                self._ended = True
                return
        if self._now() - self._targeted_at >= STREAMING_TARGET_SECONDS:
            self._targeted_at = self._now()
            fresh = self._goal_now()
            if (yield from self._has_all(fresh)):
                fresh = self._goal_to(fresh.target)
            if self._goal.is_reached or fresh.is_reached:
                # Else a shard is missing already; the others' progress must not hide that it is stuck.
                self._goal = fresh
                self._context.end.adopt()

    def _has_all(self, goal: Goal) -> Generator[Message, None, bool]:
        """Returns whether a goal is reached by transactions that came without a position, and takes it over if so."""
        self._checkpointer.settle()
        here = self._state.vgtid
        if here is None or not goal.missing:
            return False
        ends = {}
        for shard in goal.missing:
            if shard not in here.shards:
                return False
            left = gtid_set(goal.target.shards[shard]) - gtid_set(here.shards[shard])
            if len(self._unpositioned.get(shard, ())) < len(left):
                return False
            ends[shard] = left
        for shard, transactions in ends.items():
            yield from self._end_transaction(shard, transactions)
        self._reach(here, {shard: goal.target.shards[shard] for shard in ends})
        return True

    def _reach(self, here: Vgtid, more: Mapping[str, str]) -> None:
        """Takes over positions of shards that have come to them by transactions without one."""
        self._state.vgtid = here = here.union(more)
        for shard in more:
            self._last[shard] = here.shards[shard]
            del self._unpositioned[shard]
            self._unpositioned_tables.pop(shard, None)

    def _goal_now(self) -> Goal:
        """Returns the way from here to where the shards are now."""
        return self._goal_to(self._context.end.ask())

    def _goal_to(self, target: Vgtid) -> Goal:
        """Returns the way from here to an end position."""
        self._checkpointer.settle()
        return Goal(self._state.vgtid or self._start, target)

    def _check_progress(self) -> None:
        if self._silence.seconds >= self._sync.settings.no_progress_seconds:
            self._checkpointer.settle()
            here = self._state.vgtid.shards if self._state.vgtid else {}
            raise stalled(self._silence.seconds, here, self._goal.missing)
