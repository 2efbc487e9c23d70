"""The same changes over ever more streams and shards, more than a machine could run: from a scripted VTGate.

Only the connector's own CPU time counts here: the server is the tests' Vitess in memory, which is slower than it, and
the slower the more tables it has. It makes all responses of a stream before it sends the first, since waiting for each
of them would cost the connector more than what it does with it. It runs as a process of its own, anew for each case:

    python -m benchmarks.spread <streams> <shards> <transactions>

It prints the ports, waits for a line on its input, makes the transactions, and reports that.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.clients import Connector, Gate, Measurement
from instruments.scripted_vtgate.model.values import Given
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.proto import binlogdata_pb2, vtgate_pb2

STREAMS: Sequence[int] = (1, 10, 100, 1_000)
SHARDS: Sequence[int] = (1, 4, 16, 64)

#: Rows of a transaction.
TRANSACTION = 10

#: The keyspace, and the columns of its tables, here and in `many_tables`.
KEYSPACE = "spread"
COLUMNS = {
    "id": "bigint",
    "customer": "int",
    "name": "varchar(100)",
    "price": "decimal(10,2)",
    "created": "datetime",
}


@contextmanager
def spread(folder: Path, *, streams: int, shards: int, transactions: int) -> Iterator[Callable[[], Measurement]]:
    """Starts a Vitess, lets the connector copy its empty tables, and then has transactions made, each in one table.

    Args:
        folder: For the files of the connector.
        streams: How many tables there are.
        shards: How many shards there are.
        transactions: How many, of `TRANSACTION` rows each.

    Yields:
        What reads them all.
    """
    command = [sys.executable, "-m", "benchmarks.spread", str(streams), str(shards), str(transactions)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None  # noqa: S101 - it was asked for
        assert server.stdout is not None  # noqa: S101
        try:
            grpc_port, mysql_port = map(int, server.stdout.readline().split())
            url = f"vitess://127.0.0.1:{grpc_port}/{KEYSPACE}?mysql_port={mysql_port}"
            gate = Gate("127.0.0.1", grpc_port, KEYSPACE, {"url": url}, folder)
            connector = Connector.of(gate, _tables(streams))
            _, state = connector.read_on()
            server.stdin.write("go\n")
            server.stdin.flush()
            server.stdout.readline()
            yield lambda: connector.read(state, rows=transactions * TRANSACTION)
        finally:
            server.stdin.close()


def _tables(streams: int) -> list[str]:
    return [f"table{number:04d}" for number in range(streams)]


def main(streams: int, shards: int, transactions: int) -> None:
    """Serves a Vitess until the input ends."""
    labels = [f"shard{number:02d}" for number in range(shards)] if shards > 1 else ["0"]
    tables = _tables(streams)
    with Vitess(KEYSPACE, labels) as vitess:
        for table in tables:
            vitess.create_table(table, COLUMNS, key=["id"])
        vitess.rewrite = _Held(transactions)
        print(vitess.vstream.port, vitess.mysql.port, flush=True)
        sys.stdin.readline()
        for number in range(transactions):
            rows = map(_row, range(number * TRANSACTION, (number + 1) * TRANSACTION))
            vitess.insert(tables[number % streams], *rows, shard=labels[number % shards])
        print("made", flush=True)
        sys.stdin.readline()


class _Held:
    """Holds a stream's responses with rows back until there are so many of them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._held: list[vtgate_pb2.VStreamResponse] = []

    def __call__(self, response: vtgate_pb2.VStreamResponse) -> Sequence[vtgate_pb2.VStreamResponse]:
        if all(event.type != binlogdata_pb2.ROW for event in response.events):
            return (response,)
        self._held.append(response)
        if len(self._held) < self._count:
            return ()
        held, self._held = self._held, []
        return held


def _row(number: int) -> dict[str, Given]:
    return {
        "id": number,
        "customer": number % 977,
        "name": f"name {number}",
        "price": f"{number % 1000}.25",
        "created": "2024-05-06 07:08:09",
    }


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
