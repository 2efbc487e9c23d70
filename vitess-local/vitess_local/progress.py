"""Reports to a waiting person what is going on, on standard error.

On a terminal the current state is one line that is rewritten; elsewhere (CI logs)
it is a new line every few seconds. Standard output stays free for results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

# Often enough to show life in a CI log, rarely enough not to flood it.
_LINE_INTERVAL_SECONDS = 10.0

Report = Callable[[str], None]


def silent(_: str) -> None:
    """A `Report` for callers that want no output."""


def report_to_stderr(text: str) -> None:
    """A `Report` that prints a plain line."""
    print(f"vitess-local: {text}", file=sys.stderr, flush=True)


class Step:
    """One named step with a clock; `update` shows what it is doing now."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name = name
        self._stream = stream
        self._started = time.monotonic()
        self._printed = self._started
        self._rewrites = stream.isatty()
        self._width = 0

    @property
    def elapsed(self) -> str:
        """Time since the start, as `1m05s` or `7s`."""
        return format_seconds(time.monotonic() - self._started)

    def update(self, text: str) -> None:
        """Show what the step is doing now; cheap to call often."""
        line = f"vitess-local: {self.name}: {text} ({self.elapsed})"
        if self._rewrites:
            self._stream.write("\r" + line[:110].ljust(self._width))
            self._stream.flush()
            self._width = min(len(line), 110)
        elif time.monotonic() - self._printed >= _LINE_INTERVAL_SECONDS:
            self._printed = time.monotonic()
            print(line, file=self._stream, flush=True)

    def report(self, text: str) -> None:
        """Print a line that stays."""
        if self._rewrites and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0
        print(f"vitess-local: {self.name}: {text} ({self.elapsed})", file=self._stream, flush=True)


@contextmanager
def step(name: str, stream: TextIO | None = None) -> Iterator[Step]:
    """Announce a step, and its end with the time it took."""
    current = Step(name, stream if stream is not None else sys.stderr)
    current.report("started")
    try:
        yield current
    except BaseException:
        current.report("failed")
        raise
    current.report("done")


def format_seconds(seconds: float) -> str:
    """Format a duration for people: `7s`, `1m05s`."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
