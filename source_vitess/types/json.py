r"""JSON documents as strings that hold JSON text, so that no reader turns a big number into a float.

On the wire: a copy sends MySQL's text. The change stream sends text that Vitess makes from MySQL's binary form: keys
in alphabetical order, and not always valid JSON:

- A DECIMAL inside a document loses its leading zero before v24.0.2, `{"a": .5}` (vitessio/vitess#20227). Repaired.
- Strings with control characters were quoted by Go's rules before v24, `"\x01"` (vitessio/vitess#19271). Repaired.
- A binary value inside an array or object takes all text before it away: `["a", <FF>]` comes as
  `"base64:type15:/w=="]`. What is lost stays lost: null. (vitessio/vitess#20625, mended in 24.0.3.)
- A document that is a binary value has its length before its bytes, as MySQL's binary form does, in older releases:
  `<02 00 FF>` for `<00 FF>` (vitessio/vitess#19103). Taken away again.
"""

from __future__ import annotations

import binascii
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
_BINARY = re.compile(rb'(?P<kind>"base64:type\d+:)(?P<content>[A-Za-z0-9+/]+={0,2})"')
# Seven bits a byte, the lowest first, and the eighth in all but the last.
_LONGEST_LENGTH = 5
_GO_ESCAPE = re.compile(rb"\\(?:x([0-7][0-9a-f])|U([0-9a-f]{8})|(.))", re.DOTALL)
_GO_LETTERS = {b"a": b"\\u0007", b"v": b"\\u000b"}


def _json_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("string")


def _encoder(column: WireColumn) -> Encoder:
    return _encode_with_length if column.length_in_binary_json else _encode


def _encode(value: bytes) -> bytes:
    try:
        orjson.loads(value)
    except ValueError:
        value = _repair(value)
    return orjson.dumps(value.decode())


def _encode_with_length(value: bytes) -> bytes:
    match = _BINARY.fullmatch(value)
    return _encode(value if match is None else _without_length(match) or value)


def _without_length(document: re.Match[bytes]) -> bytes | None:
    """Returns the document without the length before the value's bytes; None if what is there is not their length."""
    try:
        content = binascii.a2b_base64(document["content"])
    except binascii.Error:
        return None
    length, shift = 0, 0
    for at, byte in enumerate(content[:_LONGEST_LENGTH], 1):
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            if length != len(content) - at:
                return None
            return document["kind"] + binascii.b2a_base64(content[at:], newline=False) + b'"'
    return None


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
    ordinary=lambda column: Ordinary() if column.length_in_binary_json else Ordinary(Kind.JSON),
    ordinary_copied=Ordinary(Kind.JSON_COPIED),
)
