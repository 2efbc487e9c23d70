"""FLOAT and DOUBLE: the shortest text that reads back as the same number of their width.

On the wire: a copy sends MySQL's text, which for FLOAT has six digits and so may be another number than the column
holds. The change stream sends Go's shortest text, `3.1415927E+00`. Of columns with declared digits, DOUBLE(10,3), MySQL
shows that many, and so does a copy, while the change stream sends the number itself, `-1.0000000000000009E-03`. There,
what MySQL shows is the value, in both.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import isfinite
from typing import Any

import orjson

from source_vitess.types.codec import Altered, Encoder, Kind, Ordinary, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable

# Above the smallest normal float32, every text of up to six digits is the shortest one of its number.
_SMALLEST_NORMAL = 1.1754944e-38
# From here on, numbers round to infinity.
_TOO_LARGE = 3.4028235677973366e38
# `-3.4028235E+38`: Go's text is never longer, MySQL's six digits neither.
_LONGEST_SHORT = 14

# 17 digits are the most that a number needs, and MySQL puts up to five zeros before them.
_LONGEST_PLAIN = 24

_ZERO = ord("0")
_POINT = ord(".")

_FLOAT32 = struct.Struct("<f")


def _json_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("number")


def _encoder(column: WireColumn) -> Encoder:
    single = column.type.name == "float"
    if len(column.type.arguments) == 2:
        return _declared_encoder(column.type.argument(1, 0), single=single)
    return _encode_float if single else _encode_double


def _parse(value: bytes) -> float:
    try:
        number = float(value)
    except ValueError:
        raise Altered("not a number") from None
    if not isfinite(number):
        raise Altered("not a finite number")
    return number


def _encode_double(value: bytes) -> bytes:
    # Fast path: digits with a point among them, as MySQL writes most numbers, are JSON already.
    if (
        len(value) <= _LONGEST_PLAIN
        and value.count(b".") == 1
        and value.replace(b".", b"").isdigit()
        and (value[0] > _ZERO or value[1] == _POINT)
        and value[-1] >= _ZERO
    ):
        return value
    try:
        json = orjson.dumps(float(value))
    except ValueError:
        raise Altered("not a number") from None
    if json == b"null":
        raise Altered("not a finite number")
    return json


def _encode_float(value: bytes) -> bytes:
    number = _parse(value)
    # Fast path: both wire forms are the shortest text already, and a float64 keeps them.
    if len(value) <= _LONGEST_SHORT and (_SMALLEST_NORMAL <= abs(number) < _TOO_LARGE or not number):
        return orjson.dumps(number)
    return orjson.dumps(_round_to_float32(number))


def _declared_encoder(digits: int, *, single: bool) -> Encoder:
    def encode(value: bytes) -> bytes:
        shown = float(b"%.*f" % (digits, _parse(value)))
        return orjson.dumps(_round_to_float32(shown) if single else shown)

    return encode


def _round_to_float32(number: float) -> float:
    if abs(number) >= _TOO_LARGE:
        raise Altered("not a finite float32")
    single: float = _FLOAT32.unpack(_FLOAT32.pack(number))[0]
    return shorten_float32(single)


def shorten_float32(number: float) -> float:
    """Finds the float64 with the fewest digits that is the same float32 as a finite float32."""
    packed = _FLOAT32.pack(number)
    # `%g` leaves trailing zeros out, and six digits are never too many for a normal float32.
    for digits in range(6 if abs(number) >= _SMALLEST_NORMAL else 1, 9):
        candidate = float(b"%.*g" % (digits, number))
        if abs(candidate) < _TOO_LARGE and _FLOAT32.pack(candidate) == packed:
            return candidate
    # Nine digits tell any two float32 apart.
    return float(b"%.9g" % number)


def _is_plain_double(column: WireColumn) -> bool:
    return column.type.name == "double" and len(column.type.arguments) != 2


def _ordinary(column: WireColumn) -> Ordinary:
    return Ordinary(Kind.DOUBLE) if _is_plain_double(column) else Ordinary()


FAMILY = Family(names=("float", "double"), json_schema=_json_schema, encoder=_encoder, ordinary=_ordinary)
