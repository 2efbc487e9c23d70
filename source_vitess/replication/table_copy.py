"""The copy of one table, over all shards: one VStream with a filter of that table alone, another when it breaks off.

- After a reshard a copy does not simply go on with the new shards: the change stream has to get there first, so that
  the positions of the copy and the shared one are of the same shards.
- Only the selected columns and the key's are asked for. A copy's rows are read from MySQL by name; a change's columns
  are named by VTTablet, and that these names are wrong is noticed only if all are announced. So the change stream asks
  for all of them (docs/vstream-observations.md). Whatever is wrong with a copy of some columns is tried with all of
  them, and only what is wrong then counts.
- What cannot be continued is copied anew: its changes are followed all the while.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from source_vitess.errors import (
    ConnectorError,
    CopyTimeUpError,
    LostTransactionsError,
    MergedShardError,
    MessageTooLargeError,
    MissingColumnError,
    PositionLostError,
    ReshardedError,
    StallError,
    StreamError,
    TableNotFoundError,
    TransientError,
)
from source_vitess.replication.asked_columns import columns_to_ask_for
from source_vitess.replication.context import SyncContext
from source_vitess.replication.copy_progress import CopyProgress, KeyChangedError
from source_vitess.replication.copy_report import CopyReport
from source_vitess.replication.copy_stream import CopyStream, TableToCopy
from source_vitess.replication.messages import Log, Message
from source_vitess.replication.oversized_rows import blamed_shards, explain_copy
from source_vitess.replication.patience import Retry
from source_vitess.replication.table_state import ShardCopy


class TableCopy:
    """Copies one table, going on where an earlier copy ended.

    Args:
        context: The sync.
        to_copy: The table.
    """

    def __init__(self, context: SyncContext, to_copy: TableToCopy) -> None:
        self._context = context
        self._to_copy = to_copy
        self._table = to_copy.stream.streamed.table
        self._incremental = to_copy.stream.incremental
        stream = to_copy.stream
        filtered = dict(stream.row_filter.kinds) if stream.row_filter is not None else ()
        self._columns = columns_to_ask_for(stream.streamed, filtered)
        self._progress = CopyProgress(context, to_copy.stream)
        self._report = CopyReport(context.clock, self._table, to_copy.stream.row_filter)
        self._stalled_at: Mapping[str, ShardCopy] | None = None

    @property
    def stream(self) -> str:
        """The table's name, which is the stream's."""
        return self._to_copy.stream.name

    @property
    def positions(self) -> Mapping[str, str]:
        """By shard, all positions that emitted rows were of."""
        return self._progress.positions

    def begin(self, shards: tuple[str, ...]) -> None:
        """Has the state name the table as begun, which a state that is written must do before `run` yields a record.

        From there on changes of the table are followed, deletes included.

        Args:
            shards: The shards that serve the keyspace.
        """
        self._progress.begin(shards)

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
        retry = self._context.new_retry()
        self._stalled_at = None
        yield from self._report.begin(self._progress.attempt)
        complete = interrupted = False
        while not complete:
            try:
                if interrupted:
                    shards = self._begin_attempt(shards)
                    interrupted = False
                    yield from self._report.again()
                yield from self._attempt(shards, retry)
                complete = all(shard in self._progress.shards for shard in shards)
            except (ConnectorError, KeyChangedError) as error:
                yield self._recover(error, shards, retry)
                interrupted = True
        self._progress.finish()
        yield self._report.end()

    def _attempt(self, shards: tuple[str, ...], retry: Retry) -> Iterator[Message]:
        """Copies what is not copied yet, if that can be done from where the copy is."""
        yield from self._progress.check_resumable()
        if unfinished := self._progress.unfinished(shards):
            yield from self._new_stream().read(unfinished, retry)

    def _new_stream(self) -> CopyStream:
        return CopyStream(self._context, self._to_copy, self._progress, self._report, self._columns)

    def _begin_attempt(self, shards: tuple[str, ...]) -> tuple[str, ...]:
        """Begins another attempt after an interruption, and returns the shards that it is over.

        Raises:
            ReshardedError: Others serve now, and the change stream has not come to them yet.
        """
        now = tuple(self._context.vitess.current().shards)
        if set(now) != set(shards) and self._incremental:
            raise ReshardedError(
                f"The keyspace was resharded while table {self._table.name!r} was being copied. Its copy starts from "
                "the beginning, once the changes are read up to there."
            )
        self._progress.begin_attempt(now)
        return now

    def _recover(self, error: ConnectorError | KeyChangedError, shards: tuple[str, ...], retry: Retry) -> Message:
        """Prepares another attempt, if it can do better, and returns what to log about it.

        Raises:
            ConnectorError: The error itself, or a better one, if another attempt is no help.
        """
        match error:
            case CopyTimeUpError() | ReshardedError() | LostTransactionsError():
                raise error
            case KeyChangedError():
                return self._progress.start_over(str(error))
            case TableNotFoundError() | MissingColumnError():
                # A replica learns of a young table or column late (--queryserver-config-schema-reload-time).
                return retry.failed(error)
            case StreamError() | StallError() | MessageTooLargeError() if self._columns:
                return self._ask_for_all_columns(error)
            case StreamError() | PositionLostError() if self._progress.lastpks():
                return self._progress.start_over(error.message)
            case StallError():
                return self._recover_from_stall(error, retry)
            case MergedShardError() if self._progress.lastpks() and not retry.left:
                # A reshard that is under way ends before that. From where the copy is no stream gets past the journal,
                # as the others are past it already (go/vt/vtgate/vstream_manager.go, getJournalEvent).
                return self._progress.start_unfinished_over(
                    "shards were merged since, and VTGate does not go on from before that."
                )
            case MessageTooLargeError():
                blamed = blamed_shards(error, self._progress.unfinished(shards))
                raise self._explain(blamed) or error
            case TransientError():
                return retry.failed(error)
            case _:
                raise error

    def _ask_for_all_columns(self, error: ConnectorError) -> Message:
        self._columns = ()
        return Log(f"All columns of table {self._table.name!r} are asked for from here on. {error.message}")

    def _recover_from_stall(self, error: StallError, retry: Retry) -> Message:
        if explained := self._explain(tuple(error.shards)):
            raise explained from error
        if self._stalled_at == self._progress.shards:
            raise error  # opening the stream anew was no help
        self._stalled_at = dict(self._progress.shards)
        return retry.failed(error)

    def _explain(self, silent: tuple[str, ...]) -> StreamError | None:
        probe = self._new_stream().probe(silent)
        return explain_copy(self._context.vitess, self._context.clock, probe, silent, self._table)
