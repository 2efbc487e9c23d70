"""BIT(1) as a boolean, BIT(n) as an integer.

On the wire: the bits as big-endian bytes, as many as n bits take.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from source_vitess.types.codec import Altered, Encoder, LargeIntegers, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable


def _json_schema(column_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("boolean" if column_type.argument(0, 1) == 1 else "integer")


def _encoder(column: WireColumn) -> Encoder:
    bits = column.type.argument(0, 1)
    if bits == 1:
        return _encode_boolean
    return LargeIntegers(_integer_encoder(bits)) if bits == 64 else _integer_encoder(bits)


def _encode_boolean(value: bytes) -> bytes:
    if value == b"\x01":
        return b"true"
    if value == b"\x00":
        return b"false"
    raise Altered("not a single bit")


def _integer_encoder(bits: int) -> Encoder:
    size = (bits + 7) // 8
    from_bytes = int.from_bytes

    def encode(value: bytes) -> bytes:
        if len(value) != size:
            raise Altered(f"not {bits} bits")
        return b"%d" % from_bytes(value, "big")

    return encode


FAMILY = Family(names=("bit",), json_schema=_json_schema, encoder=_encoder)
