"""What a column type is to this connector: its JSON schema and how its values become JSON text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

#: The last 64-bit integers with a sign that there are, above and below zero, without it.
_LARGEST, _LEAST = b"9223372036854775807", b"9223372036854775808"
_INT64_DIGITS = len(_LARGEST)

#: JSON types that a column of integers can have.
IntegerForm = Literal["integer", "number", "string"]

#: From a value's bytes as VStream sends them (never NULL) to JSON text. Raises `Altered`.
Encoder = Callable[[bytes], bytes]


class Altered(Exception):  # noqa: N818 - control flow between an encoder and the row decoder
    """A value has no exact JSON form: it is emitted as `json`, and the record's `meta.changes` says so.

    Attributes:
        json: The JSON text to emit instead.
        change: Airbyte's word for what happened to the value: NULLED, or TRUNCATED when a part of it was lost.
        reason: Why, for the log; without the value itself.
    """

    def __init__(self, reason: str, *, json: bytes = b"null") -> None:
        super().__init__(reason)
        self.json = json
        self.change: Literal["NULLED", "TRUNCATED"] = "NULLED" if json == b"null" else "TRUNCATED"
        self.reason = reason


@dataclass(frozen=True)
class TypeOptions:
    """The user's choices that change types.

    Attributes:
        tinyint1_as_boolean: `tinyint(1)` becomes a boolean; any value but 0 is true.
        bigint_unsigned_as: What `bigint unsigned` becomes.
    """

    tinyint1_as_boolean: bool = False
    bigint_unsigned_as: IntegerForm = "integer"


class LargeIntegers:
    """An encoder of integers that can be beyond a 64-bit integer with a sign, which many destinations have for them.

    Args:
        encode: The encoder whose values are looked at.

    Attributes:
        seen: Whether such a value has come.
    """

    def __init__(self, encode: Encoder) -> None:
        self._encode = encode
        self.seen = False

    def __call__(self, value: bytes) -> bytes:
        """Encodes a value, and notes one that is large."""
        json = self._encode(value)
        if len(json) >= _INT64_DIGITS:
            limit = _LEAST if json.startswith(b"-") else _LARGEST
            digits = json.lstrip(b"-")
            # By digits: they may be more than Python makes an integer of.
            self.seen |= (len(digits), digits) > (_INT64_DIGITS, limit)
        return json


class Kind(IntEnum):
    """Forms of values that the compiled decoder writes by itself; the numbers are those of rows/_decoder.c."""

    CALL = 0
    INTEGER = 1
    DECIMAL = 2
    DOUBLE = 3
    TEXT = 4
    JSON_COPIED = 5
    JSON = 6
    DATE = 7
    MOMENT = 8
    TIME = 9
    BASE64 = 10
    INT64 = 11
    QUOTED_INTEGER = 12


@dataclass(frozen=True)
class Ordinary:
    """The form of a column's ordinary values, which the compiled decoder writes as the encoder does.

    All other values are the encoder's.

    Attributes:
        kind: The form; CALL if the encoder has all of them.
        parameter: DECIMAL: digits after the point. MOMENT: digits of the fraction, and 8 for a `Z`. TIME: digits of the
            fraction. BASE64: bytes that a value has at least.
    """

    kind: Kind = Kind.CALL
    parameter: int = 0


@dataclass(frozen=True)
class Codec:
    """A column type's JSON schema and encoder.

    Attributes:
        json_schema: The Airbyte schema of the column, `null` included.
        encode: The encoder.
        encode_copied: The encoder for the rows of a copy, which hold the text that MySQL itself makes; None if that is
            nothing else.
        ordinary: What the compiled decoder writes by itself.
        ordinary_copied: The same for the rows of a copy; None if that is nothing else.
    """

    json_schema: Mapping[str, Any]
    encode: Encoder
    encode_copied: Encoder | None = None
    ordinary: Ordinary = Ordinary()
    ordinary_copied: Ordinary | None = None

    @property
    def large_integers(self) -> LargeIntegers | None:
        """What has been seen of integers that can be large; None for columns that hold none."""
        return self.encode if isinstance(self.encode, LargeIntegers) else None

    def encoder(self, *, copied: bool) -> Encoder:
        """Returns the encoder for the rows of a copy, or for those of the change stream."""
        return (self.encode_copied if copied else None) or self.encode
