"""What tables cost to which nothing happens, from a scripted VTGate with ever more of them.

    python -m benchmarks.many_tables [TABLES …]

Each number of tables is served by a process of its own, whose memory is free again before the next one. The server is
slower than the connector, so only the connector's CPU time and memory count. A row of the output has

- `discover`, and the bytes of the catalog;
- a sync with nothing to do: the state names every table as copied, and the positions are those of now;
- a sync with a transaction of one row, for which the change stream of all tables is opened;

and the bytes of a state.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.clients import ClientError, Connector, Gate, Json, Measurement
from benchmarks.spread import COLUMNS, KEYSPACE
from instruments.scripted_vtgate.vitess import Vitess

TABLES: Sequence[int] = (100, 1_000, 10_000)

_SHARDS = ("-80", "80-")


@contextmanager
def served(tables: int, folder: Path) -> Iterator[tuple[Gate, subprocess.Popen[str]]]:
    """Starts a Vitess with so many empty tables.

    Each line that is written to it has it print the shards' positions, and insert a row behind them.
    """
    command = [sys.executable, "-m", "benchmarks.many_tables", "serve", str(tables)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None  # noqa: S101 - it was asked for
        assert server.stdout is not None  # noqa: S101
        try:
            grpc_port, mysql_port = map(int, server.stdout.readline().split())
            url = f"vitess://127.0.0.1:{grpc_port}/{KEYSPACE}?mysql_port={mysql_port}"
            yield Gate("127.0.0.1", grpc_port, KEYSPACE, {"url": url}, folder), server
        finally:
            server.stdin.close()


def serve(tables: int) -> None:
    """Serves a Vitess until the input ends."""
    with Vitess(KEYSPACE, _SHARDS) as vitess:
        for number in range(tables):
            vitess.create_table(_name(number), COLUMNS, key=["id"])
        print(vitess.vstream.port, vitess.mysql.port, flush=True)
        for number, _ in enumerate(sys.stdin):
            positions = {name: shard.executed.position for name, shard in vitess.shards.items()}
            vitess.insert(_name(number % tables), {"id": number})
            print(json.dumps(positions), flush=True)


def copied(tables: int, positions: dict[str, str]) -> list[Json]:
    """Returns the state after so many tables were copied, and changes were read up to some positions."""
    shared = {
        "version": 2,
        "vgtid": [{"keyspace": KEYSPACE, "shard": shard, "gtid": gtid} for shard, gtid in positions.items()],
        "cursor": int(time.time() * 1e8),
    }
    streams = [
        {"stream_descriptor": {"name": _name(number), "namespace": KEYSPACE}, "stream_state": {"copied": True}}
        for number in range(tables)
    ]
    return [{"type": "GLOBAL", "global": {"shared_state": shared, "stream_states": streams}}]


def measure(tables: int) -> tuple[tuple[Measurement, int], Measurement, Measurement, int]:
    """Returns what `discover` took and wrote, a sync with nothing to do, one with a row, and the bytes of a state.

    Raises:
        ClientError: A command failed, or read other rows than there are.
    """
    with tempfile.TemporaryDirectory(prefix="bench") as name, served(tables, Path(name)) as (gate, server):
        assert server.stdin is not None  # noqa: S101 - it was asked for
        assert server.stdout is not None  # noqa: S101
        server.stdin.write("\n")
        server.stdin.flush()
        before = json.loads(server.stdout.readline())
        connector, discovered, size = Connector.discover(gate)
        one, state = connector.read_on(copied(tables, before))
        idle, _ = connector.read_on(state)
        if (one.rows, idle.rows) != (1, 0):
            raise ClientError(f"{one.rows} and {idle.rows} records instead of 1 and 0")
        return (discovered, size), idle, one, len(json.dumps(state[0], separators=(",", ":")))


def _name(number: int) -> str:
    return f"table{number:05d}"


def main(counts: Sequence[int]) -> None:
    """Prints a row for each number of tables."""
    print("| tables | discover: CPU s, MB, catalog | sync with nothing to do: CPU s, MB | with one row | a state |")
    print("|---:|---:|---:|---:|---:|")
    for tables in counts:
        (discovered, size), idle, one, state = measure(tables)
        print(
            f"| {tables:,} | {_cost(discovered)}, {size / 1e6:.1f} MB | {_cost(idle)} | {_cost(one)} | "
            f"{state / 1000:,.0f} kB |",
            flush=True,
        )


def _cost(measured: Measurement) -> str:
    return f"{measured.cpu:.2f} s, {measured.peak:.0f} MB"


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
    else:
        main([int(argument) for argument in sys.argv[1:]] or TABLES)
