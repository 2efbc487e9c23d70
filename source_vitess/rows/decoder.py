"""Rows of a VStream to JSON text: a decoder is generated for a table when its columns are told.

The hot path of the connector. A row is two byte strings: the lengths of its values as zigzag varints (-1 for NULL)
and the values end to end. There are three ways through it:

- Rows of the same lengths have a form: one call into C splits the values, each goes through its type's encoder into
  one template: `"id":%b,"name":%b,`. A form is made for lengths that come a second time, in a table of more than a few
  rows, up to a number of them.
- `walk` decodes rows of any lengths, value by value.
- A row with something odd (a value without an exact JSON form) takes a third, slower walk that is written plainly.

`rows.generate` writes the first two for a table's columns. Where the compiled decoder is there, it takes the place
of these two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from struct import Struct
from typing import Any

import orjson

from source_vitess.errors import MisfitError
from source_vitess.rows.columns import DecodedColumn, FieldChange
from source_vitess.rows.compiled import decoder_for
from source_vitess.rows.generate import compile_form, compile_walk, form_source, walk_source
from source_vitess.types.codec import Altered

#: Rows before the first form is made: it takes as long as walking some hundred.
_FEW = 200
#: Forms of a table, and different sets of columns that are NULL in them.
_FORMS = 4096
_BODIES = 32
#: Values in all forms of a table together: each takes some 30 bytes.
_FORM_VALUES = 100_000


class RowDecoder:
    """Decodes the rows of one table of one shard, until the shard tells the columns again.

    Args:
        columns: In the order of the row.
        copied: Only for the rows of a copy.

    Attributes:
        columns: In the order of the row.
        forms: By a row's lengths, from its values to its JSON members; raises as `decode`, or struct.error.
        has_key: Whether some columns identify a row.
        compiled: Does the same for whole events, if there is one.
    """

    def __init__(self, columns: Sequence[DecodedColumn], *, copied: bool = False) -> None:
        self.columns = tuple(columns)
        self.forms: dict[bytes, Callable[[bytes], bytes]] = {}
        self.has_key = any(column.key for column in self.columns)
        self.compiled = decoder_for(self.columns, copied=copied)
        self._copied = copied
        self._bodies: dict[tuple[int, ...], Callable[..., bytes]] = {}
        self._few = _FEW
        self._seen: set[bytes] = set()
        self._room = min(_FORMS, _FORM_VALUES // max(1, len(self.columns)))

    @cached_property
    def _functions(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        return compile_walk(self.columns, copied=self._copied, unpack=_unpack, misfit=_misfit)

    @cached_property
    def _walk(self) -> Callable[[bytes, bytes], bytes]:
        return self._functions[0]

    @cached_property
    def key(self) -> Callable[[bytes, bytes], tuple[bytes | None, ...]]:
        """From a row's lengths and values to the raw values of its key columns; of all columns if there is no key.

        It raises `MisfitError`.
        """
        return self._functions[1]

    @property
    def source(self) -> str:
        """The generated source, for people; of the form of rows without a NULL."""
        return (
            walk_source(self.columns, copied=self._copied) + "\n" + form_source(self.columns, (), copied=self._copied)
        )

    @cached_property
    def for_copy(self) -> RowDecoder:
        """The decoder for the rows of a copy, which hold MySQL's own text."""
        if not any(
            column.codec and (column.codec.inline_copied or column.codec.compiled_copied) for column in self.columns
        ):
            return self
        return RowDecoder(self.columns, copied=True)

    def decode(self, lengths: bytes, values: bytes) -> bytes:
        """Decodes a row whose lengths have no form (yet).

        Returns:
            Its JSON members.

        Raises:
            Altered, ValueError: A value may have no exact JSON form; `decode_altered` has the answer.
            MisfitError: The row is not of the form that was announced.
        """
        members = self._walk(lengths, values)
        if self._few:
            self._few -= 1
        elif lengths not in self._seen:
            if len(self._seen) < self._room:
                self._seen.add(lengths)
        elif len(self.forms) < self._room:
            self._learn(lengths)
        return members

    def _learn(self, lengths: bytes) -> None:
        sizes = unpack_lengths(lengths)
        nulls = tuple(index for index, size in enumerate(sizes) if size < 0)
        body = self._bodies.get(nulls)
        if body is None:
            if len(self._bodies) >= _BODIES:
                return
            body = self._bodies[nulls] = compile_form(self.columns, nulls, copied=self._copied)
        split = "".join(
            f"{size}{'s' if column.codec else 'x'}"
            for column, size in zip(self.columns, sizes, strict=True)
            if size >= 0
        )
        self.forms[lengths] = partial(body, Struct(split).unpack)

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


def _unpack(lengths: bytes, count: int) -> list[int]:
    raw = _varints(lengths)
    if len(raw) != count:
        raise MisfitError(f"a row has {len(raw)} values for {count} columns")
    return raw


def _misfit(lengths: Sequence[int], values: bytes) -> None:
    raise MisfitError("a row's values are not as long as its lengths say")
