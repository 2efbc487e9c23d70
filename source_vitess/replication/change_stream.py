"""The change stream: one VStream over all followed tables and all shards, up to a target position.

- It ends where a transaction ends and every shard contains the target; never by equality of positions, never
  because nothing came for a while.
- A change of a table is skipped if, and only if, its transaction is contained in the table's copy position. That is
  known only when the transaction ends, so such rows are held back until then. What counts is the transaction itself,
  the difference of two positions: the whole position may hold what another tablet does not.
- A transaction that was known to be errant before it came is left out, unless its shard's primary has it by now.
- Tables of engines without transactions get no position of their own. The end is reached, too, when at least as many
  such transactions have come since a shard's last position as are missing: a binary log has an order.
- A reshard needs nothing: VTGate follows it, and the target is asked for anew.
- What goes for rows goes for statements that empty a table: one that the copy position contains is no news.
- It can stay open for a time after its target. Heartbeats prove nothing then either: every half minute the shards'
  positions are a new target, so that a shard that is stuck is noticed.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping

from source_vitess.errors import SchemaMismatchError, StreamError, TableNotFoundError, TransientError
from source_vitess.position.gtid import GtidSet
from source_vitess.position.vgtid import Vgtid, contains, gtid_set
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.ddl_effects import (
    ColumnChanges,
    column_changes,
    not_understood,
    rows_gone,
    shadows_swapped,
)
from source_vitess.replication.goal import Goal
from source_vitess.replication.held_rows import HeldRows
from source_vitess.replication.interfaces import Clock, Vitess
from source_vitess.replication.messages import Failed, Log, Message
from source_vitess.replication.oversized_rows import StallError, explain_changes
from source_vitess.replication.patience import Retry, Silence
from source_vitess.replication.records import RecordMaker
from source_vitess.replication.rewritten_values import RewrittenValues
from source_vitess.replication.settings import SelectedStream, SyncSettings
from source_vitess.replication.stale_columns import ToldColumns
from source_vitess.replication.state import FOLLOWED, Copied, CopiedAt, Copying, RefreshNeeded
from source_vitess.rows.columns import Rows
from source_vitess.vstream.events import Committed, Ddl, Fields, Heartbeat, StreamPosition, TableFailed, Unpositioned
from source_vitess.vstream.request import HEARTBEAT_SECONDS, StreamRequest

#: Seconds of waiting without a transaction after which a new end position is asked for: the old one may hold
#: transactions that no server has any more (a failover), and then it would never be reached.
SILENCE_SECONDS = 10

#: While the stream stays open: seconds between two heartbeats, on which a state is written that a burst of changes
#: has left due, and between two new targets.
STREAMING_HEARTBEAT_SECONDS = 1
STREAMING_TARGET_SECONDS = 30

#: Errors of a table that may pass by themselves: a tablet that was just switched to may not know a young table yet,
#: and with --track-schema-versions the rows after an ALTER can be there before the tablet has noted the new columns
#: (go/vt/vttablet/tabletserver/schema/{tracker,historian}.go).
PASSING = (TableNotFoundError, SchemaMismatchError)


class ChangeStream:
    """Reads changes from the state's position to a target.

    Args:
        vitess: The keyspace.
        clock: Time.
        settings: The sync's settings.
        checkpointer: Holds the state.
        streams: The streams that may take part, by table.
        makers: Their record makers.
    """

    def __init__(
        self,
        vitess: Vitess,
        clock: Clock,
        settings: SyncSettings,
        checkpointer: Checkpointer,
        streams: Mapping[str, SelectedStream],
        makers: Mapping[str, RecordMaker],
    ) -> None:
        self._vitess = vitess
        self._clock = clock
        self._settings = settings
        self._checkpointer = checkpointer
        self._state = checkpointer.state
        self._streams = streams
        self._makers = makers
        self._held = HeldRows()
        self._errant: dict[str, GtidSet] = {}
        # By shard, the position that its last transaction ended at.
        self._last: dict[str, StreamPosition | str] = {}
        # By shard, transactions without a position since the last one with one.
        self._unpositioned: dict[str, int] = {}
        self._left_at: Vgtid | None = None
        #: When the position that was reached last was asked for, in seconds since 1970.
        self.asked_at = 0.0
        self._last_asked_at = 0.0
        self._statements: list[Ddl] = []
        # By shard and table: the columns that were told since one was added, without those that were dropped since.
        self._columns: dict[tuple[str, str], tuple[str, ...]] = {}
        self._told = ToldColumns(
            self._state.dropped_columns,
            {name: stream.streamed.table.columns_by_name for name, stream in streams.items()},
        )
        self._rewritten = RewrittenValues(
            {name: stream.streamed for name, stream in streams.items()}, self._state.dropped_columns
        )
        self._unclear: set[str] = set()

    def current(self) -> Vgtid:
        """Asks for the position of all serving shards now, which is what is to be reached next.

        Raises:
            TransientError: A shard does not answer now.
            ConfigError: The user has to act.
        """
        asked_at = self._clock.now()
        position = self._vitess.current()
        self._last_asked_at = asked_at
        return position

    def leave_out(self, shard: str, errant: GtidSet) -> None:
        """Leaves out the changes of transactions that are not of the shard's lineage."""
        self._errant[shard] = errant
        self._checkpointer.errant[shard] = errant

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
        retry = Retry(self._clock, self._settings.retries)
        shards: frozenset[str] | None = None
        stalled_at: Mapping[str, str] | None = None
        self._forget_lowered()
        self.asked_at = self._last_asked_at
        while (start := self._state.vgtid) is not None and (
            self._clock.monotonic() < until or not start.covers(target)
        ):
            tables = self._followed()
            if not tables:
                # Nobody needs the changes in between, and following later starts from a copy.
                if not start.covers(target):
                    self._state.vgtid = target
                return
            self._settle_copies(start)
            try:
                if shards is not None and (shards != frozenset(start.shards) or self._clock.monotonic() < until):
                    # The stream that broke off had gone over a reshard: the target may be of shards that are no more.
                    # Or it had no end: reaching what was reached before is no progress.
                    target = self.current()
                    self.asked_at = self._last_asked_at
                shards = frozenset(start.shards)
                yield from self._stream(start, target, tables, retry, until)
                # That is final: a target that a failover or a reshard has made unreachable is never covered.
                break
            except StreamError as error:
                if error.stream not in tables or (isinstance(error, PASSING) and retry.left):
                    yield retry.failed(error)
                else:
                    yield self._fail(error)
            except StallError as error:
                at = Vgtid(start.keyspace, error.positions)
                if explained := explain_changes(self._vitess, self._clock, at, error.shards, tables):
                    raise explained from error
                if error.shards == stalled_at:
                    raise  # opening the stream anew was no help
                stalled_at = error.shards
                yield retry.failed(error)
            except TransientError as error:
                yield retry.failed(error)
            finally:
                self._held.clear()
                self._statements.clear()
                self._columns.clear()
                self._checkpointer.settle()
        if self._state.vgtid is not None:
            self._settle_copies(self._state.vgtid)
            self._left_at = self._state.vgtid

    def _forget_lowered(self) -> None:
        """Forgets what statements did to columns that come again: a copy has lowered the position since."""
        now, before = self._state.vgtid, self._left_at
        if now is not None and before is not None:
            for shard, gtid in now.shards.items():
                if shard in before.shards and not contains(gtid, before.shards[shard]):
                    self._told.read_again(shard)

    def _followed(self) -> tuple[str, ...]:
        return tuple(name for name in self._streams if isinstance(self._state.tables.get(name), FOLLOWED))

    def _stream(
        self, start: Vgtid, target: Vgtid, tables: tuple[str, ...], retry: Retry, until: float
    ) -> Iterator[Message]:
        now = self._clock.monotonic
        streaming = now() < until
        request = StreamRequest(
            start.keyspace,
            start.shards,
            tables,
            heartbeat_seconds=STREAMING_HEARTBEAT_SECONDS if streaming else HEARTBEAT_SECONDS,
        )
        goal = Goal(start, target)
        self._last = dict(start.shards)
        self._unpositioned = {}
        aimed = now()
        unfinished = False
        silence = Silence(self._clock)
        with self._vitess.stream(request, {name: self._streams[name].streamed for name in tables}) as events:
            for event in silence.watch(events):
                match event:
                    case Rows():
                        unfinished = True
                        yield from self._rows(event)
                    case Committed():
                        unfinished = False
                        yield from self._committed(event)
                        if goal.resharded(event.shard):
                            self._settle_shards(frozenset(event.position.to_vgtid(start.keyspace).shards))
                            goal = Goal(event.position.to_vgtid(start.keyspace), self.current())
                            self.asked_at = self._last_asked_at
                        if goal.awaits(event.shard):
                            # Not what a shard that is there already goes on to send: another one may be stuck.
                            silence.broken()
                            if not streaming:
                                retry.progressed()
                        if goal.reached(event.shard, event.position) and not streaming:
                            return
                        yield from self._checkpointer.due()
                        self._check_progress(silence, goal)
                    case Unpositioned(shard):
                        unfinished = False
                        self._unpositioned[shard] = self._unpositioned.get(shard, 0) + 1
                        if (yield from self._has_all(goal)):
                            if not streaming:
                                return
                            goal = self._goal_to(goal.target)
                    case Heartbeat():
                        yield from self._checkpointer.due()
                        if not streaming and silence.seconds >= SILENCE_SECONDS:
                            fresh = self._goal_now()
                            if fresh.is_reached or (yield from self._has_all(fresh)):
                                self.asked_at = self._last_asked_at
                                return
                        self._check_progress(silence, goal)
                    case TableFailed(_, error):
                        if isinstance(error, PASSING) and retry.left:
                            raise error
                        yield self._fail(error)
                    case Fields(shard, table, columns):
                        if self._told.are_stale(event):
                            error = _stale_columns(shard, table)
                            if retry.left:
                                raise error
                            yield self._fail(error)
                        self._columns[shard, table] = columns
                    case Ddl():
                        self._statements.append(event)
                    case _:
                        pass
                if not streaming or unfinished:
                    continue
                if goal.is_reached:
                    silence.broken()
                    retry.progressed()
                    if now() >= until:
                        return
                if now() - aimed >= STREAMING_TARGET_SECONDS:
                    aimed = now()
                    fresh = self._goal_now()
                    if (yield from self._has_all(fresh)):
                        fresh = self._goal_to(fresh.target)
                    if goal.is_reached or fresh.is_reached:
                        # Else a shard is missing already; the others' progress must not hide that it is stuck.
                        goal = fresh
                        self.asked_at = self._last_asked_at
        raise TransientError("VTGate ended the change stream before its end position was reached.")

    def _check_progress(self, silence: Silence, goal: Goal) -> None:
        if silence.seconds < self._settings.no_progress_seconds:
            return
        self._checkpointer.settle()
        raise StallError(silence.seconds, self._state.vgtid.shards if self._state.vgtid else {}, goal.missing)

    def _rows(self, rows: Rows) -> Iterator[Message]:
        match self._state.tables.get(rows.table):
            case CopiedAt(shards) if rows.shard in shards:
                self._held.add(rows)
            case state if isinstance(state, FOLLOWED):
                if self._held or rows.shard in self._errant:
                    self._held.add(rows)
                else:
                    yield self._emit(rows)
            case _:
                pass  # failed in this sync

    def _emit(self, rows: Rows) -> Message:
        records = self._makers[rows.table].make(rows)
        self._checkpointer.emitted(records)
        return records

    def _committed(self, event: Committed) -> Iterator[Message]:
        shard = event.shard
        if self._held or self._statements:
            gtid = event.position.gtid(shard)
            yield from self._ended(shard, self._transaction(shard, gtid) if gtid is not None else None)
        self._last[shard] = event.position
        self._unpositioned.pop(shard, None)
        self._checkpointer.reached(event.position)

    def _ended(self, shard: str, transaction: GtidSet | None) -> Iterator[Message]:
        """Emits or leaves out what was held back of a transaction, and carries out its statements."""
        self._reconsider(shard, transaction)
        for rows in self._held.drain():
            state = self._state.tables.get(rows.table)
            if isinstance(state, FOLLOWED) and not self._is_contained(rows.table, shard, transaction):
                yield self._emit(rows)
        statements, self._statements = self._statements, []
        for statement in statements:
            yield from self._ddl(statement, transaction)

    def _transaction(self, shard: str, gtid: str) -> GtidSet:
        """Returns the transaction that has brought a shard to a position, with those before it that had none.

        A stream that has just gone over to the shard does not tell where it began: then the whole position counts.
        """
        before = self._last.get(shard)
        if isinstance(before, StreamPosition):
            before = before.gtid(shard)
        return gtid_set(gtid) - gtid_set(before) if before else gtid_set(gtid)

    def _is_contained(self, name: str, shard: str, transaction: GtidSet | None) -> bool:
        """Tells whether a transaction is left out: a table's copy contains it, or it is errant."""
        if not transaction:
            return False
        contained = self._errant.get(shard, GtidSet({}))
        match self._state.tables.get(name):
            case CopiedAt(shards) if shard in shards:
                contained = contained | gtid_set(shards[shard])
        return transaction <= contained

    def _reconsider(self, shard: str, transaction: GtidSet | None) -> None:
        """Takes back that a transaction is errant if the primary has it by now: its tablet was made the primary.

        Raises:
            TransientError: The primaries do not answer now.
        """
        if transaction and transaction <= self._errant.get(shard, GtidSet({})):
            lineage = self._vitess.lineage().shards
            if shard in lineage:
                self.leave_out(shard, self._errant[shard] - gtid_set(lineage[shard]))

    def _has_all(self, goal: Goal) -> Generator[Message, None, bool]:
        """Tells whether a target is reached by transactions that came without a position, and takes it over if so."""
        self._checkpointer.settle()
        here = self._state.vgtid
        if here is None or not goal.missing:
            return False
        ends = {}
        for shard in goal.missing:
            if shard not in here.shards:
                return False
            left = gtid_set(goal.target.shards[shard]) - gtid_set(here.shards[shard])
            if self._unpositioned.get(shard, 0) < len(left):
                return False
            ends[shard] = left
        for shard, transactions in ends.items():
            yield from self._ended(shard, transactions)
        self._state.vgtid = here = here.union({shard: goal.target.shards[shard] for shard in ends})
        for shard in ends:
            self._last[shard] = here.shards[shard]
            del self._unpositioned[shard]
        return True

    def _settle_copies(self, position: Vgtid) -> None:
        """Drops the copy positions that the shared position has passed."""
        for name, state in list(self._state.tables.items()):
            if isinstance(state, CopiedAt):
                for shard, copied_at in state.shards.items():
                    if shard not in position.shards or contains(position.shards[shard], copied_at):
                        self._passed(name, shard)

    def _settle_shards(self, shards: frozenset[str]) -> None:
        """Drops the copy positions of shards that the stream has left: their names may come again, at a way back."""
        for name, state in list(self._state.tables.items()):
            if isinstance(state, CopiedAt):
                for shard in state.shards.keys() - shards:
                    self._passed(name, shard)

    def _passed(self, name: str, shard: str) -> None:
        state = self._state.tables[name]
        if isinstance(state, CopiedAt):
            left = {other: gtid for other, gtid in state.shards.items() if other != shard}
            self._state.tables[name] = CopiedAt(left) if left else Copied()

    def _goal_now(self) -> Goal:
        """Returns the way from here to where the shards are now."""
        return self._goal_to(self.current())

    def _goal_to(self, target: Vgtid) -> Goal:
        """Returns the way from here to a target."""
        self._checkpointer.settle()
        return Goal(self._state.vgtid or Vgtid(target.keyspace, {}), target)

    def _ddl(self, event: Ddl, transaction: GtidSet | None) -> Iterator[Message]:
        def is_news(table: str) -> bool:
            followed = isinstance(self._state.tables.get(table), FOLLOWED)
            return followed and not self._is_contained(table, event.shard, transaction)

        for gone in rows_gone(event.statement):
            name = gone.table
            if not is_news(name):
                continue
            what = f"Table {name!r} was {gone.how} in shard {event.shard!r}, which removes rows without telling which."
            if self._settings.ignore_removed_rows and not gone.replaced:
                yield Log(f"{what} They stay in the destination, as configured.", warning=True)
            else:
                yield self._fail(StreamError(name, f"{what} Refresh this stream and choose to remove its old records."))

        self._restart_copies(event.statement)
        self._told.changed(event.shard, event.statement)
        if (changes := column_changes(event.statement)) is not None:
            yield from self._added(event.shard, transaction, changes)
        for text in self._rewritten.changed(event.shard, event.statement, is_news):
            yield Log(text, warning=True)
        names, beginning = not_understood(event.statement, self._streams)
        for name in filter(is_news, names):
            if name not in self._unclear:
                self._unclear.add(name)
                yield Log(
                    f"A statement in shard {event.shard!r} names table {name!r} and is not understood: {beginning} "
                    "If it removed rows or changed stored values, refresh this stream. Please report it.",
                    warning=True,
                )

    def _restart_copies(self, statement: str) -> None:
        """Has a copy that was interrupted start over if the table's columns were altered since.

        What it would go on after is of the key as it was: an ENUM whose labels have another order since is sorted
        otherwise, and nothing else about its key has changed. And the changes from before, which are read now, are
        emitted without what the statement gave to the rows that are copied already.
        """
        changes = column_changes(statement)
        altered = {*shadows_swapped(statement)}
        if changes is not None and (changes.added or changes.dropped or changes.mentioned):
            altered.add(changes.table)
        for name in altered:
            state = self._state.tables.get(name)
            if isinstance(state, Copying):
                self._state.tables[name] = Copying(state.attempt)

    def _added(self, shard: str, transaction: GtidSet | None, changes: ColumnChanges) -> Iterator[Message]:
        """Looks at the rows that came before a column was added: their columns must not have had its name already."""
        table, names = changes.table, changes.added
        columns = [name for name in self._columns.pop((shard, table), ()) if name.lower() not in changes.vacated]
        if not names:
            self._columns[shard, table] = tuple(columns)
        if (
            names.isdisjoint(columns)
            or not isinstance(self._state.tables.get(table), FOLLOWED)
            or self._is_contained(table, shard, transaction)
        ):
            return
        yield self._fail(
            StreamError(
                table,
                f"Changes of table {table!r} in shard {shard!r} were read with columns that were added only later "
                f"({', '.join(sorted(names & set(columns)))}), so values came under wrong names. Start the vttablets "
                "with --track-schema-versions and refresh this stream.",
            )
        )

    def _fail(self, error: StreamError) -> Message:
        """Takes a table out: the shared position goes on without it, so its changes from here on are lost."""
        self._state.tables[error.stream] = RefreshNeeded(error.message)
        return Failed(error.stream, error)


def _stale_columns(shard: str, table: str) -> SchemaMismatchError:
    return SchemaMismatchError(
        table,
        f"The tablet of shard {shard!r} names changes of table {table!r} by columns that were dropped before, so "
        "values would come under wrong names. It was started without --track-schema-versions, or has not noted the "
        "table's present columns: then alter any table of the keyspace, a comment will do. Refresh this stream.",
    )
