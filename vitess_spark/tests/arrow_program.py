"""Makes record batches of rows, run by a test in .venv-spark: reads JSON from stdin, prints what Arrow has.

Input: tables, each with `columns`, name to MySQL type, and `rows`, the members of each row's JSON as the connector
writes them. Output for each: `rows`, each row's values as Python shows them, or `refused`; and `asked`, the kinds of
values that Python read, although the compiled code was there. Fails if that makes something else of the rows than
Python does alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unittest import mock

import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema
from source_vitess.rows import compiled
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import json_schema_for

from vitess_spark import arrow
from vitess_spark.forms import Kind, form_of
from vitess_spark.parts import PartRows
from vitess_spark.spark_types import spark_schema
from vitess_spark.table import ReadTable

#: Rows of a part: more than one of them is one batch.
PART = 3000


def main() -> None:
    """Prints what became of the tables."""
    print(json.dumps([converted(**given) for given in json.load(sys.stdin)]))


def converted(columns: Mapping[str, str], rows: Sequence[str]) -> dict[str, Any]:
    """Returns what became of a table."""
    described = tuple(Column(name, kind, None, True) for name, kind in columns.items())
    schemas = {
        column.name: json_schema_for(parse_column_type(column.column_type), None, TypeOptions()) for column in described
    }
    table = ReadTable(
        StreamedTable(Table("t", described, ("id",)), schemas),
        {column.name: form_of(column, schemas[column.name]) for column in described},
    )
    members = [row.encode() + b"," for row in rows]
    parts = [
        PartRows("t", some, ("upsert", "delete") * (len(some) // 2), 7 + number, "-80", number or None, f"x:{number}")
        for number, some in enumerate(members[at : at + PART] for at in range(0, len(members), PART))
    ]
    asked: set[str] = set()

    def asking(kind: Kind, convert: Callable[..., pa.Array]) -> Callable[..., pa.Array]:
        def ask(values: list[Any], to: pa.DataType) -> pa.Array:
            asked.add(kind.value)
            return convert(values, to)

        return ask

    with mock.patch.dict(arrow._CONVERT, {kind: asking(kind, one) for kind, one in arrow._CONVERT.items()}):  # noqa: SLF001
        found = made_of(parts, table, compiled_is="1")
    assert found == made_of(parts, table, compiled_is="0")
    return {**found, "asked": sorted(asked)}


def made_of(parts: list[PartRows], table: ReadTable, *, compiled_is: str) -> dict[str, Any]:
    """Returns the rows of a table, or what was wrong with them."""
    os.environ[compiled.VARIABLE] = compiled_is
    schema = to_arrow_schema(spark_schema(table), timezone="UTC")
    found: list[dict[str, str]] = []
    try:
        for batch in arrow.record_batches(parts, table, schema):
            assert batch.schema == schema
            batch.validate(full=True)
            found += [{name: repr(value) for name, value in row.items()} for row in batch.to_pylist()]
    except (pa.ArrowException, ValueError, ArithmeticError) as error:
        return {"refused": f"{type(error).__name__}: {error}"}
    return {"rows": found}


if __name__ == "__main__":
    main()
