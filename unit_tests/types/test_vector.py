"""VECTOR."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit_tests.types.encoding import BINARY, codec, encoder, outcome


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_elements_read_back_as_the_same_float32(elements: list[float]) -> None:
    """Every element is exact, in order."""
    wire = struct.pack(f"<{len(elements)}f", *elements)
    read = json.loads(encoder("vector(2048)", BINARY)(wire))
    assert struct.pack(f"<{len(read)}f", *read) == wire


def test_elements_have_no_digits_of_noise() -> None:
    """0.1 as a float32 is shown as 0.1, not as the float64 0.10000000149011612."""
    wire = struct.pack("<3f", 0.1, -2.5, 3.1415927)
    assert encoder("vector(3)", BINARY)(wire) == b"[0.1,-2.5,3.1415927]"
    assert codec("vector(3)", BINARY).json_schema == {"type": ["null", "array"], "items": {"type": "number"}}


@pytest.mark.parametrize(
    "wire", [b"\0", b"\0" * 5, struct.pack("<f", float("nan")), struct.pack("<2f", 1, float("-inf"))]
)
def test_other_bytes_are_null_and_told(wire: bytes) -> None:
    """What is not a vector of finite numbers is no value."""
    result = outcome(encoder("vector(3)", BINARY), wire)
    assert result.json == b"null"
    assert result.reason
