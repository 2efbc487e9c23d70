"""Rows of a part as Arrow's record batches, by way of the JSON that the connector's codecs write.

What a value is, is decided there, once for all; here its text becomes a value of Spark's type. Compiled code does that
(`column_buffers`), and leaves to Python the columns with a value that is not quite ordinary, or all where it is not
installed. There Arrow's own casts read dates and times; numbers keep every digit.
"""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
from source_vitess.rows.column_buffers import Buffers, ColumnLayout, Layout, column_buffers

from vitess_spark.forms import Form, Kind
from vitess_spark.parts import COPY, DELETE, UPSERT, PartRows
from vitess_spark.table import ReadTable

#: Rows, and bytes of JSON, after which a batch is given.
MOST_ROWS = 8192
MOST_BYTES = 8 << 20

_MICROSECONDS = 1_000_000
_OPERATIONS = {COPY: 0, UPSERT: 1, DELETE: 2}


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
        self._parts: list[PartRows] = []
        #: Of each row: its part, what was done, and its number.
        self._part_of = array("i")
        self._operations = array("i")
        self._numbers = array("q")

    def add(self, part: PartRows) -> None:
        """Takes rows."""
        count = len(part.members)
        self.members += part.members
        self.bytes += sum(map(len, part.members))
        self._part_of += array("i", [len(self._parts)]) * count
        self._parts.append(part)
        self._operations.extend(map(_OPERATIONS.__getitem__, part.operations))
        self._numbers.extend(range(part.first, part.first + count))

    def meta(self, kinds: Iterable[pa.DataType]) -> Iterator[pa.Array]:
        """Yields the columns that all tables have, of these types."""
        operation, number, shard, time, position = kinds
        parts, part_of = self._parts, _integers(self._part_of, pa.int32())
        times = [None if part.seconds is None else part.seconds * _MICROSECONDS for part in parts]
        yield pa.array(list(_OPERATIONS), operation).take(_integers(self._operations, pa.int32()))
        yield _integers(self._numbers, number)
        yield pa.array([part.shard for part in parts], shard).take(part_of)
        yield pa.array(times, time).take(part_of)
        yield pa.array([part.position for part in parts], position).take(part_of)


def _integers(values: array[int], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _batch(pending: _Pending, table: ReadTable, schema: pa.Schema) -> pa.RecordBatch:
    kinds = [field.type for field in schema]
    layouts = [
        ColumnLayout(name, _LAYOUTS[form.kind], form.precision, form.scale) for name, form in table.forms.items()
    ]
    found = column_buffers(layouts, pending.members)
    columns = _values(pending.members, table) if found is None else found
    arrays = [
        _array(column, len(pending.members), form, kind)
        for column, form, kind in zip(columns, table.forms.values(), kinds, strict=False)
    ]
    return pa.RecordBatch.from_arrays([*arrays, *pending.meta(kinds[len(arrays) :])], schema=schema)


def _values(members: list[bytes], table: ReadTable) -> list[list[Any]]:
    """Returns the values of each column, as Python reads them."""
    # Each row's members end with a comma.
    rows = _parsed_json(b"[{" + b"},{".join(one[:-1] for one in members) + b"}]")
    return [[row[name] for row in rows] for name in table.forms]


def _parsed_json(text: bytes) -> Any:
    return json.loads(text, parse_float=str)


def _array(column: Buffers | bytes | list[Any], count: int, form: Form, kind: pa.DataType) -> pa.Array:
    if not isinstance(column, Buffers):
        values = _parsed_json(column) if isinstance(column, bytes) else column
        return _CONVERT[form.kind](values, kind)
    validity = pa.py_buffer(column.validity) if column.nulls else None
    ends = [] if column.ends is None else [pa.py_buffer(column.ends)]
    return pa.Array.from_buffers(kind, count, [validity, *ends, pa.py_buffer(column.values)], column.nulls)


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

_LAYOUTS = {
    Kind.BOOLEAN: Layout.BOOLEAN,
    Kind.BYTE: Layout.INT8,
    Kind.SHORT: Layout.INT16,
    Kind.INTEGER: Layout.INT32,
    Kind.LONG: Layout.INT64,
    Kind.DECIMAL: Layout.DECIMAL128,
    Kind.FLOAT: Layout.FLOAT32,
    Kind.DOUBLE: Layout.FLOAT64,
    Kind.STRING: Layout.TEXT,
    Kind.BINARY: Layout.BINARY,
    Kind.DATE: Layout.DATE32,
    Kind.DATETIME: Layout.LOCAL_MICROSECONDS,
    Kind.TIMESTAMP: Layout.UTC_MICROSECONDS,
    Kind.VECTOR: Layout.OTHER,
}
