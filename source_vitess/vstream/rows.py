"""Rows of a VStream to JSON text: a decoder is generated for a table when its columns are told.

The hot path of the connector. A row is two byte strings: the lengths of its values as zigzag varints (-1 for NULL)
and the values end to end. A decoder walks both once, and puts each value through its type's encoder into one
template: `"id":%b,"name":%b,`. What is odd about a row (a value without an exact JSON form) takes a second, slower
walk that is written plainly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from source_vitess.types.codec import Altered, Codec, Encoder
from source_vitess.vstream.events import FieldChange

#: Zigzag of -1: the length of a NULL.
NULL_LENGTH = 1


class MisfitError(Exception):
    """A row does not have the form that its table's columns announced."""


@dataclass(frozen=True)
class DecodedColumn:
    """A column as a decoder reads it.

    Attributes:
        name: The column's name, the member's name in JSON.
        codec: How its values become JSON; None for a column that is not selected.
        key: It is part of the key that identifies a row.
        always_given: A NULL of it in a before image means that the binary log left the value out.
    """

    name: str
    codec: Codec | None
    key: bool
    always_given: bool = False


class RowDecoder:
    """Decodes the rows of one table of one shard, until the shard tells the columns again.

    Attributes:
        columns: In the order of the row.
        decode: From a row's lengths and values to its JSON members. Raises `Altered` or ValueError when a value may
            have no exact JSON form (then `decode_altered` has the answer), and `MisfitError`.
        key: From a row's lengths and values to the raw values of its key columns; of all columns if there is no key.
            Raises `MisfitError`.
        source: The generated source of both, for people.
        has_key: Whether some columns identify a row.
    """

    def __init__(self, columns: Sequence[DecodedColumn]) -> None:
        self.columns = tuple(columns)
        self.source = _generate(self.columns) + "\n\n" + _generate_key(self.columns)
        compiled = _compile(self.source, self.columns)
        self.decode = cast("Callable[[bytes, bytes], bytes]", compiled["decode"])
        self.key = cast("Callable[[bytes, bytes], tuple[bytes | None, ...]]", compiled["key"])
        self.has_key = any(column.key for column in self.columns)

    def decode_altered(self, lengths: bytes, values: bytes) -> tuple[bytes, tuple[FieldChange, ...]]:
        """Decodes a row that `decode` raised `Altered` for.

        Returns:
            The row's JSON members, and which of its values are not what the table holds.

        Raises:
            MisfitError: The row is not of the form that was announced.
        """
        members: list[bytes] = []
        changes: list[FieldChange] = []
        for column, value in zip(self.columns, self._split(lengths, values), strict=True):
            if column.codec is None:
                continue
            json = b"null"
            if value is not None:
                try:
                    json = column.codec.encode(value) if column.codec.encode else value
                except Altered as altered:
                    json = altered.json
                    changes.append(FieldChange(column.name, altered.change, altered.reason))
            members.append(orjson.dumps(column.name) + b":" + json + b",")
        return b"".join(members), tuple(changes)

    def _split(self, lengths: bytes, values: bytes) -> Iterator[bytes | None]:
        sizes = unpack_lengths(lengths)
        if len(sizes) != len(self.columns):
            raise MisfitError(f"a row has {len(sizes)} values for {len(self.columns)} columns")
        if sum(size for size in sizes if size > 0) != len(values):
            raise MisfitError("a row's values are not as long as its lengths say")
        at = 0
        for size in sizes:
            if size < 0:
                yield None
            else:
                yield values[at : at + size]
                at += size


def unpack_lengths(lengths: bytes) -> list[int]:
    """Decodes packed zigzag varints (protobuf's sint64) to lengths, -1 for NULL.

    Raises:
        MisfitError: The bytes end within a number, or a length is negative and not -1.
    """
    unpacked = [(raw >> 1) ^ -(raw & 1) for raw in _varints(lengths)]
    if unpacked and min(unpacked) < -1:
        raise MisfitError("a row has a value of a negative length")
    return unpacked


def _varints(data: bytes) -> list[int]:
    numbers: list[int] = []
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift > 63:
                raise MisfitError("a row's length is too large")
        else:
            numbers.append(number)
            number = shift = 0
    if shift:
        raise MisfitError("a row's lengths end within a number")
    return numbers


def _generate(columns: Sequence[DecodedColumn]) -> str:
    """Writes the source of a table's `decode`. Column names are not part of it: they stand in the template."""
    lines = [
        "def decode(lengths, values):",
        # As many bytes as columns: each length is one byte. Iterating bytes gives the same numbers as unpacking.
        f"    if len(lengths) != {len(columns)}: lengths = unpack(lengths, {len(columns)})",
        "    at = 0",
    ]
    members: list[str] = []
    for index, column in enumerate(columns):
        lines.append(f"    size = lengths[{index}]")
        if column.codec is None:
            lines.append(f"    if size != {NULL_LENGTH}: at += size >> 1")
            continue
        members.append(f"v{index}")
        lines += [
            f"    if size == {NULL_LENGTH}: v{index} = b'null'",
            "    else:",
            "        end = at + (size >> 1)",
            "        v = values[at:end]",
            f"        v{index} = {_expression(column.codec, index)}",
            "        at = end",
        ]
    lines += [
        "    if at != len(values): misfit(lengths, values)",
        f"    return template % ({', '.join(members)}{',' if members else ''})",
    ]
    return "\n".join(lines) + "\n"


def _generate_key(columns: Sequence[DecodedColumn]) -> str:
    """Writes the source of a table's `key`, which walks a row no further than to the last key column."""
    keys = [index for index, column in enumerate(columns) if column.key] or list(range(len(columns)))
    lines = [
        "def key(lengths, values):",
        f"    if len(lengths) != {len(columns)}: lengths = unpack(lengths, {len(columns)})",
        "    at = 0",
    ]
    for index in range(max(keys, default=-1) + 1):
        lines.append(f"    size = lengths[{index}]")
        if index in keys:
            lines.append(f"    v{index} = None if size == {NULL_LENGTH} else values[at:at + (size >> 1)]")
        lines.append(f"    if size != {NULL_LENGTH}: at += size >> 1")
    lines.append(f"    return ({''.join(f'v{index}, ' for index in keys)})")
    return "\n".join(lines) + "\n"


def _expression(codec: Codec, index: int) -> str:
    if codec.encode is None:
        return "v"
    return re.sub(r"\bencode\b", f"encode{index}", codec.inline or "encode(v)")


def _compile(source: str, columns: Sequence[DecodedColumn]) -> Mapping[str, Any]:
    template = b"".join(orjson.dumps(column.name).replace(b"%", b"%%") + b":%b," for column in columns if column.codec)
    encoders: Mapping[str, Encoder] = {
        f"encode{index}": column.codec.encode
        for index, column in enumerate(columns)
        if column.codec and column.codec.encode
    }
    names: dict[str, Any] = {
        "dumps": orjson.dumps,
        "template": template,
        "unpack": _unpack,
        "misfit": _misfit,
        **encoders,
    }
    exec(compile(source, "<row decoder>", "exec"), names)  # noqa: S102 - the source holds numbers only
    return names


def _unpack(lengths: bytes, count: int) -> list[int]:
    raw = _varints(lengths)
    if len(raw) != count:
        raise MisfitError(f"a row has {len(raw)} values for {count} columns")
    return raw


def _misfit(lengths: Sequence[int], values: bytes) -> None:
    raise MisfitError("a row's values are not as long as its lengths say")
