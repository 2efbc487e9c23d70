"""What the positions of many shards cost a row: messages as VTGate sends them, read without the time of a server.

    python -m benchmarks.shards [--rows ROWS] [SHARDS …]

Each message is a transaction of ten rows, or as many as are asked for, with the positions of all shards, of which one
has gone on. They are read
once by a gRPC client that keeps nothing, from a process that has them ready; and once by the connector's own part,
without gRPC, from memory to lines: so the two add up, and the first is what nobody can save. CPU microseconds a row,
with each of them a process of its own.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from typing import Any

import grpc

from benchmarks.throwaway import OPTIONS
from source_vitess.airbyte.sync_lines import LineWriter
from source_vitess.clock import SystemClock
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto import binlogdata_pb2, query_pb2, raw_pb2
from source_vitess.replication.changes import Changes
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.context import SyncContext
from source_vitess.replication.records import Cursor, RecordMaker
from source_vitess.replication.settings import SelectedStream, SyncSettings
from source_vitess.replication.state import SyncState
from source_vitess.replication.table_state import Copied
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.types.codec import Codec, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for, json_schema_for
from source_vitess.vstream.client import METHOD
from source_vitess.vstream.reader import EventReader
from source_vitess.vstream.request import StreamRequest
from source_vitess.vstream.response import Response
from source_vitess.vstream.stream_position import ShardPlaces

SHARDS: Sequence[int] = (1, 64, 1_000)
#: Rows of a transaction, unless `main` is asked for others.
TRANSACTION = 10
_PASSES = 5
_KEYSPACE = "spread"
_COLUMNS = {
    "id": "bigint",
    "customer": "int",
    "name": "varchar(100)",
    "price": "decimal(10,2)",
    "created": "datetime",
}
_TYPES = (query_pb2.INT64, query_pb2.INT32, query_pb2.VARCHAR, query_pb2.DECIMAL, query_pb2.DATETIME)
_SERVER = "11111111-2222-3333-4444-%012d"


def _labels(shards: int) -> list[str]:
    return [f"{number:04x}-{number + 1:04x}" for number in range(shards)]


def _gtid(shard: int, number: int) -> str:
    return f"MySQL56/{_SERVER % shard}:1-{number}"


def _start(shards: int) -> dict[str, str]:
    return {label: _gtid(number, 100_000) for number, label in enumerate(_labels(shards))}


def transactions(shards: int, count: int) -> list[bytes]:
    """Returns the messages of that many transactions, after one with the table's columns in each shard."""
    labels, at = _labels(shards), [100_000] * shards
    fields = [
        binlogdata_pb2.VEvent(
            type=binlogdata_pb2.FIELD,
            timestamp=1,
            keyspace=_KEYSPACE,
            shard=label,
            field_event=binlogdata_pb2.FieldEvent(
                table_name="t",
                keyspace=_KEYSPACE,
                shard=label,
                fields=[
                    query_pb2.Field(name=name, type=kind, column_type=text, charset=255)
                    for (name, text), kind in zip(_COLUMNS.items(), _TYPES, strict=True)
                ],
            ),
        ).SerializeToString()
        for label in labels
    ]
    made = [raw_pb2.VStreamResponse(events=fields).SerializeToString()]
    for number in range(count):
        turn = number % shards
        at[turn] += 1
        made.append(_transaction(labels, at, turn, number))
    return made


def _transaction(labels: Sequence[str], at: Sequence[int], turn: int, number: int) -> bytes:
    common: dict[str, Any] = {"timestamp": 1_700_000_000 + number, "keyspace": _KEYSPACE, "shard": labels[turn]}
    vgtid = binlogdata_pb2.VGtid(
        shard_gtids=[
            binlogdata_pb2.ShardGtid(keyspace=_KEYSPACE, shard=label, gtid=_gtid(shard, at[shard]))
            for shard, label in enumerate(labels)
        ]
    )
    events = [binlogdata_pb2.VEvent(type=binlogdata_pb2.BEGIN, **common)]
    events += [
        binlogdata_pb2.VEvent(
            type=binlogdata_pb2.ROW,
            row_event=binlogdata_pb2.RowEvent(
                table_name="t",
                keyspace=_KEYSPACE,
                shard=labels[turn],
                row_changes=[binlogdata_pb2.RowChange(after=_row(number * TRANSACTION + row))],
            ),
            **common,
        )
        for row in range(TRANSACTION)
    ]
    events += [
        binlogdata_pb2.VEvent(type=binlogdata_pb2.VGTID, vgtid=vgtid, **common),
        binlogdata_pb2.VEvent(type=binlogdata_pb2.COMMIT, **common),
    ]
    return raw_pb2.VStreamResponse(events=[event.SerializeToString() for event in events]).SerializeToString()


def _row(number: int) -> query_pb2.Row:
    values = [b"%d" % number, b"%d" % (number % 977), b"name %d" % number, b"%d.25" % (number % 1000)]
    values.append(b"2024-05-06 07:08:09")
    # Each a zigzag varint of one byte.
    return query_pb2.Row(lengths=bytes(2 * len(value) for value in values), values=b"".join(values))


class _Recorded:
    """A keyspace whose one stream is recorded."""

    tablet_type = "PRIMARY"
    announces_collations = True

    def __init__(self, messages: Sequence[bytes], shards: int) -> None:
        self._messages = messages
        self._shards = shards
        #: CPU seconds that are not the connector's, or until each shard had sent its columns and a transaction.
        self.others = 0.0

    @contextmanager
    def stream(self, request: StreamRequest, tables: Mapping[str, StreamedTable]) -> Iterator[Iterator[Any]]:
        """Yields the events of the recording."""
        reader = EventReader(tables, _codec, {}, ShardPlaces() if request.has_many_positions else None)
        yield reader.read(map(Response, self._given()))

    def _given(self) -> Iterator[bytes]:
        for number, message in enumerate(self._messages):
            began = time.process_time()
            # Written just now, as by gRPC, which counts it: not out of memory that nobody has touched for long.
            fresh = bytes(memoryview(message))
            now = time.process_time()
            self.others = now if number == self._shards + 1 else self.others + (now - began)
            yield fresh


def _codec(field: query_pb2.Field, labels: bool, charset: str | None) -> Codec:
    return codec_for(
        parse_column_type(field.column_type),
        collation_id=field.charset,
        options=TypeOptions(),
        enum_set_as_text=labels,
        charset=charset,
    )


def connector(shards: int, count: int) -> list[float]:
    """Returns the CPU microseconds a row of the connector without gRPC, in each pass but the first.

    Args:
        shards: How many.
        count: Transactions to read after each shard has sent one.
    """
    count += shards
    messages = transactions(shards, count)
    columns = tuple(Column(name, text, None, nullable=name != "id") for name, text in _COLUMNS.items())
    schemas = {
        column.name: json_schema_for(parse_column_type(column.column_type), None, TypeOptions()) for column in columns
    }
    stream = SelectedStream(StreamedTable(Table("t", columns, ("id",)), schemas), incremental=True, with_meta=True)
    found = []
    gc.disable()  # as `read` does
    for _ in range(_PASSES):
        clock, settings, cursor = SystemClock(), SyncSettings(), Cursor(0, 0)
        start = _start(shards)
        state = SyncState(_KEYSPACE, Vgtid(_KEYSPACE, start), tables={"t": Copied()})
        # Every shard goes on until the end, and so is asked for its position until then.
        ends = {
            label: _gtid(number, 100_000 + count // shards + (number < count % shards))
            for number, label in enumerate(_labels(shards))
        }
        last = Vgtid(_KEYSPACE, ends)
        recorded = _Recorded(messages, shards)
        context: Any = SyncContext(recorded, clock, settings, Checkpointer(state, cursor, clock, settings))  # type: ignore[arg-type]
        changes = Changes(context, {"t": stream}, {"t": RecordMaker("t", cursor, 0, with_meta=True)})
        writer, rows = LineWriter(_KEYSPACE), 0
        for lines in writer.render(changes.run(last)):
            rows += lines.count(b'{"type":"RECORD"')
        found.append((time.process_time() - recorded.others) / ((count - shards) * TRANSACTION) * 1e6)
        if rows != count * TRANSACTION:
            raise AssertionError(f"{rows} rows of {count * TRANSACTION}")
        gc.collect()
    return found[1:]


def client(port: int, count: int) -> list[float]:
    """Returns the CPU microseconds a row of a gRPC client that keeps nothing, in each pass but the first."""
    found = []
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS) as channel:
        call: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(
            METHOD, request_serializer=None, response_deserializer=None
        )
        for _ in range(_PASSES):
            began, messages = time.process_time(), 0
            for _message in call(b""):
                messages += 1
            found.append((time.process_time() - began) / (count * TRANSACTION) * 1e6)
            if messages != count + 1:
                raise AssertionError(f"{messages} messages of {count + 1}")
    return found[1:]


def serve(shards: int, count: int) -> None:
    """Serves the messages until the input ends, and prints the port."""
    messages = transactions(shards, count)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(
        lambda _request, _context: iter(messages)
    )
    service, method = METHOD.strip("/").split("/")
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(None)


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "benchmarks.shards", "--rows", str(TRANSACTION), *map(str, arguments)]


def _measure(*arguments: object) -> list[float]:
    command = _command(*arguments)
    return list(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))


def compare(shards: int) -> Mapping[str, float]:
    """Returns the medians of CPU microseconds a row, by who reads."""
    count = 2_000
    with subprocess.Popen(
        _command("serve", shards, count), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None  # noqa: S101 - it was asked for
        assert server.stdout is not None  # noqa: S101
        port = int(server.stdout.readline())
        found = {
            "gRPC": median(_measure("client", port, count)),
            "connector": median(_measure("connector", shards, count)),
        }
        server.stdin.close()
    return found


def main(argv: Sequence[str]) -> None:
    """Compares numbers of shards, or does one part of that."""
    global TRANSACTION
    match argv:
        case ["--rows", number, *rest]:
            TRANSACTION = int(number)
            main(rest)
        case ["serve", number, count]:
            serve(int(number), int(count))
        case ["client", port, count]:
            print(json.dumps(client(int(port), int(count))))
        case ["connector", number, count]:
            print(json.dumps(connector(int(number), int(count))))
        case _:
            for shards in map(int, argv) if argv else SHARDS:
                found = compare(shards)
                size = len(transactions(shards, 1)[-1]) / 1000
                print(
                    f"{shards:5,} shards, {size:6.1f} kB a transaction: gRPC {found['gRPC']:6.2f}, "
                    f"connector {found['connector']:6.2f} µs a row"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
