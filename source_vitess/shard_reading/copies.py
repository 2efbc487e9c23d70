"""The rows of one shard's part of a table, as they were at a position that contains a given one.

- Which tablet answers is VTGate's choice, and it may be behind the one that was asked for the given position. A copy
  whose position does not contain it is refused before its first row, and asked for again.
- Rows are given once VTGate has said after which row it would go on. If it begins anew within the call (a tablet that
  failed, or VTTablet's limit of an hour for a copy), what came since is dropped and comes again, at another position,
  which is told with the rows. The changes that VTGate sends in between, to rows that were given, are left out.
- VTGate goes on by comparing keys. Where that would leave rows out, as for ENUM, SET or FLOAT, or where the key has
  become another one, the copy is given up.
- A part may be ranges of the key. Each is read whole by a stream of its own, and the next one follows.
- It is given up, too, if the stream breaks off after the first row. Who asked decides whether to begin anew.
- A copy may be of a server whose last transactions are lost since. That is looked at afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

from source_vitess.errors import (
    InternalError,
    LostTransactionsError,
    SchemaMismatchError,
    TransientError,
)
from source_vitess.position.lineage import Verdict
from source_vitess.position.vgtid import contains, gtid_set, union
from source_vitess.replication.asked_columns import check_asked, check_selected, columns_to_ask_for
from source_vitess.replication.change_stream import PASSING
from source_vitess.replication.interfaces import Clock
from source_vitess.replication.oversized_rows import stalled
from source_vitess.replication.patience import Retry, Silence
from source_vitess.row_filters.row_filter import RowFilter
from source_vitess.rows.columns import Rows
from source_vitess.schema import StreamedTable
from source_vitess.shard_reading.interfaces import Keyspace
from source_vitess.shard_reading.questions import LOG, RETRIES, answer_of
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


@dataclass(frozen=True)
class ShardPart:
    """One shard's part of a table.

    Attributes:
        keyspace: The keyspace.
        shard: The shard.
        at_least: The position that the rows' one has to contain.
        ranges: Conditions, of which each row that is read meets exactly one; all rows are read if there are none. Each
            range is read by a stream of its own, at a position of its own.
    """

    keyspace: str
    shard: str
    at_least: str
    ranges: tuple[RowFilter, ...] = ()


@dataclass(frozen=True)
class Copied:
    """Rows as they were at a position.

    Attributes:
        rows: The rows.
        position: The position.
    """

    rows: Rows
    position: str


def read_copy(
    vitess: Keyspace, clock: Clock, streamed: StreamedTable, part: ShardPart, *, no_progress_seconds: float = 300
) -> Iterator[Copied]:
    """Yields the rows of a table in a shard, each once.

    Args:
        vitess: The keyspace.
        clock: Time.
        streamed: The table, and its columns to read.
        part: What to read.
        no_progress_seconds: Seconds without a row after which this gives up.

    Raises:
        TransientError: The copy broke off, no tablet is at the position, or the keyspace was resharded meanwhile.
        StreamError: The table cannot be copied, or rows were given that no server has any more.
        ConfigError: The user has to act.
    """
    positions: list[str] = []
    for row_filter in part.ranges or (None,):
        retry = Retry(clock, RETRIES)
        while True:
            copy = _CopyStream(vitess, clock, streamed, part, row_filter, no_progress_seconds)
            try:
                yield from copy.read()
                break
            except (TransientError, *PASSING) as error:
                if copy.has_given:
                    raise
                LOG.warning(retry.failed(error).text)
        if copy.positions:
            positions.append(copy.positions)
    if positions:
        answer_of(lambda: _check_lineage(vitess, streamed.table.name, part.shard, reduce(union, positions)), clock)


def _check_lineage(vitess: Keyspace, table: str, shard: str, position: str) -> None:
    finding = vitess.verify({shard: position})[shard]
    if finding.verdict is Verdict.FOREIGN:
        raise LostTransactionsError(table, shard)
    if finding.verdict is Verdict.SHARD_GONE:
        raise TransientError(f"Shard {shard!r} was deleted while table {table!r} was copied from it.")
    if finding.lineage is None:
        return
    beyond = gtid_set(position) - finding.lineage
    if beyond - finding.errant and finding.verdict is Verdict.UNKNOWN:
        raise TransientError(f"Not all {vitess.tablet_type} tablets of shard {shard!r} answered.")
    if beyond:
        LOG.warning(
            f"Table {table!r} was copied in shard {shard!r} from a tablet that has transactions which its primary does "
            f"not have (errant GTIDs {str(beyond)[:200]}). The copy holds what they changed. Rebuild the tablet."
        )


class _CopyStream:
    """Reads a copy from one VStream. Made anew for each.

    Attributes:
        has_given: Whether rows were given.
        positions: The position that contains all that the rows are of.
    """

    def __init__(
        self,
        vitess: Keyspace,
        clock: Clock,
        streamed: StreamedTable,
        part: ShardPart,
        row_filter: RowFilter | None,
        no_progress_seconds: float,
    ) -> None:
        self._vitess = vitess
        self._streamed = streamed
        self._table = streamed.table
        self._part = part
        self._row_filter = row_filter
        self._columns = columns_to_ask_for(streamed)
        self._no_progress_seconds = no_progress_seconds
        self._silence = Silence(clock)
        self._held: list[Rows] = []
        self._position = ""
        self._lastpk: bytes | None = None
        self._announced = False
        self._empty = False
        self.has_given = False
        self.positions = ""

    def read(self) -> Iterator[Copied]:
        """Yields the rows.

        Raises:
            TransientError: The stream broke off, or the tablet is behind.
            StreamError: The table cannot be copied.
        """
        shard = self._part.shard
        request = StreamRequest(
            self._part.keyspace,
            {shard: ""},
            (self._table.name,),
            columns=self._columns,
            where={self._table.name: self._row_filter.where} if self._row_filter is not None else {},
            stop_on_reshard=True,
        )
        with self._vitess.stream(request, {self._table.name: self._streamed}) as events:
            for event in self._silence.watch(events):
                match event:
                    case Rows() if not event.timestamp:
                        self._held.append(event)
                    case Snapshot(_, position):
                        self._is_at(position.gtid(shard))
                    case Fields(copying=True):
                        self._columns_announced(event)
                    case Committed() if not event.timestamp:
                        yield from self._committed(event)
                        if self._lastpk is None and self.has_given:
                            return
                    case Committed():
                        # A change between two positions of the copy.
                        if self._lastpk is None:
                            # VTGate started over from a position that it had sent before the first row, and such a
                            # position means "no copy" to it.
                            raise self._dropped()
                        self._silence.end()
                    case CopyCompleted():
                        if self._lastpk is not None or self._held or not self._empty:
                            raise TransientError(f"VTGate ended the copy of shard {shard!r} before its last row.")
                        return
                    case TableFailed(_, error):
                        raise error
                    case Heartbeat() if self._silence.seconds >= self._no_progress_seconds:
                        where = {shard: self._position}
                        raise stalled(self._silence.seconds, where, (shard,), f" of table {self._table.name!r}")
                    case _:
                        pass
        raise TransientError(f"VTGate ended the copy of table {self._table.name!r} before it was complete.")

    def _is_at(self, gtid: str | None) -> None:
        """Notes the position of the rows that follow.

        Raises:
            TransientError: It lacks transactions that it has to contain.
        """
        if not gtid:
            raise InternalError(f"VTGate sent rows of shard {self._part.shard!r} without a position.")
        if gtid == self._position:
            return
        if not contains(gtid, self._part.at_least):
            raise TransientError(
                f"The tablet that table {self._table.name!r} is copied from in shard {self._part.shard!r} is behind "
                "the position at which the read began."
            )
        self._position = gtid
        self.positions = union(self.positions, gtid) if self.positions else gtid

    def _committed(self, event: Committed) -> Iterator[Copied]:
        """Gives the rows that came, now that it is known after which one VTGate would go on."""
        shard = self._part.shard
        self._silence.end()
        # That there are no rows, at this position, is no less a part of the copy.
        self._is_at(event.position.gtid(shard))
        lastpk = event.position.lastpk(shard, self._table.name)
        if self._held and lastpk is None:
            raise self._dropped()
        if self._lastpk is not None and lastpk is not None and key_of_lastpk(lastpk) != key_of_lastpk(self._lastpk):
            raise self._interrupted()
        held, self._held = self._held, []
        for rows in held:
            self.has_given = True
            yield Copied(rows, self._position)
        self._lastpk = lastpk
        self._empty = lastpk is None

    def _columns_announced(self, fields: Fields) -> None:
        """Checks the columns that the rows come with, and that VTGate may go on where it does.

        Raises:
            TransientError: It goes on in a way that could leave rows out.
            SchemaMismatchError: They are not those that are meant.
        """
        if self._announced:
            self._held.clear()
            if self._lastpk is not None:
                kinds = {column.name: column for column in fields.kinds}
                key = key_of_lastpk(self._lastpk)
                if (
                    not self._table.has_primary_key
                    or to_resume(self._lastpk, self._table) != self._lastpk
                    or any(kinds.get(column.name) != column for column in key)
                ):
                    raise self._interrupted()
        self._announced = True
        check_asked(self._table, self._columns, fields)
        check_selected(self._streamed, fields)
        if self._row_filter is not None and (name := self._row_filter.misfit(fields.definitions)) is not None:
            raise SchemaMismatchError(
                self._table.name,
                f"The tablet of shard {fields.shard!r} has the column {name!r} of table {self._table.name!r} with "
                "another type or collation than the primary, by which the read was cut into ranges. Start it again.",
            )

    def _dropped(self) -> TransientError:
        return TransientError(f"VTGate dropped the copy of table {self._table.name!r} in shard {self._part.shard!r}.")

    def _interrupted(self) -> TransientError:
        return TransientError(
            f"VTGate interrupted the copy of table {self._table.name!r} in shard {self._part.shard!r}, which cannot "
            "continue from there."
        )
