"""VECTOR as an array of numbers.

On the wire: its elements as little-endian float32, without a count.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import isfinite
from typing import Any

import orjson

from source_vitess.types.codec import Altered, Encoder, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable
from source_vitess.types.floating import shorten_float32

_ELEMENT = 4


def _json_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("array", items={"type": "number"})


def _encoder(_column: WireColumn) -> Encoder:
    return _encode


def _encode(value: bytes) -> bytes:
    count, rest = divmod(len(value), _ELEMENT)
    if rest:
        raise Altered("not a vector of float32")
    elements = struct.unpack(f"<{count}f", value)
    if not all(map(isfinite, elements)):
        raise Altered("a vector with an element that is not a finite number")
    return orjson.dumps([shorten_float32(element) for element in elements])


FAMILY = Family(names=("vector",), json_schema=_json_schema, encoder=_encoder)
