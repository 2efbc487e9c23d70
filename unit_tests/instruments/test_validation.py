"""The tests' own check of records against schemas: it must not let anything through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from instruments.validation import RecordValidator, SchemaError

_ZONED = {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
_PLAIN = {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_without_timezone"}
_DATE = {"type": ["null", "string"], "format": "date"}
_BYTES = {"type": ["null", "string"], "contentEncoding": "base64"}
_VECTOR = {"type": ["null", "array"], "items": {"type": "number"}}


def check(schema: dict[str, Any], value: Any, column: str = "c") -> None:
    """Checks a record of one column."""
    stream = {"name": "t", "json_schema": {"type": "object", "properties": {"c": schema}}}
    line = json.dumps(
        {"type": "RECORD", "record": {"stream": "t", "data": {column: value}}}, separators=(",", ":")
    ).encode()
    RecordValidator({"streams": [{"stream": stream}]}).check_line(line)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": ["null", "integer"]}, 2**64 - 1),
        ({"type": ["null", "number"]}, -0.0),
        (_ZONED, "2026-01-02T03:04:05.000006Z"),
        (_PLAIN, "9999-12-31T23:59:59"),
        (_DATE, "0001-01-01"),
        (_BYTES, "/wA="),
        (_VECTOR, [1.0, 2]),
        (_ZONED, None),
    ],
)
def test_what_fits(schema: dict[str, Any], value: Any) -> None:
    """Values as docs/types.md promises them, and null."""
    check(schema, value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": ["null", "integer"]}, 1.5),
        ({"type": ["null", "integer"]}, "1"),
        ({"type": ["null", "integer"]}, True),
        ({"type": ["null", "boolean"]}, 1),
        ({"type": ["null", "string"]}, {}),
        (_ZONED, "2026-01-02T03:04:05"),
        (_ZONED, "2026-01-02 03:04:05Z"),
        (_ZONED, "2026-02-31T03:04:05Z"),
        (_ZONED, "2026-01-02T24:04:05Z"),
        (_PLAIN, "2026-01-02T03:04:05Z"),
        (_PLAIN, "0000-00-00T00:00:00"),
        (_DATE, "2026-1-2"),
        (_DATE, "20260102"),
        (_DATE, "2026-02-30"),
        (_BYTES, "/wA"),
        (_BYTES, "é"),
        (_VECTOR, ["1"]),
        ({"type": ["null", "string"], "format": "time"}, "01:02:03"),
    ],
)
def test_what_does_not_fit(schema: dict[str, Any], value: Any) -> None:
    """Types, formats with and without a zone, days that do not exist, encodings, and formats that nobody knows."""
    with pytest.raises(SchemaError, match=r"column c|the format time"):
        check(schema, value)


def test_a_column_that_was_not_announced() -> None:
    """A destination has no place for it."""
    with pytest.raises(SchemaError, match="column other is not in the schema"):
        check(_DATE, None, "other")
