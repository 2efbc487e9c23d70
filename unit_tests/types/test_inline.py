"""What the row decoder does instead of calling an encoder must be what the encoder does."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.types.codec import Altered, TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import codec_for
from unit_tests.examples import at_least, reached

TYPES = ["int", "bigint unsigned", "int(8) unsigned zerofill", "year", "varchar(10)", "longtext"]
UTF8MB4 = 255


@pytest.mark.parametrize("column_type", TYPES)
@at_least(0.1)
@given(
    value=st.one_of(st.binary(max_size=12), st.from_regex(rb"-?[0-9]{0,9}", fullmatch=True), st.text().map(str.encode))
)
def test_inline_equals_encode(column_type: str, value: bytes) -> None:
    """For any bytes: the same JSON, or a ValueError or Altered that sends the row to the encoder."""
    codec = codec_for(
        parse_column_type(column_type), collation_id=UTF8MB4, options=TypeOptions(), enum_set_as_text=True
    )
    assert codec.inline is not None
    names: dict[str, Any] = {"v": value, "dumps": orjson.dumps, "encode": codec.encode}

    try:
        inline = eval(codec.inline, names)  # noqa: S307 - the expression is the thing under test
    except (Altered, ValueError):
        return

    reached()
    assert codec.encode is not None
    assert inline == codec.encode(value)


def test_a_character_set_that_is_not_utf8_is_never_decoded_inline() -> None:
    """Latin1 text goes through its own decoder."""
    latin1 = codec_for(parse_column_type("varchar(9)"), collation_id=8, options=TypeOptions(), enum_set_as_text=True)

    assert latin1.inline is None


def test_a_boolean_is_never_an_integer_inline() -> None:
    """tinyint(1) as boolean keeps its encoder."""
    boolean = codec_for(
        parse_column_type("tinyint(1)"),
        collation_id=63,
        options=TypeOptions(tinyint1_as_boolean=True),
        enum_set_as_text=True,
    )

    assert boolean.inline is None
