"""Runs statements on a thread of its own, so that the next ones are made while MySQL works on the last.

- Statements run in the order they were given, in one transaction from one `commit` to the next.
- What `commit` was given is passed on only once the commit succeeded.
- After the first error nothing runs any more, and the transaction is rolled back.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import pymysql
from source_vitess.errors import ConnectorError, InternalError

from destination_readyset.failures import describe
from destination_readyset.served import Connection

#: Statements that may wait. With a batch being made and one being run, this bounds the memory.
_WAITING = 3
#: Seconds of one statement after which somebody should know.
_LONG = 60.0


@dataclass(frozen=True)
class _Statement:
    sql: bytes
    table: str


@dataclass(frozen=True)
class _Commit:
    committed: Callable[[], None]


class Sender:
    """One connection and its thread. `close` must be called.

    Args:
        connection: With autocommit off. The sender closes it.
        failed: Called once, on the sender's thread, when a statement fails.
        delayed: Called with a text, on a thread of its own, when a statement has taken long and goes on.

    Attributes:
        changes: How many transactions that change rows of tables were committed, or are being committed.
        committed: How many of these were committed.
        unreplicated: Tables that ReadySet leaves out: what changes rows of them alone does not count. Another thread
            sets it.
    """

    def __init__(
        self,
        connection: Connection,
        failed: Callable[[], None] = lambda: None,
        delayed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._failed = failed
        self._delayed = delayed
        self._jobs: queue.Queue[_Statement | _Commit | None] = queue.Queue(_WAITING)
        self._error: ConnectorError | None = None
        self.changes = 0
        self.committed = 0
        self.unreplicated: frozenset[str] = frozenset()
        self._has_changes = False
        self._thread = threading.Thread(target=self._run, name="destination-readyset-sender", daemon=True)
        self._thread.start()

    def execute(self, sql: bytes, table: str = "") -> None:
        """Has a statement run.

        Raises:
            ConnectorError: An earlier one failed.
        """
        self.check()
        self._jobs.put(_Statement(sql, table))

    def commit(self, committed: Callable[[], None]) -> None:
        """Ends the transaction; `committed` is called on the sender's thread once that succeeded.

        Raises:
            ConnectorError: An earlier statement failed.
        """
        self.check()
        self._jobs.put(_Commit(committed))

    def check(self) -> None:
        """Raises the error of a statement that failed.

        Raises:
            ConnectorError: There was one.
        """
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Waits until everything has run, rolls back what was not committed and ends the connection.

        Raises:
            ConnectorError: A statement failed.
        """
        self.close()
        self.check()

    def close(self) -> None:
        """Ends the thread and the connection, whatever happened; what was not committed is rolled back."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._error is not None:
                continue
            try:
                self._do(job)
            except BaseException as error:  # noqa: BLE001 - raised on the other thread
                self._error = _as_connector_error(error, job)
                self._failed()
        try:
            if self._connection.open:
                if self._error is None:
                    self._connection.rollback()
                self._connection.close()
        except pymysql.MySQLError as error:
            self._error = self._error or describe(error)

    def _do(self, job: _Statement | _Commit) -> None:
        # MySQL does not answer, without an end, while the disk of its binlog is full.
        timer = threading.Timer(_LONG, self._delayed, [_delay(job)])
        timer.start()
        try:
            if isinstance(job, _Statement):
                # Bytes are taken as they are. What leaves a row as it was is not in the binlog, and does not count.
                is_changed = bool(self._connection.query(job.sql))
                if is_changed and job.table and job.table not in self.unreplicated:
                    self._has_changes = True
            else:
                # Before it is done: who sees its rows has to find it counted.
                self.changes += self._has_changes
                self._has_changes = False
                self._connection.commit()
                self.committed = self.changes
        finally:
            timer.cancel()
        if isinstance(job, _Commit):
            job.committed()


def _delay(job: _Statement | _Commit) -> str:
    what = "a COMMIT" if isinstance(job, _Commit) else f"a statement for table {job.table!r}"
    return (
        f"The served MySQL has worked on {what} for {_LONG:.0f} s. If one of its disks is full, it waits for "
        "free space; its error log shows that."
    )


def _as_connector_error(error: BaseException, job: _Statement | _Commit) -> ConnectorError:
    if isinstance(error, ConnectorError):
        return error
    if isinstance(error, pymysql.MySQLError):
        return describe(error, job.table if isinstance(job, _Statement) else "")
    return InternalError(f"Writing failed with an unknown error ({type(error).__name__}).")
