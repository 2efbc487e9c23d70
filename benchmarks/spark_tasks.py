"""What tasks gain and what shards cost, on a scripted VTGate: vitess-spark's tasks and its driver, without Spark.

    python -m benchmarks.spark_tasks [SHARDS …]

- A copy of eight shards, of which each gives a bounded number of rows a second, as a tablet of its own would: read by
  ever more tasks at a time, each a process, as Spark's are. What is measured is wall time, from the first task's
  beginning to the last one's end.
- What shards cost a driver: the seconds and the processor's seconds of each question that Spark asks in a batch, the
  bytes of an offset and of a task. The server's time, which is in the wall time, is a Python program's.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from multiprocessing import get_context

from vitess_spark.options import ReadOptions
from vitess_spark.parts import Part, read_part
from vitess_spark.stream import TableStream, batch_parts, look_up_tables
from vitess_spark.tables import ReadTables

from benchmarks.spread import COLUMNS, KEYSPACE
from instruments.scripted_vtgate.model.values import Given
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.proto import binlogdata_pb2, vtgate_pb2

SHARDS: Sequence[int] = (1, 16, 64, 256)
TASKS: Sequence[int] = (1, 2, 4, 8)

_COPIED_SHARDS = 8
#: Of each shard: rows, and how many of them it gives a second.
_ROWS, _RATE = 4_000, 1_000
_TABLE = "t"
_RUNS = 3


def serve(shards: int, rows: int) -> None:
    """Serves a table with so many rows in each shard, at `_RATE`; each line of the input has a row inserted in each."""
    borders = ["", *(f"{number * 0x10000 // shards:04x}" for number in range(1, shards)), ""]
    labels = [f"{low}-{high}" for low, high in pairwise(borders)]
    with Vitess(KEYSPACE, labels) as vitess:
        vitess.create_table(_TABLE, COLUMNS, key=["id"])
        if rows:
            vitess.batch_rows = _RATE // 10
            vitess.rewrite = _at_rate
        for number, label in enumerate(labels):
            vitess.insert(_TABLE, *(_row(number * rows + row) for row in range(rows)), shard=label)
        print(vitess.vstream.port, vitess.mysql.port, flush=True)
        for more, _ in enumerate(sys.stdin):
            for number, label in enumerate(labels):
                vitess.insert(_TABLE, _row(10**9 + more * shards + number), shard=label)
            print("inserted", flush=True)


def _at_rate(response: vtgate_pb2.VStreamResponse) -> Sequence[vtgate_pb2.VStreamResponse]:
    """Sends a response no sooner than a shard that is not faster would: each stream has a thread of its own."""
    rows = sum(len(event.row_event.row_changes) for event in response.events if event.type == binlogdata_pb2.ROW)
    time.sleep(rows / _RATE)
    return (response,)


def _row(number: int) -> dict[str, Given]:
    return {
        "id": number,
        "customer": number % 977,
        "name": f"name {number}",
        "price": f"{number % 1000}.25",
        "created": "2024-05-06 07:08:09",
    }


@contextmanager
def _served(shards: int, rows: int) -> Iterator[tuple[Mapping[str, str], Callable[[], None]]]:
    """Starts the server; yields the options of a reader, and what inserts a row in each shard."""
    command = [sys.executable, "-m", "benchmarks.spark_tasks", "serve", str(shards), str(rows)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        stdin, stdout = server.stdin, server.stdout
        assert stdin is not None  # noqa: S101 - it was asked for
        assert stdout is not None  # noqa: S101

        def insert() -> None:
            print(file=stdin, flush=True)
            stdout.readline()

        try:
            grpc_port, mysql_port = map(int, stdout.readline().split())
            url = f"vitess://127.0.0.1:{grpc_port}/{KEYSPACE}?mysql_port={mysql_port}"
            yield {"url": url, "table": _TABLE, "tablet_type": "PRIMARY"}, insert
        finally:
            stdin.close()


def copy() -> None:
    """Prints how long a copy takes by how many tasks."""
    print("| tasks at a time | seconds | rows/s |\n|---:|---:|---:|", flush=True)
    with _served(_COPIED_SHARDS, _ROWS) as (given, _):
        options = ReadOptions.parse(given, streaming=False)
        tables = look_up_tables(options, followed=False)
        parts = batch_parts(options, tables)
        for tasks in TASKS:
            with ProcessPoolExecutor(tasks, get_context("spawn")) as pool:
                # Spark's processes stand, too, before a task begins.
                list(pool.map(time.sleep, [0.5] * tasks))
                began = time.monotonic()
                counts = list(pool.map(_count, [options] * len(parts), [tables] * len(parts), parts))
                took = time.monotonic() - began
            if counts != [_ROWS] * _COPIED_SHARDS:
                raise AssertionError(f"the tasks have read {counts} rows")
            print(f"| {tasks} | {took:.1f} | {sum(counts) / took:,.0f} |", flush=True)


def _count(options: ReadOptions, tables: ReadTables, part: Part) -> int:
    return sum(len(rows.members) for rows in read_part(options, tables, part))


def driver(shards: int) -> None:
    """Prints what shards cost a driver."""
    with _served(shards, 0) as (given, insert):
        insert()
        options = ReadOptions.parse({**given, "startingPosition": "current"}, streaming=True)
        stream = TableStream(options, look_up_tables(options, followed=True))
        first = stream.latest(stream.initial(), None)
        same = _least(lambda: stream.latest(first, None))
        insert()
        new = _least(lambda: stream.latest(first, None))
        end = stream.latest(first, None)
        planned = _least(lambda: stream.parts(first, end))
        parts = stream.parts(first, end)
        if len(parts) != shards:
            raise AssertionError(f"{len(parts)} tasks for {shards} shards")
    sizes = len(json.dumps(end)), len(pickle.dumps(parts[0]))
    print(
        f"| {shards} | {_shown(same)} | {_shown(new)} | {_shown(planned)} | {sizes[0] / 1000:.1f} kB | "
        f"{sizes[1] / 1000:.1f} kB |",
        flush=True,
    )


def _least(ask: Callable[[], object]) -> tuple[float, float]:
    """Returns the seconds and the processor's seconds of the fastest of some runs."""
    found = []
    for _ in range(_RUNS):
        began, used = time.monotonic(), time.process_time()
        ask()
        found.append((time.monotonic() - began, time.process_time() - used))
    return min(found)


def _shown(taken: tuple[float, float]) -> str:
    return f"{taken[0]:.2f} s, {taken[1]:.2f} CPU-s"


def main(shards: Sequence[int]) -> None:
    """Measures both."""
    copy()
    print("\n| shards | nothing new | a row in each | planning the tasks | an offset | a task |")
    print("|---:|---:|---:|---:|---:|---:|", flush=True)
    for count in shards:
        driver(count)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main([int(argument) for argument in sys.argv[1:]] or SHARDS)
