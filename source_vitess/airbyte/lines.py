"""Airbyte's messages as lines of JSON: all but those of a sync's rows and states, which are in `sync_lines`."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson

from source_vitess.airbyte.failures import failure_type
from source_vitess.airbyte.masking import masked
from source_vitess.errors import ConnectorError, PositionLostError


def log_line(level: str, text: str) -> bytes:
    """Returns a LOG message, secrets masked. Levels are those of Airbyte: FATAL ERROR WARN INFO DEBUG TRACE."""
    return json_line({"type": "LOG", "log": {"level": level, "message": masked(text)}})


def error_line(error: ConnectorError, *, stream: str | None = None, keyspace: str | None = None) -> bytes:
    """Returns an ERROR trace, secrets masked, for one stream or for the sync as a whole."""
    body: dict[str, Any] = {
        "message": masked(error.message),
        "failure_type": failure_type(error),
    }
    if error.detail:
        body["internal_message"] = masked(error.detail)
    if isinstance(error, PositionLostError):
        # For programs that run the connector: no field of Airbyte's.
        body["position_lost"] = True
    if stream is not None:
        body["stream_descriptor"] = {"name": stream, "namespace": keyspace}
    return trace_line("ERROR", {"error": body})


def spec_line(spec: Any) -> bytes:
    """Returns the SPEC message: what the configuration consists of."""
    return json_line({"type": "SPEC", "spec": spec})


def status_line(error: ConnectorError | None) -> bytes:
    """Returns the CONNECTION_STATUS message of a check that ended with this error, or well; secrets masked."""
    failed = {"status": "SUCCEEDED"} if error is None else {"status": "FAILED", "message": masked(error.message)}
    return json_line({"type": "CONNECTION_STATUS", "connectionStatus": failed})


def catalog_line(catalog: Any) -> bytes:
    """Returns the CATALOG message: the streams that there are."""
    return json_line({"type": "CATALOG", "catalog": catalog})


def trace_line(kind: str, body: dict[str, Any]) -> bytes:
    """Returns a TRACE message."""
    return json_line({"type": "TRACE", "trace": {"type": kind, "emitted_at": float(now_millis()), **body}})


def json_line(message: dict[str, Any]) -> bytes:
    """Returns any message."""
    try:
        return orjson.dumps(message) + b"\n"
    except TypeError:
        # Half a surrogate pair, from a file of the user: no UTF-8, but JSON can escape it.
        return json.dumps(message).encode() + b"\n"


def now_millis() -> int:
    """Returns milliseconds since 1970."""
    return time.time_ns() // 1_000_000
