"""Integers: TINYINT to BIGINT, signed or not, and YEAR.

On the wire: decimal text. A copy pads ZEROFILL columns with zeros, the change stream does not; YEAR 0 is `0000`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from source_vitess.types.codec import Altered, Encoder, IntegerForm, Kind, LargeIntegers, Ordinary, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable

_INTEGER = re.compile(rb"(-?)0*([0-9]+)")
_ZERO = ord("0")


def _is_boolean(column_type: ColumnType, options: TypeOptions) -> bool:
    return options.tinyint1_as_boolean and column_type.name == "tinyint" and column_type.arguments == (1,)


def is_bigint_unsigned(column_type: ColumnType) -> bool:
    """Tells whether a type is BIGINT UNSIGNED, whose values can be above 2^63-1."""
    return column_type.name == "bigint" and column_type.unsigned


def _form(column_type: ColumnType, options: TypeOptions) -> IntegerForm:
    return options.bigint_unsigned_as if is_bigint_unsigned(column_type) else "integer"


def _json_schema(column_type: ColumnType, options: TypeOptions) -> Mapping[str, Any]:
    # Plain `integer`: Airbyte reads it as the same type as `number` with `airbyte_type: integer`, but validators
    # hold values to it.
    return nullable("boolean" if _is_boolean(column_type, options) else _form(column_type, options))


def _encoder(column: WireColumn) -> Encoder:
    if _is_boolean(column.type, column.options):
        return _encode_boolean
    form = _form(column.type, column.options)
    if form == "string":
        return _encode_quoted
    return LargeIntegers(encode_integer) if form == "integer" and is_bigint_unsigned(column.type) else encode_integer


def encode_integer(value: bytes) -> bytes:
    """Encodes decimal text of any length, exactly."""
    # Fast paths. The bytes are JSON already, yet copying them unseen would let a server write into our JSON.
    if value.isdigit() and (value[0] > _ZERO or len(value) == 1):
        return value
    if value.startswith(b"-") and value[1:].isdigit() and value[1] > _ZERO:
        return value
    number = _INTEGER.fullmatch(value)
    if number is None:
        raise Altered("not an integer")
    sign, digits = number.groups()
    return digits if digits == b"0" else sign + digits


def _encode_boolean(value: bytes) -> bytes:
    return b"false" if encode_integer(value) == b"0" else b"true"


def _encode_quoted(value: bytes) -> bytes:
    return b'"%b"' % encode_integer(value)


def _ordinary(column: WireColumn) -> Ordinary:
    if _is_boolean(column.type, column.options):
        return Ordinary()
    form = _form(column.type, column.options)
    if form == "string":
        return Ordinary(Kind.QUOTED_INTEGER)
    return Ordinary(Kind.INT64 if form == "integer" and is_bigint_unsigned(column.type) else Kind.INTEGER)


FAMILY = Family(
    names=("tinyint", "smallint", "mediumint", "int", "bigint", "year"),
    json_schema=_json_schema,
    encoder=_encoder,
    ordinary=_ordinary,
)
