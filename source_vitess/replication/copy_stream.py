"""One VStream of the copy of a table: its rows, in the shards that are not copied completely.

- A shard is done when VTGate stops listing the table's lastpk in its position, or sends COPY_COMPLETED for an empty
  table. What the shard sends after that belongs to the change stream and is ignored here.
- Columns that are announced again for a shard mean that VTGate itself started over within the call (a failover). By
  itself it goes on from the lastpk that it sent. Where another one has to be sent (`vstream.lastpk`), that is noticed
  by the columns, and the stream is opened anew.
- A copy is read from another tablet than the one that reported the shared position, and that one may be behind. Where
  the copy's position does not contain the shared one, the shared one is lowered, and a state with it precedes the rows.
- Going on with a copy, VTGate first sends the changes to what is copied already. They are left out: the change stream
  brings them, from the shared position, and a full refresh has no way to emit that a row is gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from source_vitess.errors import CopyTimeUpError, InternalError, TransientError
from source_vitess.replication.asked_columns import check_asked, check_selected
from source_vitess.replication.context import SyncContext
from source_vitess.replication.copy_progress import CopyProgress, KeyChangedError
from source_vitess.replication.copy_report import CopyReport
from source_vitess.replication.filtered_rows import misfit
from source_vitess.replication.messages import Log, Message
from source_vitess.replication.oversized_rows import stalled
from source_vitess.replication.patience import Retry, Silence
from source_vitess.replication.records import RecordMaker
from source_vitess.replication.settings import SelectedStream
from source_vitess.rows.columns import Rows
from source_vitess.vstream.events import (
    Committed,
    CopyCompleted,
    Fields,
    Heartbeat,
    Snapshot,
    TableFailed,
    key_of_lastpk,
)
from source_vitess.vstream.request import StreamRequest

#: Of a filtered table nothing comes while MySQL looks for the next row that fits, which may take it through the whole
#: table. After an hour VTTablet ends such a search (--vreplication-copy-phase-duration), and it begins anew.
FILTERED_SECONDS = 3900.0


@dataclass(frozen=True)
class TableToCopy:
    """A table that is to be copied in this sync.

    Attributes:
        stream: The table, and the columns to emit.
        maker: Makes its records.
        deadline: On the monotonic clock, when copying stops for this sync.
    """

    stream: SelectedStream
    maker: RecordMaker
    deadline: float


class CopyStream:
    """Reads rows of one table from one VStream. Made anew for each.

    Args:
        context: The sync.
        to_copy: The table.
        progress: How far its copy is; kept up to date.
        report: Counts and reports the rows.
        columns: The columns to ask for; none for all of them.
    """

    def __init__(
        self,
        context: SyncContext,
        to_copy: TableToCopy,
        progress: CopyProgress,
        report: CopyReport,
        columns: tuple[str, ...],
    ) -> None:
        self._context = context
        self._to_copy = to_copy
        self._stream = to_copy.stream
        self._table = to_copy.stream.streamed.table
        self._progress = progress
        self._report = report
        self._columns = columns
        self._silence = Silence(context.clock)
        self._asked: frozenset[str] = frozenset()
        self._unfinished: set[str] = set()
        # By shard, the lastpk that was sent, where it is another than the one that VTGate had sent.
        self._replaced_lastpks: dict[str, bytes] = {}
        # By shard, the position that its rows are of now, and the last one that was compared with the shared one.
        self._at: dict[str, str] = {}
        self._compared: dict[str, str] = {}
        self._announced: set[str] = set()
        # By shard, the position at which it ended without a row: empty, or about to begin.
        self._empty: dict[str, str] = {}

    def read(self, shards: tuple[str, ...], retry: Retry) -> Iterator[Message]:
        """Yields the rows of some shards until all of them are copied.

        Args:
            shards: The shards.
            retry: Is reset when the copy gets on.

        Raises:
            KeyChangedError: The table's key is not the one that the copy would go on by.
            MissingColumnError: The tablet does not have a selected column.
            StreamError: The table cannot be copied.
            StallError: Nothing came for too long.
            CopyTimeUpError: The time for copying is over.
            TransientError: The stream broke off, or what it has copied cannot be gone on with.
            InternalError: VTGate sent rows without a position.
        """
        self._asked = frozenset(shards)
        self._unfinished = set(shards)
        request = self._request(shards)
        self._at = {shard: request.positions[shard] for shard in request.lastpks}
        with self._context.vitess.stream(request, {self._table.name: self._stream.streamed}) as events:
            for event in self._silence.watch(events):
                match event:
                    case Rows():
                        yield from self._rows(event)
                    case Snapshot(shard, position) if shard in self._unfinished:
                        self._at[shard] = position.gtid(shard) or ""
                    case Fields(copying=True):
                        self._columns_announced(event)
                    case Committed():
                        yield from self._committed(event, retry)
                        yield from self._report.due()
                        yield from self._context.checkpointer.due()
                        self._check_time()
                    case CopyCompleted(shard) if shard in self._unfinished:
                        self._completed(shard)
                    case TableFailed(_, error):
                        raise error
                    case Heartbeat():
                        yield from self._context.checkpointer.due()
                        self._check_time()
                    case _:
                        pass
                if not self._unfinished:
                    return
        raise TransientError(f"VTGate ended the copy of table {self._table.name!r} before it was complete.")

    def probe(self, shards: tuple[str, ...]) -> StreamRequest:
        """Returns what VTGate goes on with by itself in shards that are silent, whether or not rows are left out."""
        lastpks = self._progress.lastpks()
        return self._stream_request(shards, {shard: lastpks[shard] for shard in shards if shard in lastpks})

    def _request(self, shards: tuple[str, ...]) -> StreamRequest:
        lastpks = {shard: lastpk for shard, lastpk in self._progress.lastpks().items() if shard in shards}
        to_send: dict[str, bytes] = {}
        for shard, lastpk in lastpks.items():
            if (sent := self._progress.lastpk_to_send(lastpk)) is not None:
                to_send[shard] = sent
        self._replaced_lastpks = {shard: sent for shard, sent in to_send.items() if sent != lastpks[shard]}
        return self._stream_request(shards, to_send)

    def _stream_request(self, shards: tuple[str, ...], lastpks: Mapping[str, bytes]) -> StreamRequest:
        return StreamRequest(
            self._context.state.keyspace,
            {shard: self._progress.shards[shard].gtid if shard in lastpks else "" for shard in shards},
            (self._table.name,),
            lastpks,
            columns=self._columns,
            where=self._stream.where,
        )

    def _rows(self, rows: Rows) -> Iterator[Message]:
        if rows.shard not in self._unfinished or rows.timestamp:
            return
        yield from self._check_position(rows.shard)
        records = self._to_copy.maker.make(rows)
        self._progress.has_emitted = True
        self._report.records += len(records.data)
        self._context.checkpointer.emitted(records)
        yield records

    def _columns_announced(self, fields: Fields) -> None:
        if fields.shard not in self._unfinished:
            return
        if fields.shard in self._announced:
            self._progress.begin_attempt_within(fields.shard)
        self._announced.add(fields.shard)
        self._check_columns(fields)
        self._check_key(fields)

    def _check_columns(self, fields: Fields) -> None:
        check_asked(self._table, self._columns, fields)
        if (wrong := misfit(self._stream, fields)) is not None:
            raise wrong
        check_selected(self._stream.streamed, fields)

    def _check_key(self, fields: Fields) -> None:
        """Checks that the tablet goes on by the key that the lastpk was made with.

        Raises:
            KeyChangedError: It has another key.
        """
        part = self._progress.shards.get(fields.shard)
        if part is None or part.lastpk is None:
            return
        key = key_of_lastpk(part.lastpk)
        self._progress.went_on_by[fields.shard] = tuple(column.name for column in key)
        kinds = {column.name: column for column in fields.kinds}
        if any(kinds.get(column.name) != column for column in key):
            raise KeyChangedError(fields.shard)
        if fields.shard in self._replaced_lastpks:
            # Numbers were sent for labels, by the order that these have in the schema as it was read.
            types = dict(zip(fields.columns, fields.types, strict=True))
            known = self._table.columns_by_name
            if any(types[column.name] != known[column.name].column_type for column in key):
                raise KeyChangedError(fields.shard)

    def _committed(self, event: Committed, retry: Retry) -> Iterator[Message]:
        """Notes how far the copy of a shard is after a transaction."""
        shard = event.shard
        if shard not in self._asked:
            # Of the journal of a reshard, maybe one that was reversed since: what goes on from before it comes here
            # again.
            self._progress.forget()
            raise TransientError(f"The keyspace was resharded while table {self._table.name!r} was being copied.")
        if shard not in self._unfinished:
            return
        # What a finished shard goes on to send, in contrast, is no progress of the copy.
        self._silence.end()
        self._at[shard] = gtid = event.position.gtid(shard) or ""
        copied_rows = not event.timestamp
        if copied_rows:
            # That there are no more rows, at this position, is no less a part of the copy.
            yield from self._check_position(shard)
        self._note_progress(event, gtid)
        if self._progress.is_further(shard, gtid, rows=copied_rows) and self._progress.can_go_on(shard):
            # Else it starts over once it is interrupted, however far it was.
            retry.progressed()

    def _note_progress(self, event: Committed, gtid: str) -> None:
        shard, progress = event.shard, self._progress
        lastpk = event.position.lastpk(shard, self._table.name)
        if lastpk is not None and lastpk == self._replaced_lastpks.get(shard):
            # Still the one that was sent: the one in whose place it was sent stays.
            progress.moved(shard, gtid)
        elif lastpk is not None:
            self._replaced_lastpks.pop(shard, None)
            progress.reached(shard, gtid, lastpk)
        elif shard in progress.shards:
            progress.completed(shard, gtid)
            self._unfinished.discard(shard)
        elif event.timestamp:
            # A change where the copy should be: VTGate started over from a position that it had sent before the
            # first row, and such a position means "no copy" to it.
            raise TransientError(f"VTGate dropped the copy of table {self._table.name!r} in shard {shard!r}.")
        else:
            # An empty table ends like this, and so might the moment before the first row: COPY_COMPLETED decides.
            self._empty[shard] = gtid

    def _completed(self, shard: str) -> None:
        if shard not in self._empty:
            raise TransientError(f"VTGate ended the copy of shard {shard!r} before its last row.")
        self._progress.completed(shard, self._empty[shard])
        self._unfinished.discard(shard)

    def _check_position(self, shard: str) -> Iterator[Message]:
        """Has the shared position lowered where the copy's rows are of an earlier one, before they are emitted.

        Raises:
            InternalError: The rows have no position.
        """
        gtid = self._at.get(shard)
        if not gtid:
            raise InternalError(
                f"VTGate sent rows of table {self._table.name!r} in shard {shard!r} without a position."
            )
        if gtid == self._compared.get(shard):
            return
        self._compared[shard] = gtid
        self._progress.rows_are_of(shard, gtid)
        if self._stream.incremental and self._context.state.lower(shard, gtid, self._table.name):
            yield Log(
                f"The tablet that table {self._table.name!r} is copied from in shard {shard!r} is behind the position "
                "up to which changes were read; the changes since then are read again."
            )
            # Were the sync killed now, rows of this copy that are deleted in between would stay.
            yield self._context.checkpointer.now()

    def _check_time(self) -> None:
        patience = self._context.settings.no_progress_seconds
        if self._stream.row_filter is not None:
            patience = max(patience, FILTERED_SECONDS)
        if self._silence.seconds >= patience:
            positions = {shard: part.gtid for shard, part in self._progress.shards.items()}
            what = f" of table {self._table.name!r}"
            if self._stream.row_filter is not None:
                what += f" that fits {self._stream.row_filter.condition} (an index may help MySQL to find such rows)"
            raise stalled(self._silence.seconds, positions, self._unfinished, what)
        if self._context.clock.monotonic() > self._to_copy.deadline:
            raise CopyTimeUpError(
                f"The time for copying in one sync is over while table {self._table.name!r} is being copied. The next "
                "sync reads the changes made in the meantime and goes on with the copy; nothing has to be done."
            )
