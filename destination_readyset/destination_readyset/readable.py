"""Airbyte's messages as lines for a person: of `run`, whose output nobody's platform reads."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

#: Set in a message of the source that the destination passed on.
FROM = "from"


def readable(message: Mapping[str, Any]) -> str:
    """Returns the line that a message is worth; empty for none."""
    who = str(message.get(FROM, "destination"))
    if message.get("type") == "LOG":
        log = message["log"]
        return line(who, str(log["level"]), str(log["message"]))
    if message.get("type") != "TRACE":
        return ""
    trace = message["trace"]
    if trace.get("type") == "ERROR":
        error = trace["error"]
        stream = (error.get("stream_descriptor") or {}).get("name")
        where = f"Stream {stream!r}: " if stream else ""
        detail = error.get("internal_message")
        behind = f" ({detail})" if detail and detail != error["message"] else ""
        # What passes is tried again: nobody is to be called for it.
        level = "WARN" if error.get("failure_type") == "transient_error" else "ERROR"
        return line(who, level, f"{where}{error['message']}{behind}")
    if trace.get("type") == "STREAM_STATUS":
        status = trace["stream_status"]
        # That streams start and complete, round after round, is no news.
        if status["status"] == "INCOMPLETE":
            return line(who, "WARN", f"Stream {status['stream_descriptor']['name']!r} is INCOMPLETE.")
    return ""


def line(who: str, level: str, text: str) -> str:
    """Returns a line of the log: when, who, how grave, what. Line breaks of the text are spaces in it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f"{now} {level:<5} {who}: {' '.join(text.split())}"
