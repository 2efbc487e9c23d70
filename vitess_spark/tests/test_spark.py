"""A real Spark reads a real Vitess: a batch, and a stream whose driver is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pymysql
import pytest
from instruments.select import select_rows
from vitess_local.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.spark, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-spark" / "bin" / "python"
PROGRAM = Path(__file__).with_name("spark_program.py")
KEYSPACE = "shop"

#: Seconds for a session to start and a batch to end, on a machine that has other things to do.
PATIENCE = 1500

TABLE = """
create table things (
  id bigint not null, name varchar(40), price decimal(12,2), big bigint unsigned, many decimal(40,2), at datetime(3),
  seen timestamp(6) null, day date, raw varbinary(20), single float, twice double, flag bit(1), bits bit(64),
  doc json, length time, y year, kind enum('a','b'), primary key (id))"""
VALUES = (
    "'n{0}', -{0}.50, 18446744073709551615, 12345678901234567890123456789012345678.25, '2026-01-02 03:04:05.006', "
    "'2026-01-02 03:04:05.000006', '2026-01-02', x'00ff', 1.5, 2.25, 1, x'ffffffffffffffff', '{{\"a\": 1}}', "
    "'-838:59:59', 1999, 'b'"
)
COLUMNS = "id, name, price, big, many, at, seen, day, raw, single, twice, flag, bits, doc, length, y, kind"
ROWS = 300


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The cluster that the environment names, or one of its own."""
    if not PYTHON.exists() or not shutil.which("java"):
        pytest.skip("Java or .venv-spark is missing; see `make spark-venv`")
    if running := os.environ.get("SOURCE_VITESS_TEST_CLUSTER"):
        yield Cluster.find(running)
        return
    with Cluster.up("spark-tests", keyspaces={KEYSPACE: 2}) as started:
        yield started


@pytest.fixture
def options(cluster: Cluster) -> Iterator[dict[str, str]]:
    """The options of a table with rows, which is made for the test."""
    cluster.sql(KEYSPACE, "drop table if exists things")
    cluster.sql(KEYSPACE, TABLE)
    with suppress(pymysql.OperationalError):  # the VSchema keeps it when the table is dropped
        cluster.sql(KEYSPACE, f"alter vschema on {KEYSPACE}.things add vindex xxh_things(id) using xxhash")
    rows = ", ".join(f"({number}, {VALUES.format(number)})" for number in range(1, ROWS + 1))
    cluster.sql(KEYSPACE, f"insert into things ({COLUMNS}) values {rows}")
    yield {**cluster.config(KEYSPACE), "table": "things", "tablet_type": "PRIMARY"}
    cluster.sql(KEYSPACE, "drop table things")


def start(*arguments: str, master: str = "local[2]") -> subprocess.Popen[str]:
    """Starts a driver, in a process group of its own."""
    return subprocess.Popen(
        [str(PYTHON), str(PROGRAM), *arguments],
        env={**os.environ, "SPARK_MASTER": master},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(*arguments: str, master: str = "local[2]") -> str:
    """Runs a driver to its end; returns what it printed."""
    driver = start(*arguments, master=master)
    try:
        output, _ = driver.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        kill(driver)
        raise
    assert not driver.returncode, output[-6000:]
    return output


def kill(driver: subprocess.Popen[str]) -> None:
    """Ends a driver and its workers as a crash does."""
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()


def ids(rows: Mapping[str, Any]) -> dict[int, str]:
    """Returns what the sink holds, name by id."""
    return {int(row["id"]): row["name"] for row in rows.values()}


def selected(cluster: Cluster) -> dict[int, str]:
    """Returns what SELECT gives, name by id."""
    return {row["id"]: row["name"] for row in select_rows(cluster.mysql_port, KEYSPACE, "things")}


def test_a_batch(options: dict[str, str], tmp_path: Path) -> None:
    """Every row once, from both executors of a small cluster, each value as MySQL has it; and no secret in the plan."""
    output = tmp_path / "out.json"
    secret = {"username": "test", "password": "a-secret"}

    run("batch", json.dumps({**options, **secret}), str(output), master="local-cluster[2,1,1024]")

    found = json.loads(output.read_text())
    rows = {row["id"]: row for row in found["rows"]}
    assert len(found["rows"]) == len(rows) == ROWS
    assert {row["_vt_shard"] for row in rows.values()} == {"-80", "80-"}
    row = {name: value for name, value in rows[7].items() if not name.startswith("_vt_")}
    assert row == {
        "id": 7,
        "name": "n7",
        "price": -7.5,
        "big": 18446744073709551615,
        "many": "12345678901234567890123456789012345678.25",
        "at": "2026-01-02T03:04:05.006",
        "seen": "2026-01-02T03:04:05.000006Z",
        "day": "2026-01-02",
        "raw": "AP8=",
        "single": 1.5,
        "twice": 2.25,
        "flag": True,
        "bits": 18446744073709551615,
        "doc": '{"a": 1}',
        "length": "-838:59:59",
        "y": 1999,
        "kind": "b",
    }
    assert rows[7]["_vt_op"] == "copy"
    assert "a-secret" not in json.dumps(found)


def test_a_batch_in_several_tasks_with_a_filter(options: dict[str, str], tmp_path: Path) -> None:
    """Each row that fits comes once; what the key alone can tell is not even read."""
    output = tmp_path / "out.json"
    wanted = {"columns": "id,name", "partitionsPerShard": "3", "pushFilters": "true"}

    run("batch", json.dumps({**options, **wanted}), str(output), "id >= 50 and id < 110 and name <> 'n60'")

    rows = json.loads(output.read_text())["rows"]
    assert sorted(row["id"] for row in rows) == [number for number in range(50, 110) if number != 60]
    # Each task numbers what it reads from 0 on: 60 rows in two shards by three tasks.
    assert max(row["_vt_seq"] for row in rows) < 20


def test_a_stream_whose_driver_is_killed(cluster: Cluster, options: dict[str, str], tmp_path: Path) -> None:
    """It goes on where its checkpoint is: AvailableNow ends with what SELECT gives."""
    sink, checkpoint = tmp_path / "sink.json", tmp_path / "checkpoint"
    arguments = ("stream", json.dumps({**options, "columns": "id,name,price"}), str(sink), str(checkpoint))
    driver = start(*arguments, "1 second")
    try:
        wait_for(driver, lambda: sink.exists())
        cluster.sql(KEYSPACE, "update things set name = 'changed' where id <= 20")
        cluster.sql(KEYSPACE, "delete from things where id between 30 and 40")
        wait_for(driver, lambda: "changed" in sink.read_text())
    finally:
        kill(driver)
    cluster.sql(KEYSPACE, f"insert into things (id, name) values ({ROWS + 1}, 'late')")
    cluster.sql(KEYSPACE, "delete from things where id = 60")

    run(*arguments, "availableNow")

    assert ids(json.loads(sink.read_text())) == selected(cluster)


def test_an_error_is_one_sentence_before_a_task_starts(options: dict[str, str], tmp_path: Path) -> None:
    """A table that does not exist, with the nearest that does."""
    driver = start("batch", json.dumps({**options, "table": "thing"}), str(tmp_path / "out.json"))
    output, _ = driver.communicate(timeout=PATIENCE)

    assert driver.returncode
    assert "There is no table 'thing' in keyspace 'shop'. Did you mean 'things'?" in output


def wait_for(driver: subprocess.Popen[str], condition: Any) -> None:
    """Waits until something is so; a driver that has ended never gets there."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert driver.poll() is None, driver.communicate()[0][-6000:]
        assert time.monotonic() < end, "the stream does not get there"
        time.sleep(0.2)
