"""Keeps a ReadySet's caches as the configuration wants them.

ReadySet drops a cache that is created again before it makes it anew, and queries go to VTGate meanwhile: so only what
`SHOW CACHES` lacks, or shows as shallow, is created. A deep cache can fail because the binlog has just brought a
statement ("Schema generation mismatch"): it is lacking still then, and can be tried again.

A deep cache can be made before its tables are taken in, and answers then without the rows that are lacking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pymysql

from destination_readyset.cache_statement import CacheStatement
from destination_readyset.config import Address
from destination_readyset.readyset import Caches, list_caches, query_id, reason_of
from destination_readyset.served import Connection, connect

Log = Callable[[str, str], None]


class CacheKeeper:
    """Makes caches that are lacking, and says what came of it.

    Args:
        address: The ReadySet.
        statements: What is wanted; there may be none.
        log: Takes a level and a text.
    """

    def __init__(self, address: Address, statements: Sequence[CacheStatement], log: Log) -> None:
        self._address = address
        self._statements = statements
        self._log = log
        #: Whose query was found to be, or made, the one of its statement.
        self._settled: set[str] = set()
        #: What was made since the last report.
        self._made: list[str] = []
        self._reported: frozenset[str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the caches that are wanted."""
        return tuple(statement.name for statement in self._statements)

    def bring(self) -> Mapping[str, str]:
        """Creates what is lacking, looks again, and returns what still is, with the reason.

        Raises:
            ConnectorError: ReadySet cannot be reached.
            pymysql.MySQLError: It does not answer.
        """
        if not self._statements:
            return {}
        reasons: dict[str, str] = {}
        with connect(self._address, session=False) as connection:
            caches = list_caches(connection)
            created = [each for each in self._statements if not self._is_kept(connection, each, caches)]
            for statement in created:
                if reason := _create(connection, statement, typed=caches.typed):
                    reasons[statement.name] = reason
            if created:
                caches = list_caches(connection)
        lacking = {}
        for statement in self._statements:
            cache = caches.listed.get(statement.name)
            if cache is None or not cache.is_deep:
                what = "not there" if cache is None else "shallow"
                lacking[statement.name] = reasons.get(statement.name, what)
            elif statement in created and statement.name not in reasons:
                self._settled.add(statement.name)
                self._made.append(statement.name)
        return lacking

    def report(self, lacking: Mapping[str, str], *, seconds: float) -> None:
        """Says what was made and what is lacking, if that is news.

        Args:
            lacking: Names, with the reason.
            seconds: For how long those were tried.
        """
        made, self._made = self._made, []
        if lacking:
            if self._reported != frozenset(lacking):
                reasons = "; ".join(f"{name} ({reason})" for name, reason in lacking.items())
                self._log(
                    "ERROR",
                    f"{len(lacking)} of {len(self._statements)} caches are not deep in ReadySet after {seconds:.0f} s "
                    f"of trying: {reasons}. The sync goes on, and tries again; until then their queries are answered "
                    "by VTGate.",
                )
        elif self._statements and (made or self._reported != frozenset()):
            what = f"made now: {', '.join(made)}" if made else "all there already"
            count = len(self._statements)
            self._log("INFO", f"{count} deep {'cache is' if count == 1 else 'caches are'} in ReadySet, {what}.")
        self._reported = frozenset(lacking)

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
        return reason_of(error)
    return ""
