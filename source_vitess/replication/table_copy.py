"""The copy of one table: a VStream with a filter of that table alone, over all shards.

- A shard is done when VTGate stops listing the table's lastpk in its position, or says COPY_COMPLETED for an empty
  table. What the shard sends after that belongs to the change stream and is ignored here.
- Only a copy that ran from start to end in one go is exact at a position. Columns that are told again for a shard
  mean that VTGate itself started over within the call (a failover); so does a broken stream here.
- Going on with a copy, VTGate first sends the changes to what is copied already. They are left out: the change stream
  brings them, from the shared position, and a full refresh has no way to say that a row is gone.
- Only the selected columns and the key's are asked for. A copy's rows are read from MySQL by name; a change's columns
  are named by VTTablet, and that these names are wrong is noticed only if all are told. So the change stream asks for
  all of them (docs/vstream-observations.md). Whatever is wrong with a copy of some columns is tried with all of them,
  and only what is wrong then counts.
- A table without a usable key cannot be continued: VTGate would page through it by all columns and skip rows that
  are equal or hold NULLs (go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go). It starts from the beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from source_vitess.errors import (
    PositionLostError,
    SchemaMismatchError,
    StreamError,
    TableNotFoundError,
    TransientError,
)
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.messages import Estimate, Log, Message
from source_vitess.replication.ports import Clock, SelectedStream, SyncSettings, Vitess
from source_vitess.replication.records import RecordMaker
from source_vitess.replication.retry import Retry
from source_vitess.replication.silence import Silence
from source_vitess.replication.stall import StallError, explain_copy
from source_vitess.replication.state import (
    Copied,
    CopiedAt,
    Copying,
    Refreshed,
    Refreshing,
    ShardCopy,
    TableState,
)
from source_vitess.vstream.events import Committed, CopyCompleted, Fields, Heartbeat, Rows, TableFailed
from source_vitess.vstream.reader import StreamedTable
from source_vitess.vstream.request import StreamRequest

#: Seconds between two lines that say how far a copy is.
REPORT_SECONDS = 30.0


class CopyTimeUpError(TransientError):
    """The time for copying in one sync is over; the next one goes on from here."""


class TableCopy:
    """Copies one table, going on where an earlier copy ended.

    Args:
        vitess: The keyspace.
        clock: Time.
        settings: The sync's settings.
        checkpointer: Holds the state.
        maker: Makes the table's records.
        stream: The table.
        deadline: On the monotonic clock, when copying stops for this sync.

    Attributes:
        records: How many rows were emitted so far.
    """

    def __init__(
        self,
        vitess: Vitess,
        clock: Clock,
        settings: SyncSettings,
        checkpointer: Checkpointer,
        maker: RecordMaker,
        stream: SelectedStream,
        deadline: float,
    ) -> None:
        self._vitess = vitess
        self._clock = clock
        self._settings = settings
        self._checkpointer = checkpointer
        self._maker = maker
        self._stream = stream
        self._table = stream.streamed.table
        self._deadline = deadline
        self._columns = _columns_to_ask_for(stream.streamed)
        self._attempt = 1
        self._shards: dict[str, ShardCopy] = {}
        self.records = 0
        self._reported = 0.0
        self._reported_records = 0

    @property
    def stream(self) -> str:
        """The table's name, which is the stream's."""
        return self._stream.name

    def begin(self, shards: tuple[str, ...]) -> None:
        """Has the state name the table as begun, which a state that is written must do before `run` yields a record.

        From there on changes of the table are followed, deletes included.

        Args:
            shards: The shards that serve the keyspace.
        """
        self._resume(shards)

    def run(self, shards: tuple[str, ...]) -> Iterator[Message]:
        """Yields the table's rows, with checkpoints; leaves its state as copied. Comes after `begin`.

        Args:
            shards: The shards that serve the keyspace.

        Raises:
            StreamError: The table cannot be copied.
            StallError: Nothing came for too long, twice.
            CopyTimeUpError: The time for copying is over.
            TransientError: The stream broke off too often.
            ConfigError: The user has to act.
        """
        table = self._table
        began = self._reported = self._clock.monotonic()
        retry = Retry(self._clock, self._settings.retries)
        about = ""
        if table.estimated_rows:
            # Statistics that were never made say 0, which would be a wrong promise.
            yield Estimate(table.name, table.estimated_rows, table.estimated_bytes)
            about = f"about {table.estimated_rows:,} rows, "
        yield Log(f"Copying table {table.name!r} ({about}attempt {self._attempt}).")
        interrupted = False
        stalled_at = None
        while any(shard not in self._shards or not self._shards[shard].done for shard in shards):
            try:
                if interrupted:
                    shards = self._again(tuple(self._vitess.current().shards))
                    interrupted = False
                    if not table.key and self.records:
                        yield Log(
                            f"Table {table.name!r} has no key, so its copy starts from the beginning: the "
                            f"{self.records:,} rows that were emitted come again, and nothing tells them apart.",
                            warning=True,
                        )
                self._check_resumable()
                yield from self._copy(shards, retry)
            except CopyTimeUpError:
                raise
            except TableNotFoundError as error:
                # A replica learns of a young table late (--queryserver-config-schema-reload-time).
                yield retry.failed(error)
                interrupted = True
            except (PositionLostError, StreamError) as error:
                if self._columns and isinstance(error, StreamError):
                    yield self._ask_for_all_columns(error)
                    interrupted = True
                    continue
                if not self._lastpks():
                    raise
                # What cannot be continued can be copied anew: its changes are followed all the while.
                yield Log(f"The copy of table {table.name!r} starts from the beginning: {error.message}", warning=True)
                self._shards = {}
                interrupted = True
            except StallError as error:
                if self._columns:
                    yield self._ask_for_all_columns(error)
                    interrupted = True
                    continue
                if explained := explain_copy(
                    self._vitess, self._clock, self._request(tuple(error.shards)), tuple(error.shards), table
                ):
                    raise explained from error
                if stalled_at == self._shards:
                    raise  # opening the stream anew was no help
                stalled_at = dict(self._shards)
                yield retry.failed(error)
                interrupted = True
            except TransientError as error:
                yield retry.failed(error)
                interrupted = True
        self._finish()
        seconds = max(self._clock.monotonic() - began, 0.001)
        yield Log(
            f"Copied table {table.name!r}: {self.records:,} rows in {seconds:.1f} s "
            f"({self.records / seconds:,.0f} rows/s)."
        )

    def _copy(self, shards: tuple[str, ...], retry: Retry) -> Iterator[Message]:
        """One VStream, for the shards that are not done."""
        name = self._table.name
        todo = {shard for shard in shards if shard not in self._shards or not self._shards[shard].done}
        request = self._request(tuple(shard for shard in shards if shard in todo))
        lastpks = request.lastpks
        asked = frozenset(todo)
        told: set[str] = set()
        empty: dict[str, str] = {}
        silence = Silence(self._clock)
        with self._vitess.stream(request, {name: self._stream.streamed}) as events:
            for event in silence.watch(events):
                match event:
                    case Rows():
                        if event.shard in todo and not event.timestamp:
                            yield self._emit(event)
                    case Fields(shard, _, columns) if shard in todo:
                        self._check_columns(shard, columns)
                        if shard in told and shard not in lastpks:
                            self._told_again(shard)
                        told.add(shard)
                    case Committed(shard):
                        if shard not in asked:
                            raise TransientError(f"The keyspace was resharded while table {name!r} was being copied.")
                        if shard in todo:
                            # What a finished shard goes on to send is no progress of the copy.
                            silence.broken()
                            self._committed(event, todo, empty)
                            if self._table.key and shard in self._shards:
                                # Without a key an interrupted copy starts over, however far it was.
                                retry.progressed()
                        yield from self._report()
                        yield from self._checkpointer.due()
                        self._check_time(silence, todo)
                    case CopyCompleted(shard) if shard in todo:
                        if shard not in empty:
                            raise TransientError(f"VTGate ended the copy of shard {shard!r} before its last row.")
                        self._shards[shard] = ShardCopy(empty[shard], None)
                        todo.discard(shard)
                        self._store()
                    case TableFailed(_, error):
                        raise error
                    case Heartbeat():
                        yield from self._checkpointer.due()
                        self._check_time(silence, todo)
                    case _:
                        pass
                if not todo:
                    return
        raise TransientError(f"VTGate ended the copy of table {name!r} before it was complete.")

    def _request(self, shards: tuple[str, ...]) -> StreamRequest:
        """Returns what to ask of shards that are not done."""
        return StreamRequest(
            self._checkpointer.state.keyspace,
            {shard: self._shards[shard].gtid if shard in self._shards else "" for shard in shards},
            (self._table.name,),
            {shard: lastpk for shard, lastpk in self._lastpks().items() if shard in shards},
            columns=self._columns,
        )

    def _ask_for_all_columns(self, error: StreamError | StallError) -> Message:
        self._columns = ()
        return Log(f"All columns of table {self._table.name!r} are asked for from here on. {error.message}")

    def _check_columns(self, shard: str, columns: tuple[str, ...]) -> None:
        """Checks that VTTablet took the columns that were meant: to it, some names are equal that MySQL tells apart."""
        if self._columns and columns != self._columns:
            raise SchemaMismatchError(
                self._table.name,
                f"Shard {shard!r} sends the columns {', '.join(columns)} instead of {', '.join(self._columns)}.",
            )

    def _emit(self, rows: Rows) -> Message:
        records = self._maker.make(rows)
        self.records += len(records.data)
        self._checkpointer.emitted(records)
        return records

    def _committed(self, event: Committed, todo: set[str], empty: dict[str, str]) -> None:
        """Notes how far the copy of a shard is after a transaction."""
        shard = event.shard
        gtid = event.position.gtid(shard) or ""
        lastpk = event.position.lastpk(shard, self._table.name)
        if lastpk is not None:
            self._shards[shard] = ShardCopy(gtid, lastpk)
        elif shard in self._shards:
            self._shards[shard] = ShardCopy(gtid, None)
            todo.discard(shard)
        elif event.timestamp:
            # A change where the copy should be: VTGate started over from a position that it had sent before the
            # first row, and such a position means "no copy" to it.
            raise TransientError(f"VTGate dropped the copy of table {self._table.name!r} in shard {shard!r}.")
        else:
            # An empty table ends like this, and so might the moment before the first row: COPY_COMPLETED decides.
            empty[shard] = gtid
        self._store()

    def _told_again(self, shard: str) -> None:
        if not self._table.key:
            raise TransientError(f"VTGate interrupted the copy of shard {shard!r}, and the table has no key.")
        self._attempt += 1
        self._store()

    def _report(self) -> Iterator[Message]:
        """Says how far a long copy is, every half minute."""
        now = self._clock.monotonic()
        if now - self._reported < REPORT_SECONDS:
            return
        rate = (self.records - self._reported_records) / (now - self._reported)
        self._reported, self._reported_records = now, self.records
        yield Log(f"Copying table {self._table.name!r}: {self.records:,} rows so far, {rate:,.0f} rows/s.")

    def _check_time(self, silence: Silence, todo: Collection[str]) -> None:
        if silence.seconds >= self._settings.no_progress_seconds:
            positions = {shard: part.gtid for shard, part in self._shards.items()}
            raise StallError(silence.seconds, positions, todo, f" of table {self._table.name!r}")
        if self._clock.monotonic() > self._deadline:
            raise CopyTimeUpError(
                f"The time for copying in one sync is over while table {self._table.name!r} is being copied. The next "
                "sync reads the changes made in the meantime and goes on with the copy; nothing has to be done."
            )

    def _resume(self, shards: tuple[str, ...]) -> None:
        """Takes over what an earlier sync has copied, if that can be continued."""
        earlier = self._checkpointer.state.tables.get(self._table.name)
        if isinstance(earlier, Refreshing) and not self._stream.incremental:
            same_sync = None in (earlier.sync_id, self._stream.sync_id) or earlier.sync_id == self._stream.sync_id
            earlier = earlier.copy if same_sync else None
        elif isinstance(earlier, Copying) and not self._stream.incremental:
            earlier = None
        if isinstance(earlier, Copying):
            self._attempt = earlier.attempt
            self._shards = dict(earlier.shards)
            self._again(shards)
        self._store()

    def _again(self, shards: tuple[str, ...]) -> tuple[str, ...]:
        """Begins another attempt, over the shards that serve the keyspace now. Takes over what can be continued."""
        self._attempt += 1
        if not self._table.key or not set(self._shards) <= set(shards):
            self._shards = {}
        self._store()
        return shards

    def _lastpks(self) -> dict[str, bytes]:
        """Returns how far the shards are that go on where an earlier stream ended."""
        return {shard: part.lastpk for shard, part in self._shards.items() if part.lastpk is not None}

    def _check_resumable(self) -> None:
        """Checks that the changes since the copy was interrupted can be had; VTGate would search for them in silence.

        Raises:
            PositionLostError: They cannot.
            TransientError: That is not known now.
        """
        positions = {shard: self._shards[shard].gtid for shard in self._lastpks()}
        if positions:
            self._vitess.verify(Vgtid(self._checkpointer.state.keyspace, positions))

    def _finish(self) -> None:
        state = self._checkpointer.state
        positions = {shard: part.gtid for shard, part in self._shards.items()}
        done: TableState
        if not self._stream.incremental:
            done = Refreshed(self._stream.sync_id)
        elif self._attempt == 1 and state.vgtid is not None and set(state.vgtid.shards) == set(positions):
            done = CopiedAt(positions)
        else:
            # Interrupted, or of other shards than the change stream starts with: every change is replayed over it.
            done = Copied()
        state.tables[self._table.name] = done

    def _store(self) -> None:
        copy = Copying(self._attempt, dict(self._shards))
        self._checkpointer.state.tables[self._table.name] = (
            copy if self._stream.incremental else Refreshing(self._stream.sync_id, copy)
        )


def _columns_to_ask_for(streamed: StreamedTable) -> tuple[str, ...]:
    """Returns the selected columns and the key's, in the table's order; nothing for all of them.

    VTTablet sends a message when it has so many bytes of values, and a NULL has none: of a table without a key it could
    put all rows into one, which is more than gRPC takes.
    """
    table = streamed.table
    wanted = tuple(column.name for column in table.columns if column.name in {*streamed.selected, *table.key})
    return wanted if table.key and len(wanted) < len(table.columns) else ()
