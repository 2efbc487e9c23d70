"""All types together."""

from __future__ import annotations

import base64
import subprocess
import sys

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import FAMILIES, is_known, json_schema_for
from unit_tests.types.encoding import BINARY, UTF8, codec, encoder, outcome, parse

_COLUMN_TYPES = [
    "tinyint(1)",
    "bigint unsigned",
    "year",
    "bit(1)",
    "bit(12)",
    "decimal(10,2)",
    "decimal(20,0)",
    "float",
    "float(7,3)",
    "double",
    "double(7,3)",
    "varchar(20)",
    "enum('a','é')",
    "set('a','é')",
    "json",
    "date",
    "datetime(3)",
    "timestamp",
    "time(1)",
    "binary(3)",
    "blob",
    "point",
    "vector(2)",
    "of the future",
]
# Bytes that are nearly right for one type or another.
_WIRE = st.binary(max_size=40) | st.text(alphabet='0123456789-+.:eE "\\{}[],naif\n', max_size=30).map(str.encode)


@pytest.mark.parametrize("column_type", _COLUMN_TYPES)
@settings(max_examples=300)
@given(labels=st.booleans(), collation_id=st.sampled_from([UTF8, 8, 54, 28, 97, BINARY, 0]), wire=_WIRE)
def test_any_bytes_give_valid_json_that_fits_the_schema(
    column_type: str, labels: bool, collation_id: int, wire: bytes
) -> None:
    """No bytes of a server, however wrong, end the stream or write into our JSON."""
    made = codec(column_type, collation_id, labels=labels)
    result = outcome(encoder(column_type, collation_id, labels=labels), wire)
    assert b"\n" not in result.json
    value = parse(result.json)
    # `parse` reads floats as Decimal, which jsonschema takes for numbers.
    jsonschema.validate(value, made.json_schema)
    assert made.json_schema["type"][0] == "null"


def test_no_family_is_left_out_of_that() -> None:
    """Each family has a type among those that are tried with any bytes."""
    tried = {parse_column_type(text).name for text in _COLUMN_TYPES}
    assert [family.names for family in FAMILIES if tried.isdisjoint(family.names)] == []


@given(st.binary())
def test_bytes_of_an_unknown_type_come_back(value: bytes) -> None:
    """Whatever a newer MySQL stores is there, in base64."""
    assert base64.b64decode(parse(encoder("hologram(3)", BINARY)(value)), validate=True) == value


@given(st.text())
def test_text_of_an_unknown_type_comes_back(text: str) -> None:
    """With a character set it is text."""
    assert parse(encoder("hologram(3)", UTF8)(text.encode())) == text


def test_every_type_name_is_of_one_family() -> None:
    """No family takes a name away from another."""
    names = [name for family in FAMILIES for name in family.names]
    assert len(names) == len(set(names))


def test_an_unknown_type_is_kept() -> None:
    """A type of a newer MySQL is text if it has a character set, else base64; and it can be reported."""
    future = parse_column_type("hologram(3)")
    assert not is_known(future)
    assert is_known(parse_column_type("INT UNSIGNED"))
    assert json_schema_for(future, None, TypeOptions()) == codec("hologram(3)", BINARY).json_schema
    assert json_schema_for(future, "utf8mb4", TypeOptions()) == codec("hologram(3)", UTF8).json_schema
    assert base64.b64decode(parse(encoder("hologram", BINARY)(b"\xff\0"))) == b"\xff\0"
    assert encoder("hologram", UTF8)("é".encode()) == '"é"'.encode()


def test_types_need_neither_grpc_nor_mysql_nor_airbyte() -> None:
    """The package is values and functions; importing it loads none of the heavy libraries."""
    script = (
        "import sys, source_vitess.types.registry\n"
        "print(sorted({'grpc', 'pymysql', 'airbyte_cdk', 'numpy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert run.stdout.strip() == "[]"
