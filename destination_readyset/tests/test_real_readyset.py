"""A real ReadySet on the served MySQL: what its deep caches answer. `make readyset READYSET=/path/to/readyset` runs it.

Whether a deep cache answered is what `EXPLAIN LAST STATEMENT` says; rows alone could come from the upstream database.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
from vitess_local.plain_mysql import PlainMysql
from vitess_local.servers.ports import choose_ports

from tests.served import DELETED, NAMESPACE, SCHEMA, Served, catalog, record, state, stream

READYSET = os.environ.get("READYSET")
#: Flags besides the addresses; they differ between releases.
FLAGS = os.environ.get(
    "READYSET_FLAGS", "--cache-mode deep-then-shallow --allow-unauthenticated-connections --disable-telemetry"
)
SECONDS = 300.0

pytestmark = [
    pytest.mark.timeout(3 * SECONDS),
    pytest.mark.skipif(
        READYSET is None,
        reason="READYSET names no ReadySet: that a real one takes tables in, keeps its caches deep and answers from "
        "them after changes, an ALTER, a refresh and a kill was not proven here",
    ),
]


@dataclass
class Readyset:
    """A ReadySet on a MySQL.

    Attributes:
        mysql: What it replicates, and asks for what it does not cache.
        folder: Where its storage and its log are.
        port: Where it answers.
        metrics: Its other port.
    """

    mysql: PlainMysql
    folder: Path
    port: int
    metrics: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        url = f"mysql://local@127.0.0.1:{self.mysql.port}/{NAMESPACE}"
        argv = [
            str(READYSET),
            *shlex.split(FLAGS),
            f"--upstream-db-url={url}",
            f"--cdc-db-url={url}",
            f"--address=127.0.0.1:{self.port}",
            f"--metrics-address=127.0.0.1:{self.metrics}",
            "--deployment=tests",
            f"--storage-dir={self.folder / 'storage'}",
        ]
        with (self.folder / "readyset.log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        until(lambda: bool(self.ask("SHOW READYSET STATUS")))

    def kill(self) -> None:
        """Ends it as a machine does that fails."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def ask(self, *statements: str) -> list[list[tuple[Any, ...]]]:
        """Returns the rows of each statement, over one connection; nothing while it does not answer."""
        try:
            with (
                pymysql.connect(
                    host="127.0.0.1", port=self.port, user="local", database=NAMESPACE, autocommit=True
                ) as connection,
                connection.cursor() as cursor,
            ):
                found = []
                for sql in statements:
                    cursor.execute(sql)
                    found.append(list(cursor.fetchall()))
                return found
        except pymysql.MySQLError:
            return []

    def cached(self, sql: str) -> list[tuple[Any, ...]] | None:
        """Returns the rows of a query, None if no deep cache answered it."""
        match self.ask(sql, "EXPLAIN LAST STATEMENT"):
            case [rows, [(destination, *_)]] if str(destination).startswith("readyset("):
                return rows
        return None


def until(ready: Callable[[], bool]) -> None:
    """Waits for what happens in another process."""
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def readyset(served: Served, tmp_path: Path) -> Iterator[Readyset]:
    """One that has taken in a table, with a cache that the destination has made."""
    port, metrics = choose_ports(2, {served.mysql.port}, candidates=range(27999, 26000, -1))
    one = Readyset(served.mysql, tmp_path, port, metrics)
    served.write(catalog(), [record({"id": key, "name": f"n{key}"}) for key in range(1, 101)] + [state(1)])
    one.start()
    served.config["readyset"] = {
        "host": "127.0.0.1",
        "port": port,
        "username": "local",
        "tls": "disabled",
        "caches": ["CREATE CACHE by_id FROM SELECT name FROM customers WHERE id = ?"],
    }
    served.write(catalog(), [record({"id": 1, "name": "first"}), state(2)])
    yield one
    one.kill()


def _name(key: int) -> str:
    return f"SELECT name FROM customers WHERE id = {key}"


def test_changes_are_answered_by_a_deep_cache(served: Served, readyset: Readyset) -> None:
    """Rows that came with the snapshot, and that came with the binlog."""
    until(lambda: readyset.cached(_name(1)) == [("first",)])
    until(lambda: readyset.cached(_name(2)) == [("n2",)])

    served.write(catalog(), [record({"id": 2, **DELETED}), record({"id": 101, "name": "new"}), state(3)])

    until(lambda: readyset.cached(_name(2)) == [])
    until(lambda: readyset.cached(_name(101)) == [("new",)])


def test_a_start_leaves_caches_as_they_are(served: Served, readyset: Readyset) -> None:
    """Neither made again nor made shallow by statements in the binlog: five times."""
    ids = readyset.ask("SHOW CACHES")
    for number in range(5):
        served.write(catalog(), [record({"id": 3, "name": f"{number}"}), state(10 + number)])

    assert [row[:3] for row in readyset.ask("SHOW CACHES")[0]] == [row[:3] for row in ids[0]]
    until(lambda: readyset.cached(_name(3)) == [("4",)])
    assert "Schema generation mismatch" not in served.logs


def test_an_alter_brings_the_cache_back(served: Served, readyset: Readyset) -> None:
    """The table is taken in again, and the cache is made again."""
    altered = catalog(stream(schema={**SCHEMA, "more": {"type": "integer"}}))

    served.write(altered, [record({"id": 1, "name": "altered"}), state(3)])

    until(lambda: readyset.cached(_name(1)) == [("altered",)])


def test_a_refresh_deletes_what_is_gone(served: Served, readyset: Readyset) -> None:
    """Rows of the old generation are no answer any more, and the cache is the same one."""
    refreshed = catalog(stream(generation_id=1, minimum_generation_id=1))

    served.write(refreshed, [record({"id": 5, "name": "five"}), state(3)])

    until(lambda: readyset.cached(_name(1)) == [])
    until(lambda: readyset.cached(_name(5)) == [("five",)])


def test_a_killed_readyset_catches_up(served: Served, readyset: Readyset) -> None:
    """What was written while it was away is in its answers, from a cache that is deep."""
    until(lambda: readyset.cached(_name(1)) == [("first",)])
    readyset.kill()
    served.config.pop("readyset")
    served.write(catalog(), [record({"id": 1, "name": "meanwhile"}), state(3)])

    readyset.start()

    until(lambda: readyset.cached(_name(1)) == [("meanwhile",)])
