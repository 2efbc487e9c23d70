"""What VTGate sends, as JSON without what differs from run to run: recordings are compared in this form."""

from __future__ import annotations

from collections.abc import Iterable

from instruments.scripted_vtgate.client import Response
from instruments.scripted_vtgate.wire import values_of
from source_vitess.proto import binlogdata_pb2, query_pb2

#: An event with everything in it that can be compared.
Event = dict[str, object]
Sequences = list[list[Event]]


def comparable(responses: Iterable[Response]) -> Sequences:
    """Returns what the responses hold but for times, GTIDs, and what a real server does beside.

    Left out: transactions without events for the stream (Vitess' own writes come at any time), and the row flags,
    which depend on MySQL's version. Positions and the GTIDs of transactions are numbered in the order in which they are
    seen, the transactions' numbers in the binary log by size.
    """
    positions: dict[str, int] = {}
    gtids: dict[str, int] = {}
    transactions: list[list[int]] = []
    sequences: Sequences = []
    open_begin = False
    for response in responses:
        names = [binlogdata_pb2.VEventType.Name(event.type) for event in response.events]
        if _is_beside(names, response, open_begin=open_begin):
            open_begin = names == ["BEGIN", "VERSION"]
            for event in response.events:
                for entry in event.vgtid.shard_gtids:
                    positions.setdefault(entry.gtid, max(positions.values(), default=0))
            continue
        open_begin = False
        sequences.append([_comparable_event(event, positions) for event in response.events])
        for event, made in zip(response.events, sequences[-1], strict=True):
            if event.sequence_number or event.event_gtid:
                transactions.append([gtids.setdefault(event.event_gtid, len(gtids)), event.sequence_number])
                made["transaction"] = transactions[-1]
    ranks = sorted({number for _, number in transactions})
    for transaction in transactions:
        transaction[1] = ranks.index(transaction[1])
    return sequences


def _is_beside(names: list[str], response: Response, *, open_begin: bool) -> bool:
    binlog = response.events[-1].timestamp != 0
    return (
        (binlog and names in (["BEGIN", "VGTID", "COMMIT"], ["VGTID", "OTHER"], ["BEGIN", "VERSION"]))
        or names == ["HEARTBEAT"]
        or (open_begin and names == ["VGTID", "COMMIT"])
    )


def _comparable_event(event: binlogdata_pb2.VEvent, positions: dict[str, int]) -> Event:
    kind = binlogdata_pb2.VEventType.Name(event.type)
    made: Event = {
        "kind": kind,
        "shard": f"{event.keyspace}/{event.shard}",
        "timestamp": event.timestamp != 0,
        "current_time": event.current_time != 0,
    }
    if kind == "FIELD":
        made["table"] = event.field_event.table_name
        made["strings"] = event.field_event.enum_set_string_values
        made["fields"] = [_comparable_field(field) for field in event.field_event.fields]
    elif kind == "ROW":
        made["table"] = event.row_event.table_name
        made["changes"] = [
            [
                _comparable_row(change.before) if change.HasField("before") else None,
                _comparable_row(change.after) if change.HasField("after") else None,
            ]
            for change in event.row_event.row_changes
        ]
    elif kind == "VGTID":
        made["vgtid"] = [
            {
                "shard": f"{entry.keyspace}/{entry.shard}",
                "gtid": positions.setdefault(entry.gtid, max(positions.values(), default=-1) + 1),
                "lastpks": {table.table_name: table.lastpk.decode("latin-1") for table in entry.table_p_ks},
            }
            for entry in event.vgtid.shard_gtids
        ]
    elif kind == "DDL":
        made["statement"] = " ".join(event.statement.replace("`", "").lower().split())
    return made


def _comparable_field(field: query_pb2.Field) -> Event:
    return {
        "name": field.name,
        "type": query_pb2.Type.Name(field.type),
        "table": [field.table, field.org_table, field.database, field.org_name],
        "numbers": [field.column_length, field.charset, field.decimals, field.flags],
        "column_type": field.column_type,
    }


def _comparable_row(row: query_pb2.Row) -> list[str | None]:
    return [None if value is None else value.decode("latin-1") for value in values_of(row)]
