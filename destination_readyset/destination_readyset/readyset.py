"""A running ReadySet: whether its tables are online, and its caches.

ReadySet takes a table in again after an ALTER and drops the caches on it (seen with stable-241212). When that happens
cannot be awaited from outside, so the statements are repeated for a while after a change; a cache that exists is left
as it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import pymysql
from source_vitess.errors import ConnectorError, TransientError

from destination_readyset.config import Address
from destination_readyset.served import connect, query

#: Seconds after a change of tables at which the statements are applied.
AFTER_CHANGE = (0.0, 5.0, 15.0, 30.0)
#: Seconds for which a statement that fails is tried again.
PATIENCE = 60.0
_PAUSE = 1.0

Log = Callable[[str, str], None]


class CacheKeeper:
    """Applies CREATE CACHE statements beside a sync.

    Args:
        address: The ReadySet.
        statements: What to apply.
        log: Takes a level and a text, from any thread.
        patience: Seconds for which one statement is tried.
        pause: Seconds between two tries.
    """

    def __init__(
        self,
        address: Address,
        statements: Sequence[str],
        log: Log,
        *,
        patience: float = PATIENCE,
        pause: float = _PAUSE,
    ) -> None:
        self._address = address
        self._statements = statements
        self._log = log
        self._patience = patience
        self._pause = pause
        self._thread: threading.Thread | None = None

    def start(self, rounds: Sequence[float]) -> None:
        """Applies all statements at each of these seconds from now."""
        self._thread = threading.Thread(target=self._run, args=(rounds,), name="readyset-caches", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Waits until the last round is done."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, rounds: Sequence[float]) -> None:
        started = time.monotonic()
        for after in rounds:
            time.sleep(max(0.0, started + after - time.monotonic()))
            self._apply()

    def _apply(self) -> None:
        """Applies every statement, each until it succeeds; all share one span of patience."""
        waiting = list(self._statements)
        deadline = time.monotonic() + self._patience
        while True:
            failed, reason = self._try(waiting)
            if not failed:
                self._log("INFO", f"{len(self._statements)} caches are applied in ReadySet.")
                return
            if time.monotonic() >= deadline:
                self._log(
                    "WARN",
                    f"{len(failed)} of {len(self._statements)} CREATE CACHE statements failed for "
                    f"{self._patience:.0f} s ({reason}). The sync goes on; their queries are answered by VTGate.",
                )
                return
            waiting = failed
            time.sleep(self._pause)

    def _try(self, statements: Iterable[str]) -> tuple[list[str], str]:
        waiting = list(statements)
        try:
            connection = connect(self._address, session=False)
        except ConnectorError as error:
            return waiting, error.detail or error.message
        failed, reason = [], ""
        with connection:
            for statement in waiting:
                try:
                    with connection.cursor() as cursor:
                        cursor.execute(statement)
                except pymysql.MySQLError as error:
                    failed.append(statement)
                    reason = str(error.args[-1] if error.args else error)
        return failed, reason


def await_online(address: Address, tables: Iterable[tuple[str, str]], *, seconds: float) -> list[str]:
    """Waits until ReadySet reports that tables are online.

    Args:
        address: The ReadySet.
        tables: Databases and names.
        seconds: For how long.

    Returns:
        Of each table that is not: its name and what ReadySet reports.

    Raises:
        ConnectorError: ReadySet cannot be reached.
    """
    wanted = [f"{database}.{name}" for database, name in tables]
    deadline = time.monotonic() + seconds
    while True:
        connection = connect(address, session=False)
        with connection:
            rows = query(connection, "SHOW READYSET TABLES")
        status = {str(row[0]).replace("`", "").replace('"', ""): [str(cell) for cell in row[1:]] for row in rows}
        missing = [
            f"{name}: {' '.join(status[name]) if name in status else 'not replicated'}"
            for name in wanted
            if name not in status or status[name][:1] not in (["Online"], ["Snapshotted"])
        ]
        if not missing or time.monotonic() >= deadline:
            return missing
        time.sleep(_PAUSE)


def check_reachable(address: Address) -> str:
    """Returns ReadySet's version, or "" if it names none.

    Raises:
        TransientError: What answers there is no ReadySet.
        ConnectorError: Nothing answers.
    """
    connection = connect(address, session=False)
    with connection:
        try:
            query(connection, "SHOW READYSET STATUS")
            rows = query(connection, "SHOW READYSET VERSION")
        except ConnectorError as error:
            raise TransientError(
                "What listens at the address of ReadySet does not answer SHOW READYSET STATUS and VERSION. Check the "
                "field readyset.",
                detail=error.detail,
            ) from error
    return next((str(row[-1]) for row in rows if "version" in str(row[0]).lower()), "")
