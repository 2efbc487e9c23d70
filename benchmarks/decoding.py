"""Decoding alone: recorded messages of VTGate become records, without a server and without a process to start.

    python -m benchmarks.decoding [FILE …]

measures recordings that `make bench ONLY=decoding` left in build/recorded/: CPU microseconds a row, of the compiled
decoder and of the one in Python; and, as a trial, the time when a process of its own decodes what it gets through a
pipe and writes the records itself.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO

import grpc

from benchmarks.clients import Gate
from benchmarks.tables import END
from source_vitess.airbyte.sync_lines import LineWriter
from source_vitess.proto import binlogdata_pb2, query_pb2
from source_vitess.replication.records import Cursor, RecordMaker
from source_vitess.rows import compiled
from source_vitess.rows.columns import Rows
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.types.codec import Codec, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for
from source_vitess.vstream.client import METHOD
from source_vitess.vstream.reader import EventReader
from source_vitess.vstream.request import StreamRequest
from source_vitess.vstream.response import Response

FOLDER = Path(__file__).resolve().parent.parent / "build" / "recorded"

#: Messages are read this often in a process; the first time warms up.
_PASSES = 5
_SIZE = 8
_KEYSPACE = "bench"


def record(gate: Gate, table: str, positions: Mapping[str, str], *, ends: int) -> Path:
    """Writes the messages of a stream into a file.

    Args:
        gate: Where VTGate is.
        table: What is streamed.
        positions: By shard, where it begins; empty for a copy.
        ends: How many shards have rows.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{table}.messages"
    request = StreamRequest(gate.keyspace, positions, (table,)).to_proto(tablet_type="PRIMARY", plain_names=True)
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"{gate.host}:{gate.grpc_port}", options=options) as channel, file.open("wb") as out:
        call: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(
            METHOD, request_serializer=None, response_deserializer=None
        )
        messages = call(request.SerializeToString())
        for message in messages:
            out.write(len(message).to_bytes(_SIZE, "little") + message)
            ends -= message.count(END.encode())
            if ends <= 0:
                break
        messages.cancel()
    return file


def measure(file: Path, *, in_c: bool) -> dict[str, Any]:
    """Decodes a recording in a process of its own.

    Returns:
        `rows`; `per_row`: CPU microseconds a row, in each pass but the first; `compiled`: how it was done.
    """
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.decoding", "--once", str(file)],
        env={**os.environ, "SOURCE_VITESS_COMPILED": str(int(in_c))},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return dict(json.loads(output))


def _once(file: Path) -> dict[str, Any]:
    messages = list(_messages(file.read_bytes()))
    table = _announced_table(messages)
    rows, seconds = 0, []
    gc.disable()  # as `read` does
    for _ in range(_PASSES):
        rows, started = 0, time.process_time()
        for count, _ in _decode(table, messages):
            rows += count
        seconds.append(time.process_time() - started)
        gc.collect()
    return {
        "rows": rows,
        "per_row": [took / rows * 1e6 for took in seconds[1:]],
        "compiled": compiled.obstacle() is None,
    }


def _decode(table: StreamedTable, messages: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yields how many records there are of each batch, and their lines."""
    reader = EventReader({table.table.name: table}, _codec)
    maker = RecordMaker(table.table.name, Cursor(0, 0), 0, with_meta=True)
    writer = LineWriter(_KEYSPACE)
    for event in reader.read(map(Response, messages)):
        if isinstance(event, Rows):
            records = maker.make(event)
            yield len(records.data), b"".join(writer.render([records]))


def _compare_worker(file: Path) -> str:
    """Decodes here, and in a worker that is fed through a pipe; prints what both take, in wall time a row."""
    messages = list(_messages(file.read_bytes()))
    table = _announced_table(messages)
    here, there = [], []
    rows = 0
    gc.disable()
    with Path(os.devnull).open("wb", buffering=0) as nowhere:
        for _ in range(_PASSES):
            started, rows = time.monotonic(), 0
            for count, lines in _decode(table, messages):
                nowhere.write(lines)
                rows += count
            here.append((time.monotonic() - started) / rows * 1e6)
            there.append(_in_worker(table, messages, nowhere.fileno()) / rows * 1e6)
            gc.collect()
    return f"in one process {median(here):.2f}, with a worker {median(there):.2f} µs/row of wall time, {rows:,} rows"


def _in_worker(table: StreamedTable, messages: Sequence[bytes], out: int) -> float:
    """Returns the seconds until a worker has decoded and written everything, its start left out."""
    from_here, to_worker = os.pipe()
    from_worker, to_here = os.pipe()
    child = os.fork()
    if not child:
        os.close(to_worker)
        with open(from_here, "rb", buffering=1 << 20) as pipe:
            os.write(to_here, b"r")
            for _, lines in _decode(table, _messages_of(pipe)):
                os.write(out, lines)
        os.write(to_here, b"d")
        os._exit(0)
    os.close(from_here)
    os.read(from_worker, 1)
    started = time.monotonic()
    with open(to_worker, "wb", buffering=1 << 20) as pipe:
        for message in messages:
            pipe.write(len(message).to_bytes(_SIZE, "little") + message)
    os.read(from_worker, 1)
    took = time.monotonic() - started
    os.waitpid(child, 0)
    os.close(from_worker)
    os.close(to_here)
    return took


def _messages_of(pipe: BinaryIO) -> Iterator[bytes]:
    while head := pipe.read(_SIZE):
        yield pipe.read(int.from_bytes(head, "little"))


def _messages(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + _SIZE], "little")
        yield data[at + _SIZE : at + _SIZE + size]
        at += _SIZE + size


def _announced_table(messages: Sequence[bytes]) -> StreamedTable:
    """Returns the table of a recording, all columns selected, as its first FIELD event announces it."""
    for message in messages:
        for raw in Response(message).events:
            event = binlogdata_pb2.VEvent.FromString(raw)
            if event.type == binlogdata_pb2.FIELD:
                fields = event.field_event.fields
                columns = tuple(Column(field.name, field.column_type, None, nullable=True) for field in fields)
                selected = {field.name: _codec(field, True, None).json_schema for field in fields}
                return StreamedTable(Table(event.field_event.table_name, columns, ("id",)), selected)
    raise ValueError("the recording has no columns")


def _codec(field: query_pb2.Field, labels: bool, charset: str | None) -> Codec:
    return codec_for(
        parse_column_type(field.column_type),
        collation_id=field.charset,
        options=TypeOptions(),
        enum_set_as_text=labels,
        charset=charset,
    )


def main(argv: Sequence[str]) -> None:
    """Measures recordings, or one in this process."""
    if argv[:1] == ["--once"]:
        print(json.dumps(_once(Path(argv[1]))))
        return
    for file in map(Path, argv) if argv else sorted(FOLDER.glob("*.messages")):
        for in_c in (True, False):
            measured = measure(file, in_c=in_c)
            how = "compiled" if measured["compiled"] else "in Python"
            print(f"{file.stem:20} {how:10} {median(measured['per_row']):6.2f} µs/row, {measured['rows']:,} rows")
        print(f"{file.stem:20} {_compare_worker(file)}")


if __name__ == "__main__":
    main(sys.argv[1:])
