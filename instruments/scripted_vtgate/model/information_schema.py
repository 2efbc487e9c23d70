"""`information_schema` of a shard as SQLite tables: what discovery reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from instruments.scripted_vtgate.model.storage import Storage
from instruments.scripted_vtgate.model.tables import Table

INFORMATION_SCHEMA = "information_schema"

_COLUMNS = {
    "tables": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE ENGINE TABLE_ROWS AVG_ROW_LENGTH DATA_LENGTH "
    "INDEX_LENGTH TABLE_COLLATION CREATE_OPTIONS TABLE_COMMENT",
    "columns": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION COLUMN_DEFAULT IS_NULLABLE "
    "DATA_TYPE CHARACTER_SET_NAME COLLATION_NAME COLUMN_TYPE COLUMN_KEY EXTRA COLUMN_COMMENT GENERATION_EXPRESSION",
    "statistics": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME NON_UNIQUE INDEX_SCHEMA INDEX_NAME SEQ_IN_INDEX COLUMN_NAME "
    "COLLATION SUB_PART NULLABLE INDEX_TYPE EXPRESSION",
    "key_column_usage": "CONSTRAINT_SCHEMA CONSTRAINT_NAME TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION",
    "referential_constraints": "CONSTRAINT_SCHEMA CONSTRAINT_NAME UPDATE_RULE DELETE_RULE TABLE_NAME",
    "schemata": "CATALOG_NAME SCHEMA_NAME DEFAULT_CHARACTER_SET_NAME DEFAULT_COLLATION_NAME",
}

_BYTES_PER_ROW = 64


def fill(connection: sqlite3.Connection, server: Storage, database: str) -> None:
    """Creates and fills the tables in the attached database `information_schema`."""
    for name, columns in _COLUMNS.items():
        connection.execute(f"create table {INFORMATION_SCHEMA}.{name} ({', '.join(columns.split())})")
    _insert(connection, "schemata", [("def", database, "utf8mb4", "utf8mb4_0900_ai_ci")])
    for table in server.tables.values():
        _insert(connection, "tables", [_table(table, database, len(server.rows[table.name]))])
        _insert(connection, "columns", _columns(table, database))
        keys = list(unique_parts(table))
        _insert(
            connection,
            "statistics",
            [
                ("def", database, table.name, 0, database, key, number, column, "A", None, nullable, "BTREE", None)
                for key, number, column, nullable in keys
            ],
        )
        if table.cascades:
            _insert(connection, "referential_constraints", [(database, "parent", "NO ACTION", "CASCADE", table.name)])
        _insert(
            connection,
            "key_column_usage",
            [(database, key, database, table.name, column, number) for key, number, column, _ in keys],
        )


def _table(table: Table, database: str, rows: int) -> tuple[object, ...]:
    if table.view:
        return ("def", database, table.name, "VIEW", None, None, None, None, None, None, None, "VIEW")
    size = rows * _BYTES_PER_ROW
    collation = "utf8mb4_0900_ai_ci"
    return (
        "def",
        database,
        table.name,
        "BASE TABLE",
        table.engine,
        rows,
        _BYTES_PER_ROW,
        size,
        0,
        collation,
        "",
        table.comment,
    )


def _columns(table: Table, database: str) -> Iterable[tuple[object, ...]]:
    for number, (name, column) in enumerate(table.columns.items(), 1):
        nullable = "NO" if column.not_null else "YES"
        key = "PRI" if name in table.key else ""
        yield (
            *("def", database, table.name, name, number, None, nullable, column.name, column.charset),
            *(column.collation, column.text, key, "", "", ""),
        )


def unique_parts(table: Table) -> Iterable[tuple[str, int, str, str]]:
    """Yields the parts of the unique keys: key, number, column, and what STATISTICS has for NULLs."""
    keys = {**({"PRIMARY": table.key} if table.key else {}), **table.unique}
    for key, names in keys.items():
        for number, name in enumerate(names, 1):
            yield key, number, name, "" if table.columns[name].not_null else "YES"


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    marks = ", ".join("?" * len(_COLUMNS[table].split()))
    connection.executemany(f"insert into {INFORMATION_SCHEMA}.{table} values ({marks})", rows)
