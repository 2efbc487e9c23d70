"""From VTGate's events to ours: which transaction, which table, which columns.

- A position is passed on only with the event that ends its transaction (COMMIT, DDL, OTHER), because it precedes it;
  in a copy also before the first rows that are of it.
- Columns are kept per shard and table, and replaced whenever they are announced again.
- BEGIN and COMMIT are not counted against each other: an empty table's copy begins twice and ends once.
- Rows of consecutive events are passed on together, never beyond the response that they came in.
- Event types that are not listed here are ignored, as the protocol asks.
- A response that is a transaction of one table and holds nothing odd, as most are, is not looked at event by event if
  there is a compiled decoder. It comes to the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from source_vitess.ddl.parser import opens_transaction
from source_vitess.errors import (
    ConfigError,
    InternalError,
    MisfitError,
    PartialImageError,
    SchemaMismatchError,
    StreamError,
    TransientError,
)
from source_vitess.proto import binlogdata_pb2, query_pb2
from source_vitess.rows import compiled
from source_vitess.rows.batch import RowBatch
from source_vitess.rows.columns import DecodedColumn, Rows
from source_vitess.rows.decoder import RowDecoder
from source_vitess.schema import StreamedTable
from source_vitess.types.codec import Codec
from source_vitess.vstream.binlog_files import Beginning, BinlogFiles
from source_vitess.vstream.events import (
    Begun,
    Committed,
    CopyCompleted,
    Ddl,
    Event,
    Fields,
    Heartbeat,
    KeyColumn,
    ShardEnded,
    Snapshot,
    TableFailed,
    Unpositioned,
)
from source_vitess.vstream.response import Response
from source_vitess.vstream.stream_position import PlacedPosition, ShardPlaces, StreamPosition, parse_event

_STATEMENTS = frozenset({binlogdata_pb2.INSERT, binlogdata_pb2.REPLACE, binlogdata_pb2.UPDATE, binlogdata_pb2.DELETE})
# MySQL's NOT_NULL_FLAG in query.Field.flags, and the types that binlog_row_image=NOBLOB leaves out (not JSON, not
# GEOMETRY: seen with 9.7).
_NOT_NULL = 1
_BLOBS = frozenset({query_pb2.TEXT, query_pb2.BLOB})
#: What VTTablet calls the columns of a change whose names it does not know (vstreamer.go, buildTableColumns).
_NUMBERED = re.compile("@[0-9]+")
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
        places: Of a stream of changes of many shards: where each one's position is in those of all.
        tell_bounds: Whether `Begun` and `ShardEnded` are told.
    """

    def __init__(
        self,
        tables: Mapping[str, StreamedTable],
        codec_of: CodecOf,
        row_images: Mapping[str, str] = MappingProxyType({}),
        places: ShardPlaces | None = None,
        *,
        tell_bounds: bool = False,
    ) -> None:
        self._tell_bounds = tell_bounds
        self._tables = tables
        self._codec_of = codec_of
        self._row_images = row_images
        self._decoders: dict[tuple[str, str], RowDecoder] = {}
        self._failed: set[str] = set()
        self._files = BinlogFiles()
        self._outline = compiled.outliner()
        #: By shard and name as VTGate writes it: the name, and the decoder, of tables that rows were read of with it.
        self._ready: dict[tuple[str, str], tuple[str, RowDecoder]] = {}
        self._places = places
        #: Of a transaction whose end is still to come.
        self._position: StreamPosition | None = None
        self._last_position: StreamPosition | None = None
        #: The rows that are collected, all of one response, and their table's name as VTGate writes it.
        self._batch: RowBatch | None = None
        self._raw_name = ""

    def read(self, responses: Iterable[Response]) -> Iterator[Event]:
        """Yields the events of the responses.

        Raises:
            ConfigError: The server's binlog is statement-based.
            InternalError: The server breaks the protocol.
            TransientError: A column that is read has gone since the sync began.
            ConnectorError: Whatever `responses` raises.
        """
        for response in responses:
            if ordinary := self._ordinary_transaction(response.raw):
                yield from ordinary
                continue
            events = list(response.events)
            index = 0
            while index < len(events):
                raw = events[index]
                start = raw[:2]
                if start == _BEGIN:
                    index += 1
                    if self._tell_bounds:
                        if self._batch is not None:
                            yield self._end_batch(self._batch)
                        ended, self._position = self._position, None
                        yield Begun(ended)
                    if (left := self._files.left_before(parse_event(raw))) is not None:
                        if self._batch is not None:
                            yield self._end_batch(self._batch)
                        yield left
                    continue
                event = None if start == _VGTID else parse_event(raw)
                if event is None or event.type != binlogdata_pb2.ROW:
                    if self._batch is not None:
                        yield self._end_batch(self._batch)
                    if event is None or event.type == binlogdata_pb2.VGTID:
                        self._position = self._last_position = self._position_of(raw)
                    else:
                        yield from self._without_rows(event)
                    index += 1
                    continue
                if self._batch is None:
                    yield from self._begin_batch(event)
                elif not self._is_continued_by(self._batch, event):
                    yield self._end_batch(self._batch)
                    yield from self._begin_batch(event)
                if self._batch is None:
                    index += 1
                    continue
                try:
                    index = self._batch.add(events, index, event.row_event.row_changes)
                except (MisfitError, PartialImageError) as error:
                    yield self._give_up(self._batch, error)
                    self._batch = None
                    index += 1
            if self._batch is not None:
                yield self._end_batch(self._batch)

    def _ordinary_transaction(self, response: bytes) -> Sequence[Event]:
        """Returns what a response comes to that is a transaction of ordinary rows of one table; nothing for others."""
        outline = self._outline(response)
        if outline is None or self._tell_bounds:
            return ()
        shard, number, gtid, timestamp, current_time, raw_name, start, end, vgtid, vgtid_end = outline
        ready = self._ready.get((shard, raw_name))
        if ready is None or not timestamp:
            return ()
        name, decoder = ready
        batch = RowBatch(shard, name, timestamp, decoder, raw_name)
        if not batch.add_ordinary(response, start, end):
            return ()
        self._position, position = None, self._position_within(response, vgtid, vgtid_end)
        self._last_position = position
        made = batch.to_rows(), Committed(shard, position, timestamp)
        if not number:
            return made
        left = self._files.left_before(Beginning(shard, number, gtid, timestamp, current_time))
        return made if left is None else (left, *made)

    def _position_of(self, event: bytes) -> StreamPosition:
        return StreamPosition(event) if self._places is None else PlacedPosition(event, self._places)

    def _position_within(self, response: bytes, start: int, end: int) -> StreamPosition:
        if self._places is None or 2 * (end - start) < len(response):
            # What is kept is the position alone, and not the rows beside it.
            return self._position_of(response[start:end])
        return PlacedPosition(response, self._places, start, end)

    def _is_continued_by(self, batch: RowBatch, event: binlogdata_pb2.VEvent) -> bool:
        """Tells whether the rows of an event belong to the batch that is collected."""
        row_event = event.row_event
        return (
            row_event.table_name == self._raw_name
            and row_event.shard == batch.shard
            and event.timestamp == batch.timestamp
        )

    def _begin_batch(self, event: binlogdata_pb2.VEvent) -> Sequence[Event]:
        """Collects rows from this event on, if its table is read; returns what comes before them."""
        row_event = event.row_event
        self._raw_name = row_event.table_name
        self._batch = self._batch_for(row_event, event.timestamp)
        if self._batch is None or self._position is None or event.timestamp:
            return ()
        # Before the first rows of a copy, and again where a tablet starts over.
        position, self._position = self._position, None
        return (Snapshot(row_event.shard, position),)

    def _end_batch(self, batch: RowBatch) -> Rows:
        """Returns the rows that are collected."""
        self._batch = None
        return batch.to_rows()

    def _without_rows(self, event: binlogdata_pb2.VEvent) -> Sequence[Event]:
        """Returns what an event comes to that has no rows."""
        kind = event.type
        if kind == binlogdata_pb2.COMMIT:
            return self._commit(event)
        if kind == binlogdata_pb2.OTHER:
            return (*self._file_left(event), *self._commit(event))
        if kind == binlogdata_pb2.DDL:
            begun = (*self._file_left(event), Ddl(event.shard, event.statement))
            # The rows of CREATE TABLE … SELECT follow, and the position contains them already.
            return begun if opens_transaction(event.statement) else (*begun, *self._commit(event))
        if kind == binlogdata_pb2.FIELD:
            return self._fields(event.field_event, copying=event.timestamp == 0)
        if kind == binlogdata_pb2.HEARTBEAT:
            return (Heartbeat(),)
        if kind == binlogdata_pb2.JOURNAL and self._tell_bounds:
            return (ShardEnded(event.shard),)
        if kind == binlogdata_pb2.COPY_COMPLETED:
            return (*self._commit(event), CopyCompleted(event.shard))
        if kind in _STATEMENTS:
            raise ConfigError(
                f"Shard {event.shard!r} writes a statement-based binlog, in which rows do not appear. "
                "Set binlog_format=ROW on its MySQL servers."
            )
        return ()

    def _file_left(self, event: binlogdata_pb2.VEvent) -> Sequence[Event]:
        """Returns what there is to tell before the transaction that an event begins."""
        left = self._files.left_before(event)
        return () if left is None else (left,)

    def _commit(self, event: binlogdata_pb2.VEvent) -> Sequence[Event]:
        """Returns the end of a transaction, with the position that came before it."""
        if self._position is not None:
            position, self._position = self._position, None
            return (Committed(event.shard, position, event.timestamp),)
        if event.type == binlogdata_pb2.COMMIT and event.timestamp:
            return (Unpositioned(event.shard, event.event_gtid),)
        return ()

    def _fields(self, event: binlogdata_pb2.FieldEvent, *, copying: bool) -> Sequence[Event]:
        name = _table_name(event.table_name, event.keyspace)
        streamed = self._tables.get(name)
        if streamed is None or event.is_internal_table or name in self._failed:
            return ()
        self._ready.clear()
        try:
            self._decoders[event.shard, name] = self._decoder(streamed, event, copying=copying)
        except StreamError as error:
            self._failed.add(name)
            return (TableFailed(name, error),)
        # VTTablet knows the types of present columns only (vstreamer.go, getExtColInfos).
        exist = all(field.column_type for field in event.fields)
        fields = Fields(
            event.shard,
            name,
            tuple(field.name for field in event.fields),
            exist,
            tuple(KeyColumn(field.name, field.type, field.charset) for field in event.fields),
            tuple(field.column_type for field in event.fields),
            copying,
        )
        return (fields,)

    def _decoder(self, streamed: StreamedTable, event: binlogdata_pb2.FieldEvent, *, copying: bool) -> RowDecoder:
        table = streamed.table
        # A copy sends labels from every version; the change stream does since v20, and says so.
        labels = copying or event.enum_set_string_values
        columns = []
        for field in event.fields:
            if _NUMBERED.fullmatch(field.name) and field.name not in table.columns_by_name:
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
                    if not field.column_type:
                        # It had one when this sync read the schema; the next sync goes on without the column.
                        raise TransientError(
                            f"Column {field.name!r} of table {table.name!r} was dropped or renamed in shard "
                            f"{event.shard!r} since this sync began, and its changes from before cannot be read by the "
                            "schema that the sync has. The next sync reads the table as it is now."
                        )
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

    def _batch_for(self, event: binlogdata_pb2.RowEvent, timestamp: int) -> RowBatch | None:
        """Returns a batch for the rows of an event, None if its table is not read."""
        name = _table_name(event.table_name, event.keyspace)
        if name not in self._tables or event.is_internal_table or name in self._failed:
            return None
        decoder = self._decoders.get((event.shard, name))
        if decoder is None:
            raise InternalError(f"VTGate sent rows of table {name!r} in shard {event.shard!r} without its columns.")
        self._ready[event.shard, event.table_name] = name, decoder
        return RowBatch(event.shard, name, timestamp, decoder, event.table_name)

    def _after(self, shard: str) -> str:
        """Says where in a shard's binary log the stream is, as far as it has been sent."""
        gtid = self._last_position.gtid(shard) if self._last_position else None
        if not gtid or "/" not in gtid:  # `current` is no position
            return ""
        return f" (after position {gtid if len(gtid) <= _SHOWN else gtid[:_SHOWN] + '…'})"

    def _give_up(self, batch: RowBatch, error: MisfitError | PartialImageError) -> TableFailed:
        """Gives a table up for the rest of the stream."""
        self._failed.add(batch.table)
        self._ready.clear()
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
