"""Runs a client as a process of its own, and measures it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from source_vitess.vstream.request import StreamRequest
from tools import debezium
from tools.memory import PeakMemory, watch_memory

Json = dict[str, Any]

_CHUNK = 1 << 20
_RECORD = b'{"type":"RECORD"'
_STATE = b'{"type":"STATE"'


class ClientError(Exception):
    """A client failed, or did not read what it should; the message names it and the cause."""


@dataclass(frozen=True)
class Measurement:
    """One run of one client.

    Attributes:
        wall: Seconds of the whole process.
        reading: Seconds from the first record to the last.
        cpu: CPU seconds of the process, the system's included.
        peak: Its largest resident size in MB; 0 if unknown.
        rows: Records that it read.
        per_row: Microseconds of its CPU for a record while it was reading, its start left out; 0 if unknown.
    """

    wall: float
    reading: float
    cpu: float
    peak: float
    rows: int
    per_row: float = 0.0


@dataclass(frozen=True)
class Gate:
    """Where VTGate is.

    Attributes:
        host: Its host.
        grpc_port: Its gRPC port, without TLS.
        keyspace: The keyspace that is read.
        config: The connector's configuration for it.
        folder: For the files of the clients.
    """

    host: str
    grpc_port: int
    keyspace: str
    config: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True)
class Connector:
    """This connector with a selection of tables.

    Attributes:
        gate: Where it reads.
        catalog: The configured catalog.
    """

    gate: Gate
    catalog: Json

    @classmethod
    def of(cls, gate: Gate, tables: Sequence[str]) -> Connector:
        """Selects tables out of what `discover` returns.

        Raises:
            ClientError: It failed, or did not find all of them.
        """
        made, _, _ = cls.discover(gate)
        wanted = set(tables)
        streams = [entry for entry in made.catalog["streams"] if entry["stream"]["name"] in wanted]
        if len(streams) != len(wanted):
            raise ClientError(f"discover found {len(streams)} of {len(wanted)} tables")
        return cls(gate, {"streams": streams})

    @classmethod
    def discover(cls, gate: Gate) -> tuple[Connector, Measurement, int]:
        """Runs `discover`; returns the connector with all tables, what it took, and the bytes that it wrote.

        Raises:
            ClientError: It failed.
        """
        started = time.monotonic()
        process = subprocess.Popen(_command(gate, "discover"), stdout=subprocess.PIPE)
        assert process.stdout is not None  # noqa: S101 - it was asked for
        with watch_memory(process.pid) as memory:
            output = process.stdout.read()
        measured = reap(process, started, 0.0, memory, 0)
        [catalog] = [
            message["catalog"] for message in map(json.loads, output.splitlines()) if message["type"] == "CATALOG"
        ]
        streams = [
            {
                "stream": stream,
                "sync_mode": "incremental",
                "destination_sync_mode": "append_dedup",
                "primary_key": stream["source_defined_primary_key"],
                "cursor_field": stream["default_cursor_field"],
            }
            for stream in catalog["streams"]
        ]
        return cls(gate, {"streams": streams}), measured, len(output)

    def read(self, state: Sequence[Json] = (), *, rows: int) -> Measurement:
        """Runs `read` into a pipe that is drained.

        Raises:
            ClientError: It failed, or read another number of records.
        """
        measured, _ = self.read_on(state)
        if measured.rows != rows:
            raise ClientError(f"source-vitess read {measured.rows} records of {rows}")
        return measured

    def command(self, state: Sequence[Json] = ()) -> list[str]:
        """Returns the command line of `read`."""
        options = {"catalog": json.dumps(self.catalog)}
        if state:
            options["state"] = json.dumps(list(state))
        return _command(self.gate, "read", **options)

    def read_on(self, state: Sequence[Json] = ()) -> tuple[Measurement, list[Json]]:
        """Runs `read`; returns also the state to go on from."""
        command = self.command(state)
        with (self.gate.folder / "source-vitess.log").open("wb") as log:
            started = time.monotonic()
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
            drain = _Drain(process.pid)
            assert process.stdout is not None  # noqa: S101 - it was asked for
            with watch_memory(process.pid) as memory:
                while chunk := os.read(process.stdout.fileno(), _CHUNK):
                    drain.take(chunk)
            measured = reap(process, started, drain.reading, memory, drain.rows)
        return replace(measured, per_row=drain.per_row), drain.state()


class _Drain:
    """Counts records and keeps the last state, at little cost.

    Args:
        pid: The process that writes.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.rows = 0
        self._first = self._last = (0.0, 0.0, 0)
        self._tail = b""
        self._state = bytearray()

    @property
    def reading(self) -> float:
        """Seconds from the first record to the last."""
        return self._last[0] - self._first[0]

    @property
    def per_row(self) -> float:
        """Microseconds of CPU for a record, those of the first chunk left out."""
        cpu, rows = self._last[1] - self._first[1], self._last[2] - self._first[2]
        return cpu / rows * 1e6 if rows else 0.0

    def take(self, chunk: bytes) -> None:
        """Takes what came."""
        new, chunk = chunk, self._tail + chunk
        state = chunk.rfind(_STATE)
        if state >= 0:
            self._state[:] = chunk[state:]
        elif b"\n" not in self._state:
            self._state += new
        records = chunk.count(_RECORD)
        self._tail = chunk[-len(_RECORD) + 1 :]
        if records:
            self.rows += records
            self._last = (time.monotonic(), cpu_seconds(self._pid), self.rows)
            if not self._first[0]:
                self._first = self._last

    def state(self) -> list[Json]:
        """Returns the last state that was written, to go on from.

        Raises:
            ClientError: There was none.
        """
        if not self._state:
            raise ClientError("source-vitess wrote no state")
        return [json.loads(self._state.partition(b"\n")[0])["state"]]


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time that another process took so far."""
    # Linux' clock for it: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED).
    return time.clock_gettime((~pid << 3) | 2)


def throwaway(gate: Gate, tables: Sequence[str], positions: Mapping[str, str], *, rows: int, ends: int) -> Measurement:
    """Runs the client that throws everything away.

    Args:
        gate: Where it reads.
        tables: What it reads.
        positions: By shard, where it begins; empty for a copy.
        rows: How many rows there are: it counts none.
        ends: How many shards have rows.

    Raises:
        ClientError: It failed.
    """
    request = StreamRequest(gate.keyspace, positions, tuple(tables))
    file = gate.folder / "throwaway.request"
    file.write_bytes(request.to_proto(tablet_type="PRIMARY", plain_names=True).SerializeToString())
    command = [sys.executable, "-m", "benchmarks.throwaway", f"{gate.host}:{gate.grpc_port}", str(file), str(ends)]
    return _measure(command, rows)


def _measure(command: Sequence[str], rows: int) -> Measurement:
    """Runs a client that prints the seconds from the first row to the last."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with watch_memory(process.pid) as memory:
        output = process.stdout.read()
    return reap(process, started, float(output or 0), memory, rows)


def bare_copies(gate: Gate, tables: Sequence[str], shards: Sequence[str], *, rows: int, at_once: int) -> Measurement:
    """Runs the client that copies each table with a VStream of its own and keeps nothing.

    Args:
        gate: Where it reads.
        tables: What it copies.
        shards: The keyspace's shards.
        rows: How many rows there are: it counts none.
        at_once: How many tables it copies at a time.

    Raises:
        ClientError: It failed.
    """
    folder = gate.folder / "copies"
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    for table in tables:
        request = StreamRequest(gate.keyspace, dict.fromkeys(shards, ""), (table,))
        proto = request.to_proto(tablet_type="PRIMARY", plain_names=True)
        (folder / table).write_bytes(proto.SerializeToString())
    address = f"{gate.host}:{gate.grpc_port}"
    command = [sys.executable, "-m", "benchmarks.bare_copies", address, str(folder), str(at_once)]
    return _measure(command, rows)


def run_debezium(gate: Gate, table: str, positions: Mapping[str, str], *, rows: int, copy: bool) -> Measurement:
    """Runs Debezium's connector, which counts records only.

    Raises:
        ClientError: It did not read all of them.
    """
    settings = {
        "table.include.list": rf"{gate.keyspace}\.{table}",
        "max.batch.size": "16384",
        "max.queue.size": "65536",
    }
    if not copy:
        start = [{"keyspace": gate.keyspace, "shard": shard, "gtid": gtid} for shard, gtid in positions.items()]
        settings |= {"snapshot.mode": "never", "vitess.shard": ",".join(positions), "vitess.vgtid": json.dumps(start)}
    started = time.monotonic()
    read = debezium.run(
        gate.folder,
        host=gate.host,
        grpc_port=gate.grpc_port,
        keyspace=gate.keyspace,
        records=rows,
        seconds=120 + rows // 2000,
        settings=settings,
    )
    if not read.complete:
        raise ClientError(f"Debezium read {read.records} records of {rows}, see {gate.folder}/debezium.log")
    return Measurement(time.monotonic() - started, read.seconds_reading, read.cpu_seconds, 0, read.records)


def imports(gate: Gate) -> Measurement:
    """Measures what importing the CDK alone costs."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", "import airbyte_cdk.entrypoint"], stdout=subprocess.PIPE)
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with watch_memory(process.pid) as memory:
        process.stdout.read()
    return reap(process, started, 0.0, memory, 0)


def _command(gate: Gate, command: str, **texts: str) -> list[str]:
    argv = [sys.executable, "-m", "source_vitess", command]
    for name, text in {"config": json.dumps(dict(gate.config)), **texts}.items():
        file = gate.folder / f"{name}.json"
        file.write_text(text)
        argv += [f"--{name}", str(file)]
    return argv


def reap(
    process: subprocess.Popen[bytes], started: float, reading: float, memory: PeakMemory, rows: int
) -> Measurement:
    """Waits for the end of a process, and returns what it took.

    Raises:
        ClientError: It failed.
    """
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    if process.stdout is not None:
        process.stdout.close()
    if process.returncode:
        raise ClientError(f"{' '.join(map(str, process.args[:4]))} ended with exit code {process.returncode}")  # type: ignore[index]
    return Measurement(wall, reading, usage.ru_utime + usage.ru_stime, memory.megabytes, rows)
