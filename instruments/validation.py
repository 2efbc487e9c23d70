"""Records against the JSON schema that their stream was announced with, format checks on.

- Destinations make columns from the schema and fail, or store nulls, where a record does not fit.
- The library's own check of `date-time` wants a time zone, which DATETIME does not have, and does nothing at all
  unless another package is installed. So the formats are checked here, by their `airbyte_type`.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

#: Of RFC 3339, with the zone optional; whether the day and the time exist is for `datetime` to decide.
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,6})?(Z)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ZONES = {"timestamp_with_timezone": "Z", "timestamp_without_timezone": None}

_META = ("_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_cursor")


class SchemaError(AssertionError):
    """A record does not fit the JSON schema of its stream, or the schema is of a kind that nothing here checks."""


def _format(_validator: Any, name: str, value: Any, schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if not isinstance(value, str):
        return
    try:
        if name == "date":
            valid = _DAY.fullmatch(value) is not None
            datetime.date.fromisoformat(value)
        elif name == "date-time":
            moment = _MOMENT.fullmatch(value)
            valid = moment is not None and moment[2] == _ZONES[schema["airbyte_type"]]
            datetime.datetime.fromisoformat(moment[1] if moment else "")
        else:
            raise SchemaError(f"nothing here checks the format {name}")
    except ValueError:
        valid = False
    if not valid:
        yield ValidationError(f"not a {name} ({schema.get('airbyte_type')})")


def _encoding(_validator: Any, name: str, value: Any, _schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    if name != "base64":
        raise SchemaError(f"nothing here checks the encoding {name}")
    try:
        if isinstance(value, str):
            base64.b64decode(value, validate=True)
    except ValueError:
        yield ValidationError("not base64")


_Validator = extend(Draft7Validator, {"format": _format, "contentEncoding": _encoding})


class RecordValidator:
    """Checks records against a configured catalog.

    Args:
        catalog: The configured catalog.
    """

    def __init__(self, catalog: Mapping[str, Any]) -> None:
        self._columns: dict[str, dict[str, Any]] = {}
        for entry in catalog["streams"]:
            stream = entry["stream"]
            Draft7Validator.check_schema(stream["json_schema"])
            properties = stream["json_schema"].get("properties", {})
            self._columns[stream["name"]] = {name: _Validator(schema) for name, schema in properties.items()}

    def check_line(self, line: bytes) -> None:
        """Checks a line of output if it is a record.

        Raises:
            SchemaError: It does not fit; the message names the stream and the column.
        """
        if line.startswith(b'{"type":"RECORD"'):
            self.check(json.loads(line)["record"])

    def check(self, record: Mapping[str, Any]) -> None:
        """Checks a record.

        Raises:
            SchemaError: It does not fit; the message names the stream and the column.
        """
        stream, data = record["stream"], record["data"]
        columns = self._columns[stream]
        if not columns:  # a catalog written by hand may leave the schema out
            return
        for name, value in data.items():
            if name not in columns:
                # A stream that takes one of them takes all three.
                if name not in _META:
                    raise SchemaError(f"{stream}: column {name} is not in the schema")
                continue
            error = next(columns[name].iter_errors(value), None)
            if error is not None:
                raise SchemaError(f"{stream}: column {name}: {error.message}")
