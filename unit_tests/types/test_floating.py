"""FLOAT and DOUBLE."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.types.floating import shorten_float32
from unit_tests.types.encoding import BINARY, Outcome, encoder, outcome

_FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def _single(number: float) -> bytes:
    return struct.pack("<f", number)


def _go_text(number: float) -> bytes:
    """Writes as Go's AppendFloat(…, 'E', -1, 32) does, by another shortest-digits implementation than ours."""
    mantissa, _, exponent = np.format_float_scientific(np.float32(number), trim="-").partition("e")
    return f"{mantissa}E{int(exponent):+03d}".encode()


@given(_FLOAT32)
def test_float_of_the_change_stream_reads_back_as_the_same_float32(number: float) -> None:
    """FLOAT in the change stream is exact, and of the shortest texts that are."""
    json = encoder("float", BINARY)(_go_text(number))
    assert _single(float(json)) == _single(number)
    assert float(json) == float(str(np.float32(number)))


@given(_FLOAT32)
def test_float_of_a_copy_has_mysql_s_six_digits(number: float) -> None:
    """FLOAT in a copy is what MySQL shows: the same float32 as its six digits."""
    wire = b"%.6g" % number
    result = outcome(encoder("float", BINARY), wire)
    if abs(float(wire)) < 3.4028235677973366e38:
        assert _single(float(result.json)) == _single(float(wire))
    else:
        # `%.6g` rounds the largest ones up to more than a float32 holds; MySQL does not.
        assert result == Outcome(b"null", "not a finite float32")


@given(_FLOAT32)
def test_shortest_float32_is_what_numpy_shows(number: float) -> None:
    """No other text with as few digits reads back as the same float32."""
    assert shorten_float32(number) == float(str(np.float32(number)))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_double_reads_back_as_the_same_float64(number: float) -> None:
    """DOUBLE is exact in both phases: MySQL's text and Go's give the same JSON."""
    encode = encoder("double", BINARY)
    mantissa, _, exponent = np.format_float_scientific(number, trim="-").partition("e")
    json = encode(f"{mantissa}E{int(exponent):+03d}".encode())
    assert json == encode(repr(number).encode())
    assert struct.pack("<d", float(json)) == struct.pack("<d", number)


@pytest.mark.parametrize(
    ("column_type", "copied", "changed", "number"),
    [
        ("float", b"1.4013e-45", b"1E-45", 1e-45),
        ("float(10,4)", b"123456.7891", b"1.2345679E+05", 123456.79),
        ("double(10,3)", b"-0.001", b"-1.0000000000000009E-03", -0.001),
        ("double(10,3)", b"0.100", b"1E-01", 0.1),
        ("double", b"1e16", b"1E+16", 1e16),
        ("double", b"5e-324", b"5E-324", 5e-324),
        ("double unsigned", b"1.7976931348623157e308", b"1.7976931348623157E+308", 1.7976931348623157e308),
    ],
)
def test_both_phases_give_the_same(column_type: str, copied: bytes, changed: bytes, number: float) -> None:
    """Forms seen on Vitess v24 of one stored value are one number, of as many digits as are declared."""
    encode = encoder(column_type, BINARY)
    assert encode(copied) == encode(changed)
    assert float(encode(copied)) == number


@pytest.mark.parametrize("column_type", ["float", "double", "float(5,2)", "double(5,2)"])
def test_negative_zero_keeps_its_sign(column_type: str) -> None:
    """MySQL stores a negative zero, and shows it."""
    encode = encoder(column_type, BINARY)
    assert [encode(b"-0"), encode(b"-0E+00"), encode(b"0")] == [b"-0.0", b"-0.0", b"0.0"]


@pytest.mark.parametrize("column_type", ["float", "double", "float(5,2)", "double(5,2)"])
@pytest.mark.parametrize("wire", [b"", b"nan", b"inf", b"-Infinity", b"1e999", b"x", b"1 2", b'1,"a":1'])
def test_other_bytes_are_null_and_told(column_type: str, wire: bytes) -> None:
    """What is not a finite number is no value; JSON has neither NaN nor an infinity."""
    result = outcome(encoder(column_type, BINARY), wire)
    assert result.json == b"null"
    assert result.reason


def test_a_double_is_no_float() -> None:
    """A number beyond float32 in a FLOAT column is no value of it."""
    assert outcome(encoder("float", BINARY), b"1e39") == Outcome(b"null", "not a finite float32")
