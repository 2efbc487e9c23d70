"""From VTGate's events to ours: which transaction, which table, which columns.

- A position is passed on only with the event that ends its transaction (COMMIT, DDL, OTHER), because it precedes it.
- Columns are kept per shard and table, and replaced whenever they are told again.
- BEGIN and COMMIT are not counted against each other: an empty table's copy begins twice and ends once.
- Event types that are not listed here are ignored, as the protocol asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from source_vitess.errors import ConfigError, InternalError, StreamError
from source_vitess.proto import binlogdata_pb2, query_pb2, vtgate_pb2
from source_vitess.schema import Table
from source_vitess.types.codec import Altered, Codec
from source_vitess.vstream.events import (
    Committed,
    CopyCompleted,
    Ddl,
    Event,
    FieldChange,
    Fields,
    Heartbeat,
    Rows,
    StreamPosition,
    TableFailed,
)
from source_vitess.vstream.rows import DecodedColumn, MisfitError, RowDecoder

_STATEMENTS = frozenset({binlogdata_pb2.INSERT, binlogdata_pb2.REPLACE, binlogdata_pb2.UPDATE, binlogdata_pb2.DELETE})
_TERMINATORS = frozenset({binlogdata_pb2.COMMIT, binlogdata_pb2.DDL, binlogdata_pb2.OTHER})

#: From a FIELD event's column, and whether ENUM and SET come as text, to the column's codec.
CodecOf = Callable[[query_pb2.Field, bool], Codec]


@dataclass(frozen=True)
class StreamedTable:
    """A table as a stream reads it.

    Attributes:
        table: As discovered.
        selected: The columns to emit, with the JSON schema that their values must have.
    """

    table: Table
    selected: Mapping[str, Mapping[str, object]]


class EventReader:
    """Turns the responses of one VStream call into events.

    Args:
        tables: The tables of the request, by name.
        codec_of: Gives a column's codec.
    """

    def __init__(self, tables: Mapping[str, StreamedTable], codec_of: CodecOf) -> None:
        self._tables = tables
        self._codec_of = codec_of
        self._decoders: dict[tuple[str, str], RowDecoder] = {}
        self._failed: set[str] = set()

    def read(self, responses: Iterable[vtgate_pb2.VStreamResponse]) -> Iterator[Event]:
        """Yields the events of the responses.

        Raises:
            ConfigError: The server's binlog is statement-based.
            InternalError: The server breaks the protocol.
            VitessSourceError: Whatever `responses` raises.
        """
        position: StreamPosition | None = None
        for response in responses:
            for event in response.events:
                kind = event.type
                if kind == binlogdata_pb2.ROW:
                    rows = self._rows(event.row_event, event.timestamp)
                    if rows is not None:
                        yield rows
                elif kind == binlogdata_pb2.VGTID:
                    position = StreamPosition(event.vgtid)
                elif kind in _TERMINATORS:
                    if kind == binlogdata_pb2.DDL:
                        yield Ddl(event.shard, event.statement)
                    if position is not None:
                        yield Committed(event.shard, position, event.timestamp)
                        position = None
                elif kind == binlogdata_pb2.FIELD:
                    fields = self._fields(event.field_event, copying=event.timestamp == 0)
                    if fields is not None:
                        yield fields
                elif kind == binlogdata_pb2.HEARTBEAT:
                    yield Heartbeat(event.throttled_reason if event.throttled else "")
                elif kind == binlogdata_pb2.COPY_COMPLETED:
                    if position is not None:
                        yield Committed(event.shard, position, event.timestamp)
                        position = None
                    yield CopyCompleted(event.shard)
                elif kind in _STATEMENTS:
                    raise ConfigError(
                        f"Shard {event.shard!r} writes a statement-based binlog, in which rows do not appear. "
                        "Set binlog_format=ROW on its MySQL servers."
                    )

    def _fields(self, event: binlogdata_pb2.FieldEvent, *, copying: bool) -> Event | None:
        name = _table_name(event.table_name, event.keyspace)
        streamed = self._tables.get(name)
        if streamed is None or event.is_internal_table or name in self._failed:
            return None
        try:
            self._decoders[event.shard, name] = self._decoder(streamed, event, copying=copying)
        except StreamError as error:
            self._failed.add(name)
            return TableFailed(name, error)
        return Fields(event.shard, name)

    def _decoder(
        self, streamed: StreamedTable, event: binlogdata_pb2.FieldEvent, *, copying: bool
    ) -> RowDecoder:
        table = streamed.table
        # A copy sends labels from every version; the change stream does since v20, and says so.
        labels = copying or event.enum_set_string_values
        columns = []
        for field in event.fields:
            if field.name.startswith("@"):
                raise StreamError(
                    table.name,
                    f"VTGate cannot name the columns of table {table.name!r} in shard {event.shard!r} as they were "
                    "when the change was made. Start the vttablets with --track-schema-versions and refresh this "
                    "stream.",
                )
            expected = streamed.selected.get(field.name)
            codec = None
            if expected is not None:
                codec = self._codec_of(field, labels)
                if codec.json_schema != expected:
                    raise StreamError(
                        table.name,
                        f"Column {field.name!r} of table {table.name!r} is {field.column_type!r} in shard "
                        f"{event.shard!r} now, which is another type than the one discovered. Refresh the source's "
                        "schema, then refresh this stream.",
                    )
            columns.append(DecodedColumn(field.name, codec, field.name in table.key))
        return RowDecoder(columns)

    def _rows(self, event: binlogdata_pb2.RowEvent, timestamp: int) -> Event | None:
        name = _table_name(event.table_name, event.keyspace)
        decoder = self._decoders.get((event.shard, name))
        if decoder is None:
            if name not in self._tables or event.is_internal_table or name in self._failed:
                return None
            raise InternalError(f"VTGate sent rows of table {name!r} in shard {event.shard!r} without its columns.")
        if name in self._failed:
            return None
        batch = _Batch(decoder)
        try:
            for change in event.row_changes:
                batch.add(change)
        except MisfitError as misfit:
            self._failed.add(name)
            error = StreamError(
                name,
                f"A change of table {name!r} in shard {event.shard!r} does not fit the table's columns ({misfit}). "
                "Start the vttablets with --track-schema-versions and refresh this stream.",
            )
            return TableFailed(name, error)
        except _PartialImageError as partial:
            self._failed.add(name)
            error = StreamError(
                name,
                f"A change of table {name!r} in shard {event.shard!r} holds only a part of the row ({partial}). Set "
                "binlog_row_image=FULL and binlog_row_value_options='' on the shard's MySQL servers, for sessions "
                "too, and refresh this stream.",
            )
            return TableFailed(name, error)
        return Rows(event.shard, name, timestamp, batch.members, frozenset(batch.deleted), batch.altered)


class _PartialImageError(Exception):
    """A row image lacks the value of a column that is selected."""


class _Batch:
    """Collects the rows of one ROW event."""

    def __init__(self, decoder: RowDecoder) -> None:
        self.members: list[bytes] = []
        self.deleted: list[int] = []
        self.altered: dict[int, tuple[FieldChange, ...]] = {}
        self._decoder = decoder
        self._has_key = any(column.key for column in decoder.columns)

    def add(self, change: binlogdata_pb2.RowChange) -> None:
        if not change.HasField("before"):
            self._check_complete(change)
            self._append(change.after)
        elif not change.HasField("after"):
            self._append_deleted(change.before)
        else:
            self._check_complete(change)
            if self._moved(change.before, change.after):
                self._append_deleted(change.before)
            self._append(change.after)

    def _moved(self, before: query_pb2.Row, after: query_pb2.Row) -> bool:
        """Tells whether the row of `before` does not exist any more under the same key."""
        if not self._has_key:
            return True
        key = self._decoder.key
        return key(before.lengths, before.values) != key(after.lengths, after.values)

    def _append_deleted(self, row: query_pb2.Row) -> None:
        self.deleted.append(len(self.members))
        self._append(row)

    def _append(self, row: query_pb2.Row) -> None:
        try:
            self.members.append(self._decoder.decode(row.lengths, row.values))
        except Altered:
            members, changes = self._decoder.decode_altered(row.lengths, row.values)
            self.altered[len(self.members)] = changes
            self.members.append(members)

    def _check_complete(self, change: binlogdata_pb2.RowChange) -> None:
        """Refuses a row image that leaves out a selected column: it must not become a null.

        `data_columns` has a bit for each column of the table, `json_partial_values` one for each JSON column.
        """
        if change.HasField("data_columns"):
            present = _bits(change.data_columns)
            for column, given in zip(self._decoder.columns, present, strict=False):
                if column.codec and not given:
                    raise _PartialImageError(f"column {column.name!r} is missing, as with binlog_row_image=NOBLOB")
        if change.HasField("json_partial_values") and any(_bits(change.json_partial_values)):
            raise _PartialImageError("a JSON column holds a partial update, as with PARTIAL_JSON")


def _bits(bitmap: binlogdata_pb2.RowChange.Bitmap) -> Sequence[bool]:
    cols = bitmap.cols
    return [bool(cols[i >> 3] >> (i & 7) & 1) if i >> 3 < len(cols) else False for i in range(bitmap.count)]


def _table_name(name: str, keyspace: str) -> str:
    """Returns the table's own name: VTGate puts `<keyspace>.` before it unless it was asked not to, and knows how."""
    return name.removeprefix(keyspace + ".") if keyspace else name
