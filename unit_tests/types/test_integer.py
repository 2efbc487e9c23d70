"""Integers and YEAR."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.types.codec import IntegerForm
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


@pytest.mark.parametrize("column_type", ["bigint unsigned", "bigint(20) unsigned zerofill"])
@pytest.mark.parametrize(
    ("form", "json"),
    [("integer", b"18446744073709551615"), ("number", b"18446744073709551615"), ("string", b'"18446744073709551615"')],
)
def test_bigint_unsigned_can_be_a_number_or_text(column_type: str, form: IntegerForm, json: bytes) -> None:
    """The catalog's type follows the option, and no digit is lost in any of the three."""
    assert codec(column_type, BINARY, bigint_unsigned_as=form).json_schema == {"type": ["null", form]}
    encode = encoder(column_type, BINARY, bigint_unsigned_as=form)
    assert encode(b"18446744073709551615") == json
    assert parse(encode(b"00000000000000000007")) == ("7" if form == "string" else 7)
    assert outcome(encode, b"1.5") == Outcome(b"null", "not an integer")


@pytest.mark.parametrize("column_type", ["bigint", "int unsigned", "decimal(20,0) unsigned", "bit(64)"])
def test_only_bigint_unsigned_can_be_a_number_or_text(column_type: str) -> None:
    """The option leaves other types alone."""
    assert codec(column_type, BINARY, bigint_unsigned_as="string").json_schema == {"type": ["null", "integer"]}


@pytest.mark.parametrize("number", [2**63, 2**63 + 1, 2**64 - 1, -(2**63) - 1, 10**19, -(10**19), 10**64])
@pytest.mark.parametrize("column_type", ["bigint unsigned", "decimal(65,0)", "decimal(19)"])
def test_large_integers_are_noticed(column_type: str, number: int) -> None:
    """A value that a 64-bit integer with a sign cannot hold is remembered, and emitted as it is; others are not."""
    made = codec(column_type, BINARY)
    assert made.large_integers is not None
    for small in (0, 7, 2**63 - 1, -(2**63), 10**18, -(10**18)):
        assert made.encode(b"%d" % small) == b"%d" % small
        assert made.encode(b"%020d" % small) == b"%d" % small
    assert not made.large_integers.seen

    assert made.encode(b"%d" % number) == b"%d" % number

    assert made.large_integers.seen


def test_64_bits_can_be_large() -> None:
    """BIT(64) is an integer too; fewer bits always fit."""
    made = codec("bit(64)", BINARY)
    assert made.large_integers is not None
    assert (made.encode(b"\x7f" + b"\xff" * 7), made.large_integers.seen) == (b"9223372036854775807", False)
    assert (made.encode(b"\x80" + b"\x00" * 7), made.large_integers.seen) == (b"9223372036854775808", True)
    assert codec("bit(63)", BINARY).large_integers is None


@pytest.mark.parametrize("column_type", ["bigint", "int unsigned", "decimal(18,0)", "decimal", "decimal(30,2)"])
def test_other_types_are_not_watched(column_type: str) -> None:
    """Where no value can be large, none is looked at; nor where the option has made it no integer."""
    assert codec(column_type, BINARY).large_integers is None
    assert codec("bigint unsigned", BINARY, bigint_unsigned_as="number").large_integers is None
