"""Rows of several tables as Arrow's record batches: each row, and its key, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

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
    pending: list[tuple[Any, ...]] = []
    size = 0
    for part in parts:
        pending += _rows(part, forms[part.table])
        size += sum(map(len, part.members))
        if len(pending) >= MOST_ROWS or size >= MOST_BYTES:
            yield _batch(pending, schema)
            pending, size = [], 0
    if pending:
        yield _batch(pending, schema)


def _rows(part: PartRows, form: RowText) -> Iterator[tuple[Any, ...]]:
    texts = map(form.of_row, part.members)
    return zip(
        repeat(part.table),
        *zip(*texts, strict=True),
        part.operations,
        range(part.first, part.first + len(part.members)),
        repeat(part.shard),
        repeat(None if part.seconds is None else part.seconds * _MICROSECONDS),
        repeat(part.position),
    )


def _batch(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
