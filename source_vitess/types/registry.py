"""All types: from a column's type to its JSON schema and its encoder.

A type family registers by being listed here. What decides is the column type and the collation, never the type of the
wire: VTTablet announces text of a `_bin` collation, ENUM and SET among it, as binary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from source_vitess.types import (
    binary,
    bit,
    decimal,
    enum_set,
    floating,
    geometry,
    integer,
    json,
    temporal,
    text,
    unknown,
    vector,
)
from source_vitess.types.charset import charset_of
from source_vitess.types.codec import Codec, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn

FAMILIES: tuple[Family, ...] = (
    integer.FAMILY,
    bit.FAMILY,
    decimal.FAMILY,
    floating.FAMILY,
    text.FAMILY,
    *enum_set.FAMILIES,
    json.FAMILY,
    *temporal.FAMILIES,
    binary.FAMILY,
    geometry.FAMILY,
    vector.FAMILY,
)

_BY_NAME: Mapping[str, Family] = {name: family for family in FAMILIES for name in family.names}


def is_known(column_type: ColumnType) -> bool:
    """Tells whether a family has the type; if not, `unknown` takes it."""
    return column_type.name in _BY_NAME


def json_schema_for(column_type: ColumnType, charset: str | None, options: TypeOptions) -> Mapping[str, Any]:
    """Makes a column's JSON schema, null included.

    Args:
        column_type: The column's type.
        charset: MySQL's name of the column's character set, None without one. It matters to unknown types only.
        options: The user's choices.
    """
    family = _BY_NAME.get(column_type.name)
    return family.json_schema(column_type, options) if family else unknown.json_schema(charset or unknown.BINARY)


def codec_for(
    column_type: ColumnType,
    *,
    collation_id: int,
    options: TypeOptions,
    enum_set_as_text: bool,
    charset: str | None = None,
    length_in_binary_json: bool = False,
) -> Codec:
    """Makes the codec of a column, once per FIELD event.

    Args:
        column_type: The column's type.
        collation_id: From the FIELD event; `NO_COLLATION` if it does not announce the column's own.
        options: The user's choices.
        enum_set_as_text: ENUM and SET come as labels. False for the change stream of servers up to v19, which
            sends ordinals and bitmaps.
        charset: MySQL's name of the column's character set from the schema, None without one. It counts where the
            FIELD event names no text collation: VTTablet knows none of big5, gb18030, gbk and tis620, and names none at
            all up to v19.
        length_in_binary_json: A JSON document that is a binary value has its length before its bytes, in changes of
            servers that do not know where they begin.
    """
    announced = charset_of(collation_id)
    name = announced if announced and announced != unknown.BINARY else charset or unknown.BINARY
    column = WireColumn(column_type, name, enum_set_as_text, options, length_in_binary_json)
    family = _BY_NAME.get(column_type.name)
    schema = json_schema_for(column_type, name, options)
    if family is None:
        return Codec(schema, unknown.encoder(column))
    return Codec(
        schema,
        family.encoder(column),
        family.encode_copied,
        family.ordinary(column),
        family.ordinary_copied,
    )
