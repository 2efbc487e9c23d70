"""What this destination remembers, in a database of its own next to the served ones.

- `tables`: what it made, with the definition and the generation of the rows. A table that is not listed here belongs
  to somebody else.
- `states`: the last state that was committed, in the transaction of its rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from source_vitess.naming import quote_identifier

from destination_readyset.served import Connection, create_database, query
from destination_readyset.tables import ServedTable
from destination_readyset.values import quote


@dataclass(frozen=True)
class KnownTable:
    """What is remembered of a served table.

    Attributes:
        definition: `ServedTable.definition` when it was made or last changed.
        created: It was made; false if that may have been interrupted.
        generation: The generation of its rows; None before the first commit.
    """

    definition: dict[str, Any]
    created: bool
    generation: int | None


class Bookkeeping:
    """The database `name`, through statements that callers run, but for those of preparation."""

    def __init__(self, name: str) -> None:
        self._tables = f"{quote_identifier(name)}.tables"
        self._states = f"{quote_identifier(name)}.states"
        self._name = name

    def create(self, connection: Connection) -> None:
        """Makes what is lacking of the database and its tables."""
        create_database(connection, self._name)
        present = {
            str(row[0]).lower()
            for row in query(
                connection,
                f"SELECT table_name FROM information_schema.tables WHERE table_schema = {quote(self._name)}",
            )
        }
        name = "VARCHAR(191) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL"
        if "tables" not in present:
            query(
                connection,
                f"CREATE TABLE IF NOT EXISTS {self._tables} (database_name {name}, table_name {name}, "
                "definition JSON NOT NULL, created BOOLEAN NOT NULL, generation BIGINT NULL, "
                "PRIMARY KEY (database_name, table_name)) ENGINE=InnoDB",
            )
        if "states" not in present:
            query(
                connection,
                f"CREATE TABLE IF NOT EXISTS {self._states} (namespace {name}, stream {name}, state LONGTEXT NOT NULL, "
                "records BIGINT NOT NULL, committed_at TIMESTAMP(6) NOT NULL, "
                "PRIMARY KEY (namespace, stream)) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            )

    def known(self, connection: Connection) -> dict[tuple[str, str], KnownTable]:
        """Returns the tables that were made, by database and name."""
        rows = query(
            connection, f"SELECT database_name, table_name, definition, created, generation FROM {self._tables}"
        )
        return {
            (database, name): KnownTable(json.loads(definition), bool(created), generation)
            for database, name, definition, created, generation in rows
        }

    def state(self, connection: Connection, namespace: str, stream: str = "") -> str | None:
        """Returns the last state that was committed; None without one."""
        rows = query(
            connection,
            f"SELECT state FROM {self._states} WHERE namespace = {quote(namespace)} AND stream = {quote(stream)}",
        )
        return str(rows[0][0]) if rows else None

    def remember(self, connection: Connection, table: ServedTable, *, created: bool) -> None:
        """Notes a table's definition."""
        definition = quote(json.dumps(table.definition, ensure_ascii=False))
        query(
            connection,
            f"INSERT INTO {self._tables} (database_name, table_name, definition, created) "
            f"VALUES ({quote(table.database)}, {quote(table.name)}, {definition}, {int(created)}) AS n "
            "ON DUPLICATE KEY UPDATE definition = n.definition, created = n.created",
        )

    def set_generation(self, table: ServedTable, generation: int | None) -> bytes:
        """Returns the statement that notes the generation of the rows that follow."""
        return (
            f"UPDATE {self._tables} SET generation = {'NULL' if generation is None else int(generation)} "
            f"WHERE database_name = {quote(table.database)} AND table_name = {quote(table.name)}"
        ).encode()

    def set_state(self, namespace: str, stream: str, state: str, records: int) -> bytes:
        """Returns the statement that keeps a state; the stream is empty for one of all streams."""
        return (
            f"INSERT INTO {self._states} (namespace, stream, state, records, committed_at) VALUES "
            f"({quote(namespace)}, {quote(stream)}, {quote(state)}, {records}, UTC_TIMESTAMP(6)) AS n "
            "ON DUPLICATE KEY UPDATE state = n.state, records = n.records, committed_at = n.committed_at"
        ).encode()


def states_scope(namespaces: Iterable[str | None]) -> str:
    """Returns the name under which a state of all streams is kept, given the streams' namespaces."""
    return ",".join(sorted({namespace or "" for namespace in namespaces}))[:191]
