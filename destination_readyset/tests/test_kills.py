"""`run` on a real Vitess, killed at random: itself, its processes, the served MySQL, VTGate and ReadySet.

Beside a writer, for as many seconds as KILL_SECONDS says: `make readyset KILL_SECONDS=600`. A supervisor, played by the
test, starts again what was killed. What it came to is printed, and the log of `run` is kept where KILL_LOG says.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from source_vitess.position.vgtid import contains
from vitess_local.cluster import Cluster
from vitess_local.plain_mysql import PlainMysql

from tests.readyset_server import READYSET, SECONDS, Readyset, any_readyset, until
from tests.supervisor import Supervisor, command_line, is_running, is_zombie

KILL_SECONDS = float(os.environ.get("KILL_SECONDS", "0"))
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200 + KILL_SECONDS)]

KEYSPACE = "shop"
NAME = "SELECT name FROM customers WHERE id = ?"
KEYS = 400
#: So many of them are asked for at ReadySet in the end.
ASKED = 25
#: What the tables are, shard by shard: whatever a shard is asked for, its keys are its own.
TABLES = {
    "customers": "create table customers (id bigint not null primary key, name varchar(60), plan enum('free','paid'))",
    "events": "create table events (shop int not null, id bigint not null, body json, primary key (shop, id))",
}


class Writer:
    """Changes rows of both shards through VTGate, whatever becomes of VTGate.

    Args:
        cluster: The Vitess.
        chooser: Decides what is changed.
    """

    def __init__(self, cluster: Cluster, chooser: random.Random) -> None:
        self._cluster = cluster
        self._chooser = chooser
        self._shards = sorted(cluster.serving_shards(KEYSPACE))
        self._stopped = threading.Event()
        self.transactions = 0
        self.truncates = 0
        self.refused = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the transaction under way."""
        self._stopped.set()
        self._thread.join(SECONDS)

    def _run(self) -> None:
        while not self._stopped.is_set():
            shard = self._chooser.randrange(len(self._shards))
            try:
                with self._cluster.connect(f"{KEYSPACE}:{self._shards[shard]}@primary") as connection:
                    while not self._stopped.is_set():
                        self._transaction(connection, shard)
                        if self._chooser.random() < 0.1:
                            break
            except (pymysql.MySQLError, OSError):
                # VTGate is away; whether a COMMIT was done does not matter, as SELECT tells what is there.
                self.refused += 1
                self._stopped.wait(0.1)

    def _transaction(self, connection: Any, shard: int) -> None:
        with connection.cursor() as cursor:
            if self._chooser.random() < 0.002:
                cursor.execute("truncate table customers")
                self.truncates += 1
                return
            cursor.execute("begin")
            for _ in range(self._chooser.randrange(1, 20)):
                cursor.execute(self._statement(shard))
            cursor.execute("commit")
        self.transactions += 1
        self._stopped.wait(self._chooser.random() * 0.05)

    def _statement(self, shard: int) -> str:
        # Keys of the one shard are even, those of the other odd.
        key = self._chooser.randrange(KEYS // 2) * 2 + shard
        dice = self._chooser.random()
        if dice < 0.2:
            return f"delete from customers where id = {key}"
        if dice < 0.3:
            return f"delete from events where shop = {shard} and id = {key}"
        if dice < 0.5:
            return f"replace into events values ({shard}, {key}, '{{\"n\": {self._chooser.randrange(10**6)}}}')"
        plan = self._chooser.choice(["free", "paid"])
        return f"replace into customers values ({key}, 'name {self._chooser.randrange(10**9)}', '{plan}')"


class Kept:
    """The state that the served MySQL keeps, which never goes back.

    Args:
        mysql: The served MySQL.
    """

    def __init__(self, mysql: PlainMysql) -> None:
        self._mysql = mysql
        self._last: dict[str, str] = {}
        self.looks = 0

    def has_moved(self) -> bool:
        """Whether it goes further than at the last look that was kept; looks."""
        before = self._last
        self.look()
        return self._last != before

    def look(self) -> None:
        """Compares it with what it was."""
        try:
            rows = self._mysql.sql("SELECT state FROM _airbyte_readyset.states")
        except pymysql.MySQLError:
            return  # not made yet, or its server is away
        for (text,) in rows:
            shared = json.loads(text)["global"]["shared_state"]
            position = {each["shard"]: each["gtid"] for each in shared["vgtid"]}
            for shard, gtid in self._last.items():
                assert contains(position[shard], gtid), f"the kept position of shard {shard} went back"
            self._last = position
            self.looks += 1


@pytest.fixture
def tables(keyspaces: Cluster) -> Cluster:
    """Both shards with the tables."""
    for shard in keyspaces.serving_shards(KEYSPACE):
        for create in TABLES.values():
            keyspaces.sql(f"{KEYSPACE}:{shard}@primary", create)
    keyspaces.reload_schema(KEYSPACE)
    return keyspaces


@pytest.fixture
def own_mysql() -> Iterator[PlainMysql]:
    """A served MySQL that may be killed."""
    with PlainMysql.start() as server:
        yield server


def test_a_killed_mysql_leaves_no_lock(own_mysql: PlainMysql) -> None:
    """Else a start at once can fail: the lock names a process that is gone, but that nobody has waited for yet."""
    own_mysql.kill()
    assert list(own_mysql.data_dir.glob("*.lock")) == []
    own_mysql.run()


def test_everything_is_killed_at_random(tables: Cluster, own_mysql: PlainMysql, tmp_path: Path) -> None:
    """The served tables are Vitess' in the end, the state never goes back, caches stay, and nothing is left behind."""
    seed = int(os.environ.get("SOURCE_VITESS_SEED", random.randrange(10**6)))  # noqa: S311 - a test
    print(f"SOURCE_VITESS_SEED={seed}")  # noqa: T201 - to repeat it
    chooser = random.Random(seed)  # noqa: S311 - a test
    kind = "real" if READYSET else "played"
    with any_readyset(kind, own_mysql, tables.mysql_port, tmp_path, KEYSPACE) as readyset:
        cache = readyset.config(f"CREATE DEEP CACHE by_id FROM {NAME}")
        argv = command_line(tables, KEYSPACE, list(TABLES), own_mysql, cache, tmp_path)
        supervisor = Supervisor(argv, tmp_path)
        writer = Writer(tables, random.Random(seed))  # noqa: S311 - a test
        kept = Kept(own_mysql)
        kills: Counter[str] = Counter()
        try:
            until(lambda: _served(own_mysql, "customers") is not None)
            readyset.start()
            ends_at = time.monotonic() + KILL_SECONDS
            while sum(kills.values()) < 8 or time.monotonic() < ends_at:
                if chooser.random() < 0.5:
                    # Else a slow machine would do nothing but start what was killed.
                    until(kept.has_moved)
                # Between two moments of the whole, whichever they are.
                time.sleep(chooser.random() * 3)
                kills[_kill(chooser, supervisor, tables, own_mysql, readyset)] += 1
                kept.look()
            repairs = _repair(readyset, supervisor)
            writer.stop()
            until(lambda: all(_served(own_mysql, name) == _expected(tables, name) for name in TABLES))
            kept.look()
            asked = chooser.sample(range(KEYS), ASKED)
            until(lambda: readyset.cached(NAME, asked[0]) is not None)
            cached = {key: readyset.cached(NAME, key) for key in asked}
            assert supervisor.stop() == 0
        finally:
            writer.stop()
            supervisor.process.kill()
            supervisor.process.wait()
            if target := os.environ.get("KILL_LOG"):
                shutil.copy(supervisor.log, target)

    text = supervisor.log.read_text()
    print(  # noqa: T201 - for a person
        f"{dict(kills)}; {writer.transactions} transactions, {writer.truncates} times TRUNCATE, "
        f"{text.count('INFO  source: Reading keyspace')} rounds, {kept.looks} looks at the state, "
        f"{len(text.splitlines())} lines of log, ReadySet {kind}, its storage emptied {repairs} times after a warning"
    )
    names = {int(row[0]): row[1] for row in _expected(tables, "customers")}
    assert cached == {key: [(names[key],)] if key in names else [] for key in asked}
    until(lambda: not any(is_running(pid) for pid in supervisor.seen))
    assert [pid for pid in supervisor.seen if is_zombie(pid)] == []
    assert [path.name for path in supervisor.temporary.iterdir()] == []
    assert "Traceback" not in text


def _kill(
    chooser: random.Random, supervisor: Supervisor, cluster: Cluster, mysql: PlainMysql, readyset: Readyset
) -> str:
    """Kills one of them, has it started again, and returns which it was."""
    victims: dict[str, Callable[[], object]] = {
        "run": lambda: supervisor.kill(supervisor.process.pid),
        "VTGate": lambda: cluster.restart_vtgate(number=signal.SIGKILL),
        "MySQL": lambda: _restart_mysql(mysql, readyset, chooser),
        "ReadySet": lambda: _restart(readyset.kill, readyset.start, chooser),
        "ReadySet's storage": readyset.lose_storage,
    }
    children = supervisor.look()
    if len(children) == 2:
        victims["source"] = lambda: supervisor.kill(children[0])
        victims["destination"] = lambda: supervisor.kill(children[1])
    name = chooser.choice(sorted(victims))
    victims[name]()
    return name


def _restart_mysql(mysql: PlainMysql, readyset: Readyset, chooser: random.Random) -> None:
    # A real one (stable-260528) whose snapshot is interrupted so goes on without the rows that it lacks: its own fault,
    # for which docs/readyset.md has the repair.
    until(lambda: readyset.has_taken_in(*TABLES))
    _restart(mysql.kill, mysql.run, chooser)


def _restart(kill: Callable[[], None], start: Callable[[], None], chooser: random.Random) -> None:
    kill()
    # As long as a supervisor takes.
    time.sleep(chooser.random() * 2)
    start()


def _repair(readyset: Readyset, supervisor: Supervisor) -> int:
    """Waits until ReadySet follows the writer, and does what a warning of `run` says; returns how often.

    A real one (stable-260528) that was killed, or lost its MySQL, within a transaction can stay there for good.
    """
    seen: set[str] = set()
    done = 0
    told = _warnings(supervisor)

    def follows() -> bool:
        nonlocal done, told
        if (now := _warnings(supervisor)) > told:
            told, done = now, done + 1
            seen.clear()
            readyset.lose_storage()
        seen.update(filter(None, [readyset.offset()]))
        return len(seen) > 1

    # It is told after three minutes, and a snapshot takes its time.
    until(follows, seconds=2 * SECONDS)
    return done


def _warnings(supervisor: Supervisor) -> int:
    return supervisor.log.read_text().count("empty its storage directory")


def _served(mysql: PlainMysql, table: str) -> list[tuple[Any, ...]] | None:
    try:
        return sorted(_comparable(mysql.sql(f"SELECT * FROM {KEYSPACE}.{table}")))
    except pymysql.MySQLError:
        return None


def _expected(cluster: Cluster, table: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for shard in cluster.serving_shards(KEYSPACE):
        found += _comparable(cluster.sql(f"{KEYSPACE}:{shard}@primary", f"select * from {table}"))
    return sorted(found)


def _comparable(rows: Any) -> list[tuple[Any, ...]]:
    # JSON as text, without the blanks that MySQL puts between.
    return [tuple(json.dumps(json.loads(c)) if str(c).startswith("{") else c for c in row) for row in rows]
