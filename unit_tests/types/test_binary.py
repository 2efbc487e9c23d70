"""BINARY, VARBINARY and BLOB."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit_tests.types.encoding import BINARY, codec, encoder, parse


@pytest.mark.parametrize("column_type", ["varbinary(9)", "tinyblob", "blob", "mediumblob", "longblob"])
@given(value=st.binary())
def test_bytes_come_back(column_type: str, value: bytes) -> None:
    """Any bytes are base64 in the record; none is not null."""
    assert base64.b64decode(parse(encoder(column_type, BINARY)(value)), validate=True) == value
    assert codec(column_type, BINARY).json_schema == {"type": ["null", "string"], "contentEncoding": "base64"}


@pytest.mark.parametrize(("column_type", "length"), [("binary(4)", 4), ("binary", 1), ("binary(255)", 255)])
def test_binary_has_its_declared_length(column_type: str, length: int) -> None:
    """BINARY(n) is n bytes, as MySQL reads it, also where a binlog left the zeros at the end out."""
    for wire in (b"", b"\x01", b"\xff" * length):
        assert base64.b64decode(parse(encoder(column_type, BINARY)(wire))) == wire.ljust(length, b"\0")
