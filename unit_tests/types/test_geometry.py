"""The geometry types."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit_tests.types.encoding import BINARY, codec, encoder, parse

_POINT = struct.pack("<IBIdd", 4326, 1, 1, 20.0, 10.0)


@pytest.mark.parametrize(
    "column_type",
    [
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geomcollection",
        "geometrycollection",
    ],
)
def test_geometry_is_what_mysql_stores(column_type: str) -> None:
    """Base64 of the SRID and the WKB, nothing stripped or reordered."""
    assert base64.b64decode(parse(encoder(column_type, BINARY)(_POINT))) == _POINT
    assert codec(column_type, BINARY).json_schema == {"type": ["null", "string"], "contentEncoding": "base64"}


@given(st.binary())
def test_any_bytes_come_back(value: bytes) -> None:
    """Nothing is read into the bytes, so that a form that MySQL adds later is exact too."""
    assert base64.b64decode(parse(encoder("geometry", BINARY)(value)), validate=True) == value
