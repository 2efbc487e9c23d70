"""Integers and YEAR."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit_tests.types.encoding import BINARY, Outcome, codec, encoder, outcome, parse


@given(st.integers(min_value=-(2**63), max_value=2**64 - 1))
def test_every_integer_is_exact(number: int) -> None:
    """The JSON number is the number, up to the largest of BIGINT UNSIGNED, and the digits are MySQL's own."""
    assert encoder("bigint", BINARY)(b"%d" % number) == b"%d" % number


@given(st.integers(min_value=0, max_value=2**64 - 1), st.integers(min_value=1, max_value=255))
def test_zerofill_padding_is_dropped(number: int, width: int) -> None:
    """A copy pads with zeros, the change stream does not; both give the same JSON."""
    encode = encoder(f"bigint({width}) unsigned zerofill", BINARY)
    assert encode(b"%0*d" % (width, number)) == encode(b"%d" % number) == b"%d" % number


@pytest.mark.parametrize(("wire", "json"), [(b"0000", b"0"), (b"2026", b"2026"), (b"-0", b"0"), (b"-00", b"0")])
def test_zeros_are_zero(wire: bytes, json: bytes) -> None:
    """YEAR 0 is `0000` on the wire; no zero keeps a sign or padding."""
    assert encoder("year", BINARY)(wire) == json


@pytest.mark.parametrize(
    "wire", [b"", b"-", b"1.5", b"1e5", b" 1", b"+1", b'1,"x":2', "\uff11".encode(), b"1\n", b"0x1"]
)
def test_other_bytes_are_null_and_told(wire: bytes) -> None:
    """What is not decimal digits never gets into the JSON."""
    assert outcome(encoder("int", BINARY), wire) == Outcome(b"null", "not an integer")


@pytest.mark.parametrize("column_type", ["tinyint(1)", "tinyint(1) unsigned"])
def test_tinyint1_can_be_boolean(column_type: str) -> None:
    """With the option, `tinyint(1)` is a boolean: 0 is false, anything else true."""
    made = codec(column_type, BINARY, tinyint1_as_boolean=True)
    assert made.json_schema == {"type": ["null", "boolean"]}
    encode = encoder(column_type, BINARY, tinyint1_as_boolean=True)
    assert [parse(encode(wire)) for wire in (b"0", b"1", b"-128", b"2")] == [False, True, True, True]


@given(st.integers(-128, 127))
def test_any_tinyint1_is_itself_or_its_truth(number: int) -> None:
    """Lossless by default; with the option, true for everything but 0."""
    wire = b"%d" % number
    assert parse(encoder("tinyint(1)", BINARY)(wire)) == number
    assert parse(encoder("tinyint(1)", BINARY, tinyint1_as_boolean=True)(wire)) is (number != 0)


@pytest.mark.parametrize("column_type", ["tinyint", "tinyint(4)", "int(1)"])
def test_only_tinyint1_can_be_boolean(column_type: str) -> None:
    """The option leaves other integers alone, `tinyint(1)` without it too."""
    assert codec(column_type, BINARY, tinyint1_as_boolean=True).json_schema == {"type": ["null", "integer"]}
    assert codec("tinyint(1)", BINARY).json_schema == {"type": ["null", "integer"]}
