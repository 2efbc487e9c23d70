"""The copy of one table: a VStream with a filter of that table alone, over all shards.

- A shard is done when VTGate stops listing the table's lastpk in its position, or says COPY_COMPLETED for an empty
  table. What the shard sends after that belongs to the change stream and is ignored here.
- Only a copy that ran from start to end in one go is exact at a position. Columns that are told again for a shard
  mean that VTGate itself started over within the call (a failover); so does a broken stream here.
- A copy is read from another tablet than the one that told the shared position, and that one may be behind. Where the
  copy's position does not contain the shared one, the shared one is lowered, and a state says so before a row is
  emitted.
- A copy goes on from a lastpk only in a table with a primary key whose types compare as they are ordered, and only
  while the key is the one that the lastpk was made with: on the tablet that serves it, before and after.
- After a reshard a copy does not simply go on with the new shards: the change stream has to get there first, so that
  the positions of the copy and the shared one are of the same shards.
- Going on with a copy, VTGate first sends the changes to what is copied already. They are left out: the change stream
  brings them, from the shared position, and a full refresh has no way to say that a row is gone.
- Only the selected columns and the key's are asked for. A copy's rows are read from MySQL by name; a change's columns
  are named by VTTablet, and that these names are wrong is noticed only if all are told. So the change stream asks for
  all of them (docs/vstream-observations.md). Whatever is wrong with a copy of some columns is tried with all of them,
  and only what is wrong then counts.
- Other copies cannot be continued: VTTablet would page through a table without a key by all columns and skip rows that
  are equal or hold NULLs (go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go). They start from the beginning.
- Within a call VTGate goes on by itself from the lastpk that it told. Where another one has to be sent
  (`vstream.lastpk`), that is noticed by columns that are told again, and the stream is opened anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from source_vitess.errors import (
    InternalError,
    LostTransactionsError,
    PositionLostError,
    SchemaMismatchError,
    StreamError,
    TableNotFoundError,
    TransientError,
)
from source_vitess.position.lineage import Verdict
from source_vitess.position.vgtid import contains, union
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.interfaces import Clock, Vitess
from source_vitess.replication.messages import Estimate, Log, Message
from source_vitess.replication.oversized_rows import StallError, explain_copy
from source_vitess.replication.patience import Retry, Silence
from source_vitess.replication.records import RecordMaker
from source_vitess.replication.settings import SelectedStream, SyncSettings
from source_vitess.replication.state import (
    Copied,
    CopiedAt,
    Copying,
    Refreshed,
    Refreshing,
    ShardCopy,
    TableState,
)
from source_vitess.rows.columns import Rows
from source_vitess.schema import StreamedTable
from source_vitess.vstream.events import (
    Committed,
    CopyCompleted,
    Fields,
    Heartbeat,
    Snapshot,
    TableFailed,
    key_of_lastpk,
)
from source_vitess.vstream.lastpk import to_resume
from source_vitess.vstream.request import StreamRequest

#: Seconds between two lines that say how far a copy is.
REPORT_SECONDS = 30.0


class CopyTimeUpError(TransientError):
    """The time for copying in one sync is over; the next one goes on from here."""


class ReshardedError(TransientError):
    """Other shards serve the keyspace than those that are being copied."""


class _KeyChangedError(Exception):
    """The copy would go on, or went on, by another key than the one that its lastpk was made with."""

    def __init__(self, shard: str) -> None:
        super().__init__(f"its primary key in shard {shard!r} is another one than when it was interrupted.")


class MissingColumnError(SchemaMismatchError):
    """The tablet that a copy is read from does not know a selected column, or not yet."""


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
        positions: By shard, all positions that emitted rows were of.
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
        # By shard, the lastpk that was sent, where it is another than the one that was told.
        self._sent: dict[str, bytes] = {}
        # By shard, the primary key by which VTTablet went on.
        self._went_on_by: dict[str, tuple[str, ...]] = {}
        # By shard, the position that its rows are of now, and the last one that was compared with the shared one.
        self._at: dict[str, str] = {}
        self._checked: dict[str, str] = {}
        self._furthest: dict[str, str] = {}
        self._may_have_emitted = False
        self.records = 0
        self.positions: dict[str, str] = {}
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
            LostTransactionsError: Rows were emitted that no server has any more.
            ReshardedError: The change stream has to go over to other shards first.
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
        while True:
            try:
                if interrupted:
                    shards = self._go_on(shards)
                    interrupted = False
                    if not table.key and self.records:
                        yield Log(
                            f"Table {table.name!r} has no key, so its copy starts from the beginning: the "
                            f"{self.records:,} rows that were emitted come again, and nothing tells them apart.",
                            warning=True,
                        )
                yield from self._check_resumable()
                if any(shard not in self._shards or not self._shards[shard].done for shard in shards):
                    yield from self._copy(shards, retry)
                self._check_resumed()
                if all(shard in self._shards for shard in shards):
                    break
            except (CopyTimeUpError, ReshardedError, LostTransactionsError):
                raise
            except _KeyChangedError as error:
                yield self._start_over(str(error))
                interrupted = True
            except (TableNotFoundError, MissingColumnError) as error:
                # A replica learns of a young table or column late (--queryserver-config-schema-reload-time).
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
                yield self._start_over(error.message)
                interrupted = True
            except StallError as error:
                if self._columns:
                    yield self._ask_for_all_columns(error)
                    interrupted = True
                    continue
                silent = tuple(error.shards)
                if explained := explain_copy(self._vitess, self._clock, self._probe(silent), silent, table):
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
        self._at = {shard: request.positions[shard] for shard in request.lastpks}
        asked = frozenset(todo)
        told: set[str] = set()
        empty: dict[str, str] = {}
        silence = Silence(self._clock)
        with self._vitess.stream(request, {name: self._stream.streamed}) as events:
            for event in silence.watch(events):
                match event:
                    case Rows():
                        if event.shard in todo and not event.timestamp:
                            yield from self._check_position(event.shard)
                            yield self._emit(event)
                    case Snapshot(shard, position) if shard in todo:
                        self._at[shard] = position.gtid(shard) or ""
                    case Fields(shard, copying=True) if shard in todo:
                        if shard in told:
                            self._told_again(shard)
                        told.add(shard)
                        self._check_columns(event)
                        self._check_key(event)
                    case Committed(shard):
                        if shard not in asked:
                            # Of the journal of a reshard, maybe one that was taken back since: what goes on from before
                            # it comes here again.
                            self._shards = {}
                            self._store()
                            raise TransientError(f"The keyspace was resharded while table {name!r} was being copied.")
                        if shard in todo:
                            # What a finished shard goes on to send is no progress of the copy.
                            silence.broken()
                            self._at[shard] = event.position.gtid(shard) or ""
                            if not event.timestamp:
                                # Rows that are not there, at this position, are no less a part of the copy.
                                yield from self._check_position(shard)
                            self._committed(event, todo, empty)
                            if self._is_further(shard, rows=not event.timestamp) and self._can_go_on(shard):
                                # Else it starts over once it is interrupted, however far it was.
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
        lastpks = {shard: self._to_send(lastpk) for shard, lastpk in self._lastpks().items() if shard in shards}
        sent = {shard: lastpk for shard, lastpk in lastpks.items() if lastpk is not None}
        self._sent = {shard: lastpk for shard, lastpk in sent.items() if lastpk != self._shards[shard].lastpk}
        return self._stream_request(shards, sent)

    def _probe(self, shards: tuple[str, ...]) -> StreamRequest:
        """Returns what VTGate goes on with by itself in shards that are silent, whether or not rows are left out."""
        return self._stream_request(
            shards, {shard: lastpk for shard, lastpk in self._lastpks().items() if shard in shards}
        )

    def _stream_request(self, shards: tuple[str, ...], lastpks: Mapping[str, bytes]) -> StreamRequest:
        return StreamRequest(
            self._checkpointer.state.keyspace,
            {shard: self._shards[shard].gtid if shard in lastpks else "" for shard in shards},
            (self._table.name,),
            lastpks,
            columns=self._columns,
        )

    def _to_send(self, lastpk: bytes) -> bytes | None:
        """Returns the lastpk to send for a copy to go on, None if it cannot.

        Without a primary key VTTablet chooses a unique one itself, another one perhaps when there is another to choose
        from (go/vt/mysqlctl/schema.go, GetPrimaryKeyEquivalentColumns).
        """
        return to_resume(lastpk, self._table) if self._table.has_primary_key else None

    def _is_further(self, shard: str, *, rows: bool) -> bool:
        """Tells whether a shard's copy has come further than ever: what a new stream repeats of the changes is nothing.

        Args:
            shard: The shard.
            rows: Whether rows were copied, after whose last one it goes on.
        """
        gtid, before = self._at[shard], self._furthest.get(shard)
        if before is not None and contains(before, gtid):
            return rows
        self._furthest[shard] = union(before, gtid) if before else gtid
        return True

    def _can_go_on(self, shard: str) -> bool:
        """Tells whether a shard's copy goes on where it is, should it be interrupted now."""
        part = self._shards.get(shard)
        return part is not None and (part.lastpk is None or self._to_send(part.lastpk) is not None)

    def _ask_for_all_columns(self, error: StreamError | StallError) -> Message:
        self._columns = ()
        return Log(f"All columns of table {self._table.name!r} are asked for from here on. {error.message}")

    def _check_columns(self, fields: Fields) -> None:
        """Checks that VTTablet took the columns that were meant: to it, some names are equal that MySQL tells apart.

        And that it knows those that are selected: its schema may be of before an ALTER that the primary's is behind.
        """
        if self._columns and fields.columns != self._columns:
            raise SchemaMismatchError(
                self._table.name,
                f"Shard {fields.shard!r} sends the columns {', '.join(fields.columns)} instead of "
                f"{', '.join(self._columns)}.",
            )
        missing = [name for name in self._stream.streamed.selected if name not in fields.columns]
        if missing:
            raise MissingColumnError(
                self._table.name,
                f"The tablet of shard {fields.shard!r} does not have the column {', '.join(map(repr, missing))} of "
                f"table {self._table.name!r}, or not yet: a replica has it once it has replicated the ALTER. If it was "
                "dropped, refresh the source's schema.",
            )

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
        if gtid == self._checked.get(shard):
            return
        self._checked[shard] = gtid
        before = self.positions.get(shard)
        self.positions[shard] = union(before, gtid) if before else gtid
        if self._stream.incremental and self._checkpointer.state.lower(shard, gtid, self._table.name):
            yield Log(
                f"The tablet that table {self._table.name!r} is copied from in shard {shard!r} is behind the position "
                "up to which changes were read; the changes since then are read again."
            )
            # Were the sync killed now, rows of this copy that are deleted in between would stay.
            yield self._checkpointer.now()

    def _check_key(self, fields: Fields) -> None:
        """Checks that the tablet goes on by the key that the lastpk was made with.

        Raises:
            _KeyChangedError: It has another key.
        """
        part = self._shards.get(fields.shard)
        if part is None or part.lastpk is None:
            return
        key = key_of_lastpk(part.lastpk)
        self._went_on_by[fields.shard] = tuple(column.name for column in key)
        kinds = {column.name: column for column in fields.kinds}
        if any(kinds.get(column.name) != column for column in key):
            raise _KeyChangedError(fields.shard)
        if fields.shard in self._sent:
            # Numbers were sent for labels, by the order that these have in the schema as it was read.
            types = dict(zip(fields.columns, fields.types, strict=True))
            known = self._table.columns_by_name
            if any(types[column.name] != known[column.name].column_type for column in key):
                raise _KeyChangedError(fields.shard)

    def _emit(self, rows: Rows) -> Message:
        records = self._maker.make(rows)
        self._may_have_emitted = True
        self.records += len(records.data)
        self._checkpointer.emitted(records)
        return records

    def _committed(self, event: Committed, todo: set[str], empty: dict[str, str]) -> None:
        """Notes how far the copy of a shard is after a transaction."""
        shard = event.shard
        gtid = event.position.gtid(shard) or ""
        lastpk = event.position.lastpk(shard, self._table.name)
        if lastpk is not None and lastpk == self._sent.get(shard):
            # Still the one that was sent: what was told in its place stays.
            self._shards[shard] = replace(self._shards[shard], gtid=gtid)
        elif lastpk is not None:
            self._sent.pop(shard, None)
            before = self._shards.get(shard)
            if before is not None and key_of_lastpk(before.lastpk) != key_of_lastpk(lastpk):
                raise _KeyChangedError(shard)
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
        part = self._shards.get(shard)
        told = part.lastpk if part is not None else None
        if not self._table.key or (told is not None and self._to_send(told) != told):
            raise TransientError(
                f"VTGate interrupted the copy of table {self._table.name!r} in shard {shard!r}, which cannot go on "
                "there."
            )
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
            self._may_have_emitted = True
            self._again(shards)
        self._store()

    def _again(self, shards: tuple[str, ...]) -> None:
        """Begins another attempt, over the shards that serve the keyspace now. Takes over what can be continued.

        One of which nothing was emitted was none: what is copied next is still exact at its position.
        """
        if self._may_have_emitted:
            self._attempt += 1
        if not self._table.key or not set(self._shards) <= set(shards):
            self._shards = {}
        self._shards = {shard: part for shard, part in self._shards.items() if self._can_go_on(shard)}
        self._went_on_by.clear()
        self._checked.clear()
        self._store()

    def _go_on(self, shards: tuple[str, ...]) -> tuple[str, ...]:
        """Begins another attempt after an interruption, and returns the shards that it is over.

        Raises:
            ReshardedError: Others serve now, and the change stream is not there yet.
        """
        now = tuple(self._vitess.current().shards)
        if set(now) != set(shards) and self._stream.incremental:
            raise ReshardedError(
                f"The keyspace was resharded while table {self._table.name!r} was being copied. Its copy starts from "
                "the beginning, once the changes are read up to there."
            )
        self._again(now)
        return now

    def _start_over(self, why: str) -> Message:
        """Forgets how far the copy was: what cannot be continued can be copied anew, as its changes are followed."""
        self._shards = {}
        return Log(f"The copy of table {self._table.name!r} starts from the beginning: {why}", warning=True)

    def _lastpks(self) -> dict[str, bytes]:
        """Returns how far the shards are that go on where an earlier stream ended."""
        return {shard: part.lastpk for shard, part in self._shards.items() if part.lastpk is not None}

    def _check_resumable(self) -> Iterator[Message]:
        """Checks what an interrupted copy goes on from. VTGate would search in silence for changes that are gone.

        Raises:
            LostTransactionsError: Rows were emitted that no server has any more.
            TransientError: It is not known now.
        """
        lastpks = self._lastpks()
        if not lastpks:
            return
        name = self._table.name
        keys = self._vitess.primary_keys(name, tuple(lastpks))
        for shard, lastpk in lastpks.items():
            if keys[shard] != tuple(column.name for column in key_of_lastpk(lastpk)):
                raise _KeyChangedError(shard)
        findings = self._vitess.verify({shard: self._shards[shard].gtid for shard in lastpks})
        for shard, finding in findings.items():
            match finding.verdict:
                case Verdict.OK:
                    self._shards[shard] = ShardCopy(finding.position, lastpks[shard])
                case Verdict.BEHIND | Verdict.UNKNOWN:
                    raise TransientError(
                        f"No {self._vitess.tablet_type} tablet of shard {shard!r} has come as far as the copy of table "
                        f"{name!r} yet."
                    )
                case Verdict.FOREIGN if self._stream.incremental and not self._settings.resync_lost_position:
                    raise LostTransactionsError(name, shard)
                case verdict:
                    yield self._start_over(f"the changes in shard {shard!r} since then are gone ({verdict.value}).")
                    self._again(())
                    return

    def _check_resumed(self) -> None:
        """Checks after a copy that went on from a lastpk that the key is still the one that it was made with.

        A tablet whose key had been changed, and that found no rows behind the lastpk, told no other one.
        """
        if not self._went_on_by:
            return
        keys = self._vitess.primary_keys(self._table.name, tuple(self._went_on_by))
        for shard, key in self._went_on_by.items():
            if keys[shard] != key:
                raise _KeyChangedError(shard)

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
