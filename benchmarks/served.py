"""Measures destination-readyset on a plain MySQL: how fast it writes a copy, and how late a change is served."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import ER
from vitess_local.cluster import Cluster
from vitess_local.plain_mysql import PlainMysql

from benchmarks.clients import ClientError, Connector, Gate, Measurement, cpu_seconds, reap
from tools.memory import watch_memory

Json = dict[str, Any]

_STATE_EVERY = 100_000
_SCHEMA = {
    "id": {"type": "integer"},
    "name": {"type": "string"},
    "stock": {"type": "integer"},
    "weight": {"type": "number"},
    "changed": {"type": "string", "format": "date-time"},
}
_STREAM = {
    "stream": {
        "name": "products",
        "namespace": "served",
        "json_schema": {"properties": _SCHEMA},
        "supported_sync_modes": ["incremental"],
    },
    "sync_mode": "incremental",
    "destination_sync_mode": "append_dedup",
    "primary_key": [["id"]],
}
# What such a server has at least; the small servers of tests would measure their tiny redo log.
_SERVER = {"innodb_buffer_pool_size": "256M", "innodb_redo_log_capacity": "512M"}
_SECONDS = 120.0


def write_copy(folder: Path, rows: int) -> Path:
    """Writes the messages of a copy of five columns; the first is a state, so that its echo marks the beginning."""
    file = folder / "copy.jsonl"
    with file.open("w") as lines:
        lines.write(_state(0))
        for key in range(1, rows + 1):
            data = {
                "id": key,
                "name": f"product {key} of a shop",
                "stock": key * 7,
                "weight": key / 8,
                "changed": "2026-01-02T03:04:05Z",
            }
            record = {"stream": "products", "namespace": "served", "data": data, "emitted_at": 1}
            lines.write(json.dumps({"type": "RECORD", "record": record}) + "\n")
            if key % _STATE_EVERY == 0 or key == rows:
                lines.write(_state(key))
    return file


def copy(folder: Path, lines: Path, rows: int) -> tuple[Measurement, Measurement]:
    """Lets the destination write a copy into a new MySQL; returns what both took from the first state to the last.

    Raises:
        ClientError: It failed, or the rows are not in the table.
    """
    with PlainMysql.start(settings=_SERVER) as mysql, lines.open("rb") as stdin:
        server = int((mysql.data_dir / "mysqld.pid").read_text())
        started = time.monotonic()
        process = _start_destination(folder, mysql, {"streams": [_STREAM]}, stdin=stdin, stdout=subprocess.PIPE)
        assert process.stdout is not None  # noqa: S101 - it was asked for
        with watch_memory(process.pid) as memory:
            marks = [
                (time.monotonic(), cpu_seconds(process.pid), cpu_seconds(server))
                for line in process.stdout
                if json.loads(line)["type"] == "STATE"
            ]
        measured = reap(process, started, 0.0, memory, rows)
        [(written,)] = mysql.sql("SELECT COUNT(*) FROM served.products")
    if written != rows or len(marks) < 2:
        raise ClientError(f"destination-readyset wrote {written} rows of {rows}, and echoed {len(marks)} states")
    reading, own, servers = (last - first for first, last in zip(marks[0], marks[-1], strict=True))
    return (
        replace(measured, reading=reading, per_row=own / rows * 1e6),
        Measurement(measured.wall, reading, servers, 0, rows, servers / rows * 1e6),
    )


def lags(gate: Gate, cluster: Cluster, table: str, changes: int, dice: random.Random) -> list[float]:
    """Returns the seconds from COMMIT in Vitess to COMMIT in the served table, change by change.

    Args:
        gate: The keyspace.
        cluster: Its Vitess.
        table: A table with the columns `id` and `name`, and a row of the key 1.
        changes: How many changes are made, each some time after the last was seen.
        dice: Decides on that time: a change that follows at once waits for the next state.

    Raises:
        ClientError: A change did not come.
    """
    streaming = replace(gate, config={**gate.config, "keep_streaming_minutes": 60})
    found = []
    with (
        PlainMysql.start() as mysql,
        _pipeline(Connector.of(streaming, [table]), mysql),
        mysql.connect() as served,
        cluster.connect(gate.keyspace) as vitess,
        served.cursor() as seen,
        vitess.cursor() as cursor,
    ):
        for number in range(changes + 1):
            cursor.execute(f"update {table} set name = 'change {number}' where id = 1")
            committed = time.monotonic()
            _wait(seen, f"SELECT 1 FROM {gate.keyspace}.{table} WHERE id = 1 AND name = 'change {number}'")
            found.append(time.monotonic() - committed)
            time.sleep(dice.uniform(0, 2))
    # The first waits for the programs' start and for the copy.
    return found[1:]


@contextmanager
def _pipeline(source: Connector, mysql: PlainMysql) -> Iterator[None]:
    folder = source.gate.folder
    with (folder / "source.log").open("wb") as log:
        reader = subprocess.Popen(source.command(), stdout=subprocess.PIPE, stderr=log)
        writer = _start_destination(
            folder, mysql, source.catalog, {"vitess": dict(source.gate.config)}, stdin=reader.stdout
        )
        assert reader.stdout is not None  # noqa: S101 - it was asked for
        reader.stdout.close()  # the destination has it
        try:
            yield
        finally:
            reader.send_signal(signal.SIGTERM)
            codes = reader.wait(_SECONDS), writer.wait(_SECONDS)
    if codes != (0, 0):
        raise ClientError(f"source-vitess and destination-readyset ended with the exit codes {codes}")


def _wait(cursor: Any, sql: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        try:
            if cursor.execute(sql):
                return
        except pymysql.MySQLError as error:
            # The database or the table does not exist yet.
            if error.args[0] not in (ER.BAD_DB_ERROR, ER.NO_SUCH_TABLE):
                raise
        time.sleep(0.002)
    raise ClientError(f"Within {_SECONDS:.0f} s, a change did not reach the served table.")


def _start_destination(
    folder: Path, mysql: PlainMysql, catalog: Json, more: Mapping[str, Any] = {}, *, stdin: Any, stdout: Any = None
) -> subprocess.Popen[bytes]:
    config = {"host": "127.0.0.1", "port": mysql.port, "username": "local", **more}
    argv: list[str] = [sys.executable, "-m", "destination_readyset", "write"]
    for name, content in {"config": config, "catalog": catalog}.items():
        file = folder / f"destination-{name}.json"
        file.write_text(json.dumps(content))
        argv += [f"--{name}", str(file)]
    return subprocess.Popen(argv, stdin=stdin, stdout=subprocess.DEVNULL if stdout is None else stdout)


def _state(number: int) -> str:
    state = {"type": "GLOBAL", "global": {"shared_state": {"rows": number}, "stream_states": []}}
    return json.dumps({"type": "STATE", "state": state}) + "\n"
