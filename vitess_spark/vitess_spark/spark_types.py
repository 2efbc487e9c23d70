"""The schema of a query in Spark: a table's, or that of the envelopes of several tables' rows."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import types

from vitess_spark.forms import Form, Kind
from vitess_spark.table import META, ReadTable
from vitess_spark.tables import ENVELOPE, ReadTables

_TYPES = {
    Kind.BOOLEAN: types.BooleanType(),
    Kind.BYTE: types.ByteType(),
    Kind.SHORT: types.ShortType(),
    Kind.INTEGER: types.IntegerType(),
    Kind.LONG: types.LongType(),
    Kind.FLOAT: types.FloatType(),
    Kind.DOUBLE: types.DoubleType(),
    Kind.STRING: types.StringType(),
    Kind.BINARY: types.BinaryType(),
    Kind.DATE: types.DateType(),
    Kind.DATETIME: types.TimestampNTZType(),
    Kind.TIMESTAMP: types.TimestampType(),
    Kind.VECTOR: types.ArrayType(types.FloatType()),
}

_META = dict(
    zip(
        META,
        (types.StringType(), types.LongType(), types.StringType(), types.TimestampType(), types.StringType()),
        strict=True,
    )
)


def query_schema(tables: ReadTables) -> types.StructType:
    """Returns the columns of a query, all of them nullable."""
    if not tables.in_envelopes:
        return spark_schema(tables.one)
    return _with_meta([types.StructField(name, types.StringType(), True) for name in ENVELOPE])


def spark_schema(table: ReadTable) -> types.StructType:
    """Returns a table's columns, all of them nullable, and those of this data source.

    A field's metadata has the column's type in MySQL, and its place in the table's key, from 1.
    """
    fields = []
    for column in table.columns():
        metadata: dict[str, str | int] = {"mysql_type": column.column_type}
        if column.name in table.table.key:
            metadata["key"] = table.table.key.index(column.name) + 1
        fields.append(types.StructField(column.name, _type(table.forms[column.name]), True, metadata))
    return _with_meta(fields)


def _with_meta(fields: Iterable[types.StructField]) -> types.StructType:
    return types.StructType([*fields, *(types.StructField(name, kind, True) for name, kind in _META.items())])


def _type(form: Form) -> types.DataType:
    if form.kind is Kind.DECIMAL:
        return types.DecimalType(form.precision, form.scale)
    return _TYPES[form.kind]
