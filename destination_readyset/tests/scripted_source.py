"""A source for `run` to start: its keyspace is a file of changes, of one table, which it reads as they are added.

    python tests/scripted_source.py read --config … --catalog … --state …

Each line of the file is JSON: a row `{"id": 1, "name": "a"}`, a deleted one `{"id": 1, "gone": true}`, `{"truncate":
true}`, `{"purge": 2}` if the next two lines cannot be read as changes any more, or `{"end": failure_type}` for a source
that ends there, once: with an error, or well for null. Like source-vitess it copies a stream without a state, says in
the state that a stream has to be refreshed after a TRUNCATE, and ends with a state when it is asked to stop.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

Json = dict[str, Any]

NAME, NAMESPACE = "customers", "shop"
DESCRIPTOR = {"name": NAME, "namespace": NAMESPACE}


class Source:
    """One sync.

    Args:
        changes: The file.
        state: The state to begin from.
    """

    def __init__(self, changes: Path, state: Json) -> None:
        self._changes = changes
        shared = state.get("global") or {}
        self._at = int((shared.get("shared_state") or {}).get("n", 0))
        streams = {each["stream_descriptor"]["name"]: each["stream_state"] for each in shared.get("stream_states", [])}
        self._stream: Json | None = streams.get(NAME)
        self._stopped = False

    def stop(self, *_: object) -> None:
        """Ends after the next state."""
        self._stopped = True

    def run(self) -> int:
        """Reads until it is stopped, or told to end."""
        write({"type": "LOG", "log": {"level": "INFO", "message": f"reading from {self._at}"}})
        if self._stream is None:
            self._copy()
        if "refresh_needed" in (self._stream or {}):
            self._refuse()
        while True:
            news = self._changes.read_bytes().splitlines()[self._at :]
            for line in news:
                if "purge" in json.loads(line):
                    self._state()
                    return error("config_error", "Shard '0' has purged it. Re-sync the data.", position_lost=True)
                code = self._take(json.loads(line))
                self._at += 1
                if code is not None:
                    self._state()
                    return code
            if news or self._stopped:
                self._state()
            if self._stopped:
                return error("transient_error", "This sync was asked to stop.")
            time.sleep(0.02)

    def _copy(self) -> None:
        """Copies what the changes that were read, or are purged, have made; the others follow."""
        rows: dict[int, Json] = {}
        changes = [json.loads(line) for line in self._changes.read_bytes().splitlines()]
        purged = [number + change["purge"] + 1 for number, change in enumerate(changes) if "purge" in change]
        self._at = max([self._at, *purged])
        for change in changes[: self._at]:
            if "truncate" in change:
                rows.clear()
            elif "id" in change:
                rows[change["id"]] = change
        self._state()
        for row in rows.values():
            if "gone" not in row:
                self._record(row)
        self._stream = {"copied": True}
        self._state()

    def _take(self, change: Json) -> int | None:
        if "end" in change:
            return error(change["end"], "The scripted source was told to fail.") if change["end"] else 0
        if "truncate" in change:
            self._stream = {"refresh_needed": "Table 'customers' was truncated."}
            self._refuse()
        elif "copied" in (self._stream or {}):
            self._record(change)
        return None

    def _refuse(self) -> None:
        error("config_error", "Refresh this stream.", stream=True)
        self._state()

    def _record(self, change: Json) -> None:
        gone = "2026-01-02T03:04:05Z" if "gone" in change else None
        data = {"id": change["id"], "name": change.get("name"), "_ab_cdc_deleted_at": gone}
        write({"type": "RECORD", "record": {"stream": NAME, "namespace": NAMESPACE, "data": data, "emitted_at": 1}})

    def _state(self) -> None:
        states = [{"stream_descriptor": DESCRIPTOR, "stream_state": self._stream}] if self._stream else []
        shared = {"shared_state": {"n": self._at}, "stream_states": states}
        write({"type": "STATE", "state": {"type": "GLOBAL", "global": shared}})


def error(failure_type: str, message: str, *, stream: bool = False, **more: Any) -> int:
    """Writes an error and returns the exit code."""
    body: Json = {"message": message, "failure_type": failure_type, **more}
    if stream:
        body["stream_descriptor"] = DESCRIPTOR
    write({"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1.0, "error": body}})
    return 1


def write(message: Json) -> None:
    """Writes a message."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Runs the command line."""
    options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    config = json.loads(Path(options["--config"]).read_text())
    states = json.loads(Path(options["--state"]).read_text())
    source = Source(Path(config["changes"]), states[0] if states else {})
    signal.signal(signal.SIGTERM, source.stop)
    try:
        return source.run()
    except BrokenPipeError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
