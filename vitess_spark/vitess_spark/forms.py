"""What a MySQL column is in Spark, and what its JSON values, as the connector's codecs write them, are before that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from source_vitess.schema import Column
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import is_known

#: Digits of Spark's DECIMAL.
_MOST_DIGITS = 38
_MAX_UNSIGNED_DIGITS = 20

_INTEGERS = {"tinyint": 0, "smallint": 1, "mediumint": 2, "int": 2, "bigint": 3}


class Kind(Enum):
    """A type of Spark's."""

    BOOLEAN = "boolean"
    BYTE = "byte"
    SHORT = "short"
    INTEGER = "integer"
    LONG = "long"
    DECIMAL = "decimal"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"
    BINARY = "binary"
    DATE = "date"
    DATETIME = "timestamp_ntz"
    TIMESTAMP = "timestamp"
    VECTOR = "array<float>"


_SIGNED = (Kind.BYTE, Kind.SHORT, Kind.INTEGER, Kind.LONG)


@dataclass(frozen=True)
class Form:
    """A column's type in Spark.

    Attributes:
        kind: The type.
        precision: Digits of a DECIMAL.
        scale: Of these, digits after the point.
    """

    kind: Kind
    precision: int = 0
    scale: int = 0


_UNSIGNED_64 = Form(Kind.DECIMAL, _MAX_UNSIGNED_DIGITS)

_BY_NAME = {
    "float": Form(Kind.FLOAT),
    "double": Form(Kind.DOUBLE),
    "year": Form(Kind.SHORT),
    "date": Form(Kind.DATE),
    "datetime": Form(Kind.DATETIME),
    "timestamp": Form(Kind.TIMESTAMP),
    "vector": Form(Kind.VECTOR),
}


def form_of(column: Column, json_schema: Mapping[str, Any]) -> Form:
    """Returns what a column is in Spark.

    Args:
        column: The column.
        json_schema: That of its JSON values.
    """
    kind = parse_column_type(column.column_type)
    if not is_known(kind):
        return _text_or_bytes(json_schema)
    if "boolean" in json_schema["type"]:
        return Form(Kind.BOOLEAN)
    if kind.name == "bit":
        return _UNSIGNED_64 if kind.argument(0, 1) == 64 else Form(Kind.LONG)
    if kind.name in _INTEGERS:
        size = _INTEGERS[kind.name]
        if not kind.unsigned:
            return Form(_SIGNED[size])
        # Three bytes without a sign are an INT still.
        return _UNSIGNED_64 if kind.name == "bigint" else Form(_SIGNED[size + (kind.name != "mediumint")])
    if kind.name == "decimal":
        precision = kind.argument(0, 10)
        # With more digits than Spark has, as text with all of them.
        return Form(Kind.DECIMAL, precision, kind.argument(1, 0)) if precision <= _MOST_DIGITS else Form(Kind.STRING)
    return _BY_NAME.get(kind.name) or _text_or_bytes(json_schema)


def _text_or_bytes(json_schema: Mapping[str, Any]) -> Form:
    return Form(Kind.BINARY if json_schema.get("contentEncoding") == "base64" else Kind.STRING)
