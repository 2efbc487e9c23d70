"""Tells a supervisor how `run` is: in a file, or on a port of this machine."""

from __future__ import annotations

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from source_vitess.errors import ConfigError

from destination_readyset.state_file import replace_file

#: Seconds without a state after which something is wrong: an idle keyspace has one a minute.
UNHEALTHY_SECONDS = 300.0
_FILE_SECONDS = 1.0


class Health:
    """What is known of the runner.

    Args:
        file: Is kept up to date; None for none.
        port: Answers 200 or 503; None for none, 0 for any free one.
        seconds: Without a state, after which it is not healthy.
    """

    def __init__(
        self, file: Path | None = None, port: int | None = None, *, seconds: float = UNHEALTHY_SECONDS
    ) -> None:
        self._file = file
        self._seconds = seconds
        self._status = "starting"
        self._last = time.monotonic()
        self._states = 0
        self._written = 0.0
        self._lock = threading.Lock()
        self._server = _serve(self, port) if port is not None else None

    @property
    def port(self) -> int:
        """The port that answers; 0 for none."""
        return int(self._server.server_address[1]) if self._server else 0

    def is_in(self, status: str) -> None:
        """Notes what the runner does now."""
        with self._lock:
            self._status = status
        self._write(at_once=True)

    def has_state(self) -> None:
        """Notes that a state was committed and saved."""
        with self._lock:
            self._last = time.monotonic()
            self._states += 1
        self._write(at_once=False)

    def report(self) -> tuple[bool, dict[str, Any]]:
        """Returns whether all is well, and what is known."""
        with self._lock:
            age = time.monotonic() - self._last
            known = {
                "healthy": age < self._seconds,
                "status": self._status,
                "seconds_since_state": round(age, 1),
                "states": self._states,
                "pid": os.getpid(),
            }
        return bool(known["healthy"]), known

    def close(self) -> None:
        """Ends the port, and removes the file: who is not there is not healthy."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self.remove()

    def remove(self) -> None:
        """Removes the file."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _write(self, *, at_once: bool) -> None:
        now = time.monotonic()
        if self._file is None or (not at_once and now - self._written < _FILE_SECONDS):
            return
        self._written = now
        replace_file(self._file, json.dumps(self.report()[1]) + "\n", durable=False)


def _serve(health: Health, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            healthy, known = health.report()
            body = json.dumps(known).encode() + b"\n"
            self.send_response(200 if healthy else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            """A question every second is no news."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise ConfigError(
            f"The port {port} for the health of this program cannot be used ({error.strerror})."
        ) from error
    threading.Thread(target=server.serve_forever, name="readyset-health", daemon=True).start()
    return server
