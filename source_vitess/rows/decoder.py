"""Rows of a VStream to JSON text, in Python: the reference for the compiled decoder, which leaves to it what is odd.

A row is two byte strings: the lengths of its values as zigzag varints (-1 for NULL), and the values end to end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import orjson

from source_vitess.errors import MisfitError
from source_vitess.rows.columns import DecodedColumn, FieldChange
from source_vitess.rows.compiled import ordinary_decoder
from source_vitess.types.codec import Altered


class RowDecoder:
    """Decodes the rows of one table of one shard, until the shard announces other columns.

    Args:
        columns: In the order of the row.
        copied: Only for the rows of a copy.

    Attributes:
        columns: In the order of the row.
        has_key: Whether some columns identify a row.
        ordinary: Takes whole events that hold nothing odd.
        large_integers: By column that can hold integers beyond 64 bits with a sign, what was seen of them.
    """

    def __init__(self, columns: Sequence[DecodedColumn], *, copied: bool = False) -> None:
        self.columns = tuple(columns)
        self.has_key = any(column.key for column in self.columns)
        self.ordinary = ordinary_decoder(self.columns, copied=copied)
        self.large_integers = tuple(
            (column.name, column.codec.large_integers)
            for column in self.columns
            if column.codec is not None and column.codec.large_integers is not None
        )
        self._encoders = [
            None if column.codec is None else column.codec.encoder(copied=copied) for column in self.columns
        ]
        self._template = b"".join(
            orjson.dumps(column.name).replace(b"%", b"%%") + b":%b," for column in self.columns if column.codec
        )

    @cached_property
    def for_copy(self) -> RowDecoder:
        """The decoder for the rows of a copy, which hold MySQL's own text."""
        return RowDecoder(self.columns, copied=True)

    def decode(self, lengths: bytes, values: bytes) -> tuple[bytes, tuple[FieldChange, ...]]:
        """Decodes a row.

        Returns:
            Its JSON members, and which of its values are not what the table holds.

        Raises:
            MisfitError: The row is not of the form that was announced.
        """
        members: list[bytes] = []
        changes: list[FieldChange] = []
        row = self.split(lengths, values)
        for column, encode, value in zip(self.columns, self._encoders, row, strict=True):
            if encode is None:
                continue
            if value is None:
                members.append(b"null")
                continue
            try:
                members.append(encode(value))
            except Altered as altered:
                members.append(altered.json)
                changes.append(FieldChange(column.name, altered.change, altered.reason))
        return self._template % tuple(members), tuple(changes)

    def key(self, lengths: bytes, values: bytes) -> list[bytes | None]:
        """Returns the values of a row's key columns, as they came.

        Raises:
            MisfitError: The row is not of the form that was announced.
        """
        row = self.split(lengths, values)
        return [value for column, value in zip(self.columns, row, strict=True) if column.key]

    def split(self, lengths: bytes, values: bytes) -> list[bytes | None]:
        """Returns the values of a row, as they came, one for each column.

        Raises:
            MisfitError: The row is not of the form that was announced.
        """
        sizes = unpack_lengths(lengths)
        if len(sizes) != len(self.columns):
            raise MisfitError(f"a row has {len(sizes)} values for {len(self.columns)} columns")
        row: list[bytes | None] = []
        at = 0
        for size in sizes:
            if size < 0:
                row.append(None)
            else:
                row.append(values[at : at + size])
                at += size
        if at != len(values):
            raise MisfitError("a row's values are not as long as its lengths say")
        return row


def unpack_lengths(lengths: bytes) -> list[int]:
    """Decodes packed zigzag varints (protobuf's sint64) to lengths, -1 for NULL.

    Raises:
        MisfitError: The bytes end within a number, or a length is negative and not -1.
    """
    # ASCII has no byte whose first bit says that the number goes on.
    numbers = lengths if lengths.isascii() else _varints(lengths)
    unpacked = [(number >> 1) ^ -(number & 1) for number in numbers]
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
