"""What MySQL's types are in Spark."""

from __future__ import annotations

import pytest
from source_vitess.schema import Column
from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import json_schema_for

from vitess_spark.forms import Form, Kind, form_of


def form(column_type: str, *, boolean: bool = False) -> Form:
    """Returns the form of a column."""
    schema = json_schema_for(parse_column_type(column_type), None, TypeOptions(tinyint1_as_boolean=boolean))
    return form_of(Column("c", column_type, None, True), schema)


@pytest.mark.parametrize(
    ("column_type", "expected"),
    [
        ("tinyint", Form(Kind.BYTE)),
        ("tinyint unsigned", Form(Kind.SHORT)),
        ("smallint(5) unsigned zerofill", Form(Kind.INTEGER)),
        ("mediumint", Form(Kind.INTEGER)),
        ("mediumint unsigned", Form(Kind.INTEGER)),
        ("int", Form(Kind.INTEGER)),
        ("int unsigned", Form(Kind.LONG)),
        ("bigint", Form(Kind.LONG)),
        ("bigint unsigned", Form(Kind.DECIMAL, 20)),
        ("year", Form(Kind.SHORT)),
        ("bit(1)", Form(Kind.BOOLEAN)),
        ("bit(63)", Form(Kind.LONG)),
        ("bit(64)", Form(Kind.DECIMAL, 20)),
        ("decimal(10,2)", Form(Kind.DECIMAL, 10, 2)),
        ("decimal(38,0)", Form(Kind.DECIMAL, 38, 0)),
        ("decimal(39,2)", Form(Kind.STRING)),
        ("float", Form(Kind.FLOAT)),
        ("double", Form(Kind.DOUBLE)),
        ("date", Form(Kind.DATE)),
        ("datetime(3)", Form(Kind.DATETIME)),
        ("timestamp(6)", Form(Kind.TIMESTAMP)),
        ("time", Form(Kind.STRING)),
        ("enum('a','b')", Form(Kind.STRING)),
        ("set('a','b')", Form(Kind.STRING)),
        ("json", Form(Kind.STRING)),
        ("varchar(20)", Form(Kind.STRING)),
        ("binary(3)", Form(Kind.BINARY)),
        ("geometry", Form(Kind.BINARY)),
        ("vector(3)", Form(Kind.VECTOR)),
    ],
)
def test_types(column_type: str, expected: Form) -> None:
    """As docs/spark.md has them."""
    assert form(column_type) == expected


def test_tinyint_1_is_a_boolean_if_that_is_asked_for() -> None:
    """As in the connector."""
    assert form("tinyint(1)", boolean=True) == Form(Kind.BOOLEAN)
    assert form("tinyint(1)") == Form(Kind.BYTE)
