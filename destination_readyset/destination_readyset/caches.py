"""Keeps a ReadySet's caches as the configuration wants them, beside a sync.

ReadySet drops a cache that is created again before it makes it anew, and queries go to VTGate meanwhile: so only what
`SHOW CACHES` lacks, or shows as shallow, is created. It also drops the caches of a table that was changed, at a moment
that cannot be awaited from outside: so it is asked again and again, more often after a change. And a deep cache can
fail because the binlog has just brought a statement ("Schema generation mismatch"): so a statement is tried again.

A deep cache can be made before its tables are taken in, and answers then without the rows that are lacking. Whether
ReadySet goes on is looked at beside that, see `standstill`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import pymysql
from source_vitess.errors import ConnectorError

from destination_readyset.cache_statement import CacheStatement
from destination_readyset.config import Address
from destination_readyset.readyset import Caches, list_caches, query_id
from destination_readyset.served import Connection, connect
from destination_readyset.standstill import Sent, StandstillWatch

#: Seconds after a change of tables at which the caches are looked at.
AFTER_CHANGE = (0.0, 5.0, 15.0, 30.0)
#: Seconds between two looks later on: ReadySet may have lost its storage.
WATCH = 60.0
#: Seconds for which a cache that cannot be made is tried again.
PATIENCE = 60.0
#: Seconds for which ReadySet may stay where it is: of a snapshot, a percentage has two digits after the point.
STANDSTILL = 120.0
_PAUSE = 1.0
#: Seconds for which a sync waits until ReadySet has been looked at before its first rows: it must not hold up its data.
_FIRST_LOOK = 2.0
#: Seconds that ReadySet has to say how far it is: one that hangs must not hold up the end of a sync.
ANSWER = 30.0

Log = Callable[[str, str], None]


class CacheKeeper:
    """Makes caches that are lacking, and tells where ReadySet does not go on.

    Args:
        address: The ReadySet.
        statements: What is wanted; there may be none.
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
        self._statements = statements
        self._log = log
        self._patience = patience
        self._pause = pause
        self._watch = watch
        self._answer = answer
        self._standstill = StandstillWatch(log, sent, seconds=standstill)
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._stopped = threading.Event()
        self._looked = threading.Event()
        #: Whose query was found to be, or made, the one of its statement.
        self._settled: set[str] = set()
        self._reported: frozenset[str] | None = None
        self._is_silence_told = False

    def start(self, rounds: Sequence[float]) -> None:
        """Looks at the caches at each of these seconds from now, and then now and again until `wait` or `stop`.

        It returns once ReadySet has said where it is, or after two seconds: what is written then has to move it.
        """
        self._thread = threading.Thread(target=self._run, args=(rounds,), name="readyset-caches", daemon=True)
        self._thread.start()
        self._looked.wait(_FIRST_LOOK)

    def wait(self) -> None:
        """Waits until the rounds that `start` was given are done."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def stop(self) -> None:
        """Ends after the look that is under way, if there is one: somebody else will look soon."""
        self._stopped.set()
        self.wait()

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
            self._await_last_changes()

    def _await_last_changes(self) -> None:
        """Waits until ReadySet has moved since the last rows were written: a short sync sees it once only, else."""
        started = time.monotonic()
        try:
            with connect(self._address, session=False, timeout=self._answer) as connection:
                self._standstill.look(connection)
                while self._standstill.is_awaited() and not self._stopped.wait(self._pause):
                    self._standstill.look(connection)
                    waited = time.monotonic() - started
                    if self._standstill.is_awaited() and waited >= self._patience:
                        self._standstill.tell(waited)
                        break
        except (ConnectorError, pymysql.MySQLError):
            pass  # it does not answer any more: what it does when it does is for the next sync to see

    def _round(self) -> None:
        """Makes what is lacking until nothing is, for a while; and says what came of it, if that is news."""
        deadline = time.monotonic() + self._patience
        made: list[str] = []
        while True:
            lacking = self._bring(made)
            if not lacking or time.monotonic() >= deadline or self._stopped.wait(self._pause):
                break
        if lacking and self._stopped.is_set():
            return
        if lacking:
            if self._reported != frozenset(lacking):
                reasons = "; ".join(f"{name} ({reason})" for name, reason in lacking.items())
                self._log(
                    "ERROR",
                    f"{len(lacking)} of {len(self._statements)} caches are not deep in ReadySet after "
                    f"{self._patience:.0f} s of trying: {reasons}. The sync goes on, and tries again; until then their "
                    "queries are answered by VTGate.",
                )
        elif self._statements and (made or self._reported != frozenset()):
            what = f"made now: {', '.join(made)}" if made else "all there already"
            count = len(self._statements)
            self._log("INFO", f"{count} deep {'cache is' if count == 1 else 'caches are'} in ReadySet, {what}.")
        self._reported = frozenset(lacking)

    def _bring(self, made: list[str]) -> Mapping[str, str]:
        """Creates what is lacking, looks again, and returns what still is, with the reason."""
        try:
            self._look()
            if not self._statements:
                return {}
            connection = connect(self._address, session=False)
        except ConnectorError as error:
            return self._unanswered(error.detail or error.message)
        except pymysql.MySQLError as error:
            return self._unanswered(_text(error))
        reasons: dict[str, str] = {}
        with connection:
            try:
                caches = list_caches(connection)
                created = [each for each in self._statements if not self._is_kept(connection, each, caches)]
                for statement in created:
                    if reason := _create(connection, statement, typed=caches.typed):
                        reasons[statement.name] = reason
                if created:
                    caches = list_caches(connection)
            except pymysql.MySQLError as error:
                return self._unanswered(_text(error))
        lacking = {}
        for statement in self._statements:
            cache = caches.listed.get(statement.name)
            if cache is None or not cache.is_deep:
                what = "not there" if cache is None else "shallow"
                lacking[statement.name] = reasons.get(statement.name, what)
            elif statement in created and statement.name not in reasons:
                self._settled.add(statement.name)
                made.append(statement.name)
        return lacking

    def _unanswered(self, reason: str) -> Mapping[str, str]:
        """Returns that all caches are lacking; where there are none to report of, says once that nothing is known."""
        if not self._statements and not self._is_silence_told:
            self._is_silence_told = True
            self._log("WARN", f"ReadySet cannot be asked whether it makes progress: {reason}")
        return dict.fromkeys((each.name for each in self._statements), reason)

    def _look(self) -> None:
        try:
            with connect(self._address, session=False, timeout=self._answer) as connection:
                self._standstill.look(connection)
        finally:
            self._looked.set()

    def _is_kept(self, connection: Connection, statement: CacheStatement, caches: Caches) -> bool:
        cache = caches.listed.get(statement.name)
        if cache is None or not cache.is_deep:
            return False
        if caches.typed and statement.is_named and statement.name not in self._settled:
            # The configuration may have another query under this name since.
            expected = query_id(connection, statement.explain())
            if expected and expected != cache.query_id:
                return False
            self._settled.add(statement.name)
        return True


def _create(connection: Connection, statement: CacheStatement, *, typed: bool) -> str:
    """Creates a cache and returns why it could not be; empty if it could."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement.sql(typed=typed))
    except pymysql.MySQLError as error:
        return _text(error)
    return ""


def _text(error: pymysql.MySQLError) -> str:
    return str(error.args[-1] if error.args else error)
