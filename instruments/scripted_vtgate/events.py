"""One-line builders for what VTGate sends, for scripts that list exactly which events come in which order.

A builder makes one VEvent; `transaction`, `current` and `ddl_group` make the usual groups of them. Events
of a shard carry its keyspace and name, as VTGate's do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from instruments.scripted_vtgate.wire import WireValue, fields_of, row_of
from source_vitess.proto import binlogdata_pb2, query_pb2

VEvent = binlogdata_pb2.VEvent

#: Where events are from unless a builder is given something else.
KEYSPACE = "commerce"
SHARD = "-80"

#: When transactions were committed, unless a builder is given something else.
TIMESTAMP = 1_767_225_600

_UUID = "11111111-2222-3333-4444-555555555555"


def gtid(last: int, uuid: str = _UUID) -> str:
    """Returns the position after transactions 1 to `last` of a server."""
    return f"MySQL56/{uuid}:1-{last}" if last > 1 else f"MySQL56/{uuid}:{last}"


def event(
    kind: int,
    *,
    shard: str = SHARD,
    keyspace: str = KEYSPACE,
    timestamp: int = 0,
    statement: str = "",
    dml: str = "",
) -> VEvent:
    """Returns an event of any type, also of one that the protocol does not know yet.

    `current_time` is left 0: scripts play the same bytes every time.
    """
    made = VEvent(keyspace=keyspace, shard=shard, timestamp=timestamp, statement=statement, dml=dml)
    made.type = kind  # type: ignore[assignment] # enums of proto3 are open
    return made


def begin(*, shard: str = SHARD, keyspace: str = KEYSPACE, timestamp: int = TIMESTAMP) -> VEvent:
    """BEGIN."""
    return event(binlogdata_pb2.BEGIN, shard=shard, keyspace=keyspace, timestamp=timestamp)


def commit(*, shard: str = SHARD, keyspace: str = KEYSPACE, timestamp: int = TIMESTAMP) -> VEvent:
    """COMMIT."""
    return event(binlogdata_pb2.COMMIT, shard=shard, keyspace=keyspace, timestamp=timestamp)


def rollback(*, shard: str = SHARD, keyspace: str = KEYSPACE, timestamp: int = TIMESTAMP) -> VEvent:
    """ROLLBACK."""
    return event(binlogdata_pb2.ROLLBACK, shard=shard, keyspace=keyspace, timestamp=timestamp)


def other(*, shard: str = SHARD, keyspace: str = KEYSPACE, timestamp: int = TIMESTAMP) -> VEvent:
    """OTHER: the end of something that is not for this stream."""
    return event(binlogdata_pb2.OTHER, shard=shard, keyspace=keyspace, timestamp=timestamp)


def ddl(statement: str, *, shard: str = SHARD, keyspace: str = KEYSPACE, timestamp: int = TIMESTAMP) -> VEvent:
    """DDL. VTGate sends a VGTID right before it."""
    return event(binlogdata_pb2.DDL, shard=shard, keyspace=keyspace, timestamp=timestamp, statement=statement)


def heartbeat() -> VEvent:
    """HEARTBEAT of VTGate itself: of no keyspace and no shard."""
    return event(binlogdata_pb2.HEARTBEAT, shard="", keyspace="", timestamp=TIMESTAMP)


def version(*, shard: str = SHARD) -> VEvent:
    """VERSION, which comes when tablets track schema versions."""
    return event(binlogdata_pb2.VERSION, shard=shard, timestamp=TIMESTAMP)


def rows_query(statement: str, *, shard: str = SHARD) -> VEvent:
    """ROWS_QUERY, which comes with binlog_rows_query_log_events=ON."""
    return event(binlogdata_pb2.ROWS_QUERY, shard=shard, timestamp=TIMESTAMP, statement=statement)


def copy_completed(shard: str = "", *, keyspace: str = KEYSPACE) -> VEvent:
    """COPY_COMPLETED of a shard, or of all shards."""
    return event(binlogdata_pb2.COPY_COMPLETED, shard=shard, keyspace=keyspace if shard else "")


def field(
    table: str,
    columns: Mapping[str, str] | Sequence[query_pb2.Field],
    *,
    key: Iterable[str] = (),
    shard: str = SHARD,
    keyspace: str = KEYSPACE,
    timestamp: int = TIMESTAMP,
    enum_set_string_values: bool = True,
    internal: bool = False,
) -> VEvent:
    """FIELD: the columns as name to declaration (`{"id": "bigint not null"}`), or ready-made fields."""
    if isinstance(columns, Mapping):
        fields: Sequence[query_pb2.Field] = fields_of(table, columns, database="vt_" + keyspace, key=key)
    else:
        fields = columns
    made = event(binlogdata_pb2.FIELD, shard=shard, keyspace=keyspace, timestamp=timestamp)
    made.field_event.CopyFrom(
        binlogdata_pb2.FieldEvent(
            table_name=f"{keyspace}.{table}",
            fields=fields,
            keyspace=keyspace,
            shard=shard,
            enum_set_string_values=enum_set_string_values,
            is_internal_table=internal,
        )
    )
    return made


def change(
    before: Sequence[WireValue] | None = None,
    after: Sequence[WireValue] | None = None,
    *,
    data_columns: Sequence[bool] | None = None,
    json_partial_values: Sequence[bool] | None = None,
) -> binlogdata_pb2.RowChange:
    """Returns one row's change: an insert without `before`, a delete without `after`."""
    return binlogdata_pb2.RowChange(
        before=None if before is None else row_of(before),
        after=None if after is None else row_of(after),
        data_columns=None if data_columns is None else bitmap(data_columns),
        json_partial_values=None if json_partial_values is None else bitmap(json_partial_values),
    )


def bitmap(bits: Sequence[bool]) -> binlogdata_pb2.RowChange.Bitmap:
    """Returns the bits, the first in the lowest bit of the first byte."""
    cols = bytearray((len(bits) + 7) // 8)
    for index, bit in enumerate(bits):
        cols[index >> 3] |= bit << (index & 7)
    return binlogdata_pb2.RowChange.Bitmap(count=len(bits), cols=bytes(cols))


def row(
    table: str,
    *changes: binlogdata_pb2.RowChange,
    before: Sequence[WireValue] | None = None,
    after: Sequence[WireValue] | None = None,
    shard: str = SHARD,
    keyspace: str = KEYSPACE,
    timestamp: int = TIMESTAMP,
    flags: int = 1,
    internal: bool = False,
) -> VEvent:
    """ROW: the given changes, or one of `before` and `after`."""
    if not changes:
        changes = (change(before, after),)
    made = event(binlogdata_pb2.ROW, shard=shard, keyspace=keyspace, timestamp=timestamp)
    made.row_event.CopyFrom(
        binlogdata_pb2.RowEvent(
            table_name=f"{keyspace}.{table}",
            row_changes=changes,
            keyspace=keyspace,
            shard=shard,
            flags=flags,
            is_internal_table=internal,
        )
    )
    return made


def position(
    gtids: Mapping[str, str],
    lastpk: Mapping[str, Mapping[str, bytes]] | None = None,
    *,
    keyspace: str = KEYSPACE,
) -> binlogdata_pb2.VGtid:
    """Returns a VGTID: by shard its position, and by shard and table how far the table's copy has come."""
    return binlogdata_pb2.VGtid(
        shard_gtids=[
            binlogdata_pb2.ShardGtid(
                keyspace=keyspace,
                shard=shard,
                gtid=text,
                table_p_ks=[
                    binlogdata_pb2.TableLastPK(table_name=table, lastpk=last)
                    for table, last in (lastpk or {}).get(shard, {}).items()
                ],
            )
            for shard, text in gtids.items()
        ]
    )


def vgtid(
    gtids: Mapping[str, str],
    lastpk: Mapping[str, Mapping[str, bytes]] | None = None,
    *,
    shard: str | None = None,
    keyspace: str = KEYSPACE,
    timestamp: int = 0,
) -> VEvent:
    """VGTID, from the first of the shards unless another is given."""
    source = next(iter(gtids)) if shard is None else shard
    made = event(binlogdata_pb2.VGTID, shard=source, keyspace=keyspace, timestamp=timestamp)
    made.vgtid.CopyFrom(position(gtids, lastpk, keyspace=keyspace))
    return made


def journal(
    old: Mapping[str, str] | Sequence[str],
    new: Mapping[str, str],
    *,
    shard: str = SHARD,
    keyspace: str = KEYSPACE,
    tables: Sequence[str] = (),
) -> VEvent:
    """JOURNAL of a reshard from shards `old` to `new` at their positions; with `tables`, of a MoveTables."""
    made = event(binlogdata_pb2.JOURNAL, shard=shard, keyspace=keyspace, timestamp=TIMESTAMP)
    made.journal.CopyFrom(
        binlogdata_pb2.Journal(
            id=1,
            migration_type=binlogdata_pb2.TABLES if tables else binlogdata_pb2.SHARDS,
            tables=tables,
            shard_gtids=position(new, keyspace=keyspace).shard_gtids,
            participants=[binlogdata_pb2.KeyspaceShard(keyspace=keyspace, shard=name) for name in old],
        )
    )
    return made


def transaction(
    gtids: Mapping[str, str], *events: VEvent, shard: str | None = None, timestamp: int = TIMESTAMP
) -> list[VEvent]:
    """BEGIN, the events, VGTID, COMMIT; an empty transaction without events."""
    source = next(iter(gtids)) if shard is None else shard
    return [
        begin(shard=source, timestamp=timestamp),
        *events,
        vgtid(gtids, shard=source),
        commit(shard=source, timestamp=timestamp),
    ]


def current(gtids: Mapping[str, str], *, shard: str | None = None) -> list[VEvent]:
    """The first answer of a shard to `current`: VGTID, OTHER."""
    source = next(iter(gtids)) if shard is None else shard
    return [vgtid(gtids, shard=source), other(shard=source, timestamp=0)]


def ddl_group(gtids: Mapping[str, str], statement: str, *, shard: str | None = None) -> list[VEvent]:
    """VGTID, DDL."""
    source = next(iter(gtids)) if shard is None else shard
    return [vgtid(gtids, shard=source), ddl(statement, shard=source)]


def split(events: Iterable[VEvent], size: int = 1) -> list[list[VEvent]]:
    """Cuts events into responses of `size` events: a response is not a transaction."""
    all_events = list(events)
    return [all_events[start : start + size] for start in range(0, len(all_events), size)]
