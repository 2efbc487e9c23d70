"""A keyspace's schema as values: tables, columns, keys. Knows nothing of MySQL connections or of Airbyte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: As in the table.
        column_type: MySQL's text for the type, such as `decimal(10,2) unsigned` or `enum('a','b')`.
        charset: MySQL's name of the character set of text columns, such as `utf8mb4`; None for others.
        nullable: False for NOT NULL.
    """

    name: str
    column_type: str
    charset: str | None
    nullable: bool


@dataclass(frozen=True)
class Table:
    """A base table.

    Attributes:
        name: Without the keyspace.
        columns: In table order.
        key: Names of the columns that identify a row, in key order: the primary key, else a unique key
            whose columns are all NOT NULL; empty without either. Unique within a shard.
        has_primary_key: Whether `key` is the primary key.
        estimated_rows: From the storage engine's statistics over all shards; may be far off.
        estimated_bytes: Likewise, data without indexes.
        presorted: Whether the key's index is in the key's order: it has no part over a prefix, and its parts are all
            ascending or all descending. Else MySQL sorts, to read in that order.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    has_primary_key: bool = False
    estimated_rows: int = 0
    estimated_bytes: int = 0
    presorted: bool = True

    @cached_property
    def columns_by_name(self) -> Mapping[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}


@dataclass(frozen=True)
class Schema:
    """The base tables of a keyspace.

    Attributes:
        keyspace: The keyspace's name.
        tables: By table name.
        left_out: Names of tables and views that Vitess cannot stream, because of their names.
    """

    keyspace: str
    tables: Mapping[str, Table]
    left_out: tuple[str, ...] = ()
