"""Rows of several tables as Arrow's record batches: each row, and its key, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from vitess_spark.parts import PartRows
from vitess_spark.row_text import RowText
from vitess_spark.tables import ReadTables

#: Rows, and bytes of JSON, after which a batch is given.
MOST_ROWS = 8192
MOST_BYTES = 8 << 20

_MICROSECONDS = 1_000_000


def envelopes(parts: Iterable[PartRows], tables: ReadTables, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yields the rows of a part.

    Args:
        parts: The rows.
        tables: Their tables.
        schema: Of the batches, as Spark expects it.
    """
    forms = {name: RowText.of(table) for name, table in tables.by_name.items()}
    pending = _Pending()
    for part in parts:
        pending.add(part, forms[part.table])
        if len(pending.rows) >= MOST_ROWS or pending.bytes >= MOST_BYTES:
            yield pending.batch(schema)
            pending = _Pending()
    if pending.rows:
        yield pending.batch(schema)


class _Pending:
    """Rows that become one batch."""

    def __init__(self) -> None:
        self.rows: list[str] = []
        self.bytes = 0
        self._tables: list[str] = []
        self._keys: list[str | None] = []
        self._operations: list[str] = []
        self._numbers: list[int] = []
        self._shards: list[str] = []
        self._times: list[int | None] = []
        self._positions: list[str] = []

    def add(self, part: PartRows, form: RowText) -> None:
        """Takes rows."""
        count = len(part.members)
        for key, row in map(form.of_row, part.members):
            self._keys.append(key)
            self.rows.append(row)
        self.bytes += sum(map(len, part.members))
        self._tables += [part.table] * count
        self._operations += part.operations
        self._numbers += range(part.first, part.first + count)
        self._shards += [part.shard] * count
        self._times += [None if part.seconds is None else part.seconds * _MICROSECONDS] * count
        self._positions += [part.position] * count

    def batch(self, schema: pa.Schema) -> pa.RecordBatch:
        """Returns the batch."""
        meta = (self._operations, self._numbers, self._shards, self._times, self._positions)
        columns = (self._tables, self._keys, self.rows, *meta)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
