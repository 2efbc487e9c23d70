"""DECIMAL: every digit, at the declared scale, never through a float.

On the wire: a copy sends MySQL's text (`-0.50`, ZEROFILL padded). The change stream sends the same from v24.0.2 on, but
for the padding; before, what the binlog's groups of nine digits give: `-.50`, `000000005`, and from servers before v12
nothing at all for a zero without a fraction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from source_vitess.types.codec import Altered, Encoder, Kind, LargeIntegers, Ordinary, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable

_ZERO = ord("0")
_POINT = ord(".")
#: Of DECIMAL without a number.
_DIGITS = 10
#: Of the largest 64-bit integers.
_INT64_DIGITS = 19


def _json_schema(column_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("number" if column_type.argument(1, 0) else "integer")


def _encoder(column: WireColumn) -> Encoder:
    scale = column.type.argument(1, 0)
    if scale:
        return _fraction_encoder(scale)
    return LargeIntegers(_encode_whole) if _may_be_large(column.type) else _encode_whole


def _may_be_large(column_type: ColumnType) -> bool:
    return column_type.argument(0, _DIGITS) >= _INT64_DIGITS


def _fraction_encoder(scale: int) -> Encoder:
    point = -scale - 1
    # The shortest text that has JSON's form: `0.50`.
    shortest = scale + 2

    def encode(value: bytes) -> bytes:
        # Fast path: `123.45` and `0.50` are JSON already. What is left without its point is digits, so there is no
        # sign; a first character above '0' is neither a point nor padding.
        if (
            len(value) >= shortest
            and value[point] == _POINT
            and (value[0] > _ZERO or len(value) == shortest)
            and value.replace(b".", b"", 1).isdigit()
        ):
            return value
        return _normalise(value, scale)

    return encode


def _encode_whole(value: bytes) -> bytes:
    if value.isdigit() and (value[0] > _ZERO or len(value) == 1):
        return value
    return _normalise(value, 0)


def _normalise(value: bytes, scale: int) -> bytes:
    sign, digits = (b"-", value[1:]) if value.startswith(b"-") else (b"", value)
    if value and not digits.replace(b".", b"", 1).isdigit():
        raise Altered("not a decimal number")
    whole, _, fraction = digits.partition(b".")
    fraction = fraction.ljust(scale, b"0")
    if len(fraction) > scale:
        raise Altered("a decimal number with more digits than its column's scale")
    whole = whole.lstrip(b"0") or b"0"
    json = whole + b"." + fraction if scale else whole
    # MySQL has no negative zero; the sign of one is an artefact.
    return sign + json if sign and json.strip(b"0.") else json


def _ordinary(column: WireColumn) -> Ordinary:
    scale = column.type.argument(1, 0)
    return Ordinary(Kind.INT64) if not scale and _may_be_large(column.type) else Ordinary(Kind.DECIMAL, scale)


FAMILY = Family(names=("decimal",), json_schema=_json_schema, encoder=_encoder, ordinary=_ordinary)
