"""Tables as Airbyte's streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from source_vitess.replication.records import CURSOR, DELETED_AT, UPDATED_AT
from source_vitess.schema import Schema, Table
from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import json_schema_for

_TIME = {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
META_COLUMNS: Mapping[str, Mapping[str, Any]] = {
    UPDATED_AT: _TIME,
    DELETED_AT: _TIME,
    CURSOR: {"type": ["null", "integer"]},
}


def to_catalog(schema: Schema, options: TypeOptions) -> dict[str, Any]:
    """Returns the keyspace's tables as a catalog of streams, as JSON."""
    return {"streams": [_to_stream(table, schema.keyspace, options) for table in schema.tables.values()]}


def _to_stream(table: Table, keyspace: str, options: TypeOptions) -> dict[str, Any]:
    key = {"source_defined_primary_key": [[name] for name in table.key]} if table.key else {}
    return {
        "name": table.name,
        "json_schema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {**column_schemas(table, options), **META_COLUMNS},
        },
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": [CURSOR],
        **key,
        "namespace": keyspace,
        "is_resumable": bool(table.key),
    }


def column_schemas(table: Table, options: TypeOptions) -> dict[str, Mapping[str, Any]]:
    """Returns the JSON schemas of a table's columns, by name."""
    return {
        column.name: json_schema_for(parse_column_type(column.column_type), column.charset, options)
        for column in table.columns
        if column.name not in META_COLUMNS  # their names are taken
    }


def key_warnings(table: Table) -> Iterator[str]:
    """Yields what a user should know of a table's key before its rows are deduplicated by it."""
    for name in table.key:
        column_type = parse_column_type(table.columns_by_name[name].column_type)
        if column_type.name == "float" and len(column_type.arguments) != 2:
            yield (
                f"The key of table {table.name!r} has the FLOAT column {name!r}. A copy has six of its digits, and a "
                "change has all: rows whose keys are equal in six digits overwrite each other, and a change of a row "
                "whose key has more does not find the copied row. Change the column to DOUBLE or DECIMAL."
            )
