"""DECIMAL."""

from __future__ import annotations

import re
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit_tests.types.encoding import BINARY, codec, encoder, outcome, parse


@st.composite
def _decimals(draw: st.DrawFn) -> tuple[int, Decimal]:
    """A scale and a number of it, with up to 65 digits."""
    scale = draw(st.integers(0, 30))
    unscaled = draw(st.integers(-(10**65) + 1, 10**65 - 1))
    with localcontext() as context:
        context.prec = 70
        return scale, Decimal(unscaled).scaleb(-scale)


def _in_copy(number: Decimal) -> str:
    # MySQL has no negative zero.
    return f"{number:f}" if number else f"{number:f}".lstrip("-")


def _in_changes(number: Decimal, scale: int) -> str:
    """Writes DECIMAL(65,scale) as VTTablet reads it: groups of nine digits, and no zeros before a point."""
    sign, whole, fraction = re.fullmatch(r"(-?)([0-9]*)\.?([0-9]*)", _in_copy(number)).groups()  # type: ignore[union-attr]
    width = 65 - scale
    padded = whole.rjust(width, "0") if width else ""
    groups = padded[: width % 9].lstrip("0") + padded[width % 9 :]
    return f"{sign}{groups.lstrip('0')}.{fraction}" if scale else f"{sign}{groups}"


@given(_decimals())
def test_every_digit_is_kept_at_the_declared_scale(case: tuple[int, Decimal]) -> None:
    """Copy and change stream give the same JSON number: all digits, as many after the point as declared."""
    scale, number = case
    encode = encoder(f"decimal(65,{scale})", BINARY)
    json = encode(_in_copy(number).encode())
    assert encode(_in_changes(number, scale).encode()) == json
    assert parse(json) == number
    assert len(json.partition(b".")[2]) == scale


@pytest.mark.parametrize(
    ("column_type", "wire", "json"),
    [
        # Seen in the change stream of Vitess v24.
        ("decimal(10,2)", b".50", b"0.50"),
        ("decimal(10,2)", b"-.50", b"-0.50"),
        ("decimal(10,2)", b"-.05", b"-0.05"),
        ("decimal(10,2)", b".00", b"0.00"),
        ("decimal(20,0)", b"-000000000000000005", b"-5"),
        ("decimal(20,0)", b"000000000000000000", b"0"),
        ("decimal", b"000000005", b"5"),
        # Seen in copies.
        ("decimal(10,2) unsigned zerofill", b"00000000.50", b"0.50"),
        ("decimal(10,2)", b"-0.50", b"-0.50"),
        ("decimal(10,2)", b"99999999.99", b"99999999.99"),
        # From old servers, a zero without a fraction.
        ("decimal(4)", b"", b"0"),
        # What no server sends has its value all the same.
        ("decimal(10,2)", b"5", b"5.00"),
        ("decimal(10,2)", b"-0.00", b"0.00"),
        ("decimal(10,2)", b"5.", b"5.00"),
    ],
)
def test_wire_forms(column_type: str, wire: bytes, json: bytes) -> None:
    """Each form that servers send is the same JSON number."""
    assert encoder(column_type, BINARY)(wire) == json


@pytest.mark.parametrize(
    "wire",
    [b"1e5", b"..5", b"1.2.3", b"-", b"1.234", b"NaN", b"1,5", b"--5", b" 1.00", b".", b"-.", "\u0661.00".encode()],
)
def test_other_bytes_are_null_and_told(wire: bytes) -> None:
    """What is no number of the column's scale is no value."""
    result = outcome(encoder("decimal(10,2)", BINARY), wire)
    assert result.json == b"null"
    assert result.reason


def test_without_a_fraction_it_is_an_integer() -> None:
    """DECIMAL(p,0) is an integer to destinations, with a fraction a number."""
    assert codec("decimal(20,0)", BINARY).json_schema == {"type": ["null", "integer"]}
    assert codec("decimal", BINARY).json_schema == {"type": ["null", "integer"]}
    assert codec("decimal(20,1)", BINARY).json_schema == {"type": ["null", "number"]}
