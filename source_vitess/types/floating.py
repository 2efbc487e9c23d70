"""FLOAT and DOUBLE: the shortest text that reads back as the same number of their width.

On the wire: a copy sends MySQL's text, which for FLOAT has six digits and so may be another number than the column
holds. The change stream sends Go's shortest text, `3.1415927E+00`. Columns with declared digits, FLOAT(10,4), send
them in a copy, be they significant or not.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import orjson

from source_vitess.types.codec import Altered, Encoder, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable

# Above the smallest normal float32, every text of up to six digits is the shortest one of its number.
_SMALLEST_NORMAL = 1.1754944e-38
_LARGEST = 3.4028235677973366e38  # Rounds to infinity from here on.
# `-3.4028235E+38`: Go's text is never longer, MySQL's six digits neither.
_LONGEST_SHORT = 14

_FLOAT32 = struct.Struct("<f")


def _json_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("number")


def _encoder(column: WireColumn) -> Encoder:
    if column.type.name == "double":
        return _encode_double
    return _encode_rounded_float if column.type.arguments else _encode_float


def _parse(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        raise Altered("not a number") from None


def _encode_double(value: bytes, dumps: Any = orjson.dumps) -> bytes:
    try:
        json: bytes = dumps(float(value))
    except ValueError:
        raise Altered("not a number") from None
    if json == b"null":
        raise Altered("not a finite number")
    return json


def _encode_float(value: bytes, dumps: Any = orjson.dumps) -> bytes:
    number = _parse(value)
    # Fast path: both wire forms are the shortest text already, and a float64 keeps them.
    if len(value) <= _LONGEST_SHORT and (_SMALLEST_NORMAL <= abs(number) < _LARGEST or not number):
        json: bytes = dumps(number)
        return json
    return _encode_rounded_float(value)


def _encode_rounded_float(value: bytes) -> bytes:
    number = _parse(value)
    if not abs(number) < _LARGEST:
        raise Altered("not a finite float32")
    return orjson.dumps(shorten_float32(_FLOAT32.unpack(_FLOAT32.pack(number))[0]))


def shorten_float32(number: float) -> float:
    """Finds the float64 with the fewest digits that is the same float32 as a finite float32."""
    packed = _FLOAT32.pack(number)
    # `%g` leaves trailing zeros out, and six digits are never too many for a normal float32.
    for digits in range(6 if abs(number) >= _SMALLEST_NORMAL else 1, 9):
        candidate = float(b"%.*g" % (digits, number))
        if candidate < _LARGEST and candidate > -_LARGEST and _FLOAT32.pack(candidate) == packed:
            return candidate
    # Nine digits tell any two float32 apart.
    return float(b"%.9g" % number)


FAMILY = Family(names=("float", "double"), json_schema=_json_schema, encoder=_encoder)
