"""One `read`: changes, then copies, then changes again, so that a sync ends consistent.

Every table has one position at which its copy is exact; the keyspace has one position up to which changes were
read. A change is emitted if, and only if, its transaction is not contained in its table's copy position.

- A state that names a table as begun is written before its first record, with a shared position at or before that
  moment. From then on the table takes part in the change stream, so that rows deleted before an interrupted copy
  goes on do not stay behind in the destination.
- The shared position moves only over transactions whose changes were emitted for every followed table. A table that
  cannot be followed is marked as needing a refresh before the position passes its changes.
- Whatever ends a sync, its last message about positions is a state from which another sync can go on.
- A position is an answer of one tablet. So each that the state holds is compared with what the shards' primaries have
  (`lineage_check`), and a table is copied from the shards that the shared position is of, once these are the ones that
  serve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from source_vitess.errors import (
    ConfigError,
    ConnectorError,
    PositionLostError,
    StreamError,
    TransientError,
)
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.beginning import begin_without_copy
from source_vitess.replication.changes import Changes
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.context import SyncContext
from source_vitess.replication.copies import Copies
from source_vitess.replication.filtered_rows import compare_filters
from source_vitess.replication.freshness import Freshness
from source_vitess.replication.interfaces import Clock, Vitess
from source_vitess.replication.lineage_check import LineageCheck
from source_vitess.replication.messages import Completed, Failed, Log, Message, Started
from source_vitess.replication.records import Cursor, RecordMaker
from source_vitess.replication.settings import SelectedStream, SyncSettings
from source_vitess.replication.state import SyncState
from source_vitess.replication.table_state import FOLLOWED, CopiedAt, RefreshNeeded


class Sync:
    """One sync of some streams, from a state.

    Args:
        vitess: The keyspace.
        clock: Time.
        settings: How to behave.
        streams: The streams to sync.
        state: The state to go on from; changed as the sync goes.
        refused: What of the configured catalog cannot be read, and why.
    """

    def __init__(
        self,
        vitess: Vitess,
        clock: Clock,
        settings: SyncSettings,
        streams: Sequence[SelectedStream],
        state: SyncState,
        refused: Sequence[StreamError] = (),
    ) -> None:
        self._streams = {stream.name: stream for stream in streams}
        self._state = state
        started = clock.now()
        cursor = Cursor(state.cursor, started)
        self._checkpointer = Checkpointer(state, cursor, clock, settings)
        self._context = SyncContext(vitess, clock, settings, self._checkpointer)
        makers = {
            stream.name: RecordMaker(stream.name, cursor, started, with_meta=stream.with_meta) for stream in streams
        }
        self._changes = Changes(
            self._context, {name: stream for name, stream in self._streams.items() if stream.incremental}, makers
        )
        self._freshness = Freshness(self._context)
        self._lineage = LineageCheck(self._context, self._changes)
        self._copies = Copies(self._context, self._streams, makers, self._changes, self._lineage)
        self._refused = tuple(refused)

    @property
    def failed(self) -> Sequence[str]:
        """The streams that have failed so far, in the order in which they first did."""
        return [*self._context.failed]

    def run(self) -> Iterator[Message]:
        """Yields the messages of the sync.

        Raises:
            ConfigError: The user has to act; nothing more can be read.
            TransientError: The sync can succeed later.
            InternalError: A rule was broken.
        """
        for name in self._streams:
            yield Started(name)
        self._drop_unselected()
        yield from compare_filters(self._context, [*self._streams.values()])
        yield from self._report_refused()
        try:
            for message in self._run():
                if isinstance(message, Failed):
                    self._context.failed[message.stream] = None
                yield message
        except Exception as error:
            if isinstance(error, ConnectorError):
                # Not after a fault of this program itself: the state may be a part of it.
                yield self._checkpointer.now()
            for name in self._streams:
                if name not in self._context.failed:
                    yield Failed(name, None)
            raise
        yield self._checkpointer.now()
        for name in self._streams:
            if name not in self._context.failed:
                yield Completed(name)

    def _run(self) -> Iterator[Message]:
        yield from self._freshness.report_interval()
        yield from self._freshness.report_lags()
        end = yield from self._context.ask(self._changes.current)
        yield from self._report_refresh_needed()
        try:
            yield from self._begin(end)
            yield from self._verify(end)
            yield from self._catch_up(end)
        except PositionLostError as error:
            if not self._context.settings.resync_lost_position:
                raise
            yield from self._start_over(end, error)
        if (yield from self._copies.run()):
            end = yield from self._context.ask(self._changes.current)
            ahead = [state.shards for state in self._state.tables.values() if isinstance(state, CopiedAt)]
            for positions in ahead:
                end = end.union(positions)
            yield from self._catch_up(end)
        if self._context.settings.streaming_seconds:
            yield from self._keep_streaming(end)
        yield from self._freshness.report_starts()
        if not self._context.clock.stopping:
            now = self._context.clock.now()
            lineage = yield from self._lineage.check_end()
            yield from self._freshness.report_completeness(lineage, now, self._changes.asked_at)

    def _catch_up(self, end: Vgtid) -> Iterator[Message]:
        yield from self._changes.run(end)
        self._state.caught_up_at = int(self._changes.asked_at)

    def _keep_streaming(self, end: Vgtid) -> Iterator[Message]:
        """Reads changes as they happen. Every stream has reached its goal by now, so a wish to stop is no failure."""
        until = self._context.clock.monotonic() + self._context.settings.streaming_seconds
        yield self._checkpointer.now()
        yield Log(
            "The streams are caught up; changes are read as they happen for another "
            f"{self._context.settings.streaming_seconds / 60:g} minutes."
        )
        self._checkpointer.streaming = True
        try:
            yield from self._changes.run(end, until=until)
        except TransientError:
            if not self._context.clock.stopping:
                raise
            yield Log("Streaming has ended early, as asked.")

    def _drop_unselected(self) -> None:
        """Forgets streams that are not selected, and what another sync mode left."""
        kept = {}
        refused = {error.stream for error in self._refused}
        for name, table in self._state.tables.items():
            stream = self._streams.get(name)
            followed = isinstance(table, (*FOLLOWED, RefreshNeeded))
            if name in refused or (stream is not None and followed == stream.incremental):
                kept[name] = table
        # Changes of these are not followed from here on, whatever a later sync is configured to begin with.
        self._state.known.update(self._state.tables.keys() - kept.keys())
        self._state.tables = kept

    def _report_refused(self) -> Iterator[Message]:
        """Takes out the streams that cannot be read: the shared position goes on without them."""
        for error in self._refused:
            if isinstance(self._state.tables.get(error.stream), FOLLOWED):
                self._state.tables[error.stream] = RefreshNeeded(error.message)
            self._context.failed[error.stream] = None
            yield Failed(error.stream, error)

    def _begin(self, end: Vgtid) -> Iterator[Message]:
        """Has new streams begin without a copy, if that is asked for."""
        refused = [error.stream for error in self._refused]
        yield from begin_without_copy(self._context, [*self._streams.values()], refused, end)

    def _verify(self, end: Vgtid) -> Iterator[Message]:
        """Checks that the saved position can be continued, and those of the tables."""
        saved = self._state.vgtid
        if saved is None or not any(isinstance(table, FOLLOWED) for table in self._state.tables.values()):
            self._state.vgtid = end
        else:
            _check_shards(saved, end)
        yield from self._lineage.check_start()

    def _start_over(self, end: Vgtid, lost: PositionLostError) -> Iterator[Message]:
        """Forgets what was copied, because the changes since then are lost, and what it has become is not known."""
        yield Log(
            f"{lost.message} All streams are copied again, as configured. Rows that were deleted in the meantime "
            "stay in the destination unless the streams are refreshed with removal of old records.",
            warning=True,
        )
        self._state.tables = {
            name: table for name, table in self._state.tables.items() if not isinstance(table, FOLLOWED)
        }
        self._state.vgtid = end
        self._state.caught_up_at = None
        yield self._checkpointer.now()
        yield from self._lineage.check_start()

    def _report_refresh_needed(self) -> Iterator[Message]:
        for name, table in self._state.tables.items():
            if isinstance(table, RefreshNeeded) and name in self._streams:
                yield Failed(name, StreamError(name, table.reason))


def _check_shards(saved: Vgtid, end: Vgtid) -> None:
    """Refuses a position of other shards than are read now, unless a reshard explains it.

    Raises:
        ConfigError: The list of shards was changed in the configuration.
    """
    before, now = set(saved.shards), set(end.shards)
    if before != now and (before < now or now < before):
        raise ConfigError(
            f"The saved state is of the shards {', '.join(sorted(before))}, and the source reads "
            f"{', '.join(sorted(now))} now. Set the shards back, or clear the connection's data to copy everything "
            "again."
        )
