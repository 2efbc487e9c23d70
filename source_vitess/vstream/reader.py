"""From VTGate's events to ours: which transaction, which table, which columns.

- A position is passed on only with the event that ends its transaction (COMMIT, DDL, OTHER), because it precedes it;
  in a copy also before the first rows that are of it.
- Columns are kept per shard and table, and replaced whenever they are told again.
- BEGIN and COMMIT are not counted against each other: an empty table's copy begins twice and ends once.
- Rows of consecutive events are passed on together, never beyond the response that they came in.
- Event types that are not listed here are ignored, as the protocol asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from source_vitess.ddl.parser import opens_transaction
from source_vitess.errors import (
    ConfigError,
    InternalError,
    MisfitError,
    PartialImageError,
    SchemaMismatchError,
    StreamError,
)
from source_vitess.proto import binlogdata_pb2, query_pb2, raw_pb2
from source_vitess.rows.batch import RowBatch
from source_vitess.rows.columns import DecodedColumn
from source_vitess.rows.decoder import RowDecoder
from source_vitess.schema import StreamedTable
from source_vitess.types.codec import Codec
from source_vitess.vstream.events import (
    Committed,
    CopyCompleted,
    Ddl,
    Event,
    Fields,
    Heartbeat,
    KeyColumn,
    Snapshot,
    StreamPosition,
    TableFailed,
    Unpositioned,
    parse_event,
)

_STATEMENTS = frozenset({binlogdata_pb2.INSERT, binlogdata_pb2.REPLACE, binlogdata_pb2.UPDATE, binlogdata_pb2.DELETE})
# MySQL's NOT_NULL_FLAG in query.Field.flags, and the types that binlog_row_image=NOBLOB leaves out (not JSON, not
# GEOMETRY: seen with 9.7).
_NOT_NULL = 1
_BLOBS = frozenset({query_pb2.TEXT, query_pb2.BLOB})
_TERMINATORS = frozenset({binlogdata_pb2.COMMIT, binlogdata_pb2.DDL, binlogdata_pb2.OTHER})

#: How an event of these types begins: with the field that holds its type. They need not be parsed for what they say.
_BEGIN, _VGTID = bytes([1 << 3, binlogdata_pb2.BEGIN]), bytes([1 << 3, binlogdata_pb2.VGTID])

#: Characters of a position that an error shows; one of many servers is much longer.
_SHOWN = 200

#: From a FIELD event's column, whether ENUM and SET come as text, and the character set discovered, to the codec.
CodecOf = Callable[[query_pb2.Field, bool, "str | None"], Codec]


class EventReader:
    """Turns the responses of one VStream call into events.

    Args:
        tables: The tables of the request, by name.
        codec_of: Gives a column's codec.
        row_images: By shard, MySQL's `binlog_row_image`, where that is known: FULL, NOBLOB or MINIMAL.
    """

    def __init__(
        self,
        tables: Mapping[str, StreamedTable],
        codec_of: CodecOf,
        row_images: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._tables = tables
        self._codec_of = codec_of
        self._row_images = row_images
        self._decoders: dict[tuple[str, str], RowDecoder] = {}
        self._failed: set[str] = set()
        self._last_position: StreamPosition | None = None

    def read(self, responses: Iterable[raw_pb2.VStreamResponse]) -> Iterator[Event]:
        """Yields the events of the responses.

        Raises:
            ConfigError: The server's binlog is statement-based.
            InternalError: The server breaks the protocol.
            ConnectorError: Whatever `responses` raises.
        """
        position: StreamPosition | None = None
        for response in responses:
            batch: RowBatch | None = None
            raw_name = ""
            events = list(response.events)
            index = 0
            while index < len(events):
                raw = events[index]
                index += 1
                start = raw[:2]
                if start == _BEGIN:
                    continue
                if start == _VGTID:
                    if batch is not None:
                        yield batch.to_rows()
                        batch = None
                    position = self._last_position = StreamPosition(raw)
                    continue
                event = parse_event(raw)
                kind = event.type
                if kind == binlogdata_pb2.ROW:
                    row_event = event.row_event
                    if (
                        batch is None
                        or row_event.table_name != raw_name
                        or row_event.shard != batch.shard
                        or event.timestamp != batch.timestamp
                    ):
                        if batch is not None:
                            yield batch.to_rows()
                        raw_name = row_event.table_name
                        batch = self._batch(row_event, event.timestamp)
                        if batch is None:
                            continue
                        if position is not None and not event.timestamp:
                            # Before the first rows of a copy, and again where a tablet starts over.
                            yield Snapshot(batch.shard, position)
                            position = None
                    try:
                        index = batch.add(events, index - 1, row_event.row_changes)
                    except (MisfitError, PartialImageError) as error:
                        yield self._unreadable(batch, error)
                        batch = None
                    continue
                if batch is not None:
                    yield batch.to_rows()
                    batch = None
                if kind == binlogdata_pb2.VGTID:
                    position = self._last_position = StreamPosition(raw)
                elif kind in _TERMINATORS:
                    if kind == binlogdata_pb2.DDL:
                        yield Ddl(event.shard, event.statement)
                        if opens_transaction(event.statement):
                            continue  # its rows follow, and the position contains them already
                    if position is not None:
                        yield Committed(event.shard, position, event.timestamp)
                        position = None
                    elif kind == binlogdata_pb2.COMMIT and event.timestamp:
                        yield Unpositioned(event.shard)
                elif kind == binlogdata_pb2.FIELD:
                    fields = self._fields(event.field_event, copying=event.timestamp == 0)
                    if fields is not None:
                        yield fields
                elif kind == binlogdata_pb2.HEARTBEAT:
                    yield Heartbeat()
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
            if batch is not None:
                yield batch.to_rows()

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
        # VTTablet knows the types of present columns only (vstreamer.go, getExtColInfos).
        exist = all(field.column_type for field in event.fields)
        return Fields(
            event.shard,
            name,
            tuple(field.name for field in event.fields),
            exist,
            tuple(KeyColumn(field.name, field.type, field.charset) for field in event.fields) if copying else (),
            tuple(field.column_type for field in event.fields) if copying else (),
            copying,
        )

    def _decoder(self, streamed: StreamedTable, event: binlogdata_pb2.FieldEvent, *, copying: bool) -> RowDecoder:
        table = streamed.table
        # A copy sends labels from every version; the change stream does since v20, and says so.
        labels = copying or event.enum_set_string_values
        columns = []
        for field in event.fields:
            if field.name.startswith("@"):
                raise SchemaMismatchError(
                    table.name,
                    f"VTGate cannot name the columns of table {table.name!r} in shard {event.shard!r} as they were "
                    f"when the change was made{self._after(event.shard)}. Start the vttablets with "
                    "--track-schema-versions and refresh this stream.",
                )
            expected = streamed.selected.get(field.name)
            codec = None
            if expected is not None:
                codec = self._codec_of(field, labels, table.columns_by_name[field.name].charset)
                if codec.json_schema != expected:
                    raise StreamError(
                        table.name,
                        f"Column {field.name!r} of table {table.name!r} is {field.column_type!r} in shard "
                        f"{event.shard!r} now, which is another type than the one discovered. Refresh the source's "
                        "schema, then refresh this stream.",
                    )
            # MySQL leaves nothing out of the before images of a table without a key.
            given = bool(table.key) and _always_given(
                field, selected=codec is not None, row_image=self._row_images.get(event.shard, "FULL")
            )
            columns.append(DecodedColumn(field.name, codec, field.name in table.key, given))
        return RowDecoder(columns)

    def _batch(self, event: binlogdata_pb2.RowEvent, timestamp: int) -> RowBatch | None:
        """Returns a batch for the rows of an event, None if its table is not read."""
        name = _table_name(event.table_name, event.keyspace)
        if name not in self._tables or event.is_internal_table or name in self._failed:
            return None
        decoder = self._decoders.get((event.shard, name))
        if decoder is None:
            raise InternalError(f"VTGate sent rows of table {name!r} in shard {event.shard!r} without its columns.")
        return RowBatch(event.shard, name, timestamp, decoder, event.table_name)

    def _after(self, shard: str) -> str:
        """Says where in a shard's binary log the stream is, as far as it told."""
        gtid = self._last_position.gtid(shard) if self._last_position else None
        if not gtid or "/" not in gtid:  # `current` is no position
            return ""
        return f" (after position {gtid if len(gtid) <= _SHOWN else gtid[:_SHOWN] + '…'})"

    def _unreadable(self, batch: RowBatch, error: MisfitError | PartialImageError) -> TableFailed:
        """Gives a table up for the rest of the stream."""
        self._failed.add(batch.table)
        where = f"A change of table {batch.table!r} in shard {batch.shard!r}{self._after(batch.shard)}"
        kind = StreamError
        if isinstance(error, MisfitError):
            kind = SchemaMismatchError
            message = (
                f"{where} does not fit the table's columns ({error}). Start the vttablets with "
                "--track-schema-versions and refresh this stream."
            )
        else:
            message = (
                f"{where} holds only a part of the row ({error}). Set binlog_row_image=FULL and "
                "binlog_row_value_options='' on the shard's MySQL servers, for sessions too, and refresh this stream."
            )
        return TableFailed(batch.table, kind(batch.table, message))


def _always_given(field: query_pb2.Field, *, selected: bool, row_image: str) -> bool:
    """Tells whether a NULL of a column in a before image means that the value was left out.

    So it is for a column that is NOT NULL, and for those that the server's setting leaves out, since nothing tells
    them from true NULLs. A blob may be missing if it is not selected; another column that is missing means that more
    are.
    """
    if field.type in _BLOBS:
        return selected and (row_image != "FULL" or bool(field.flags & _NOT_NULL))
    return row_image == "MINIMAL" or bool(field.flags & _NOT_NULL)


def _table_name(name: str, keyspace: str) -> str:
    """Returns the table's own name: VTGate puts `<keyspace>.` before it unless it was asked not to, and knows how."""
    return name.removeprefix(keyspace + ".") if keyspace else name
