"""The copies of a sync: of all tables that need one, group by group.

- A state that names a table as begun is written before its first record, with a shared position at or before that
  moment. From then on the table takes part in the change stream, so that rows deleted before an interrupted copy
  goes on do not stay behind in the destination.
- A table is copied from the shards that the shared position is of, once these are the ones that serve.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence

from source_vitess.errors import LostTransactionsError, ReshardedError, StreamError, TransientError
from source_vitess.replication.changes import Changes
from source_vitess.replication.context import SyncContext
from source_vitess.replication.copy_stream import TableToCopy
from source_vitess.replication.lineage_check import LineageCheck
from source_vitess.replication.messages import Failed, Log, Message
from source_vitess.replication.records import RecordMaker
from source_vitess.replication.settings import SelectedStream
from source_vitess.replication.table_copy import TableCopy
from source_vitess.replication.table_state import Copied, CopiedAt, Copying, Refreshed, RefreshNeeded, TableState

#: Bytes of tables that are begun together, at least: 64 tables of InnoDB's least size.
GROUP_BYTES = 1024 * 1024
SMALL_TABLE_BYTES = 16 * 1024
#: A guess at the bytes that a table has in a state.
STATE_BYTES = 1024


class Copies:
    """Copies the tables of one sync.

    Args:
        context: The sync.
        streams: The streams to sync, by table.
        makers: Their record makers.
        changes: Reads the changes up to where copies can begin.
        lineage: Checks what the copies hold.
    """

    def __init__(
        self,
        context: SyncContext,
        streams: Mapping[str, SelectedStream],
        makers: Mapping[str, RecordMaker],
        changes: Changes,
        lineage: LineageCheck,
    ) -> None:
        self._context = context
        self._state = context.state
        self._streams = streams
        self._makers = makers
        self._changes = changes
        self._lineage = lineage

    def run(self) -> Generator[Message, None, bool]:
        """Copies what has no finished copy. Returns whether there was anything."""
        waiting = frozenset(stream.name for stream in self._streams.values() if self._needs_copy(stream))
        copied = bool(waiting)
        while waiting:
            yield from self._copy_tables(waiting)
            waiting = yield from self._lineage.check_copies()
        return copied

    def _copy_tables(self, names: frozenset[str]) -> Iterator[Message]:
        """Copies some tables, group by group."""
        deadline = self._context.clock.monotonic() + self._context.settings.copy_seconds
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
        retry = self._context.new_retry()
        while True:
            now = yield from self._context.ask(self._changes.current)
            if set(self._shards()) == set(now.shards):
                return tuple(now.shards)
            yield from self._changes.run(now)
            if set(self._shards()) != set(now.shards):
                yield retry.failed(
                    TransientError("The keyspace is being resharded: changes are not read up to its new shards yet.")
                )

    def _shards(self) -> tuple[str, ...]:
        return tuple(self._state.vgtid.shards) if self._state.vgtid is not None else ()

    def _copy_group(self, copies: Sequence[TableCopy]) -> Iterator[Message]:
        """Copies some tables one after the other, begun by one state."""
        shards = yield from self._align_shards()
        # On the way there the change stream may have met a statement that empties one of them.
        copies = [copy for copy in copies if copy.stream not in self._context.failed]
        left = {copy.stream: self._state.tables.get(copy.stream) for copy in copies}
        for copy in copies:
            copy.begin(shards)
        yield self._context.checkpointer.now()
        try:
            for copy in copies:
                if copy.stream in left:
                    del left[copy.stream]
                elif copy.stream not in self._context.failed:
                    # While another one's copy waited for a reshard, the change stream may have emitted changes of it.
                    copy.begin(shards)
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
            now = yield from self._context.ask(self._context.vitess.shards)
            if set(now) != set(shards):
                shards = now
                copy.begin(shards)
        while copy.stream not in self._context.failed:
            try:
                yield from copy.run(shards)
                break
            except ReshardedError as error:
                yield Log(error.message, warning=True)
                left.clear()  # the change stream may emit changes of these
                shards = yield from self._align_shards()
                if copy.stream not in self._context.failed:
                    copy.begin(shards)
            except StreamError as error:
                # Else what was emitted of it stays followed where it can be; the next sync tries the copy again.
                is_lost = isinstance(error, LostTransactionsError)
                yield self._context.give_up(error) if is_lost else Failed(copy.stream, error)
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
        if stream.name in self._context.failed:
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
