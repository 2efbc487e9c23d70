"""The geometry types."""

from __future__ import annotations

import base64
import struct

import pytest

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
