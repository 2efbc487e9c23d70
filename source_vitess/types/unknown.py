"""Types that this connector does not know: of a MySQL newer than it.

A column of such a type is not left out. With a character set it is text. Without one it is bytes and comes as base64,
numbers included, so that nothing is lost and one column has one form. `registry.is_known` decides whether to warn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from source_vitess.types.binary import encode_bytes
from source_vitess.types.codec import Encoder
from source_vitess.types.family import WireColumn, nullable
from source_vitess.types.text import text_encoder

#: What MySQL calls the character set of bytes, and of everything that is not text.
BINARY = "binary"


def json_schema(charset: str) -> Mapping[str, Any]:
    """Makes the schema of a column."""
    if charset == BINARY:
        return nullable("string", contentEncoding="base64")
    return nullable("string")


def encoder(column: WireColumn) -> Encoder:
    """Makes the encoder of a column. Numbers and bytes have the character set `binary`."""
    return encode_bytes if column.charset == BINARY else text_encoder(column.charset)
