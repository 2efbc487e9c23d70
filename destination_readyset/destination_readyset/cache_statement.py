"""CREATE CACHE statements of the configuration, as what is sent: deep caches with a name.

ReadySet's grammar is `parse_create_cache` in readyset-sql-parsing/src/lib.rs of its sources (stable-260528).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from source_vitess.errors import ConfigError

#: What stands before a cache's name; CONCURRENTLY is left out of what is sent, as the answer has to be awaited.
_STATEMENT = re.compile(
    r"\s*CREATE\s+(?:(?P<kind>DEEP|SHALLOW)\s+)?CACHE\s+"
    r"(?P<options>(?:(?:ALWAYS|UNTIL\s+WRITE|CONCURRENTLY)\s+)*)"
    r"(?:(?!(?:FROM|WITH)\b)(?P<name>(?:`(?:[^`]|``)+`|[^\s`]+)+)\s+)?"
    r"(?P<with>WITH\s*\([^)]*\)\s*)?"
    r"FROM\s+(?P<query>\S.*?)\s*;?\s*",
    re.IGNORECASE | re.DOTALL,
)
_CONCURRENTLY = re.compile(r"CONCURRENTLY\s+", re.IGNORECASE)


@dataclass(frozen=True)
class CacheStatement:
    """A deep cache that is wanted.

    Attributes:
        name: Its name, as `SHOW CACHES` shows it.
        query: What stands after FROM.
        options: What stands before the name, such as ALWAYS, with a space behind; empty without.
        with_options: The clause WITH (…), likewise.
        quoted_name: The name as it was written; empty if this package named the cache.
    """

    name: str
    query: str
    options: str = ""
    with_options: str = ""
    quoted_name: str = ""

    @property
    def is_named(self) -> bool:
        """Whether the user gave the name; else it changes with the query."""
        return bool(self.quoted_name)

    def sql(self, *, typed: bool = True) -> str:
        """Returns the statement.

        Args:
            typed: Whether this ReadySet knows DEEP; releases that do not make deep caches only.
        """
        kind = "DEEP " if typed else ""
        name = self.quoted_name or self.name
        return f"CREATE {kind}CACHE {self.options}{name} {self.with_options}FROM {self.query}"

    def explain(self) -> str:
        """Returns the question by which id ReadySet would know the query of a deep cache."""
        return f"EXPLAIN CREATE DEEP CACHE FROM {self.query}"

    @classmethod
    def parse(cls, text: str) -> CacheStatement:
        """Reads a statement of the configuration.

        Raises:
            ConfigError: It is not CREATE CACHE … FROM …, or asks for a shallow cache.
        """
        match = _STATEMENT.fullmatch(text)
        if match is None:
            raise ConfigError(
                "The field readyset.caches holds a statement that is not CREATE DEEP CACHE name FROM SELECT …: "
                f"{text.strip()[:80]!r}."
            )
        if (match["kind"] or "").upper() == "SHALLOW":
            raise ConfigError(
                "The field readyset.caches asks for a shallow cache, whose answers are as old as its time to live. "
                "Write CREATE DEEP CACHE, or make shallow caches at ReadySet yourself: "
                f"{text.strip()[:80]!r}."
            )
        query, quoted = match["query"], match["name"] or ""
        name = re.sub(r"`((?:[^`]|``)+)`", lambda part: part[1].replace("``", "`"), quoted)
        return cls(
            name or f"airbyte_{hashlib.sha256(' '.join(query.split()).encode()).hexdigest()[:12]}",
            query,
            _CONCURRENTLY.sub("", match["options"] or ""),
            match["with"] or "",
            quoted,
        )
