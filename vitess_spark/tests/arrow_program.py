"""Makes record batches of rows, run by a test in .venv-spark: reads JSON from stdin, prints what Arrow has.

Input: `columns`, name to MySQL type, and `rows`, the members of each row's JSON as the connector writes them.
"""

from __future__ import annotations

import json
import sys

from pyspark.sql.pandas.types import to_arrow_schema
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import json_schema_for

from vitess_spark.arrow import record_batches
from vitess_spark.forms import form_of
from vitess_spark.parts import PartRows
from vitess_spark.spark_types import spark_schema
from vitess_spark.table import ReadTable


def main() -> None:
    """Prints each row's values as Python shows them."""
    given = json.load(sys.stdin)
    columns = tuple(Column(name, kind, None, True) for name, kind in given["columns"].items())
    schemas = {
        column.name: json_schema_for(parse_column_type(column.column_type), None, TypeOptions()) for column in columns
    }
    table = ReadTable(
        StreamedTable(Table("t", columns, ("id",)), schemas),
        {column.name: form_of(column, schemas[column.name]) for column in columns},
    )
    members = [row.encode() + b"," for row in given["rows"]]
    part = PartRows(members, ["upsert"] * len(members), 7, "-80", 1_700_000_000, "x:1")
    schema = to_arrow_schema(spark_schema(table), timezone="UTC")
    found = []
    for batch in record_batches([part], table, schema):
        assert batch.schema == schema
        found += [{name: repr(value) for name, value in row.items()} for row in batch.to_pylist()]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
