"""What tablets have noted of the tables' columns for reading old changes, where that is wrong.

A primary started with --track-schema-versions notes the columns when it sees an ALTER in its own binary log. While
others write, too, that can be a moment before its MySQL lets the new columns be seen: then those of before are noted,
and hold for every change until the next statement (docs/vstream-observations.md). Nobody can read such changes, so a
run has to know of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from vitess_local.cluster import Cluster
from vitess_local.errors import VitessLocalError

from instruments.type_matrix import quote
from source_vitess.ddl.parser import parse
from source_vitess.ddl.statements import AlterTable, RenameTo

#: Seconds until a primary has noted a statement: its tracker waits for five when it has lost its stream.
NOTE_SECONDS = 12

Columns = Mapping[str, tuple[str, ...]]


class NotedColumns:
    """Looks at what the primaries note, in `_vt.schema_version`.

    Args:
        cluster: The cluster.
        keyspace: The keyspace.
        tables: The tables that are followed.
    """

    def __init__(self, cluster: Cluster, keyspace: str, tables: frozenset[str]) -> None:
        self._cluster = cluster
        self._keyspace = keyspace
        self._tables = tables
        self._seen: dict[str, int] = {}

    def settle(self) -> set[str]:
        """Waits until the tables' present columns are noted, and has them noted again if they are wrong.

        Returns:
            The tables that had wrong columns noted since the last call.
        """
        wrong: set[str] = set()
        for shard in sorted(self._cluster.serving_shards(self._keyspace)):
            if late := self._late_for_long(shard):
                self._note_again(shard, late)
            wrong |= late | self._corrected(shard)
        return wrong

    def _note_again(self, shard: str, late: set[str]) -> None:
        """Has a shard's primary note the present columns, and starts it anew if it notes nothing any more.

        A tracker that has lost its stream, and finds the binary logs purged when it goes on five seconds later, tries
        that for ever (go/vt/vttablet/tabletserver/schema/tracker.go, process).
        """
        self._alter(shard, min(late))
        if self._late_for_long(shard):
            primary = self._cluster.primary(self._keyspace, shard).alias
            self._cluster.kill_tablet(primary)
            self._cluster.start_tablet(primary)
            self._alter(shard, min(late))
            if still := self._late_for_long(shard):
                raise VitessLocalError(f"{primary} does not note the columns of {', '.join(sorted(still))}.")

    def _alter(self, shard: str, table: str) -> None:
        self._cluster.sql(
            f"{self._keyspace}:{shard}@primary", f"alter table {quote(table)} comment '{time.monotonic()}'"
        )

    def _late_for_long(self, shard: str) -> set[str]:
        deadline = time.monotonic() + NOTE_SECONDS
        while (late := self._late(shard)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return late

    def _late(self, shard: str) -> set[str]:
        """Returns the tables whose last noted columns are not those that they have."""
        rows = self._cluster.sql(
            f"{self._keyspace}:{shard}@primary", "select schemax from _vt.schema_version order by id desc limit 1"
        )
        noted = _tables(rows[0][0]) if rows else {}
        return {table for table, columns in self._present(shard).items() if noted.get(table) != columns}

    def _present(self, shard: str) -> Columns:
        rows = self._cluster.sql(
            f"{self._keyspace}:{shard}@primary",
            "select table_name, column_name from information_schema.columns where table_schema = database() "
            "order by table_name, ordinal_position",
        )
        present: dict[str, tuple[str, ...]] = {}
        for table, column in rows:
            present[str(table)] = (*present.get(str(table), ()), str(column))
        return {table: columns for table, columns in present.items() if table in self._tables}

    def _corrected(self, shard: str) -> set[str]:
        """Returns the tables whose columns were noted otherwise by a later statement that is about other tables."""
        rows = self._cluster.sql(
            f"{self._keyspace}:{shard}@primary",
            f"select id, ddl, schemax from _vt.schema_version where id >= {self._seen.get(shard, 0)} order by id",
        )
        wrong: set[str] = set()
        before: Columns = {}
        for _, statement, noted in rows:
            after = _tables(noted)
            for table in before.keys() & after.keys() & self._tables:
                if before[table] != after[table] and not _is_about(table, statement.decode()):
                    wrong.add(table)
            before = after
        if rows:
            self._seen[shard] = rows[-1][0]
        return wrong


def _is_about(table: str, statement: str) -> bool:
    parsed = parse(statement)
    match parsed.statement:
        case AlterTable(named, actions) if not any(isinstance(action, RenameTo) for action in actions):
            return named.name == table
    return table in parsed.words


def _tables(schema: bytes) -> Columns:
    """Decodes a binlogdata.MinimalSchema: the names of the tables' columns."""
    return {
        next(_members(table, 1)).decode(): tuple(next(_members(field, 1)).decode() for field in _members(table, 2))
        for table in _members(schema, 1)
    }


def _members(message: bytes, number: int) -> Iterator[bytes]:
    """Yields the strings and messages that stand under a number, of a message that holds varints besides."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        size, at = _varint(message, at)
        if tag & 7 != 2:  # a varint: its value was taken for a size
            continue
        if tag >> 3 == number:
            yield message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
