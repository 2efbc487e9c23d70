"""Rows of a part as Arrow's record batches, by way of the JSON that the connector's codecs write.

What a value is, is decided there, once for all; here its text becomes a value of Spark's type. Arrow's own casts read
dates and times; numbers keep every digit.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa

from vitess_spark.forms import Kind
from vitess_spark.parts import PartRows
from vitess_spark.table import ReadTable

#: Rows, and bytes of JSON, after which a batch is given.
MOST_ROWS = 8192
MOST_BYTES = 8 << 20

_MICROSECONDS = 1_000_000


def record_batches(parts: Iterable[PartRows], table: ReadTable, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a part.

    Args:
        parts: The rows.
        table: The table.
        schema: Of the batches, as Spark expects it.
    """
    pending = _Pending()
    for part in parts:
        pending.add(part)
        if len(pending.members) >= MOST_ROWS or pending.bytes >= MOST_BYTES:
            yield _batch(pending, table, schema)
            pending = _Pending()
    if pending.members:
        yield _batch(pending, table, schema)


class _Pending:
    """Rows that become one batch."""

    def __init__(self) -> None:
        self.members: list[bytes] = []
        self.bytes = 0
        self.operations: list[str] = []
        self.numbers: list[int] = []
        self.shards: list[str] = []
        self.times: list[int | None] = []
        self.positions: list[str] = []

    def add(self, part: PartRows) -> None:
        """Takes rows."""
        count = len(part.members)
        self.members += part.members
        self.bytes += sum(map(len, part.members))
        self.operations += part.operations
        self.numbers += range(part.first, part.first + count)
        self.shards += [part.shard] * count
        self.times += [None if part.seconds is None else part.seconds * _MICROSECONDS] * count
        self.positions += [part.position] * count


def _batch(pending: _Pending, table: ReadTable, schema: pa.Schema) -> pa.RecordBatch:
    # Each row's members end with a comma.
    text = b"[{" + b"},{".join(members[:-1] for members in pending.members) + b"}]"
    rows = json.loads(text, parse_float=str)
    arrays = [
        _CONVERT[form.kind]([row[name] for row in rows], schema.field(name).type) for name, form in table.forms.items()
    ]
    arrays += [
        pa.array(values, schema.field(len(arrays) + index).type)
        for index, values in enumerate(
            (pending.operations, pending.numbers, pending.shards, pending.times, pending.positions)
        )
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _each(convert: Callable[[Any], Any]) -> Callable[[list[Any], pa.DataType], pa.Array]:
    def to_array(values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array([None if value is None else convert(value) for value in values], kind)

    return to_array


def _as_they_are(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, kind)


def _parsed(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.string()).cast(kind)


_CONVERT: dict[Kind, Callable[[list[Any], pa.DataType], pa.Array]] = {
    Kind.BOOLEAN: _as_they_are,
    Kind.BYTE: _as_they_are,
    Kind.SHORT: _as_they_are,
    Kind.INTEGER: _as_they_are,
    Kind.LONG: _as_they_are,
    Kind.DECIMAL: _each(Decimal),
    Kind.FLOAT: _each(float),
    Kind.DOUBLE: _each(float),
    # A DECIMAL of more digits than Spark has is a number in JSON.
    Kind.STRING: _each(str),
    Kind.BINARY: _each(base64.b64decode),
    Kind.DATE: _parsed,
    Kind.DATETIME: _parsed,
    Kind.TIMESTAMP: _parsed,
    Kind.VECTOR: _each(lambda elements: [float(element) for element in elements]),
}
