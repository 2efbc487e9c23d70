"""DATE, DATETIME, TIMESTAMP and TIME."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit_tests.types.encoding import BINARY, Outcome, codec, encoder, outcome, parse

_IMPOSSIBLE = Outcome(b"null", "a zero or impossible date")
_DAYS = [
    "0000-00-00",
    "0000-01-01",
    "2026-00-00",
    "2026-00-01",
    "2026-01-00",
    "2026-02-31",
    "2023-02-29",
    "2026-13-01",
    "2026-04-31",
]


@given(st.dates())
def test_every_date_of_the_calendar_is_itself(day: datetime.date) -> None:
    """DATE is ISO 8601, from year 1 to 9999."""
    assert encoder("date", BINARY)(day.isoformat().encode()) == f'"{day.isoformat()}"'.encode()


@given(st.datetimes(), st.integers(0, 6))
def test_every_moment_keeps_its_declared_digits(moment: datetime.datetime, digits: int) -> None:
    """DATETIME(n) and TIMESTAMP(n) have n digits after the point, TIMESTAMP is in UTC and marked as such."""
    fraction = f".{moment.microsecond:06d}"[: digits + 1] if digits else ""
    day, time = moment.date().isoformat(), moment.time().replace(microsecond=0).isoformat()
    wire = f"{day} {time}{fraction}".encode()
    declared = f"({digits})" if digits else ""
    assert encoder(f"datetime{declared}", BINARY)(wire) == f'"{day}T{time}{fraction}"'.encode()
    assert encoder(f"timestamp{declared}", BINARY)(wire) == f'"{day}T{time}{fraction}Z"'.encode()


@pytest.mark.parametrize("day", _DAYS)
def test_zero_and_impossible_dates_are_null_and_told(day: str) -> None:
    """MySQL stores dates that no calendar has; they are neither 1970 nor an end of the stream."""
    assert outcome(encoder("date", BINARY), day.encode()) == _IMPOSSIBLE
    for column_type, time in (("datetime", "00:00:00"), ("datetime(6)", "01:02:03.000004"), ("timestamp", "00:00:00")):
        assert outcome(encoder(column_type, BINARY), f"{day} {time}".encode()) == _IMPOSSIBLE


@pytest.mark.parametrize(
    ("column_type", "wire", "json"),
    [
        ("datetime(6)", b"2026-01-02 03:04:05", b'"2026-01-02T03:04:05.000000"'),
        ("datetime(3)", b"2026-01-02 03:04:05.1", b'"2026-01-02T03:04:05.100"'),
        ("datetime", b"2026-01-02 03:04:05.000006", b'"2026-01-02T03:04:05.000006"'),
        ("timestamp(2)", b"2026-01-02 03:04:05", b'"2026-01-02T03:04:05.00Z"'),
    ],
)
def test_other_than_declared_digits(column_type: str, wire: bytes, json: bytes) -> None:
    """Fewer digits than declared are filled up, more are kept: no part of a value is dropped."""
    assert encoder(column_type, BINARY)(wire) == json


@given(
    st.sampled_from(["", "-"]),
    st.integers(0, 838),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 6),
    st.data(),
)
def test_time_is_mysql_s_text(sign: str, hour: int, minute: int, second: int, digits: int, data: st.DataObject) -> None:
    """TIME goes beyond a day and below zero, so it is text as MySQL writes it."""
    fraction = "." + data.draw(st.from_regex(f"[0-9]{{{digits}}}", fullmatch=True)) if digits else ""
    text = f"{sign}{hour:02d}:{minute:02d}:{second:02d}{fraction}"
    declared = f"({digits})" if digits else ""
    assert encoder(f"time{declared}", BINARY)(text.encode()) == f'"{text}"'.encode()


@pytest.mark.parametrize("column_type", ["date", "datetime", "datetime(6)", "timestamp(3)", "time", "time(6)"])
@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"2026-W01-1",
        b"20260102",
        b"2026-01-02T03:04:05",
        b"2026-01-02 03:04",
        b"2026-01-02 24:00:00",
        b"2026-01-02 03:60:00",
        b"2026-01-02 03+01:00",
        b"2026-01-02 03:04:05.1234567",
        b'2026-01-02"',
        b"-:-",
        b"1:2:3",
        b"00:00:00\n",
        "\uff12026-01-02".encode(),
    ],
)
def test_other_bytes_are_null_and_told(column_type: str, wire: bytes) -> None:
    """What is not in MySQL's form is no value, even where Python's own parsers would take it."""
    result = outcome(encoder(column_type, BINARY), wire)
    assert result.json == b"null"
    assert result.reason


def test_schemas_are_airbyte_s() -> None:
    """Destinations make dates and timestamps of them; TIME stays text, since no `time` holds 838 hours."""
    moment = {"type": ["null", "string"], "format": "date-time"}
    assert codec("date", BINARY).json_schema == {"type": ["null", "string"], "format": "date"}
    assert codec("datetime", BINARY).json_schema == {**moment, "airbyte_type": "timestamp_without_timezone"}
    assert codec("timestamp", BINARY).json_schema == {**moment, "airbyte_type": "timestamp_with_timezone"}
    assert codec("time", BINARY).json_schema == {"type": ["null", "string"]}


@given(st.binary(max_size=30))
def test_any_bytes_of_a_time_have_the_form_of_one(wire: bytes) -> None:
    """What comes through is what was sent, and of digits and marks only."""
    result = outcome(encoder("time(6)", BINARY), wire)
    assert result.reason or parse(result.json) == wire.decode()
