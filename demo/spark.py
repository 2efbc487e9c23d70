"""The story of `make demo-spark`: a table of a sharded keyspace in Parquet, by the tasks of a Spark cluster.

A local Vitess of four shards, a Spark with a master and two workers, and a writer. The table is copied, its changes are
merged while a shard is split, and what is in Parquet at the end is compared with SELECT. All of it ends with the demo.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymysql
from vitess_local.cluster import Cluster
from vitess_local.progress import silent

from demo.connector import DemoError
from demo.report import step, table, title
from demo.spark_cluster import PYTHON, SETTINGS, process, spark_cluster
from demo.story import OUTPUT, run_story
from instruments.select import select_rows

NAME = "demo-spark"
KEYSPACE, TABLE = "shop", "parcels"
OLD, NEW = ["-40"], ["-20", "20-40"]
ROWS = 20_000
_SECONDS = 900.0
_SEED = 7


def main() -> int:
    """Runs the demo and returns the exit code."""
    return run_story(_story)


def _story() -> None:
    title("vitess-spark demo: a table of a real Vitess in Parquet, by the tasks of a Spark cluster")
    with step("Vitess"):
        cluster = Cluster.up(NAME, keyspaces={KEYSPACE: 4}, report=silent)
    try:
        with step("seed") as at:
            _seed(cluster)
            at.result = f"{ROWS:,} rows in the shards {', '.join(cluster.shards(KEYSPACE))}"
        with spark_cluster(OUTPUT):
            _follow(cluster)
    finally:
        cluster.down()
    print("\nVitess and Spark have ended.\n")


def _seed(cluster: Cluster) -> None:
    cluster.sql(
        KEYSPACE,
        f"create table {TABLE} (id bigint primary key, status varchar(20), kilos decimal(8,2), scans int)",
    )
    cluster.sql(KEYSPACE, f"alter vschema on {KEYSPACE}.{TABLE} add vindex xxhash_{TABLE}(id) using xxhash")
    for first in range(1, ROWS + 1, 1000):
        values = ", ".join(f"({number}, 'sent', {number % 900}.25, 0)" for number in range(first, first + 1000))
        cluster.sql(KEYSPACE, f"insert into {TABLE} (id, status, kilos, scans) values {values}")


def _follow(cluster: Cluster) -> None:
    options = {**cluster.config(KEYSPACE), "table": TABLE, "tablet_type": "PRIMARY", "partitionsPerShard": "2"}
    given = {"options": options, "settings": SETTINGS, "folder": str(OUTPUT.absolute())}
    program = [str(PYTHON), str(Path(__file__).with_name("spark_driver.py")), json.dumps(given)]
    with process(program, OUTPUT / "driver.log") as driver:

        def until(ready: Callable[[], bool]) -> None:
            end = time.monotonic() + _SECONDS
            while not ready():
                if driver.poll() is not None or time.monotonic() > end:
                    raise DemoError(f"The driver does not get there; see {OUTPUT}/driver.log.")
                time.sleep(0.2)

        with step("copy") as at:
            until(lambda: _counts()["copy"] > 0)
            at.result = f"{_counts()['copy']:,} rows by two tasks for each shard"
        with _writer(cluster) as written:
            with step("changes") as at:
                until(lambda: len(_batches()) > 2)
                at.result = f"{_changes():,} merged, {written[0]:,} transactions written"
            with step("reshard") as at:
                cluster.reshard(KEYSPACE, OLD, NEW, stop_before="complete")
                until(lambda: bool(_shards() & set(NEW)))
                at.result = f"{', '.join(OLD)} is {' and '.join(NEW)} now, and a batch has read these"
                # The old shard has been read up to its journal by the batch before.
                cluster.reshard(KEYSPACE, OLD, NEW)
            with step("changes") as at:
                before = len(_batches())
                until(lambda: len(_batches()) > before + 1)
                at.result = f"{_changes():,} merged, {written[0]:,} transactions written"
        with step("the rest") as at:
            (OUTPUT / "stop").touch()
            until(lambda: (OUTPUT / "executors.json").exists())
            at.result = f"{_changes():,} merged in {len(_batches())} batches"
    _compare(cluster)


@contextmanager
def _writer(cluster: Cluster) -> Iterator[list[int]]:
    """Writes until the context ends; yields how many transactions it has written."""
    done, written, chance = threading.Event(), [0], random.Random(_SEED)  # noqa: S311 - the same every time

    def write() -> None:
        top = ROWS
        while not done.wait(0.02):
            one = chance.randint(1, top)
            statement = chance.choice(
                (
                    f"insert into {TABLE} (id, status, kilos, scans) values ({top + 1}, 'new', 1.50, 0)",
                    f"update {TABLE} set scans = scans + 1, status = 'on the way' where id = {one}",
                    f"delete from {TABLE} where id = {one}",
                )
            )
            with suppress(pymysql.MySQLError):  # while the traffic is switched
                cluster.sql(KEYSPACE, statement)
                written[0] += 1
                top += statement.startswith("insert")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        done.set()
        thread.join()


def _batches() -> dict[int, list[tuple[str, str, int]]]:
    """Returns what each batch had: by shard and operation, how many rows."""
    file = OUTPUT / "batches.jsonl"
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    # A batch that was begun again is there twice.
    return {line["batch"]: line["counts"] for line in map(json.loads, lines)}


def _counts() -> Counter[str]:
    counted: Counter[str] = Counter()
    for counts in _batches().values():
        for _, operation, count in counts:
            counted[operation] += count
    return counted


def _changes() -> int:
    return sum(count for operation, count in _counts().items() if operation != "copy")


def _shards() -> set[str]:
    return {shard for counts in _batches().values() for shard, _, _ in counts}


def _compare(cluster: Cluster) -> None:
    lines = (OUTPUT / "rows.jsonl").read_text().split("\n")
    held: list[dict[str, Any]] = [json.loads(line, parse_float=Decimal) for line in lines]
    wanted = {row["id"]: row for row in select_rows(cluster.mysql_port, KEYSPACE, TABLE)}
    is_equal = len(held) == len(wanted) and {row["id"]: row for row in held} == wanted
    counted = _counts()
    tasks: dict[str, int] = json.loads((OUTPUT / "executors.json").read_text())
    title("Parquet beside SELECT:")
    print(
        table(
            ("what", "number"),
            [
                ("rows copied", counted["copy"]),
                ("rows upserted", counted["upsert"]),
                ("rows deleted", counted["delete"]),
                ("batches", len(_batches())),
                *((f"tasks of executor {name}", count) for name, count in sorted(tasks.items())),
                ("rows in Parquet", len(held)),
                ("rows by SELECT", len(wanted)),
            ],
        )
    )
    print(f"\n  {'Equal: every row and every value.' if is_equal else 'NOT EQUAL.'}")
    if not is_equal:
        raise DemoError("what is in Parquet is not what SELECT gives.")


if __name__ == "__main__":
    sys.exit(main())
