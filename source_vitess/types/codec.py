"""What a column type is to this connector: its JSON schema and how its values become JSON text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

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
    """

    tinyint1_as_boolean: bool = False


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

    def encoder(self, *, copied: bool) -> Encoder:
        """Returns the encoder for the rows of a copy, or for those of the change stream."""
        return (self.encode_copied if copied else None) or self.encode
