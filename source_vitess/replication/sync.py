"""One `read`: changes, then copies, then changes again, so that a sync ends consistent.

Every table has one position at which its copy is exact; the keyspace has one position up to which changes were
read. A change is emitted if, and only if, its transaction is not contained in its table's copy position.

- A state that names a table as begun is written before its first record, with a shared position at or before that
  moment. From then on the table takes part in the change stream, so that rows deleted before an interrupted copy
  goes on do not stay behind in the destination.
- The shared position moves only over transactions whose changes were emitted for every followed table. A table that
  cannot be followed is marked as needing a refresh before the position passes its changes.
- Whatever ends a sync, the last thing it says about positions is a state from which another sync can go on.
- A position is an answer of one tablet. So each that the state holds is compared with what the shards' primaries have
  (`lineage_check`), and a table is copied from the shards that the shared position is of, once these are the ones that
  serve.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeVar

from source_vitess.errors import (
    ConfigError,
    LostTransactionsError,
    PositionLostError,
    StreamError,
    TransientError,
    VitessSourceError,
)
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.change_stream import ChangeStream
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.context import SyncContext
from source_vitess.replication.copy_stream import TableToCopy
from source_vitess.replication.interfaces import Clock, Vitess
from source_vitess.replication.lineage_check import LineageCheck
from source_vitess.replication.messages import Completed, Failed, Log, Message, Started
from source_vitess.replication.patience import Retry, ask_again
from source_vitess.replication.records import Cursor, RecordMaker
from source_vitess.replication.settings import SelectedStream, SyncSettings
from source_vitess.replication.state import (
    FOLLOWED,
    Copied,
    CopiedAt,
    Copying,
    Refreshed,
    RefreshNeeded,
    SyncState,
    TableState,
)
from source_vitess.replication.table_copy import ReshardedError, TableCopy

#: Bytes of tables that are begun together, at least: 64 tables of InnoDB's least size.
GROUP_BYTES = 1024 * 1024
SMALL_TABLE_BYTES = 16 * 1024
#: A guess at the bytes that a table has in a state.
STATE_BYTES = 1024

Answer = TypeVar("Answer")


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
        self._vitess = vitess
        self._clock = clock
        self._settings = settings
        self._streams = {stream.name: stream for stream in streams}
        self._state = state
        started = clock.now()
        self._cursor = Cursor(state.cursor, started)
        self._checkpointer = Checkpointer(state, self._cursor, clock, settings)
        self._context = SyncContext(vitess, clock, settings, self._checkpointer)
        self._makers = {
            stream.name: RecordMaker(stream.name, self._cursor, started, with_meta=stream.with_meta)
            for stream in streams
        }
        self._changes = ChangeStream(
            vitess,
            clock,
            settings,
            self._checkpointer,
            {name: stream for name, stream in self._streams.items() if stream.incremental},
            self._makers,
        )
        self._lineage = LineageCheck(vitess, clock, settings, self._checkpointer, self._changes)
        self._refused = tuple(refused)
        self._failed: set[str] = set()

    def run(self) -> Iterator[Message]:
        """Yields everything the sync has to say.

        Raises:
            ConfigError: The user has to act; nothing more can be read.
            TransientError: The sync can succeed later.
            InternalError: A rule was broken.
        """
        for name in self._streams:
            yield Started(name)
        self._drop_unselected()
        yield from self._report_refused()
        try:
            for message in self._run():
                if isinstance(message, Failed):
                    self._failed.add(message.stream)
                yield message
        except Exception as error:
            if isinstance(error, VitessSourceError):
                # Not after a fault of this program itself: the state may be a part of it.
                yield self._checkpointer.now()
            for name in self._streams:
                if name not in self._failed:
                    yield Failed(name, None)
            raise
        yield self._checkpointer.now()
        for name in self._streams:
            if name not in self._failed:
                yield Completed(name)

    def _run(self) -> Iterator[Message]:
        yield from self._lineage.report_lags()
        end = yield from self._retrying(self._changes.current)
        yield from self._report_refresh_needed()
        try:
            yield from self._verify(end)
            yield from self._changes.run(end)
        except PositionLostError as error:
            if not self._settings.resync_lost_position:
                raise
            yield from self._start_over(end, error)
        if (yield from self._copy_all()):
            end = yield from self._retrying(self._changes.current)
            ahead = [state.shards for state in self._state.tables.values() if isinstance(state, CopiedAt)]
            for positions in ahead:
                end = end.union(positions)
            yield from self._changes.run(end)
        if self._settings.streaming_seconds:
            yield from self._keep_streaming(end)
        if not self._clock.stopping:
            yield from self._lineage.check_end()

    def _keep_streaming(self, end: Vgtid) -> Iterator[Message]:
        """Reads changes as they happen. Every stream has reached its goal by now, so a wish to stop is no failure."""
        until = self._clock.monotonic() + self._settings.streaming_seconds
        yield self._checkpointer.now()
        yield Log(
            "The streams are caught up; changes are read as they happen for another "
            f"{self._settings.streaming_seconds / 60:g} minutes."
        )
        self._checkpointer.streaming = True
        try:
            yield from self._changes.run(end, until=until)
        except TransientError:
            if not self._clock.stopping:
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
        self._state.tables = kept

    def _report_refused(self) -> Iterator[Message]:
        """Takes out the streams that cannot be read: the shared position goes on without them."""
        for error in self._refused:
            if isinstance(self._state.tables.get(error.stream), FOLLOWED):
                self._state.tables[error.stream] = RefreshNeeded(error.message)
            yield Failed(error.stream, error)

    def _retrying(self, ask: Callable[[], Answer]) -> Generator[Message, None, Answer]:
        """Returns an answer, asking again while it can be hoped for."""
        return (yield from ask_again(ask, self._clock, self._settings.retries))

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
        yield self._checkpointer.now()
        yield from self._lineage.check_start()

    def _report_refresh_needed(self) -> Iterator[Message]:
        for name, table in self._state.tables.items():
            if isinstance(table, RefreshNeeded) and name in self._streams:
                yield Failed(name, StreamError(name, table.reason))

    def _copy_all(self) -> Generator[Message, None, bool]:
        """Copies what has no finished copy. Returns whether there was anything."""
        waiting = frozenset(stream.name for stream in self._streams.values() if self._needs_copy(stream))
        copied = bool(waiting)
        while waiting:
            yield from self._copy_tables(waiting)
            waiting = yield from self._lineage.check_copies()
        return copied

    def _copy_tables(self, names: frozenset[str]) -> Iterator[Message]:
        """Copies some tables, group by group."""
        deadline = self._clock.monotonic() + self._settings.copy_seconds
        waiting = [
            TableCopy(self._context, TableToCopy(stream, self._makers[stream.name], deadline))
            for stream in self._streams.values()
            if stream.name in names
        ]
        while waiting:
            size = self._group_size([copy.stream for copy in waiting])
            yield from self._copy_group(waiting[:size])
            del waiting[:size]

    def _align_shards(self) -> Generator[Message, None, tuple[str, ...]]:
        """Returns the shards that serve now, once the shared position is of them.

        A copy of other shards would be of before a reshard that the change stream has come past, or its position could
        not be compared with the shared one.
        """
        retry = Retry(self._clock, self._settings.retries)
        while True:
            now = yield from self._retrying(self._changes.current)
            if set(self._shards()) == set(now.shards):
                return tuple(now.shards)
            yield from self._changes.run(now)
            if set(self._shards()) != set(now.shards):
                yield retry.failed(TransientError("The keyspace is being resharded: its traffic is not switched yet."))

    def _shards(self) -> tuple[str, ...]:
        return tuple(self._state.vgtid.shards) if self._state.vgtid is not None else ()

    def _copy_group(self, copies: Sequence[TableCopy]) -> Iterator[Message]:
        """Copies some tables one after the other, begun by one state."""
        shards = yield from self._align_shards()
        # On the way there the change stream may have met a statement that empties one of them.
        copies = [copy for copy in copies if copy.stream not in self._failed]
        left = {copy.stream: self._state.tables.get(copy.stream) for copy in copies}
        for copy in copies:
            copy.begin(shards)
        yield self._checkpointer.now()
        try:
            for copy in copies:
                left.pop(copy.stream, None)
                shards = yield from self._copy(copy, shards, left)
        finally:
            # Nothing was emitted of these, so they need not be followed.
            for name, state in left.items():
                if state is None:
                    del self._state.tables[name]
                else:
                    self._state.tables[name] = state

    def _copy(
        self, copy: TableCopy, shards: tuple[str, ...], left: dict[str, TableState | None]
    ) -> Generator[Message, None, tuple[str, ...]]:
        """Copies a table, and returns the shards that serve afterwards, as far as that is known.

        Args:
            copy: The copy.
            shards: The shards that serve.
            left: The tables of its group of which nothing was emitted, with what was their state before.
        """
        if not self._streams[copy.stream].incremental:
            # No change stream brings what is written to other shards after a switch of traffic.
            now = yield from self._retrying(self._vitess.shards)
            if set(now) != set(shards):
                shards = now
                copy.begin(shards)
        while copy.stream not in self._failed:
            try:
                yield from copy.run(shards)
                break
            except ReshardedError as error:
                yield Log(error.message, warning=True)
                left.clear()  # the change stream may emit changes of these
                shards = yield from self._align_shards()
                if copy.stream not in self._failed:
                    copy.begin(shards)
            except StreamError as error:
                if isinstance(error, LostTransactionsError):
                    self._state.tables[copy.stream] = RefreshNeeded(error.message)
                # Else what was emitted of it stays followed where it can be; the next sync tries the copy again.
                yield Failed(copy.stream, error)
                break
            finally:
                if self._streams[copy.stream].incremental:
                    self._lineage.copied(copy.stream, copy.positions)
        return shards

    def _group_size(self, names: Sequence[str]) -> int:
        """Returns how many of the next tables one state names as begun.

        A state names all tables. So as many are begun together as hold about as much as a state does: with a state
        for each of many small tables, the states' bytes would grow with the square of their number. Not more, because
        a table that was begun has changes followed that its copy would contain, if the sync is killed before it.
        """
        limit = max(GROUP_BYTES, STATE_BYTES * len(self._streams))
        held = 0
        for size, name in enumerate(names, 1):
            held += max(self._streams[name].streamed.table.estimated_bytes, SMALL_TABLE_BYTES)
            if held > limit:
                return max(size - 1, 1)
        return len(names)

    def _needs_copy(self, stream: SelectedStream) -> bool:
        if stream.name in self._failed:
            return False
        match self._state.tables.get(stream.name):
            case None | Copying():
                return True
            case Refreshed(sync_id):
                return sync_id is None or sync_id != stream.sync_id
            case Copied() | CopiedAt() | RefreshNeeded():
                return False
            case _:
                return True


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
