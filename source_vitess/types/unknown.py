"""Types that this connector does not know: of a MySQL newer than it.

A column of such a type is not left out. With a character set it is text. Without one it is bytes and comes as base64,
numbers included, so that nothing is lost and one column has one form. `registry.is_known` tells, for a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from source_vitess.types.binary import encode_bytes
from source_vitess.types.charset import charset_of
from source_vitess.types.codec import Encoder
from source_vitess.types.family import WireColumn, nullable
from source_vitess.types.text import text_encoder

_BINARY = "binary"


def json_schema(charset: str | None) -> Mapping[str, Any]:
    """Makes the schema of a column with MySQL's name of its character set, if it has one."""
    if charset in (None, _BINARY):
        return nullable("string", contentEncoding="base64")
    return nullable("string")


def encoder(column: WireColumn) -> Encoder:
    """Makes the encoder of a column. Numbers and bytes have the collation `binary`."""
    return encode_bytes if charset_of(column.collation_id) == _BINARY else text_encoder(column.collation_id)
