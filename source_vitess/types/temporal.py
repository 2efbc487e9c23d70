"""DATE, DATETIME, TIMESTAMP and TIME.

On the wire: MySQL's text, the same in a copy and in the change stream; TIMESTAMP in UTC. MySQL stores dates that no
calendar has: `0000-00-00`, `2026-00-00`, `2026-02-31` (ALLOW_INVALID_DATES) and the year 0. They become null. TIME is
a duration of up to 838 hours and may be negative, so it is text without a format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from source_vitess.types.codec import Altered, Encoder, Kind, Ordinary, TypeOptions
from source_vitess.types.column_type import ColumnType
from source_vitess.types.family import Family, WireColumn, nullable

_SHAPE = bytes.maketrans(b"0123456789", b"0" * 10)
_DATE_SHAPE = b"0000-00-00"
_DATETIME_SHAPE = b"0000-00-00 00:00:00"
_SECONDS = len(_DATETIME_SHAPE)
_FORM = re.compile(rb"([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{0,6}))?")

_IMPOSSIBLE = "a zero or impossible date"
_MALFORMED = "not a date or time in MySQL's form"


def _date_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("string", format="date")


def _datetime_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("string", format="date-time", airbyte_type="timestamp_without_timezone")


def _timestamp_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("string", format="date-time", airbyte_type="timestamp_with_timezone")


def _time_schema(_type: ColumnType, _options: TypeOptions) -> Mapping[str, Any]:
    return nullable("string")


def _date_encoder(_column: WireColumn) -> Encoder:
    return _encode_date


# Dates repeat; this many are two generations of days. Exceptions are not kept.
@lru_cache(maxsize=20_000)
def _encode_date(value: bytes) -> bytes:
    if value.translate(_SHAPE) != _DATE_SHAPE:
        raise Altered(_MALFORMED)
    try:
        date.fromisoformat(value.decode())
    except ValueError:
        raise Altered(_IMPOSSIBLE) from None
    return b'"%b"' % value


def _datetime_encoder(column: WireColumn) -> Encoder:
    return _moment_encoder(column.type.argument(0, 0), zone=b"")


def _timestamp_encoder(column: WireColumn) -> Encoder:
    return _moment_encoder(column.type.argument(0, 0), zone=b"Z")


def _moment_encoder(digits: int, zone: bytes) -> Encoder:
    shape = _DATETIME_SHAPE + (b"." + b"0" * digits if digits else b"")
    template = b'"%b' + zone + b'"'
    fromisoformat = datetime.fromisoformat

    def encode(value: bytes) -> bytes:
        if value.translate(_SHAPE) != shape:
            value = normalise(value)
        try:
            # Without the fraction, of which Python 3.10 reads three or six digits only.
            fromisoformat(value[:_SECONDS].decode())
        except ValueError:
            raise Altered(_IMPOSSIBLE) from None
        return template % value.replace(b" ", b"T")

    def normalise(value: bytes) -> bytes:
        form = _FORM.fullmatch(value)
        if form is None:
            raise Altered(_MALFORMED)
        fraction = (form[3] or b"").ljust(digits, b"0")
        return form[1] + b" " + form[2] + (b"." + fraction if fraction else b"")

    return encode


def _time_encoder(column: WireColumn) -> Encoder:
    digits = column.type.argument(0, 0)
    fraction = b"." + b"0" * digits if digits else b""
    shapes = frozenset(
        sign + hours + b":00:00" + end for sign in (b"", b"-") for hours in (b"00", b"000") for end in (fraction, b"")
    )

    def encode(value: bytes) -> bytes:
        if value.translate(_SHAPE) in shapes:
            return b'"%b"' % value
        raise Altered(_MALFORMED)

    return encode


def _ordinary(kind: Kind, zone: int = 0) -> Callable[[WireColumn], Ordinary]:
    def ordinary(column: WireColumn) -> Ordinary:
        digits = column.type.argument(0, 0)
        return Ordinary(kind, digits | zone) if digits <= 6 else Ordinary()

    return ordinary


FAMILIES = (
    Family(
        names=("date",),
        json_schema=_date_schema,
        encoder=_date_encoder,
        ordinary=lambda _column: Ordinary(Kind.DATE),
    ),
    Family(
        names=("datetime",),
        json_schema=_datetime_schema,
        encoder=_datetime_encoder,
        ordinary=_ordinary(Kind.MOMENT),
    ),
    Family(
        names=("timestamp",),
        json_schema=_timestamp_schema,
        encoder=_timestamp_encoder,
        ordinary=_ordinary(Kind.MOMENT, zone=8),
    ),
    Family(names=("time",), json_schema=_time_schema, encoder=_time_encoder, ordinary=_ordinary(Kind.TIME)),
)
