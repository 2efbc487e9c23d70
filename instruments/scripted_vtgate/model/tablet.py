"""What a vttablet streams of one shard: copies, catch-up and changes, as groups of messages (uvstreamer.go, copy.go).

A group is what VTGate holds back until it ends in COMMIT, DDL, OTHER or COPY_COMPLETED. Positions are still the
shard's own; the gateway makes VGTIDs of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import grpc

from instruments.scripted_vtgate.model.ddl import SchemaChanges
from instruments.scripted_vtgate.model.gtids import GtidFormatError, Gtids, parse_position
from instruments.scripted_vtgate.model.shard import Shard, Tablet
from instruments.scripted_vtgate.model.storage import (
    DdlWritten,
    JournalWritten,
    RowsWritten,
    Transaction,
    VersionWritten,
)
from instruments.scripted_vtgate.model.tables import LastPkError, Row, Table
from instruments.scripted_vtgate.model.tablet_events import TabletEvents
from instruments.scripted_vtgate.model.where import UnknownColumnError, Where
from instruments.scripted_vtgate.vstream_server import StreamStatusError
from instruments.scripted_vtgate.wire import row_of, values_of
from source_vitess.naming import is_internal_table
from source_vitess.proto import binlogdata_pb2, query_pb2

_QUOTED, _INTEGRAL = 2048, 256
_NAME = r"(?:`(?:[^`]|``)+`|\w+)"
_QUERY = re.compile(rf"select (\*|{_NAME}(?:, {_NAME})*) from {_NAME}(?: where (.+))?", re.IGNORECASE)

#: MySQL's flag of the last row event of a statement.
_END_OF_STATEMENT = 1


@dataclass(frozen=True)
class Position:
    """The shard's position from here on."""

    gtid: str


@dataclass(frozen=True)
class LastPk:
    """How far a table's copy has come; None when it is finished."""

    table: str
    lastpk: bytes | None


Message = list[binlogdata_pb2.VEvent | Position | LastPk]


@dataclass(frozen=True)
class Group:
    """Messages that VTGate sends together.

    Attributes:
        messages: Each becomes a response.
        journal: The group is a reshard's, which VTGate keeps to itself unless asked.
    """

    messages: list[Message]
    journal: JournalWritten | None = None


class TabletRefusedError(StreamStatusError):
    """A tablet cannot start from a position, and VTGate looks for another one (go/vt/discovery/tablet_error_action.go).

    The position is not contained in what it has ("GTIDSet Mismatch", go/vt/vttablet/tabletserver/vstreamer/
    uvstreamer.go, setStreamStartPosition), or the binary logs since then are purged.
    """


class TabletStream:
    """The stream of one tablet from a position. All access is under the model's lock."""

    def __init__(
        self,
        database: SchemaChanges,
        shard: Shard,
        *,
        tablet: Tablet,
        gtid: str,
        lastpks: Mapping[str, bytes],
        rules: Iterable[binlogdata_pb2.Rule],
        tables_to_copy: Iterable[str],
        batch_rows: int,
        rows_per_event: int | None = None,
    ) -> None:
        self._database = database
        self._shard = shard
        self._events = TabletEvents(shard)
        self._tablet = tablet
        self._gtid = gtid
        self._lastpks = dict(lastpks)
        self._rules = list(rules)
        self._rule_of: dict[str, binlogdata_pb2.Rule | None] = {}
        self._tables_to_copy = frozenset(tables_to_copy)
        self._batch_rows = batch_rows
        self._rows_per_event = rows_per_event

    def groups(self) -> Iterator[Group | None]:
        """Yields groups forever; None when there is nothing to send now.

        Raises:
            StreamStatusError: As VTGate would end the stream.
        """
        self._check_rules()
        plans = self._plans() if self._gtid == "" or self._lastpks else {}
        position: Gtids | None = None
        if self._gtid == "current":
            position = self._executed
            other = self._events.plain(binlogdata_pb2.OTHER, 0)
            yield Group([[Position(position.position), other]])
        elif self._gtid:
            position = self._start()
        if plans:
            position = yield from self._copy(plans, position)
            yield Group([[self._events.plain(binlogdata_pb2.COPY_COMPLETED, 0)]])
        if position is None:
            raise StreamStatusError(grpc.StatusCode.UNKNOWN, "stream needs a position or a table to copy")
        changes = _Changes(self, position, {})
        while True:
            yield changes.next()

    def _check_rules(self) -> None:
        for rule in self._rules:
            if rule.filter and not _QUERY.fullmatch(rule.filter):
                text = f"the scripted VTGate knows no filter but `select … from t`: {rule.filter}"
                raise StreamStatusError(grpc.StatusCode.UNIMPLEMENTED, text)

    def _start(self) -> Gtids:
        try:
            position = parse_position(self._gtid)
        except GtidFormatError as error:
            raise StreamStatusError(grpc.StatusCode.INTERNAL, f"could not decode position: {error}") from error
        data = self._tablet.data
        if not position <= data.executed:
            text = (
                f"GTIDSet Mismatch: requested source position:{self._gtid}, current target vrep position: "
                f"{data.executed.position}"
            )
            raise TabletRefusedError(grpc.StatusCode.INVALID_ARGUMENT, text)
        if not data.purged <= position:
            text = "Cannot replicate because the source purged required binary logs. (errno 1236) (sqlstate HY000)"
            raise TabletRefusedError(grpc.StatusCode.UNKNOWN, text)
        return position

    def _plans(self) -> dict[str, bytes | None]:
        """Returns the tables to copy, each with how far it has come; None for one that has not begun."""
        for rule in self._rules:
            if not rule.match.startswith("/") and self._tablet.table(rule.match) is None:
                text = f"table {rule.match} is not present in the database"
                raise StreamStatusError(grpc.StatusCode.UNKNOWN, text)
        return {
            name: self._lastpks.get(name) or None
            for name in self._tablet.table_names()
            if self.rule_for(name) is not None and (not self._tables_to_copy or name in self._tables_to_copy)
        }

    def _copy(
        self, plans: dict[str, bytes | None], position: Gtids | None
    ) -> Generator[Group | None, None, Gtids | None]:
        for name in list(plans):
            if position is not None:
                changes = _Changes(self, position, plans)
                while (group := changes.next()) is not None:
                    yield group
                position = changes.position
            position = yield from self._copy_table(name, plans, position)
            del plans[name]
        return position

    def _copy_table(
        self, name: str, plans: dict[str, bytes | None], position: Gtids | None
    ) -> Generator[Group | None, None, Gtids | None]:
        table, held = self._table_and_rows(name)
        try:
            rows = table.rows_after(held, plans[name] or b"")
            rows = [row for row in rows if self._fits(table, row, grpc.StatusCode.FAILED_PRECONDITION)]
        except LastPkError as error:
            raise StreamStatusError(grpc.StatusCode.UNKNOWN, str(error)) from error
        snapshot = self._executed
        fields = table.fields(self._database.database_name)
        chosen = self._chosen(name, fields, grpc.StatusCode.FAILED_PRECONDITION)
        field = self._events.field(table, 0, [fields[number] for number in chosen], strings=True)
        messages: list[Message] = [[self._events.plain(binlogdata_pb2.BEGIN, 0), field]]
        if snapshot != position:
            messages.append([Position(snapshot.position)])
        for start in range(0, len(rows), self._batch_rows):
            batch = rows[start : start + self._batch_rows]
            plans[name] = table.lastpk(batch[-1])
            copied: Message = [self._copied_row(table, row, chosen) for row in batch]
            copied += [LastPk(name, plans[name]), self._events.plain(binlogdata_pb2.COMMIT, 0)]
            yield Group([*messages, copied])
            messages = [[self._events.plain(binlogdata_pb2.BEGIN, 0)]]
        done: Message = [self._events.plain(binlogdata_pb2.BEGIN, 0), LastPk(name, None)]
        done.append(self._events.plain(binlogdata_pb2.COMMIT, 0))
        # After rows the last BEGIN was not sent; an empty table's first one was, and is never closed.
        yield Group([done] if rows else [*messages, done])
        return snapshot

    def _table_and_rows(self, name: str) -> tuple[Table, Collection[Row]]:
        """Returns a table as the tablet's schema engine knows it, and the rows that it so reads from MySQL.

        Columns and primary key are the schema engine's (go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go,
        buildPlan), while the rows are what MySQL has: a column that the engine does not know is left out.

        Raises:
            StreamStatusError: MySQL does not have the table or a column that the engine knows.
        """
        known, there = self._tablet.table(name), self._tablet.data.tables.get(name)
        if known is None or there is None:
            text = f"Table '{self._database.database_name}.{name}' doesn't exist (errno 1146) (sqlstate 42S02)"
            raise StreamStatusError(grpc.StatusCode.UNKNOWN, text)
        rows = self._tablet.data.rows[name].values()
        if known is there:
            return there, rows
        names = list(there.columns)
        for column in known.columns:
            if column not in names:
                text = f"Unknown column '{column}' in 'field list' (errno 1054) (sqlstate 42S22)"
                raise StreamStatusError(grpc.StatusCode.UNKNOWN, text)
        chosen = [names.index(column) for column in known.columns]
        # The values are read by name, and are of the types that MySQL has now.
        seen = replace(known, columns={column: there.columns[column] for column in known.columns})
        return seen, [tuple(row[index] for index in chosen) for row in rows]

    def _copied_row(self, table: Table, row: Row, chosen: Sequence[int]) -> binlogdata_pb2.VEvent:
        change = binlogdata_pb2.RowChange(after=_cut(table.copied(row), chosen))
        return self._events.rows(table.name, [change], timestamp=0, flags=0)

    def _chosen(self, table: str, fields: Sequence[query_pb2.Field], code: grpc.StatusCode) -> list[int]:
        """Returns the numbers of the columns that the filter asks for, in its order (planbuilder.go, findColumn).

        Raises:
            StreamStatusError: One of them is not there.
        """
        rule = self.rule_for(table)
        match = _QUERY.fullmatch(rule.filter) if rule is not None else None
        if match is None or match[1] == "*":
            return list(range(len(fields)))
        names = [field.name.lower() for field in fields]
        chosen = []
        for wanted in re.findall(_NAME, match[1]):
            name = wanted[1:-1].replace("``", "`") if wanted.startswith("`") else wanted
            if name.lower() not in names:
                raise StreamStatusError(code, f"column {name} not found in table {table}")
            chosen.append(names.index(name.lower()))
        return chosen

    def _where(self, table: str) -> Where | None:
        rule = self.rule_for(table)
        match = _QUERY.fullmatch(rule.filter) if rule is not None else None
        return Where(match[2]) if match is not None and match[2] else None

    def _fits(self, table: Table, row: Row, code: grpc.StatusCode) -> bool:
        """Returns whether a row is sent.

        Raises:
            StreamStatusError: The condition names a column that is not there.
        """
        where = self._where(table.name)
        try:
            return where is None or where.fits([*table.columns], row)
        except UnknownColumnError as error:
            raise StreamStatusError(code, f"column {error} not found in table {table.name}") from error

    def _images(self, table: Table, before: Row | None, after: Row | None) -> tuple[Row | None, Row | None]:
        """Returns what is sent of a change (vstreamer.go, processRowEvent)."""
        fits = [row is not None and self._fits(table, row, grpc.StatusCode.UNKNOWN) for row in (before, after)]
        if any(fits) and (where := self._where(table.name)) is not None and not where.is_by_image:
            return before, after
        return before if fits[0] else None, after if fits[1] else None

    def rule_for(self, table: str) -> binlogdata_pb2.Rule | None:
        """Returns the first rule that matches a table."""
        if table not in self._rule_of:
            self._rule_of[table] = self._find_rule(table)
        return self._rule_of[table]

    def _find_rule(self, table: str) -> binlogdata_pb2.Rule | None:
        for rule in self._rules:
            if rule.match.startswith("/"):
                if re.search(rule.match.strip("/"), table):
                    return rule
            elif rule.match == table:
                return rule
        return None

    def transaction(self, transaction: Transaction, position: Gtids, changes: _Changes) -> Group:
        """Returns a transaction of the binlog as it is sent."""
        first = transaction.written[0] if transaction.written else None
        timestamp = transaction.timestamp
        place = Position(position.position)
        if isinstance(first, DdlWritten):
            end = self._events.plain(binlogdata_pb2.OTHER, timestamp)
            if any(self.rule_for(name) is not None for name in first.tables):
                end = self._events.plain(binlogdata_pb2.DDL, timestamp)
                end.statement = first.statement
            if len(transaction.written) == 1:
                return Group([[place, end]])
            # CREATE TABLE … AS SELECT is a transaction that has the statement first: the DDL ends it for VTGate, and
            # the rows come after it, between no BEGIN and a COMMIT (seen with v24.0.0).
            rows = [
                event
                for part in transaction.written[1:]
                if isinstance(part, RowsWritten)
                for event in self._written_rows(part, timestamp, changes)
            ]
            changes.pending.append(Group([[*rows, place, self._events.plain(binlogdata_pb2.COMMIT, timestamp)]]))
            return Group([[self._events.plain(binlogdata_pb2.BEGIN, timestamp), place, end]])
        begin = self._events.plain(binlogdata_pb2.BEGIN, timestamp)
        commit = self._events.plain(binlogdata_pb2.COMMIT, timestamp)
        if isinstance(first, VersionWritten):
            # A VERSION event is sent at once, whatever it is in the middle of.
            return Group([[begin, self._events.plain(binlogdata_pb2.VERSION, timestamp)], [place, commit]])
        if isinstance(first, JournalWritten) and changes.is_mixed_up:
            return Group([[begin, place, commit]])
        if isinstance(first, JournalWritten):
            return Group([[begin, self._events.journal(first, timestamp), place, commit]], first)
        message: Message = [begin]
        for written in transaction.written:
            assert isinstance(written, RowsWritten)
            message += self._written_rows(written, timestamp, changes)
        if any(isinstance(part, RowsWritten) and not part.table.has_transactions for part in transaction.written):
            # It ends in a statement COMMIT, for which no position is sent (vstreamer.go, parseEvent, StmtCommit).
            return Group([[*message, commit]])
        return Group([[*message, place, commit]])

    def _written_rows(self, written: RowsWritten, timestamp: int, changes: _Changes) -> list[binlogdata_pb2.VEvent]:
        table = written.table
        rule = self.rule_for(table.name)
        if not written.changes or rule is None or is_internal_table(table.name) or changes.leaves_out(table.name):
            return []
        if not rule.match.startswith("/") and not rule.filter:
            text = f"Query was empty: failed to build table replication plan for table {table.name}"
            raise StreamStatusError(grpc.StatusCode.UNKNOWN, text)
        events = []
        if changes.announces(table):
            fields = self._fields_now(table)
            changes.chosen[table.name] = self._chosen(table.name, fields, grpc.StatusCode.UNKNOWN)
            sent = [fields[number] for number in changes.chosen[table.name]]
            events.append(self._events.field(table, timestamp, sent, strings=table.has_enum_or_set))
        chosen = changes.chosen[table.name]
        row_changes = [
            binlogdata_pb2.RowChange(
                before=None if before is None else _cut(table.changed(before), chosen),
                after=None if after is None else _cut(table.changed(after), chosen),
            )
            for before, after in (self._images(table, *images) for images in written.changes)
            if before is not None or after is not None
        ]
        size = self._rows_per_event or max(len(row_changes), 1)
        for start in range(0, len(row_changes), size):
            part = row_changes[start : start + size]
            flags = _END_OF_STATEMENT if start + size >= len(row_changes) else 0
            events.append(self._events.rows(table.name, part, timestamp=timestamp, flags=flags))
        return events

    def _fields_now(self, then: Table) -> list[query_pb2.Field]:
        """Returns the columns that a row of a former time is sent with (vstreamer.go, buildTableColumns)."""
        database = self._database.database_name
        if self._database.track_schema_versions:
            return self._database.tracked_fields(then)
        now = self._tablet.data.tables.get(then.name)
        if now is None:
            raise StreamStatusError(grpc.StatusCode.UNKNOWN, f"unknown table {then.name} in schema")
        old, new = then.fields(database), now.fields(database)
        if len(new) < len(old):
            text = f"cannot determine table columns for {then.name}: event has {len(old)}, schema has {len(new)}"
            raise StreamStatusError(grpc.StatusCode.UNKNOWN, text)
        if not all(_compatible(a.type, b.type) for a, b in zip(old, new, strict=False)):
            return [
                query_pb2.Field(name=f"@{number}", type=field.type, charset=field.charset, flags=field.flags)
                for number, field in enumerate(old, 1)
            ]
        return new[: len(old)]

    @property
    def log(self) -> list[Transaction]:
        """The tablet's binlog."""
        return self._tablet.data.log

    def place_of(self, index: int) -> tuple[int, int]:
        """Returns where a transaction of the log is; see `Storage.place_of`."""
        return self._tablet.data.place_of(index)

    @property
    def _executed(self) -> Gtids:
        return self._tablet.data.executed


def _number(group: Group, transaction: Transaction, number: int) -> None:
    """Gives a transaction's events what Vitess gives them from v23 on (vstreamer.go, parseEvent)."""
    for message in group.messages:
        for event in message:
            if isinstance(event, binlogdata_pb2.VEvent):
                event.sequence_number = number
                event.event_gtid = f"{transaction.uuid}:{transaction.number}"


class _Changes:
    """Reads the binlog from a position; while tables are still to be copied (`plans`), without those not begun."""

    def __init__(self, stream: TabletStream, position: Gtids, plans: Mapping[str, bytes | None]) -> None:
        self.position = position
        self._stream = stream
        self._plans = plans
        self._index = 0
        self._announced: set[tuple[str, int]] = set()
        #: By table, the numbers of the columns that are sent since they were announced.
        self.chosen: dict[str, list[int]] = {}
        #: What comes next, before another transaction.
        self.pending: list[Group] = []
        self._starts: int | None = None
        #: Whether MySQL was started again since the first transaction of tables was read: these have other numbers
        #: since. VTTablet leaves out those whose number was that of a table of no concern (vstreamer.go, parseEvent),
        #: and here all of them.
        self.is_mixed_up = False

    def next(self) -> Group | None:
        """Returns the next transaction, None at the end of the binlog."""
        if self.pending:
            return self.pending.pop(0)
        while self._index < len(self._stream.log):
            transaction = self._stream.log[self._index]
            self._index += 1
            if not self.position.contains(transaction.uuid, transaction.number):
                self.position = self.position.with_gtid(transaction.uuid, transaction.number)
                starts, number = self._stream.place_of(self._index - 1)
                self.is_mixed_up = self._starts is not None and starts > self._starts
                if transaction.written and self._starts is None:
                    self._starts = starts
                group = self._stream.transaction(transaction, self.position, self)
                for one in (group, *self.pending):
                    _number(one, transaction, number)
                return group
        return None

    def leaves_out(self, table: str) -> bool:
        """Tells whether a table's events are not sent yet, or lost."""
        return self.is_mixed_up or (table in self._plans and self._plans[table] is None)

    def announces(self, table: Table) -> bool:
        """Tells, once for each definition of a table, that its columns are to be sent."""
        known = (table.name, table.table_id) in self._announced
        self._announced.add((table.name, table.table_id))
        return not known


def _cut(row: query_pb2.Row, chosen: Sequence[int]) -> query_pb2.Row:
    values = values_of(row)
    return row_of([values[number] for number in chosen])


def no_tablet(shard: Shard, tablet_type: str) -> StreamStatusError:
    """Returns VTGate's error, after 90 seconds, when no tablet can serve: there is none, or all lack the position."""
    text = (
        f"failed to find a {tablet_type} tablet for VStream in {shard.keyspace}/{shard.name} "
        "within the zone1 cell(s): context has expired"
    )
    return StreamStatusError(grpc.StatusCode.CANCELLED, text)


def _compatible(binlog: int, schema: int) -> bool:
    """go/sqltypes/type.go, AreTypesCompatible."""
    return binlog == schema or any(binlog & bit and schema & bit for bit in (_QUOTED, _INTEGRAL))
