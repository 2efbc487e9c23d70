"""Large things, at the sizes of `make large`, and in `make test` at a fiftieth of them: memory stays flat.

Rows are written to the tablet's own MySQL server: VTGate ends a transaction after half a minute.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from tools.memory import watch_memory

#: 1 is the full size.
SCALE = float(os.environ.get("SOURCE_VITESS_SCALE") or 0.02)

#: Megabytes that a sync may take at its peak.
MOST_MEMORY = 300

MIB = 1024 * 1024

#: Lines after which a reader pauses.
PAUSE_AFTER = 1000

pytestmark = pytest.mark.timeout(600 + 6000 * SCALE)


@dataclass
class Outcome:
    """What a process said and took.

    Attributes:
        code: Its exit code.
        records: By stream: how many records.
        ids: By stream: the sum of the records' ids.
        longest: Bytes of the longest line.
        states: How many states.
        state: The last one.
        errors: Its ERROR traces.
        megabytes: Its memory at the peak.
        seconds: How long it ran.
    """

    code: int = 0
    records: Counter[str] = field(default_factory=Counter)
    ids: Counter[str] = field(default_factory=Counter)
    longest: int = 0
    states: int = 0
    state: Json = field(default_factory=dict)
    errors: list[Json] = field(default_factory=list)
    megabytes: float = 0
    seconds: float = 0

    def take(self, line: bytes) -> None:
        """Takes a line of stdout in, and forgets it."""
        self.longest = max(self.longest, len(line))
        if line.startswith(b'{"type":"RECORD"'):
            record = json.loads(line)["record"]
            self.records[record["stream"]] += 1
            self.ids[record["stream"]] += record["data"]["id"]
        elif line.startswith(b'{"type":"STATE"'):
            self.states += 1
            self.state = json.loads(line)["state"]
        elif b'"ERROR"' in line:
            self.errors.append(json.loads(line))


def read(connector: Connector, folder: Path, catalog: Json, state: Json | None = None, *, pause: float = 0) -> Outcome:
    """Runs a sync as a process, and measures it; after some lines the reader pauses."""
    outcome = Outcome()
    began = time.monotonic()
    process = connector.process(folder, "read", catalog=catalog, state=[state] if state else None)
    assert process.stdout is not None
    assert process.stderr is not None
    with process, watch_memory(process.pid) as memory:
        for number, line in enumerate(process.stdout):
            outcome.take(line)
            if number == PAUSE_AFTER:
                time.sleep(pause)
        process.wait()
    outcome.code, outcome.seconds = process.returncode, time.monotonic() - began
    outcome.megabytes = memory.megabytes
    print(  # noqa: T201 - what it came to
        f"\n{outcome.records.total():,} records, {outcome.states} states, longest line {outcome.longest:,} bytes, "
        f"{outcome.seconds:.0f} s, peak {outcome.megabytes:.0f} MB"
    )
    assert 0 < outcome.megabytes < MOST_MEMORY
    return outcome


@dataclass(frozen=True)
class Write:
    """Writes to a MySQL server."""

    execute: Callable[[str], object]

    def numbers(self, table: str, count: int, value: str, first: int = 1) -> None:
        """Inserts rows with ids in one transaction; `value` is an expression that may use the id as `n`."""
        self.execute(
            f"insert into {table} (id, v) with recursive numbers (n) as (select {first} union all select n + 1 "
            f"from numbers where n < {first + count - 1}) select n, {value} from numbers"
        )


@pytest.fixture
def write(cluster: Cluster) -> Iterator[Write]:
    """A connection to the MySQL server of the unsharded keyspace's primary."""
    with (
        cluster.connect_tablet("single/0", database="vt_single", max_allowed_packet=64 * MIB) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("set session cte_max_recursion_depth = 10000000")
        yield Write(cursor.execute)


def expect_all(outcome: Outcome, table: str, count: int) -> None:
    """Checks that every row with an id from 1 on came, and came once."""
    assert outcome.code == 0, outcome.errors
    assert outcome.records[table] == count
    assert outcome.ids[table] == count * (count + 1) // 2


def test_a_large_transaction(cluster: Cluster, single: Connector, write: Write, tmp_path: Path) -> None:
    """2,000,000 rows and 1 GB, written by one transaction while the connector was away."""
    cluster.sql("single", "create table large (id int primary key, v varchar(600))")
    catalog = single.configured("large")
    first = read(single, tmp_path, catalog)
    count = int(2_000_000 * SCALE)
    write.numbers("large", count, "rpad(n, 510, left(sha2(n, 256), 32))")

    outcome = read(single, tmp_path, catalog, first.state)

    expect_all(outcome, "large", count)


def test_a_large_table(cluster: Cluster, single: Connector, write: Write, tmp_path: Path) -> None:
    """5,000,000 rows are copied."""
    cluster.sql("single", "create table large (id int primary key, v varchar(60))")
    count = int(5_000_000 * SCALE)
    for first in range(1, count + 1, 1_000_000):
        write.numbers("large", min(1_000_000, count + 1 - first), "left(sha2(n, 256), 32)", first)

    outcome = read(single, tmp_path, single.configured("large"))

    expect_all(outcome, "large", count)


def test_a_large_row(cluster: Cluster, single: Connector, write: Write, tmp_path: Path) -> None:
    """A row of 15 MiB, just below VTGate's limit, in the copy and among the changes."""
    cluster.sql("single", "create table large (id int primary key, v longtext)")
    catalog = single.configured("large")
    write.numbers("large", 1, f"repeat('x', {15 * MIB})")
    first = read(single, tmp_path, catalog)
    expect_all(first, "large", 1)
    write.numbers("large", 1, f"repeat('y', {15 * MIB})", first=2)

    outcome = read(single, tmp_path, catalog, first.state)

    assert (outcome.code, outcome.records["large"], outcome.ids["large"]) == (0, 1, 2)
    assert outcome.longest > 15 * MIB


def test_many_tables(cluster: Cluster, single: Connector, write: Write, tmp_path: Path) -> None:
    """1,000 tables are discovered, copied, and followed."""
    count = max(int(1000 * SCALE), 20)
    for number in range(count):
        write.execute(f"create table t{number:04d} (id int primary key, v varchar(20))")
        write.execute(f"insert into t{number:04d} (id, v) values (1, 'x')")
    cluster.reload_schema("single")
    catalog = single.configured()
    assert len(catalog["streams"]) == count

    first = read(single, tmp_path, catalog)
    assert (first.code, len(first.records), first.records.total()) == (0, count, count)
    for number in range(count):
        write.execute(f"insert into t{number:04d} (id, v) values (2, 'y')")
    outcome = read(single, tmp_path, catalog, first.state)
    assert (outcome.code, len(outcome.records), outcome.records.total()) == (0, count, count)


def test_a_stdout_that_nobody_reads(cluster: Cluster, single: Connector, write: Write, tmp_path: Path) -> None:
    """A reader that pauses, at full size for 90 seconds, holds the sync up and costs no memory."""
    cluster.sql("single", "create table large (id int primary key, v varchar(600))")
    count = int(1_000_000 * SCALE)
    write.numbers("large", count, "rpad(n, 510, left(sha2(n, 256), 32))")

    outcome = read(single, tmp_path, single.configured("large"), pause=90 * SCALE)

    expect_all(outcome, "large", count)


def test_a_stdout_that_is_closed(cluster: Cluster, single: Connector, write: Write, tmp_path: Path) -> None:
    """The process ends as soon as it notices, although it could go on for minutes."""
    cluster.sql("single", "create table large (id int primary key, v varchar(600))")
    write.numbers("large", 20_000, "rpad(n, 510, left(sha2(n, 256), 32))")
    streaming = single.with_config(keep_streaming_minutes=30)
    process = streaming.process(tmp_path, "read", catalog=single.configured("large"))
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=240) == 1
