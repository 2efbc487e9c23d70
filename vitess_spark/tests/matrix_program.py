"""What the tasks of a batch and of a stream make of tables, run by a test in .venv-spark, without a JVM.

Reads JSON from stdin: `options`, and `tables`, by name the position that changes are read from, null for a copy. Prints
by table the columns' types in Arrow and in MySQL, the rows by id, each value as text, and the columns that compiled
code left to Python. Fails if it lays rows out as other columns than Python does.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

from pyspark.sql.pandas.types import to_arrow_schema
from source_vitess.rows import compiled
from source_vitess.rows.column_buffers import Buffers, ColumnLayout, column_buffers

from vitess_spark import arrow
from vitess_spark.arrow import record_batches
from vitess_spark.options import ReadOptions
from vitess_spark.parts import Part, read_part
from vitess_spark.spark_types import spark_schema
from vitess_spark.stream import TableStream, batch_parts, look_up_tables
from vitess_spark.table import META
from vitess_spark.tables import ReadTables


def main() -> None:
    """Prints what was read."""
    given = json.load(sys.stdin)
    print(json.dumps({name: read(given["options"], name, start) for name, start in given["tables"].items()}))


def read(options: Mapping[str, str], name: str, start: Any) -> dict[str, Any]:
    """Reads a table."""
    tables, parts, parsed = planned({**options, "table": name}, start)
    table = tables.one
    schema = to_arrow_schema(spark_schema(table), timezone="UTC")
    rows = {}
    left: set[str] = set()

    def laying_out(layouts: Sequence[ColumnLayout], members: list[bytes]) -> list[Buffers | bytes]:
        found = column_buffers(layouts, members)
        assert found is not None
        left.update(layout.name for layout, column in zip(layouts, found, strict=True) if isinstance(column, bytes))
        return found

    for part in parts:
        part_rows = list(read_part(parsed, tables, part))
        with mock.patch.object(arrow, "column_buffers", laying_out):
            batches = list(record_batches(part_rows, table, schema))
        with mock.patch.dict(os.environ, {compiled.VARIABLE: "0"}):
            assert batches == list(record_batches(part_rows, table, schema))
        for batch in batches:
            assert batch.schema == schema
            batch.validate(full=True)
            for row in batch.to_pylist():
                assert row["_vt_op"] == ("upsert" if start else "copy")
                rows[row["id"]] = {column: shown(value) for column, value in row.items() if column not in META}
    return {
        "arrow": {field.name: str(field.type) for field in schema if field.name not in META},
        "mysql": {column.name: column.column_type for column in table.columns()},
        "rows": rows,
        "left": sorted(left),
    }


def planned(options: Mapping[str, str], start: Any) -> tuple[ReadTables, Sequence[Part], ReadOptions]:
    """Returns the table, what its tasks read, and the options."""
    if start is None:
        parsed = ReadOptions.parse(options, streaming=False)
        tables = look_up_tables(parsed, followed=False)
        return tables, batch_parts(parsed, tables), parsed
    parsed = ReadOptions.parse({**options, "startingPosition": json.dumps(start)}, streaming=True)
    tables = look_up_tables(parsed, followed=True)
    stream = TableStream(parsed, tables)
    begin = stream.initial()
    return tables, stream.parts(begin, stream.latest(begin, None)), parsed


def shown(value: Any) -> str:
    """Returns a value as text."""
    return value.isoformat() if isinstance(value, datetime.datetime) else repr(value)


if __name__ == "__main__":
    main()
