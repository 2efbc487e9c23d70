"""The type matrix in a keyspace and as it is served: written, read, compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from instruments.type_matrix import TABLES, VECTORS, MatrixTable, quote
from source_vitess.types.column_type import parse_column_type
from vitess_local.cluster import Cluster
from vitess_local.servers.mysql_client import Connection

from tests.pipeline import Pipeline
from tests.prepared import as_float


def fill(vitess: Connection, cluster: Cluster, pipeline: Pipeline) -> list[MatrixTable]:
    """Makes all tables in the unsharded keyspace, and syncs their rows: copied ones, and ones that are changes.

    Args:
        vitess: To the keyspace's primary.
        cluster: Its Vitess.
        pipeline: From that keyspace.
    """
    tables = [table.on(str(cluster.describe()["vitess_version"])) for table in [*TABLES, VECTORS]]
    for table in tables:
        with vitess.cursor() as cursor:
            cursor.execute(f"set sql_mode = '{table.sql_mode}'")
            cursor.execute(table.create())
    cluster.reload_schema("single")
    for first in (1, 1001):
        for table in tables:
            write(vitess, table, first)
        pipeline.sync()
    return tables


def write(connection: Connection, table: MatrixTable, first_key: int) -> None:
    """Writes a row for each value of the table's columns."""
    with connection.cursor() as cursor:
        cursor.execute(f"set sql_mode = '{table.sql_mode}'")
        for row in range(table.rows):
            cursor.execute(table.insert(row, first_key + row))


def select(
    connection: Connection, database: str, table: MatrixTable, types: Mapping[str, str]
) -> dict[int, dict[str, Any]]:
    """Returns rows as the server writes them, text or bytes, by primary key; `database` with its point, or empty."""
    # A vector's bytes look like text to the client.
    names = {name: f"hex({quote(name)})" if kind.startswith("vector") else quote(name) for name, kind in types.items()}
    with connection.cursor() as cursor:
        cursor.execute(f"select {', '.join(names.values())} from {database}{quote(table.name)}")
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {int(row["id"]): row for row in rows}


def comparable(column_type: str, value: Any) -> Any:
    """Returns a value in a form that does not depend on which of MySQL's types holds it."""
    kind = parse_column_type(column_type)
    if value is None:
        return None
    if kind.name in ("tinyint", "smallint", "mediumint", "int", "bigint", "year"):
        return int(value)
    if kind.name == "decimal":
        return Decimal(value)
    if kind.name in ("float", "double"):
        # With declared digits, MySQL shows fewer than it holds.
        number = float(value)
        return float(f"{as_float(number):.6g}") if kind.name == "float" else number
    if kind.name in ("enum", "set") and isinstance(value, bytes):
        return value.decode()
    if kind.name == "json":
        return json.loads(value)
    return value


def types_of(connection: Connection, table: MatrixTable) -> dict[str, str]:
    """Returns the declared types of the table's columns."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select column_name, column_type from information_schema.columns "
            f"where table_schema = database() and table_name = '{table.name}' order by ordinal_position"
        )
        return {str(name): str(kind) for name, kind in cursor.fetchall()}


def differences(table: MatrixTable, types: Mapping[str, str], expected: Any, found: Any) -> Iterator[str]:
    """Yields what is served otherwise, but for values that the source itself cannot send."""
    if set(found) != set(expected):
        yield f"{table.name}: the keys {sorted(set(found) ^ set(expected))}"
        return
    for key, row in expected.items():
        changed, number = key > 1000, key - (1001 if key > 1000 else 1)
        altered = table.altered(number, changed=changed)
        for column in table.columns:
            value = column.values[number] if number < len(column.values) else None
            if column.name in altered or (changed and value is not None and value.changed):
                continue  # not sent as it is; tests of the source check what comes instead
            both = [comparable(types[column.name], cell[column.name]) for cell in (row, found[key])]
            if both[0] != both[1]:
                yield f"{table.name}.{column.name}, key {key}: {both[0]!r} is served as {both[1]!r}"
