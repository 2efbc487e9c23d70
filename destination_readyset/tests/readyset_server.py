"""A ReadySet on the served MySQL for tests of what its deep caches answer: a real one, or one that is played.

Whether a deep cache answered is what `EXPLAIN LAST STATEMENT` says; rows alone could come from the upstream database.
Values are MySQL's text.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pymysql
import pytest
from instruments.scripted_readyset import ScriptedReadyset
from instruments.scripted_vtgate.mysql_server import MysqlStatusError, Result, Statement, VtgateMysqlServer
from pymysql.constants import ER
from vitess_local.cache import Cache
from vitess_local.plain_mysql import PlainMysql
from vitess_local.servers.ports import reserve_port

from destination_readyset.companion import Companion
from tests.prepared import as_float, execute_prepared
from tests.served import NAMESPACE, Json

READYSET = os.environ.get("READYSET")
#: Flags besides the addresses; they differ between releases.
FLAGS = os.environ.get(
    "READYSET_FLAGS", "--cache-mode deep-then-shallow --allow-unauthenticated-connections --disable-telemetry"
)
#: How docs/readyset.md says that it is started: it counts transactions, and can go on within one.
BY_GTID = "--require-gtid --max-gtid-rows-to-skip 1000000000"
SECONDS = 300.0
#: PyMySQL's converters without those that read.
TEXT: dict[Any, Callable[..., Any]] = dict(pymysql.converters.encoders)

#: For `pytest.fixture(params=…)`: what `any_readyset` takes.
KINDS = [
    "played",
    pytest.param(
        "real",
        marks=pytest.mark.skipif(
            READYSET is None,
            reason="READYSET names no ReadySet: what a real one answers here was not proven, only what one that is "
            "played does",
        ),
    ),
]

Rows = list[tuple[Any, ...]]

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d |-?)\d{2,3}:\d\d:\d\d(\.\d{1,6})?")


class Process(Protocol):
    """What can be started, killed and robbed."""

    port: int

    def start(self) -> None:
        """Starts it; the served database must be there, or a real one ends at once."""

    def check(self) -> None:
        """Fails, with its last words, if it has ended by itself."""

    def kill(self) -> None:
        """Ends it as a machine does that fails; without effect if it does not run."""

    def lose_storage(self) -> None:
        """Deletes what it keeps on disk; it must not run."""


class Readyset:
    """A ReadySet, asked over MySQL's protocol.

    Args:
        process: What answers.
        database: The served database.
    """

    def __init__(self, process: Process, database: str = NAMESPACE) -> None:
        self._process = process
        self._database = database

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self._process.start()
        until(self._answers)

    def _answers(self) -> bool:
        self._process.check()
        return bool(self.ask("SHOW READYSET STATUS"))

    def kill(self) -> None:
        """Ends it as a machine does that fails."""
        self._process.kill()

    def lose_storage(self) -> None:
        """Kills it, deletes its storage and starts it again."""
        self._process.kill()
        self._process.lose_storage()
        self.start()

    def config(self, *caches: str) -> Json:
        """Returns the destination's field `readyset`."""
        return {
            "host": "127.0.0.1",
            "port": self._process.port,
            "username": "local",
            "tls": "disabled",
            "caches": list(caches),
        }

    def ask(self, *statements: str) -> list[Rows]:
        """Returns the rows of each statement, over one connection; nothing while it does not answer."""

        def each(connection: pymysql.Connection[Any]) -> list[Rows]:
            with connection.cursor() as cursor:
                found = []
                for sql in statements:
                    cursor.execute(sql)
                    found.append(list(cursor.fetchall()))
                return found

        return self._connected(each) or []

    def has_taken_in(self, *tables: str) -> bool:
        """Whether it has all rows of these tables, as it says."""
        rows = (self.ask("SHOW READYSET ALL TABLES") or [[]])[0]
        online = {str(row[0]) for row in rows if row[1] == "Online"}
        return all(f"`{self._database}`.`{name}`" in online for name in tables)

    def offset(self) -> str:
        """Returns how far it has read the binlog; "" while it does not say."""
        rows = (self.ask("SHOW READYSET STATUS") or [[]])[0]
        return next((str(value) for name, value in rows if name == "Maximum Replication Offset"), "")

    def cached(self, sql: str, *parameters: int | str) -> Rows | None:
        """Returns the rows of a query as both protocols have them; None if no deep cache answered.

        Args:
            sql: With a question mark for each parameter.
            parameters: Written into the text, and sent beside a prepared statement: the answers must be equal.
        """
        text, prepared = self.text(sql, *parameters), self.prepared(sql, *parameters)
        return text if text is not None and prepared is not None and are_equal(text, prepared) else None

    def text(self, sql: str, *parameters: int | str) -> Rows | None:
        """Returns the rows of a query whose parameters are written into it; None if no deep cache answered."""
        written, *rest = sql.split("?")
        for value, more in zip(parameters, rest, strict=True):
            written += (str(value) if isinstance(value, int) else f"'{value}'") + more
        match self.ask(written, "EXPLAIN LAST STATEMENT"):
            case [rows, [(destination, *_)]] if str(destination).startswith("readyset("):
                return rows
        return None

    def prepared(self, sql: str, *parameters: int | str) -> Rows | None:
        """Returns the rows that a prepared statement has; None if no deep cache answered."""

        def both(connection: pymysql.Connection[Any]) -> tuple[Rows, Rows]:
            rows = execute_prepared(connection, sql, *parameters)
            with connection.cursor() as cursor:
                cursor.execute("EXPLAIN LAST STATEMENT")
                return rows, list(cursor.fetchall())

        match self._connected(both):
            case (rows, [(destination, *_)]) if str(destination).startswith("readyset("):
                return list(rows)
        return None

    def _connected(self, ask: Callable[[pymysql.Connection[Any]], Any]) -> Any:
        try:
            with pymysql.connect(
                host="127.0.0.1",
                port=self._process.port,
                user="local",
                database=self._database,
                autocommit=True,
                conv=TEXT,
            ) as connection:
                return ask(connection)
        except pymysql.MySQLError:
            return None


def are_equal(rows: Rows, prepared: Rows) -> bool:
    """Tells whether rows as text and rows of a prepared statement are the same."""
    return len(rows) == len(prepared) and all(
        len(row) == len(other) and all(_is_same(*both) for both in zip(row, other, strict=True))
        for row, other in zip(rows, prepared, strict=True)
    )


def _is_same(text: Any, prepared: Any) -> bool:
    if isinstance(text, str) and isinstance(prepared, str):
        return _moment(text) == _moment(prepared)
    if not isinstance(prepared, float):
        return bool(text == prepared)
    if text is None:
        return False
    number = float(text)
    # MySQL writes a FLOAT with six digits; ReadySet with as many as tell it from its neighbours, which are few for a
    # very small one: 1e-45 is the FLOAT 1.4012984e-45.
    return number == prepared or as_float(number) == prepared or f"{number:.6g}" == f"{prepared:.6g}"


def _moment(text: str) -> str:
    """Returns a time without what ReadySet writes otherwise in the binary protocol; any other text as it is.

    It says of a TIMESTAMP(n) that it has no digits after the point, and sends them all; and gives a zero TIME a sign.
    """
    if _MOMENT.fullmatch(text) is None:
        return text
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "00:00:00" if short == "-00:00:00" else short


class RealReadyset:
    """The program that READYSET names.

    Args:
        mysql: What it replicates.
        upstream: The port of what it asks for all that it does not cache: VTGate's, or that MySQL's.
        folder: Where its storage and its log are.
        database: The served database.
        flags: More than FLAGS.
    """

    def __init__(
        self, mysql: PlainMysql, upstream: int, folder: Path, database: str = NAMESPACE, flags: str = BY_GTID
    ) -> None:
        self._mysql = mysql
        self._flags = flags
        self._upstream = upstream
        self._folder = folder
        self._database = database
        locks = Cache.default().locks
        self._ports = [reserve_port(locks, range(27999, 26000, -1)) for _ in range(2)]
        self.port = self._ports[0].number
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it."""
        argv = [
            str(READYSET),
            *shlex.split(f"{FLAGS} {self._flags}"),
            f"--upstream-db-url=mysql://local@127.0.0.1:{self._upstream}/{self._database}",
            f"--cdc-db-url=mysql://local@127.0.0.1:{self._mysql.port}/{self._database}",
            f"--address=127.0.0.1:{self.port}",
            f"--metrics-address=127.0.0.1:{self._ports[1].number}",
            "--deployment=tests",
            f"--storage-dir={self._folder / 'storage'}",
        ]
        with (self._folder / "readyset.log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)

    def check(self) -> None:
        """Fails, with its last words, if it has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            words = (self._folder / "readyset.log").read_text(errors="replace").splitlines()[-5:]
            raise AssertionError("\n".join([f"ReadySet has ended with {code}:", *words]))

    def kill(self) -> None:
        """Ends it as a machine does that fails."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def lose_storage(self) -> None:
        """Deletes what it keeps on disk."""
        shutil.rmtree(self._folder / "storage", ignore_errors=True)

    def close(self) -> None:
        """Ends it for good."""
        self.kill()
        for port in self._ports:
            port.release()


class PlayedReadyset(ScriptedReadyset):  # type: ignore[misc] # checked where it is
    """A scripted ReadySet whose caches answer from the served MySQL, without a delay, and follow its changed tables.

    What it cannot play: a replicator of its own, so that all it answers is as the served MySQL has it.

    Args:
        mysql: What it replicates.
        upstream: The port of what it asks for all that it does not cache.
        database: The served database.
    """

    def __init__(self, mysql: PlainMysql, upstream: int, database: str = NAMESPACE) -> None:
        super().__init__()
        self._database = database
        self._columns: dict[str, str] = {}
        self._refusal = ""
        self._replicated = _Database(mysql.port, database)
        self.replica = self._replicated.select
        self.upstream = _Database(upstream, database).select
        self._server = VtgateMysqlServer(self)
        self._server.start()
        self._server.stop()
        self.port = self._server.port

    def start(self) -> None:
        """Starts to answer, if there is the database; without it, a real one ends (readyset/src/verify.rs)."""
        found = self._replicated.select(f"SHOW DATABASES LIKE '{self._database}'")
        self._refusal = "" if found else f"ReadySet has ended with 1: Unknown database '{self._database}'"
        if found:
            self._server.start()

    def check(self) -> None:
        """Fails if it has ended by itself."""
        assert self._refusal == "", self._refusal

    def kill(self) -> None:
        """Answers no more; its caches are on disk."""
        self._server.stop()

    def close(self) -> None:
        """Ends it for good."""
        self.kill()

    def query(self, statement: Statement) -> Result:
        """Answers a statement, after what the binlog has brought until now."""
        try:
            self._follow()
            return super().query(statement)
        except pymysql.MySQLError as error:
            raise MysqlStatusError(ER.UNKNOWN_ERROR, f"a database does not answer ({error.args[0]})") from error

    def offset(self) -> str:
        """Returns where the binlog ends, as all of it is read."""
        ((file, position, *_),) = self._replicated.select("SHOW BINARY LOG STATUS")
        return f"{file}:{position}"

    def _follow(self) -> None:
        rows = self._replicated.select(
            "SELECT table_name, GROUP_CONCAT(column_name, ' ', column_type ORDER BY ordinal_position) "
            f"FROM information_schema.columns WHERE table_schema = '{self._database}' GROUP BY table_name"
        )
        columns = {str(name): str(definition) for name, definition in rows}
        for name, definition in self._columns.items():
            if columns.get(name) != definition:
                self.alter(name)
        self._columns = columns
        self.tables = [[(f"`{self._database}`.`{name}`", "Online", "") for name in columns]]


@contextlib.contextmanager
def any_readyset(
    kind: str, mysql: PlainMysql, upstream: int, folder: Path, database: str = NAMESPACE, flags: str = BY_GTID
) -> Iterator[Readyset]:
    """A ReadySet that is not started yet.

    Args:
        kind: `real` or `played`.
        mysql: What it replicates.
        upstream: The port of what it asks for all that it does not cache: VTGate's, or that MySQL's.
        folder: Where a real one has its storage and its log.
        database: The served database.
        flags: What a real one is started with, besides FLAGS.
    """
    process: RealReadyset | PlayedReadyset
    if kind == "real":
        process = RealReadyset(mysql, upstream, folder, database, flags)
    else:
        process = PlayedReadyset(mysql, upstream, database)
    try:
        yield Readyset(process, database)
    finally:
        process.close()


class _Database:
    """A MySQL server that is asked over one connection, which is opened again when it was lost."""

    def __init__(self, port: int, database: str) -> None:
        self._port = port
        self._database = database
        self._connection: pymysql.Connection[Any] | None = None

    def select(self, sql: str) -> Sequence[Sequence[object]]:
        """Returns the rows of a statement, as text."""
        try:
            return self._select(sql)
        except pymysql.OperationalError:
            self._connection = None
            return self._select(sql)

    def _select(self, sql: str) -> Sequence[Sequence[object]]:
        if self._connection is None:
            self._connection = pymysql.connect(
                host="127.0.0.1", port=self._port, user="local", autocommit=True, conv=TEXT
            )
        with self._connection.cursor() as cursor:
            if "information_schema" not in sql and not sql.startswith("SHOW "):
                # Which may not be there yet.
                cursor.execute(f"USE `{self._database}`")
            cursor.execute(sql)
            return list(cursor.fetchall())


def until(ready: Callable[[], bool], *, seconds: float = SECONDS) -> None:
    """Waits for what happens in another process."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def in_a_hurry(monkeypatch: pytest.MonkeyPatch, *, patience: float) -> None:
    """Lets what looks after ReadySet wait for so many seconds at most, and not long between two tries."""
    defaults = {**(Companion.__init__.__kwdefaults__ or {}), "patience": patience, "pause": 0.01}
    monkeypatch.setattr(Companion.__init__, "__kwdefaults__", defaults)
