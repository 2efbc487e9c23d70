"""ENUM and SET as their labels.

On the wire, for the same row (Vitess v24, MySQL 9.7):

- A copy sends labels in the column's character set.
- The change stream sends labels in UTF-8, whatever the column's character set, since VTTablet takes them from the
  column type. Servers up to v19 send the ordinal of an ENUM and the bitmap of a SET as decimal numbers.
- An ENUM's invalid value is '' in both, ordinal 0. A label may be '' itself, or look like a number.

So bytes are read both ways, and the reading that the column type has a label for counts. MySQL replaces characters
beyond U+FFFF in column types by `?`: a label with an emoji arrives as it is in a copy, with `?` in the change stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from source_vitess.types.charset import decoder_of
from source_vitess.types.codec import Altered, Encoder, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable
from source_vitess.types.integer import encode_integer
from source_vitess.types.text import text_encoder

# As many values of a column are kept encoded, beyond one for each label.
_KEPT = 4096
_NO_LABEL = "a number that its column type has no label for"


def _json_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("string")


def _enum_encoder(column: WireColumn) -> Encoder:
    labels = column.type.members
    if not column.enum_set_as_text:
        return _Memo(_ordinal_encoder(labels), labels).__getitem__
    known = frozenset((*labels, ""))
    return _Memo(_label_encoder(column.charset, known.__contains__), labels).__getitem__


def _set_encoder(column: WireColumn) -> Encoder:
    labels = column.type.members
    if not column.enum_set_as_text:
        return _Memo(_bitmap_encoder(labels), labels).__getitem__
    known = frozenset((*labels, ""))

    def is_known(text: str) -> bool:
        return known.issuperset(text.split(","))

    return _Memo(_label_encoder(column.charset, is_known), labels).__getitem__


class _Memo(dict[bytes, bytes]):
    """From the wire to JSON, remembering. `memo[value]` is a single call into C for a value that is known."""

    def __init__(self, encode: Encoder, labels: tuple[str, ...]) -> None:
        super().__init__()
        self._encode = encode
        self._limit = len(labels) + _KEPT

    def __missing__(self, value: bytes) -> bytes:
        json = self._encode(value)
        if len(self) < self._limit:
            self[value] = json
        return json


def _ordinal_encoder(labels: tuple[str, ...]) -> Encoder:
    def encode(value: bytes) -> bytes:
        ordinal = _parse_number(value)
        if ordinal == 0:
            return b'""'
        if ordinal > len(labels):
            raise Altered(_NO_LABEL)
        return orjson.dumps(labels[ordinal - 1])

    return encode


def _bitmap_encoder(labels: tuple[str, ...]) -> Encoder:
    def encode(value: bytes) -> bytes:
        bitmap = _parse_number(value)
        if bitmap >> len(labels):
            raise Altered(_NO_LABEL)
        return orjson.dumps(",".join(label for bit, label in enumerate(labels) if bitmap >> bit & 1))

    return encode


def _parse_number(value: bytes) -> int:
    digits = encode_integer(value)
    # The largest bitmap, 2^64 - 1, has twenty.
    if not digits.isdigit() or len(digits) > 20:
        raise Altered("not an ordinal or a bitmap")
    return int(digits)


def _label_encoder(charset: str, is_known: Callable[[str], bool]) -> Encoder:
    encode_as_text = text_encoder(charset)
    decode = decoder_of(charset)
    if decode is None:
        return encode_as_text

    def encode(value: bytes) -> bytes:
        readings: set[str] = set()
        for read in (decode, _decode_utf8):
            try:
                readings.add(read(value, "strict"))
            except UnicodeDecodeError:
                continue
        known = [text for text in readings if is_known(text)]
        if len(known) > 1:
            raise Altered("bytes of one label that are another label's in UTF-8")
        return orjson.dumps(known[0]) if known else encode_as_text(value)

    return encode


def _decode_utf8(value: bytes, errors: str) -> str:
    return value.decode("utf-8", errors)


FAMILIES = (
    Family(names=("enum",), json_schema=_json_schema, encoder=_enum_encoder),
    Family(names=("set",), json_schema=_json_schema, encoder=_set_encoder),
)
