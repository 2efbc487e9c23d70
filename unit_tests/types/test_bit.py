"""BIT."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit_tests.types.encoding import BINARY, codec, encoder, outcome


@given(st.integers(min_value=2, max_value=64).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 2**n - 1))))
def test_bits_are_an_integer(case: tuple[int, int]) -> None:
    """BIT(n) is the unsigned integer of its bits, up to 64 of them."""
    bits, number = case
    assert encoder(f"bit({bits})", BINARY)(number.to_bytes((bits + 7) // 8, "big")) == b"%d" % number


@pytest.mark.parametrize("column_type", ["bit(1)", "bit"])
def test_one_bit_is_a_boolean(column_type: str) -> None:
    """BIT(1) is true or false, in schema and value."""
    assert codec(column_type, BINARY).json_schema == {"type": ["null", "boolean"]}
    encode = encoder(column_type, BINARY)
    assert [encode(b"\0"), encode(b"\1")] == [b"false", b"true"]


@pytest.mark.parametrize(
    ("column_type", "wire"), [("bit", b""), ("bit", b"1"), ("bit", b"\2"), ("bit(9)", b"\1"), ("bit(8)", b"")]
)
def test_other_bytes_are_null_and_told(column_type: str, wire: bytes) -> None:
    """Bytes that are not as many bits as declared, the text `1` among them, are no value."""
    result = outcome(encoder(column_type, BINARY), wire)
    assert result.json == b"null"
    assert result.reason
