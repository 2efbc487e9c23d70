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
class Compiled:
    """What the compiled decoder does with ordinary values: the same as the encoder, which has all others.

    Attributes:
        kind: Their form.
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
        encode: The encoder, or None when VStream's bytes are JSON text already.
        inline: What the generated row decoder does with ordinary values instead of calling the encoder, which costs
            as much as the work itself: a Python expression over `v`, the value's bytes, that may use `encode` and
            `dumps` (orjson's). Equal to `encode(v)`, or raises ValueError, and then `encode` is asked.
        inline_copied: The same for the rows of a copy, which hold the text that MySQL itself makes; None if that is
            nothing else.
        compiled: What the compiled decoder does.
        compiled_copied: The same for the rows of a copy; None if that is nothing else.
    """

    json_schema: Mapping[str, Any]
    encode: Encoder | None
    inline: str | None = None
    inline_copied: str | None = None
    compiled: Compiled = Compiled()
    compiled_copied: Compiled | None = None
