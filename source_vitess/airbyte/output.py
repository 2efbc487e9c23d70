"""Lines on their way to stdout.

A write to a pipe wakes its reader, which costs more than a transaction of one row does otherwise. So records that
follow each other closely are written together; all other lines, and a record after a pause, go out at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

#: How the lines of records begin.
RECORD = b'{"type":"RECORD",'

#: Seconds that a record waits at most, and the bytes that are not added to: as much as a pipe holds.
PAUSE = 0.005
ENOUGH = 1 << 16


class Sink(Protocol):
    """Where bytes go: a buffered writer, or a raw one, which may take a part only."""

    def write(self, data: memoryview, /) -> int:
        """Takes bytes, and returns how many."""

    def flush(self) -> None:
        """Hands on what was taken."""


class Output:
    """Writes whole lines in the order in which they are given, from any thread.

    Args:
        sink: Gives what is written to, each time.
        monotonic: Seconds since some moment.
        pause: As `PAUSE`.
    """

    def __init__(
        self, sink: Callable[[], Sink], monotonic: Callable[[], float] = time.monotonic, *, pause: float = PAUSE
    ) -> None:
        self._sink = sink
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._size = 0
        self._pause = pause
        self._written_at = float("-inf")
        self._is_wanted = threading.Event()
        self._writer: threading.Thread | None = None
        #: Nothing is written behind lines that could not be: a state that followed would lose their rows.
        self._error: OSError | None = None

    def write(self, lines: bytes) -> None:
        """Writes whole lines: records of one stream, or others.

        Raises:
            OSError: They cannot be written, or some of before could not; nothing is written after that.
        """
        with self._lock:
            self._waiting.append(lines)
            self._size += len(lines)
            if (
                self._size >= ENOUGH
                or self._monotonic() - self._written_at >= self._pause
                or not lines.startswith(RECORD)
            ):
                self._write()
            elif len(self._waiting) == 1:
                self._write_soon()

    def flush(self) -> None:
        """Writes what waits.

        Raises:
            OSError: As `write`.
        """
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self._error is not None:
            raise self._error
        lines, self._waiting, self._size = self._waiting, [], 0
        sink = self._sink()
        try:
            # With PYTHONUNBUFFERED, which the image sets, a signal cuts a write short that waits for its reader: what
            # is left has to be written, or rows would be lost that the next state counts.
            rest = memoryview(lines[0] if len(lines) == 1 else b"".join(lines))
            while rest:
                rest = rest[sink.write(rest) :]
            sink.flush()
        except OSError as error:
            self._error = error
            raise
        self._written_at = self._monotonic()

    def _write_soon(self) -> None:
        """Lets a thread write what waits after the pause: perhaps nothing else comes for long."""
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_after_pauses, name="output", daemon=True)
            self._writer.start()
        self._is_wanted.set()

    def _write_after_pauses(self) -> None:
        while True:
            self._is_wanted.wait()
            time.sleep(self._pause)
            with self._lock:
                self._is_wanted.clear()
                if not self._waiting:
                    continue
                try:
                    self._write()
                except OSError:
                    return  # whoever writes next is told
