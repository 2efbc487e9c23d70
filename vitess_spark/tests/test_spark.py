"""A real Spark reads a real Vitess: a batch, and streams whose driver, and whose executors, are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest
from instruments.select import select_rows
from vitess_local.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.spark, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parent.parent.parent
#: Another one may have another Spark.
PYTHON = Path(os.environ.get("SOURCE_VITESS_SPARK_PYTHON", ROOT / ".venv-spark" / "bin" / "python"))
PROGRAM = Path(__file__).with_name("spark_program.py")
KEYSPACE = "shop"

#: By version of Spark, the jars of Delta that are made for it, as Maven names them.
DELTA = {"4.2": "io.delta:delta-spark_4.2_2.13:4.4.0"}

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
ROW_7 = {
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


class Driver:
    """A driver, in a process group of its own with all that it starts.

    Args:
        folder: Where what it prints is written: a pipe that is full would stop it.
        arguments: Of the program.
        master: Spark's master.
    """

    def __init__(self, folder: Path, *arguments: str, master: str = "local[2]") -> None:
        self._log = folder / "driver.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(PYTHON), str(PROGRAM), *arguments],
                env={**os.environ, "SPARK_MASTER": master},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")

    def wait(self) -> int:
        """Waits for its end; returns the exit code."""
        try:
            return self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Waits until something is so; a driver that has ended never gets there."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self._process.poll() is None, self.output[-6000:]
            assert time.monotonic() < end, f"the stream does not get there: {self.output[-6000:]}"
            time.sleep(0.2)

    def kill(self) -> None:
        """Ends it and its workers as a crash does."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def executors(self) -> list[int]:
        """Returns the processes of its executors."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if b"CoarseGrainedExecutorBackend" in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return [process for process in found if os.getpgid(process) == self._process.pid]


def run(folder: Path, *arguments: str, master: str = "local[2]") -> None:
    """Runs a driver to its end."""
    driver = Driver(folder, *arguments, master=master)
    assert not driver.wait(), driver.output[-6000:]


def ids(file: Path) -> dict[int, str]:
    """Returns what a file of the sink holds, name by id."""
    return {int(row["id"]): row["name"] for row in json.loads(file.read_text()).values()} if file.exists() else {}


def selected(cluster: Cluster, table: str = "things") -> dict[int, str]:
    """Returns what SELECT gives, name by id."""
    return {row["id"]: row["name"] for row in select_rows(cluster.mysql_port, KEYSPACE, table)}


def test_a_batch(options: dict[str, str], tmp_path: Path) -> None:
    """Every row once, from both executors of a small cluster, each value as MySQL has it; and no secret in the plan."""
    output = tmp_path / "out.json"
    secret = {"username": "test", "password": "a-secret"}

    run(tmp_path, "batch", json.dumps({**options, **secret}), str(output), master="local-cluster[2,1,1024]")

    found = json.loads(output.read_text())
    rows = {row["id"]: row for row in found["rows"]}
    assert len(found["rows"]) == len(rows) == ROWS
    assert {row["_vt_shard"] for row in rows.values()} == {"-80", "80-"}
    row = {name: value for name, value in rows[7].items() if not name.startswith("_vt_")}
    assert row == ROW_7
    assert rows[7]["_vt_op"] == "copy"
    assert "a-secret" not in json.dumps(found)


def test_a_batch_in_several_tasks_with_a_filter(options: dict[str, str], tmp_path: Path) -> None:
    """Each row that fits comes once; what the key alone can tell is not even read."""
    output = tmp_path / "out.json"
    wanted = {"columns": "id,name", "partitionsPerShard": "3", "pushFilters": "oneQuery"}

    run(tmp_path, "batch", json.dumps({**options, **wanted}), str(output), "id >= 50 and id < 110 and name <> 'n60'")

    rows = json.loads(output.read_text())["rows"]
    assert sorted(row["id"] for row in rows) == [number for number in range(50, 110) if number != 60]
    # Each task numbers what it reads from 0 on: 60 rows in two shards by three tasks.
    assert max(row["_vt_seq"] for row in rows) < 20


def test_a_stream_whose_driver_is_killed(cluster: Cluster, options: dict[str, str], tmp_path: Path) -> None:
    """It goes on where its checkpoint is: AvailableNow ends with what SELECT gives."""
    sink, checkpoint = tmp_path / "sink.json", tmp_path / "checkpoint"
    arguments = ("stream", json.dumps({**options, "columns": "id,name,price"}), str(sink), str(checkpoint))
    driver = Driver(tmp_path, *arguments, "1 second")
    try:
        driver.wait_for(sink.exists)
        cluster.sql(KEYSPACE, "update things set name = 'changed' where id <= 20")
        cluster.sql(KEYSPACE, "delete from things where id between 30 and 40")
        driver.wait_for(lambda: "changed" in sink.read_text())
    finally:
        driver.kill()
    cluster.sql(KEYSPACE, f"insert into things (id, name) values ({ROWS + 1}, 'late')")
    cluster.sql(KEYSPACE, "delete from things where id = 60")

    run(tmp_path, *arguments, "availableNow")

    assert ids(sink) == selected(cluster)


@pytest.fixture
def others(cluster: Cluster) -> Iterator[str]:
    """Another table with rows, `others`."""
    cluster.sql(KEYSPACE, "drop table if exists others")
    cluster.sql(KEYSPACE, "create table others (id bigint not null, name varchar(40), primary key (id))")
    with suppress(pymysql.OperationalError):
        cluster.sql(KEYSPACE, f"alter vschema on {KEYSPACE}.others add vindex xxh_others(id) using xxhash")
    rows = ", ".join(f"({number}, 'o{number}')" for number in range(1, ROWS + 1))
    cluster.sql(KEYSPACE, f"insert into others (id, name) values {rows}")
    yield "others"
    cluster.sql(KEYSPACE, "drop table others")


def test_several_tables_whose_executors_are_killed(
    cluster: Cluster, options: dict[str, str], others: str, tmp_path: Path
) -> None:
    """In the middle of the copy, and of changes: the sink of each table is what SELECT gives, in every value."""
    folder, checkpoint = tmp_path / "sinks", tmp_path / "checkpoint"
    folder.mkdir()
    given = {**{name: value for name, value in options.items() if name != "table"}, "tables": f"things,{others}"}
    arguments = ("tables", json.dumps(given), str(folder), str(checkpoint), "1 second")
    driver = Driver(tmp_path, *arguments, master="local-cluster[2,1,1024]")
    try:
        shard = cluster.shards(KEYSPACE)[0]
        alias = cluster.primary(KEYSPACE, shard).alias
        with cluster.connect_tablet(alias, database=f"vt_{KEYSPACE}") as mysql, mysql.cursor() as cursor:
            # A copy begins with a lock of the table, and so waits for this transaction.
            mysql.begin()
            cursor.execute(f"update {others} set name = 'held'")
            driver.wait_for(lambda: waits_for_a_lock(cluster, alias))
            killed = driver.executors()
            for executor in killed:
                os.kill(executor, signal.SIGKILL)
            assert len(killed) == 2
            assert not committed(checkpoint, 0)
            mysql.commit()
        driver.wait_for(lambda: committed(checkpoint, 0))
        assert not set(killed) & set(driver.executors())

        for attempt in range(20):
            number = max(int(file.name) for file in (checkpoint / "offsets").glob("[0-9]*")) + 1
            for table in ("things", others):
                cluster.sql(KEYSPACE, f"update {table} set name = 'changed {attempt}' where id <= 20 and id <> 7")
                cluster.sql(KEYSPACE, f"delete from {table} where id = {30 + attempt}")
            driver.wait_for((checkpoint / "offsets" / str(number)).exists)
            os.kill(driver.executors()[0], signal.SIGKILL)
            if not committed(checkpoint, number):
                break
        else:
            raise AssertionError("no kill came before the end of its batch")
        for table in ("things", others):
            driver.wait_for(lambda: ids(folder / f"{table}.json") == selected(cluster, table))  # noqa: B023 - at once
    finally:
        driver.kill()
    things = json.loads((folder / "things.json").read_text())
    assert things["[7]"] == ROW_7


def committed(checkpoint: Path, number: int) -> bool:
    """Tells whether Spark has noted the end of a batch."""
    return (checkpoint / "commits" / str(number)).exists()


def waits_for_a_lock(cluster: Cluster, alias: str) -> bool:
    """Tells whether a copy waits for a table's lock in a tablet's MySQL."""
    with cluster.connect_tablet(alias) as mysql, mysql.cursor() as cursor:
        cursor.execute(
            "select count(*) from information_schema.processlist "
            "where info like 'lock tables%' and state like 'Waiting for table%'"
        )
        [[count]] = cursor.fetchall()
        return bool(count)


def test_a_merge_into_delta(
    cluster: Cluster, options: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table has what SELECT gives, also after a batch that Spark runs again because it has not noted its end."""
    version = subprocess.run(
        [str(PYTHON), "-c", "import pyspark; print(pyspark.__version__)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not (packages := DELTA.get(version.rpartition(".")[0])):
        pytest.skip(f"Delta has no jars for Spark {version}, only for {', '.join(DELTA)}")
    monkeypatch.setenv("DELTA", packages)
    rows, checkpoint = tmp_path / "rows.json", tmp_path / "checkpoint"
    arguments = ("delta", json.dumps(options), str(rows), str(checkpoint))
    driver = Driver(tmp_path, *arguments, "1 second")
    try:
        driver.wait_for(lambda: committed(checkpoint, 0))
        cluster.sql(KEYSPACE, "update things set name = 'changed' where id <= 20 and id <> 7")
        cluster.sql(KEYSPACE, "delete from things where id between 30 and 40")
        driver.wait_for(lambda: ids(rows) == selected(cluster))
    finally:
        driver.kill()
    assert json.loads(rows.read_text())["[7]"] == ROW_7
    last = max(int(file.name) for file in (checkpoint / "commits").glob("[0-9]*"))
    for file in (f"{last}", f".{last}.crc"):
        (checkpoint / "commits" / file).unlink(missing_ok=True)
    cluster.sql(KEYSPACE, f"insert into things (id, name) values ({ROWS + 1}, 'late')")
    cluster.sql(KEYSPACE, "delete from things where id = 60")

    run(tmp_path, *arguments, "availableNow")

    assert committed(checkpoint, last + 1)
    assert ids(rows) == selected(cluster)


def test_an_error_is_one_sentence_before_a_task_starts(options: dict[str, str], tmp_path: Path) -> None:
    """A table that does not exist, with the nearest that does."""
    driver = Driver(tmp_path, "batch", json.dumps({**options, "table": "thing"}), str(tmp_path / "out.json"))

    assert driver.wait()
    assert "There is no table 'thing' in keyspace 'shop'. Did you mean 'things'?" in driver.output
