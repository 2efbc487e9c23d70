r"""JSON documents as strings that hold JSON text, so that no reader turns a big number into a float.

On the wire: a copy sends MySQL's text. The change stream sends text that Vitess makes from MySQL's binary form: keys
in alphabetical order, and not always valid JSON:

- A DECIMAL inside a document loses its leading zero, `{"a": .5}` (vitessio/vitess#20227). Repaired.
- Strings with control characters were quoted by Go's rules before v24, `"\x01"` (vitessio/vitess#19271). Repaired.
- A binary value inside an array or object takes all text before it away: `["a", <FF>]` comes as
  `"base64:type15:/w=="]`. What is lost stays lost: null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from source_vitess.types.codec import Altered, Encoder, Kind, Ordinary, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable

_TOKEN = re.compile(
    rb"""
      "[^"\\]*(?:\\.[^"\\]*)*"?     # A string; an open one is taken to the end, so that nothing is read twice.
    | [0-9][0-9.eE+-]*              # A number, with what JSON allows and more.
    | (?P<bare_fraction>\.[0-9])
    """,
    re.VERBOSE | re.DOTALL,
)
_GO_ESCAPE = re.compile(rb"\\(?:x([0-7][0-9a-f])|U([0-9a-f]{8})|(.))", re.DOTALL)
_GO_LETTERS = {b"a": b"\\u0007", b"v": b"\\u000b"}


def _json_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("string")


def _encoder(_column: WireColumn) -> Encoder:
    return _encode


def _encode(value: bytes) -> bytes:
    try:
        orjson.loads(value)
    except ValueError:
        value = _repair(value)
    return orjson.dumps(value.decode())


def _encode_copied(value: bytes) -> bytes:
    # MySQL's own text is valid, so that only what Vitess makes of binary logs has to be read to be sure.
    if value:
        with suppress(UnicodeDecodeError):
            return orjson.dumps(value.decode())
    return _encode(value)


def _repair(value: bytes) -> bytes:
    # MySQL reads a document of no bytes, left by INSERT IGNORE or ALTER TABLE in a NOT NULL column, as a JSON null.
    if not value:
        return b"null"
    repaired = _TOKEN.sub(_repair_token, value)
    try:
        orjson.loads(repaired)
    except ValueError:
        raise Altered("not valid JSON as Vitess sent it; a binary value inside the document, most likely") from None
    return repaired


def _repair_token(token: re.Match[bytes]) -> bytes:
    if token["bare_fraction"]:
        return b"0" + token[0]
    return _GO_ESCAPE.sub(_repair_escape, token[0])


def _repair_escape(escape: re.Match[bytes]) -> bytes:
    byte, character, letter = escape.groups()
    if byte:
        return b"\\u00" + byte
    if character:
        return chr(int(character, 16)).encode() if int(character, 16) <= 0x10FFFF else escape[0]
    return _GO_LETTERS.get(letter, escape[0])


FAMILY = Family(
    names=("json",),
    json_schema=_json_schema,
    encoder=_encoder,
    encode_copied=_encode_copied,
    ordinary=lambda _column: Ordinary(Kind.JSON),
    ordinary_copied=Ordinary(Kind.JSON_COPIED),
)
