"""Exactly the transactions of one shard between two positions, as often as they are asked for.

- A transaction is given when its end has come and its position says that it is of the span, and whole. Those before
  and after, and errant ones, are left out; see `transactions`.
- A stream that breaks off is opened again where the last transaction of the span ended, so none is given twice. So is
  one that comes to where MySQL of a tablet was restarted: see `vstream.binlog_files`.
- A shard that was resharded is read up to the journal in which it ends, and the new shards from the positions that the
  journal names. A journal within a span whose shard serves at its end belongs to a reshard that was taken back: what
  was written to the other shards meanwhile was replicated into this one, and is in its binary log behind the journal.
- Several tables are read from one stream, which reads the binary log once, and in the order of their changes.
- VTTablet names the columns of a change by the table as it is when the change is read. So the tables' columns are
  looked at afterwards: are they those of before, they were so all the while, or a statement on the way shows it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from source_vitess.errors import StreamError, TransientError
from source_vitess.position.lineage import Verdict
from source_vitess.position.vgtid import gtid_set
from source_vitess.replication.asked_columns import check_selected
from source_vitess.replication.change_stream import PASSING
from source_vitess.replication.held_rows import HeldRows
from source_vitess.replication.interfaces import Clock
from source_vitess.replication.lost_position import foreign
from source_vitess.replication.oversized_rows import stalled
from source_vitess.replication.patience import Retry, Silence
from source_vitess.rows.columns import Rows
from source_vitess.schema import StreamedTable
from source_vitess.shard_reading.interfaces import Keyspace
from source_vitess.shard_reading.questions import LOG, RETRIES, answer_of, verified
from source_vitess.shard_reading.statements import altered, refused_statement
from source_vitess.shard_reading.transactions import SpanTransactions
from source_vitess.vstream.events import (
    Begun,
    BinlogLeft,
    Committed,
    Ddl,
    Fields,
    Heartbeat,
    ShardEnded,
    TableFailed,
    Unpositioned,
)
from source_vitess.vstream.request import StreamRequest
from source_vitess.vstream.stream_position import StreamPosition

#: Seconds without a transaction, while some are missing, after which it is asked whether they are lost.
_DOUBT_SECONDS = 10.0


@dataclass(frozen=True)
class Span:
    """Transactions of one shard.

    Attributes:
        keyspace: The keyspace.
        shard: The shard.
        start: The position that they come after.
        end: The position that they belong to; None if the shard ended in a reshard, for all up to its journal.
    """

    keyspace: str
    shard: str
    start: str
    end: str | None


@dataclass(frozen=True)
class Change:
    """Rows of one table in a transaction.

    Attributes:
        rows: The rows.
        transaction: Its GTID, `<server>:<number>`.
    """

    rows: Rows
    transaction: str


def read_changes(
    vitess: Keyspace, clock: Clock, tables: Sequence[StreamedTable], span: Span, *, no_progress_seconds: float = 300
) -> Iterator[Change]:
    """Yields the changes of tables in a span, in the order of the shard's binary log.

    Args:
        vitess: The keyspace.
        clock: Time.
        tables: The tables, and the columns to read of each. Of several, all columns are asked for.
        span: The span.
        no_progress_seconds: Seconds without a transaction, while some are missing, after which this gives up.

    Raises:
        PositionLostError: The span cannot be read any more.
        StreamError: A table cannot be read, or a statement changed it in a way that no row shows.
        TransientError: The stream broke off too often, or nothing came for too long.
        ConfigError: The user has to act.
    """
    start = gtid_set(span.start)
    transactions = SpanTransactions(start, None if span.end is None else gtid_set(span.end))
    retry = Retry(clock, RETRIES)
    complete = transactions.are_complete
    while not complete:
        reading = _SpanStream(vitess, clock, tables, span, transactions, retry, no_progress_seconds)
        try:
            complete = yield from reading.read()
        except (TransientError, *PASSING) as error:
            LOG.warning(retry.failed(error).text)
    columns = answer_of(lambda: vitess.columns([one.table.name for one in tables], span.shard), clock)
    if columns is None:
        return
    for one in tables:
        if refused := altered(one.table, span.shard, columns.get(one.table.name, ())):
            raise refused


class _SpanStream:
    """Reads a part of a span from one VStream. Made anew for each."""

    def __init__(
        self,
        vitess: Keyspace,
        clock: Clock,
        tables: Sequence[StreamedTable],
        span: Span,
        transactions: SpanTransactions,
        retry: Retry,
        no_progress_seconds: float,
    ) -> None:
        self._vitess = vitess
        self._tables = {one.table.name: one for one in tables}
        self._span = span
        self._transactions = transactions
        self._retry = retry
        self._no_progress_seconds = no_progress_seconds
        self._silence = Silence(clock)
        self._doubt_at = _DOUBT_SECONDS
        self._held = HeldRows()
        self._last_table = ""
        self._statements: list[str] = []
        self._at_journal = False
        self._opened_at = transactions.position

    def read(self) -> Generator[Change, None, bool]:
        """Yields changes. Returns whether the span is complete; if not, another stream is to go on.

        Raises:
            TransientError: The stream broke off, or nothing came for too long.
            PositionLostError: The span cannot be read any more.
            StreamError: A table cannot be read, perhaps not yet.
            ConfigError: The user has to act.
        """
        span, transactions = self._span, self._transactions
        finding = verified(self._vitess, span.keyspace, {span.shard: transactions.position})[span.shard]
        transactions.opened(finding.position, finding.errant)
        request = StreamRequest(
            span.keyspace, {span.shard: finding.position}, tuple(self._tables), stop_on_reshard=True, tell_bounds=True
        )
        try:
            with self._vitess.stream(request, self._tables) as events:
                for event in self._silence.watch(events):
                    match event:
                        case Begun(None):
                            # What was sent of a transaction comes again.
                            self._held.clear()
                            self._at_journal = False
                        case Begun(StreamPosition() as position):
                            yield from self._ended_at(position)
                            if self._is_over:
                                return self._is_complete
                        case Rows():
                            self._held.add(event)
                            self._last_table = event.table
                        case Ddl():
                            self._statements.append(event.statement)
                        case ShardEnded():
                            self._at_journal = True
                        case BinlogLeft() if self._has_to_end(event):
                            return False
                        case Committed():
                            yield from self._ended_at(event.position)
                            if self._is_over:
                                return self._is_complete
                        case Unpositioned() if self._held:
                            raise without_transactions(self._last_table)
                        case Unpositioned(_, gtid) if gtid:
                            transactions.pass_by(gtid)
                            if transactions.are_complete:
                                return True
                        case Fields():
                            check_selected(self._tables[event.table], event)
                        case TableFailed(_, error):
                            raise error
                        case Heartbeat():
                            self._check_progress()
                        case _:
                            pass
        finally:
            self._held.clear()
        raise TransientError(f"VTGate ended the stream of shard {span.shard!r} before the last transaction to read.")

    def _has_to_end(self, left: BinlogLeft) -> bool:
        """Returns whether VTTablet may mix up tables from here on, and another stream would get on."""
        has_moved = self._transactions.position != self._opened_at
        return has_moved and left.may_be_a_start(self._vitess.last_starts((left.shard,)))

    @property
    def _is_over(self) -> bool:
        return self._at_journal or self._transactions.are_complete

    @property
    def _is_complete(self) -> bool:
        return self._transactions.are_complete or (self._at_journal and self._span.end is None)

    def _ended_at(self, position: StreamPosition) -> Iterator[Change]:
        """Gives the transaction that has ended, if it is of the span."""
        gtid = position.gtid(self._span.shard)
        if gtid is None:
            raise TransientError(f"VTGate sent a transaction that is none of shard {self._span.shard!r}.")
        transaction = self._transactions.take(gtid)
        statements, self._statements = self._statements, []
        if self._at_journal:
            self._transactions.pass_journal()
        if transaction is None:
            self._held.clear()
            return
        for statement in statements:
            for one in self._tables.values():
                if refused := refused_statement(one.table, self._span.shard, statement):
                    raise refused
        self._silence.end()
        self._retry.progressed()
        for rows in self._held.drain():
            yield Change(rows, str(transaction))

    def _check_progress(self) -> None:
        """Finds out whether what is waited for can come at all.

        Raises:
            PositionLostError: The end of the span holds transactions that no server has any more.
            TransientError: Nothing came for too long.
        """
        seconds, span = self._silence.seconds, self._span
        if seconds >= self._doubt_at and span.end is not None:
            self._doubt_at = 2 * seconds
            if self._vitess.verify({span.shard: span.end})[span.shard].verdict is Verdict.FOREIGN:
                raise foreign(span.keyspace, span.shard)
        if seconds >= self._no_progress_seconds:
            raise stalled(seconds, {span.shard: self._transactions.position}, (span.shard,))


def without_transactions(table: str) -> StreamError:
    """Returns the error for a table whose changes come without a position."""
    return StreamError(
        table,
        f"Table {table!r} is of a storage engine without transactions, whose changes Vitess sends without a position. "
        "Convert it (ALTER TABLE … ENGINE=InnoDB).",
    )
