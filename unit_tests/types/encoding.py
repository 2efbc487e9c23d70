"""What tests of types share: from MySQL's text for a type to its codec, and what became of a value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from source_vitess.types.codec import Altered, Codec, Encoder, IntegerForm, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for

#: utf8mb4_0900_ai_ci, and the collation of everything that is not text.
UTF8, BINARY = 255, 63


@dataclass(frozen=True)
class Outcome:
    """What became of a value: its JSON text, and why it is not exact, if it is not."""

    json: bytes
    reason: str | None = None


def codec(
    column_type: str,
    collation_id: int = UTF8,
    *,
    labels: bool = True,
    charset: str | None = None,
    tinyint1_as_boolean: bool = False,
    bigint_unsigned_as: IntegerForm = "integer",
    length_in_binary_json: bool = False,
) -> Codec:
    """Makes the codec of a type."""
    return codec_for(
        parse_column_type(column_type),
        collation_id=collation_id,
        options=TypeOptions(tinyint1_as_boolean, bigint_unsigned_as),
        enum_set_as_text=labels,
        charset=charset,
        length_in_binary_json=length_in_binary_json,
    )


def encoder(column_type: str, collation_id: int = UTF8, **keywords: Any) -> Encoder:
    """Makes the encoder of a type."""
    encode = codec(column_type, collation_id, **keywords).encode
    assert encode is not None
    return encode


def outcome(encode: Encoder, value: bytes) -> Outcome:
    """Encodes a value. Whatever the encoder raises but `Altered` fails the test."""
    try:
        return Outcome(encode(value))
    except Altered as altered:
        return Outcome(altered.json, altered.reason)


def parse(text: bytes) -> Any:
    """Reads JSON, exactly, and refuses what only Python's reader takes."""
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
