"""CHAR, VARCHAR and TEXT.

On the wire: bytes in the column's own character set, whatever the connection's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from source_vitess.types.charset import TextDecoder, decoder_of
from source_vitess.types.codec import Altered, Encoder, Kind, Ordinary, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable


def _json_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("string")


def _encoder(column: WireColumn) -> Encoder:
    return text_encoder(column.charset)


def text_encoder(charset: str) -> Encoder:
    """Makes the encoder of text in a character set."""
    decode = decoder_of(charset)
    return _encode_utf8 if decode is None else _charset_encoder(decode)


def _encode_utf8(value: bytes) -> bytes:
    try:
        return orjson.dumps(value.decode())
    except UnicodeDecodeError:
        raise _replaced(value.decode(errors="replace")) from None


def _ordinary(column: WireColumn) -> Ordinary:
    return Ordinary(Kind.TEXT) if decoder_of(column.charset) is None else Ordinary()


def _charset_encoder(decode: TextDecoder) -> Encoder:
    def encode(value: bytes) -> bytes:
        try:
            return orjson.dumps(decode(value, "strict"))
        except UnicodeDecodeError:
            raise _replaced(decode(value, "replace")) from None

    return encode


def _replaced(text: str) -> Altered:
    return Altered("bytes that its character set does not have, replaced by U+FFFD", json=orjson.dumps(text))


FAMILY = Family(
    names=("char", "varchar", "tinytext", "text", "mediumtext", "longtext"),
    json_schema=_json_schema,
    encoder=_encoder,
    ordinary=_ordinary,
)
