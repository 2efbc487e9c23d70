"""Looks after a ReadySet beside a sync: that its caches are there, and that it goes on.

ReadySet drops the caches of a table that was changed, at a moment that cannot be awaited from outside: so it is asked
again and again, more often after a change.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import pymysql
from source_vitess.errors import ConnectorError

from destination_readyset.cache_statement import CacheStatement
from destination_readyset.caches import CacheKeeper
from destination_readyset.config import Address
from destination_readyset.readyset import reason_of
from destination_readyset.served import connect
from destination_readyset.standstill import Sent, StandstillWatch

#: Seconds after a change of tables at which ReadySet is looked at.
AFTER_CHANGE = (0.0, 5.0, 15.0, 30.0)
#: Seconds between two looks later on: it may have lost its storage.
WATCH = 60.0
#: Seconds for which a cache that cannot be made is tried again.
PATIENCE = 60.0
#: Seconds for which ReadySet may stay where it is: of a snapshot, a percentage has two digits after the point.
STANDSTILL = 120.0
#: Seconds that ReadySet has to say how far it is: one that hangs must not hold up the end of a sync.
ANSWER = 30.0
_PAUSE = 1.0
#: Seconds for which a sync waits until ReadySet has been looked at before its first rows: it must not hold up its data.
_FIRST_LOOK = 2.0

Log = Callable[[str, str], None]


class Companion:
    """Has caches made that are lacking, and tells where ReadySet does not go on, on a thread of its own.

    Args:
        address: The ReadySet.
        statements: The caches that are wanted; there may be none.
        log: Takes a level and a text, from any thread.
        sent: What was written to the served MySQL, which ReadySet has to follow.
        patience: Seconds for which lacking caches are tried in one round.
        pause: Seconds between two tries.
        watch: Seconds between two rounds, once those that were asked for are over.
        standstill: Seconds after which it is told that ReadySet does not go on.
        answer: Seconds that ReadySet has to say how far it is.
    """

    def __init__(
        self,
        address: Address,
        statements: Sequence[CacheStatement],
        log: Log,
        sent: Sent,
        *,
        patience: float = PATIENCE,
        pause: float = _PAUSE,
        watch: float = WATCH,
        standstill: float = STANDSTILL,
        answer: float = ANSWER,
    ) -> None:
        self._address = address
        self._log = log
        self._patience = patience
        self._pause = pause
        self._watch = watch
        self._answer = answer
        self._caches = CacheKeeper(address, statements, log)
        self._standstill = StandstillWatch(log, sent, seconds=standstill)
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._stopped = threading.Event()
        self._looked = threading.Event()
        self._is_silence_told = False

    def start(self, rounds: Sequence[float]) -> None:
        """Looks at ReadySet at each of these seconds from now, and then now and again until `wait` or `stop`.

        It returns once ReadySet has said where it is, or after two seconds: what is written then has to move it.
        """
        self._thread = threading.Thread(target=self._run, args=(rounds,), name="readyset", daemon=True)
        self._thread.start()
        self._looked.wait(_FIRST_LOOK)

    def wait(self) -> None:
        """Waits until the rounds that `start` was given are done, and ReadySet has moved since the last rows."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Ends after the look that is under way, if there is one: somebody else will look soon."""
        self._stopped.set()
        self.wait()

    def stop_when_moved(self, interrupted: threading.Event) -> None:
        """Ends as `stop` does, but for what `wait` waits for last: on this thread, and until it is interrupted."""
        self.stop()
        self._await_last_changes(interrupted)

    def _run(self, rounds: Sequence[float]) -> None:
        started = time.monotonic()
        for number, after in enumerate(rounds):
            # Even a short sync looks once.
            if self._stopped.wait(max(0.0, started + after - time.monotonic())) and number:
                break
            self._round()
        while not self._ending.wait(self._watch):
            self._round()
        if not self._stopped.is_set():
            self._await_last_changes(self._stopped)

    def _await_last_changes(self, interrupted: threading.Event) -> None:
        """Waits until ReadySet has moved since the last rows were written: a short sync sees it once only, else."""
        started = time.monotonic()
        try:
            with connect(self._address, session=False, timeout=self._answer) as connection:
                self._standstill.look(connection)
                while self._standstill.is_awaited() and not interrupted.wait(self._pause):
                    self._standstill.look(connection)
                    waited = time.monotonic() - started
                    if self._standstill.is_awaited() and waited >= self._patience:
                        self._standstill.tell(waited)
                        break
        except (ConnectorError, pymysql.MySQLError):
            pass  # it does not answer any more: what it does when it does is for the next sync to see

    def _round(self) -> None:
        """Looks, and has caches made until none is lacking, for a while."""
        deadline = time.monotonic() + self._patience
        while True:
            lacking = self._try()
            if not lacking or time.monotonic() >= deadline or self._stopped.wait(self._pause):
                break
        if not (lacking and self._stopped.is_set()):
            self._caches.report(lacking, seconds=self._patience)

    def _try(self) -> Mapping[str, str]:
        """Looks, has caches made, and returns which are lacking, with the reason."""
        try:
            self._look()
            return self._caches.bring()
        except ConnectorError as error:
            reason = error.detail or error.message
        except pymysql.MySQLError as error:
            reason = reason_of(error)
        if not self._caches.names and not self._is_silence_told:
            self._is_silence_told = True
            self._log("WARN", f"ReadySet cannot be asked whether it makes progress: {reason}")
        return dict.fromkeys(self._caches.names, reason)

    def _look(self) -> None:
        try:
            with connect(self._address, session=False, timeout=self._answer) as connection:
                self._standstill.look(connection)
        finally:
            self._looked.set()
