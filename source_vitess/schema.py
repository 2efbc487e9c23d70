"""A keyspace's schema as values: tables, columns, keys. Knows nothing of MySQL connections or of Airbyte."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

#: Engines whose changes come with a position, in lower case.
_TRANSACTIONAL = frozenset({"innodb", "ndbcluster", "rocksdb", "tokudb"})
#: Tables that one line of the log names.
_LISTED = 30


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
        engine: MySQL's name of the storage engine, such as `InnoDB`; None if it is not known. One without transactions
            if that is so on any shard.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    has_primary_key: bool = False
    estimated_rows: int = 0
    estimated_bytes: int = 0
    presorted: bool = True
    engine: str | None = None

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

    def only(self, names: Collection[str]) -> Schema:
        """Returns the schema with these of its tables alone."""
        return replace(self, tables={name: table for name, table in self.tables.items() if name in names}, left_out=())


@dataclass(frozen=True)
class StreamedTable:
    """A table as a stream reads it.

    Attributes:
        table: As discovered.
        selected: The columns to emit, with the JSON schema that their values must have.
    """

    table: Table
    selected: Mapping[str, Mapping[str, object]]


def is_transactional(engine: str | None) -> bool:
    """Tells whether a storage engine has transactions; so one does that is not known."""
    return engine is None or engine.lower() in _TRANSACTIONAL


def engine_warning(engines: Mapping[str, str | None]) -> str | None:
    """Returns what to know of tables by their engines: a sentence or two if one has no transactions, else None.

    MySQL ends such a change in the binary log with a statement COMMIT, for which VTTablet sends no position
    (vstreamer.go, `sqlparser.StmtCommit`); and a consistent snapshot is none of such a table (snapshot_conn.go).
    """
    named = [f"{name!r} ({engine})" for name, engine in sorted(engines.items()) if not is_transactional(engine)]
    if not named:
        return None
    return (
        f"Tables of an engine without transactions: {', '.join(named[:_LISTED])}"
        f"{f' and {len(named) - _LISTED} more' if len(named) > _LISTED else ''}. Vitess sends their changes without a "
        "position, so that after a failure, or in the next sync, changes may come again, and a copy is not of one "
        "moment. With a key that does no harm; otherwise convert them (ALTER TABLE … ENGINE=InnoDB)."
    )
