"""BINARY, VARBINARY and BLOB as base64.

On the wire: the bytes. Text columns of a `_bin` collation are announced as binary too; their column type tells them
apart.
"""

from __future__ import annotations

from binascii import b2a_base64

from source_vitess.types.codec import Encoder, Kind, Ordinary
from source_vitess.types.family import Family, WireColumn, bytes_schema


def _encoder(column: WireColumn) -> Encoder:
    return _padded_encoder(column.type.argument(0, 1)) if column.type.name == "binary" else encode_bytes


def encode_bytes(value: bytes) -> bytes:
    """Encodes any bytes as a JSON string of base64."""
    return b'"%b"' % b2a_base64(value, newline=False)


def _padded_encoder(length: int) -> Encoder:
    def encode(value: bytes) -> bytes:
        # MySQL reads BINARY(n) as n bytes, but its binlog leaves trailing zeros out. VTTablet puts them back
        # (vitessio/vitess#7969); old ones do not.
        return encode_bytes(value.ljust(length, b"\0"))

    return encode


def _ordinary(column: WireColumn) -> Ordinary:
    return Ordinary(Kind.BASE64, column.type.argument(0, 1) if column.type.name == "binary" else 0)


FAMILY = Family(
    names=("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
    json_schema=bytes_schema,
    encoder=_encoder,
    ordinary=_ordinary,
)
