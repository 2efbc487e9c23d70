"""A ReadySet, played by a MySQL protocol server: its tables, its caches, and what it does with both.

It behaves as a real server of release stable-260528 was seen to, and as the sources of that tag say (readysettech/
readyset; facts only):

- `SHOW CACHES` has the columns of `Backend::show_caches` in readyset-adapter/src/backend.rs; the properties begin with
  `deep` or `shallow` (`CacheProperties` in readyset-client/src/status.rs). Releases before 2025-12 name other columns,
  have no properties, and know neither DEEP nor SHALLOW.
- `CREATE CACHE` answers with a row (`create_cache_result` there), and drops a cache of the same name or query first
  (`drop_caches_on_collision`), even if making the new one then fails.
- A deep cache fails with "Schema generation mismatch" (readyset-errors/src/lib.rs) while the replicator works on a
  statement of the binlog that changes the schema. Without DEEP, and with --cache-mode deep-then-shallow, a shallow
  cache is made instead, and nothing says so but the last column of the answer.
- `SHOW READYSET TABLES` leaves out tables that are not replicated, `SHOW READYSET ALL TABLES` does not
  (readyset-server/src/controller/table_status.rs); the words are `TableStatus` in readyset-client/src/table.rs, and
  names are quoted with backticks (`Dialect::quote_identifier` in readyset-sql/src/dialect.rs).
- `SHOW READYSET STATUS` has the place in the binlog (`ReadySetControllerStatus` in readyset-client/src/status.rs). It
  stays where it is when the replicator fails there again and again; the error is then in the last line but one
  (readyset-adapter/src/status_reporter.rs).
- `EXPLAIN LAST STATEMENT` says who answered (`QueryDestination` in readyset-client-metrics/src/lib.rs).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mysql_mimic.charset import CharacterSet  # type: ignore[import-untyped]
from mysql_mimic.results import ResultColumn  # type: ignore[import-untyped]
from mysql_mimic.types import ColumnType  # type: ignore[import-untyped]
from pymysql.constants import ER

from instruments.scripted_vtgate.mysql_server import Answering, MysqlStatusError, Result, Statement

#: The release whose manners these are.
RELEASE = "stable-260528"

_CREATE = re.compile(
    r"(?P<explain>EXPLAIN\s+)?CREATE\s+(?:(?P<kind>DEEP|SHALLOW)\s+)?CACHE\s+"
    r"(?P<options>(?:(?:ALWAYS|UNTIL\s+WRITE|CONCURRENTLY)\s+)*)"
    r"(?:(?!(?:FROM|WITH)\s)(?P<name>\S+)\s+)?(?:WITH\s*\([^)]*\)\s*)?FROM\s+(?P<query>.*)",
    re.IGNORECASE | re.DOTALL,
)
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b|\?")


@dataclass(frozen=True)
class Cache:
    """A cache.

    Attributes:
        query_id: What ReadySet numbers its query by.
        name: Its name.
        query: The query, with its parameters as question marks.
        kind: `deep` or `shallow`.
    """

    query_id: str
    name: str
    query: str
    kind: str

    @property
    def properties(self) -> str:
        """What `SHOW CACHES` says of it: a shallow one is as old as its time to live allows."""
        return self.kind if self.kind == "deep" else "shallow, ttl 10000 ms, refresh 5000 ms, coalesce 5000 ms"


class ScriptedReadyset(Answering):
    """Answers what is asked of a ReadySet.

    Args:
        typed: A release of 2025-12 or later, which knows DEEP and SHALLOW.
        mode: Its --cache-mode: what a plain CREATE CACHE makes.

    Attributes:
        tables: Answers to `SHOW READYSET ALL TABLES`, one after the other; the last one stays.
        offsets: Where in the binlog `SHOW READYSET STATUS` says that it is, one after the other; the last one stays. If
            there are none, it is further on each time.
        lowest: Where the table is that is behind all others; "" for where it is itself.
        replication: Whether it replicates: `Running`, `Stopped` or `Disabled`.
        error: What its replicator failed with, if it has not gone on since.
        caches: By name.
        mismatches: So many of the next deep caches fail because the schema's generation has changed.
        refused: By a part of a query, why no deep cache of it can be made.
        created: Names, in the order in which caches were made.
        rebuilt: Names of caches that were there, and were dropped to be made again.
        upstream: Answers a SELECT that no cache answers, as the upstream database.
        replica: Answers one that a deep cache answers, as the database that is replicated; None for the upstream one.
    """

    def __init__(self, *, typed: bool = True, mode: str = "deep-then-shallow") -> None:
        self.typed = typed
        self.mode = mode
        self.tables: list[Sequence[tuple[str, str, str]]] = [[]]
        self.offsets: list[str] = []
        self.lowest = ""
        self.replication = "Running"
        self.error = ""
        self.caches: dict[str, Cache] = {}
        self.mismatches = 0
        self.refused: dict[str, str] = {}
        self.created: list[str] = []
        self.rebuilt: list[str] = []
        self.upstream: Callable[[str], Sequence[Sequence[object]]] = lambda _: []
        self.replica: Callable[[str], Sequence[Sequence[object]]] | None = None
        self._last = ("unknown", "ok")
        self._place = 157

    def check_target(self, target: str) -> None:
        """Takes any."""

    def query(self, statement: Statement) -> Result:
        """Answers a statement."""
        words = " ".join(statement.sql.upper().split())
        match = _CREATE.fullmatch(statement.sql)
        if match is not None:
            return self._explain(match) if match["explain"] else self._create(match)
        if words.startswith("SHOW CACHES"):
            return self._show_caches()
        if words.startswith("DROP CACHE "):
            return self._drop(statement.sql.split()[-1].strip("`"))
        if words in ("SHOW READYSET TABLES", "SHOW READYSET ALL TABLES"):
            return self._show_tables(with_all="ALL" in words)
        if words == "SHOW READYSET STATUS":
            return self._show_status()
        if words == "SHOW READYSET VERSION":
            return [("release version", RELEASE)], ["Readyset", "Version Information"]
        if words == "EXPLAIN LAST STATEMENT":
            return [self._last], ["Query_destination", "Readyset_error"]
        if words.startswith("SELECT "):
            return self._select(statement.sql)
        return [], []  # the client's own settings

    def offset(self) -> str:
        """Returns where in the binlog it is."""
        if self.offsets:
            return self.offsets.pop(0) if len(self.offsets) > 1 else self.offsets[0]
        self._place += 1
        return f"binlog.000001:{self._place}"

    def alter(self, table: str) -> None:
        """A table was changed: it is taken in again, and its deep caches are gone."""
        reads = re.compile(rf"\b{re.escape(table)}\b")
        self.caches = {
            name: cache
            for name, cache in self.caches.items()
            if cache.kind != "deep" or reads.search(cache.query) is None
        }

    def lose_storage(self) -> None:
        """Its storage directory is gone, and with it the caches."""
        self.caches.clear()

    @property
    def kinds(self) -> Mapping[str, str]:
        """Whether each cache is deep or shallow, by name."""
        return {name: cache.kind for name, cache in self.caches.items()}

    def _show_caches(self) -> Result:
        if self.typed:
            rows = [(cache.query_id, cache.name, cache.query, cache.properties, "0") for cache in self.caches.values()]
            return rows, ["query_id", "name", "query", "properties", "count"]
        rows = [(cache.query_id, cache.name, cache.query, "fallback allowed", "0") for cache in self.caches.values()]
        return rows, ["query id", "cache name", "query text", "fallback behavior", "count"]

    def _show_status(self) -> Result:
        offset = self.offset()
        rows = [
            ("Database Connection", "Connected"),
            ("Status", "Online"),
            ("Replication Status", self.replication),
            *(
                [("Maximum Replication Offset", offset), ("Minimum Replication Offset", self.lowest or offset)]
                if offset
                else []
            ),
            *([("Last replicator error", self.error)] if self.error else []),
        ]
        return rows, ["Variable_name", "Value"]

    def _show_tables(self, *, with_all: bool) -> Result:
        rows = self.tables[0]
        if with_all or not any(status == "Not replicated" for _, status, _ in rows):
            rows = self.tables.pop(0) if len(self.tables) > 1 else rows
        shown = [row for row in rows if with_all or row[1] != "Not replicated"]
        return shown, ["table", "status", "description"]

    def _create(self, match: re.Match[str]) -> Result:
        if match["kind"] and not self.typed:
            raise MysqlStatusError(ER.PARSE_ERROR, "Expected CACHE after CREATE")
        query = _form(match["query"])
        query_id = _query_id(query)
        name = (match["name"] or query_id).strip("`")
        wanted = (match["kind"] or "").lower() or {"deep-then-shallow": ""}.get(self.mode, self.mode)
        gone = [each for each, cache in self.caches.items() if each == name or cache.query_id == query_id]
        for each in gone:
            del self.caches[each]
        kind = "shallow" if wanted == "shallow" else "deep"
        reason = self._obstacle(query) if kind == "deep" else None
        if reason is not None:
            if wanted == "deep":
                raise MysqlStatusError(ER.UNKNOWN_ERROR, reason)
            kind = "shallow"
        self.rebuilt += [name] if name in gone else []
        self.created.append(name)
        self.caches[name] = Cache(query_id, name, query, kind)
        if not self.typed:
            return [], []
        return [(query_id, name, query, kind)], ["query_id", "name", "query", "cache_type"]

    def _obstacle(self, query: str) -> str | None:
        if self.mismatches:
            self.mismatches -= 1
            return (
                "Schema generation mismatch: query was rewritten using generation Some(7), but current generation is 8"
            )
        return next((reason for part, reason in self.refused.items() if part in query), None)

    def _explain(self, match: re.Match[str]) -> Result:
        query = _form(match["query"])
        query_id = _query_id(query)
        cached = any(cache.query_id == query_id for cache in self.caches.values())
        return [(query_id, query, "cached" if cached else "yes")], ["query_id", "query", "readyset_supported"]

    def _drop(self, name: str) -> Result:
        if self.caches.pop(name, None) is None:
            raise MysqlStatusError(ER.UNKNOWN_ERROR, f"Cache {name} does not exist")
        return [], []

    def _select(self, sql: str) -> Result:
        cache = next((cache for cache in self.caches.values() if cache.query == _form(sql)), None)
        if cache is None:
            self._last = ("upstream", "ok")
        else:
            self._last = (f"readyset({cache.name})" if cache.kind == "deep" else "readyset_shallow", "ok")
        is_deep = cache is not None and cache.kind == "deep"
        rows = self.replica(sql) if is_deep and self.replica is not None else self.upstream(sql)
        return rows, [_column(rows, index) for index in range(len(rows[0]) if rows else 1)]


def _column(rows: Sequence[Sequence[object]], index: int) -> ResultColumn:
    """Returns the description of a column: of text, if it has no bytes."""
    is_binary = any(isinstance(row[index], bytes) for row in rows)
    kind, charset = (
        (ColumnType.BLOB, CharacterSet.binary) if is_binary else (ColumnType.VAR_STRING, CharacterSet.utf8mb4)
    )
    return ResultColumn(f"column_{index}", kind, charset)


def _form(query: str) -> str:
    """Returns what two queries have in common that one cache answers."""
    return _LITERAL.sub("?", " ".join(query.split()))


def _query_id(form: str) -> str:
    return f"q_{hashlib.sha256(form.encode()).hexdigest()[:16]}"
