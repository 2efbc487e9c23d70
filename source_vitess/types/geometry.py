"""Geometry as base64 of what MySQL stores: the SRID as four little-endian bytes, then WKB.

On the wire: those bytes. WKB has x before y (longitude before latitude) also where the SRID's own order is latitude
first, so `ST_GeomFromText('POINT(10 20)', 4326)` holds x = 20.
"""

from __future__ import annotations

from source_vitess.types.binary import encode_bytes
from source_vitess.types.codec import Encoder
from source_vitess.types.family import Family, WireColumn, bytes_schema


def _encoder(_column: WireColumn) -> Encoder:
    return encode_bytes


FAMILY = Family(
    names=(
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geomcollection",
        "geometrycollection",  # Up to MySQL 8.0.10.
    ),
    json_schema=bytes_schema,
    encoder=_encoder,
)
