"""What a type family is: the one place where its names, its JSON schema and its encoder are defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from source_vitess.types.codec import Encoder, Ordinary, TypeOptions
from source_vitess.types.column_type import ColumnType


@dataclass(frozen=True)
class WireColumn:
    """A column of a stream, as far as its values depend on it.

    Attributes:
        type: The parsed column type.
        charset: MySQL's name of the character set that text comes in; `binary` for other types.
        enum_set_as_text: ENUM and SET come as labels; False for ordinals and bitmaps.
        options: The user's choices.
        length_in_binary_json: A JSON document that is a binary value has the value's length before its bytes.
    """

    type: ColumnType
    charset: str
    enum_set_as_text: bool
    options: TypeOptions
    length_in_binary_json: bool = False


@dataclass(frozen=True)
class Family:
    """Types whose values share a form.

    Attributes:
        names: The names of the types, as `ColumnType.name`.
        json_schema: Makes a type's JSON schema.
        encoder: Makes a column's encoder, once per FIELD event. The encoder raises nothing but `Altered`,
            whatever the bytes, and returns valid JSON.
        encode_copied: `Codec.encode_copied`, for all columns alike.
        ordinary: Makes `Codec.ordinary` of a column.
        ordinary_copied: `Codec.ordinary_copied`, for all columns alike.
    """

    names: tuple[str, ...]
    json_schema: Callable[[ColumnType, TypeOptions], Mapping[str, Any]]
    encoder: Callable[[WireColumn], Encoder]
    encode_copied: Encoder | None = None
    ordinary: Callable[[WireColumn], Ordinary] = lambda _column: Ordinary()
    ordinary_copied: Ordinary | None = None


def nullable(json_type: str, **keywords: Any) -> dict[str, Any]:
    """Makes the schema of a column: every column may be null, since any value may turn out to have no JSON form."""
    return {"type": ["null", json_type], **keywords}


def bytes_schema(_type: ColumnType, _options: TypeOptions) -> dict[str, Any]:
    """Makes the schema of bytes that are not text."""
    return nullable("string", contentEncoding="base64")
