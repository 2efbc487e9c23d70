"""Served tables as values, and their DDL.

- Every column but those of the key may be NULL, as the source may have to send null for a value without a form in
  JSON (docs/types.md) even where the keyspace's column is NOT NULL.
- No defaults, no generated columns, no foreign keys and no keys but the primary key: rows come whole, from shards
  of which each checks its own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from source_vitess.naming import quote_identifier

from destination_readyset.values import Encoder


@dataclass(frozen=True)
class ServedColumn:
    """A column of a served table.

    Attributes:
        name: As in the keyspace.
        definition: What stands after the name in CREATE TABLE, without NULL.
        encode: From a record's value to SQL.
        compare: Likewise, to compare the column with; differs for FLOAT.
        comparable: Two equal values compare as equal in MySQL, which is not so for JSON.
        exact: Its numbers need more digits than a float64 has.
        labels: Those of an ENUM, else None.
        note: Why the type is not the keyspace's; empty if it is.
    """

    name: str
    definition: str
    encode: Encoder
    compare: Encoder
    comparable: bool = True
    exact: bool = False
    labels: tuple[str, ...] | None = None
    note: str = ""

    @property
    def has_invalid_value(self) -> bool:
        """It is an ENUM in which an empty text is MySQL's invalid value, no label."""
        return self.labels is not None and "" not in self.labels


@dataclass(frozen=True)
class ServedTable:
    """A served table.

    Attributes:
        database: Its database.
        name: Its name, the stream's.
        columns: In the order of the keyspace.
        key: The columns of the primary key in key order; empty without one.
    """

    database: str
    name: str
    columns: tuple[ServedColumn, ...]
    key: tuple[str, ...]

    @property
    def sql_name(self) -> str:
        """Database and name, quoted."""
        return f"{quote_identifier(self.database)}.{quote_identifier(self.name)}"

    @property
    def definition(self) -> dict[str, Any]:
        """What bookkeeping remembers, to see changes."""
        return {"columns": {column.name: column.definition for column in self.columns}, "key": list(self.key)}

    def create(self) -> str:
        """Returns CREATE TABLE."""
        parts = [f"{quote_identifier(column.name)} {self._whole_definition(column)}" for column in self.columns]
        if self.key:
            parts.append(f"PRIMARY KEY ({', '.join(map(quote_identifier, self.key))})")
        return f"CREATE TABLE {self.sql_name} ({', '.join(parts)}) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"

    def alter(self, present: Collection[str], was: dict[str, str]) -> str:
        """Returns the one ALTER TABLE that a change of columns takes; empty if there is none.

        Args:
            present: The names of the columns that the table has.
            was: The definitions it was made with, by name.
        """
        changes = []
        for index, column in enumerate(self.columns):
            word = f"{quote_identifier(column.name)} {self._whole_definition(column)}"
            if column.name not in present:
                place = f"AFTER {quote_identifier(self.columns[index - 1].name)}" if index else "FIRST"
                changes.append(f"ADD COLUMN {word} {place}")
            elif was.get(column.name) != column.definition:
                changes.append(f"MODIFY COLUMN {word}")
        return f"ALTER TABLE {self.sql_name} {', '.join(changes)}" if changes else ""

    def _whole_definition(self, column: ServedColumn) -> str:
        return f"{column.definition} {'NOT NULL' if column.name in self.key else 'NULL'}"
