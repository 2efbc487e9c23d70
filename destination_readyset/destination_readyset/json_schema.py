"""Columns from a stream's JSON schema, for a source whose tables cannot be looked at.

JSON knows fewer types than MySQL: whole numbers are BIGINT, other numbers DOUBLE, texts LONGTEXT, those of a key
VARCHAR. With the keyspace's address, `policy` makes tables that are like the keyspace's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from destination_readyset import values
from destination_readyset.tables import ServedColumn
from destination_readyset.values import Encoder

_TEXT = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
# InnoDB's longest key has 3072 bytes, and a key may have several columns.
_KEY_TEXT = f"varchar(255) {_TEXT}"


def columns_from_schema(
    properties: Mapping[str, Any], key: Sequence[str], *, json_as_text: bool = True
) -> tuple[ServedColumn, ...]:
    """Returns the columns; the reserved ones of Airbyte are left to the caller.

    Args:
        properties: The schema's.
        key: The names of those that identify a row.
        json_as_text: Hold any JSON as text.
    """
    found = []
    for name, schema in properties.items():
        definition, encode = _column(schema if isinstance(schema, Mapping) else {}, name in key)
        comparable = definition not in ("json", "double")
        if definition == "json" and json_as_text:
            definition = f"longtext {_TEXT}"
        found.append(ServedColumn(name, definition, encode, encode, comparable=comparable))
    return tuple(found)


def _column(schema: Mapping[str, Any], in_key: bool) -> tuple[str, Encoder]:
    kind = schema.get("type")
    kinds = [part for part in kind if part != "null"] if isinstance(kind, list) else [kind]
    word = kinds[0] if len(kinds) == 1 else None
    airbyte_type = schema.get("airbyte_type")
    if word == "integer" or (word == "number" and airbyte_type == "integer"):
        return "bigint", values.integer
    if word == "boolean":
        return "tinyint(1)", values.integer
    if word == "number":
        return "double", values.floating
    if word == "string":
        return _string(schema, in_key)
    return "json", values.any_json


def _string(schema: Mapping[str, Any], in_key: bool) -> tuple[str, Encoder]:
    if schema.get("contentEncoding") == "base64":
        return ("varbinary(255)" if in_key else "longblob"), values.base64_bytes
    if schema.get("format") == "date":
        return "date", values.text
    if schema.get("format") == "date-time":
        return "datetime(6)", values.timestamp
    return (_KEY_TEXT if in_key else f"longtext {_TEXT}"), values.text
