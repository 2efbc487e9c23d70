"""The machine's clock, and the wish to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from source_vitess.errors import StreamCancelledError


class Cancellable(Protocol):
    """A stream, or a connection with a statement under way."""

    def cancel(self) -> None:
        """Ends it. Any thread and a signal handler may call."""


class SystemClock:
    """The machine's time, and the wish to stop, which also ends what VTGate is being asked."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._open: Cancellable | None = None

    def now(self) -> float:
        """Returns seconds since 1970."""
        return time.time()

    #: Returns seconds since some moment, never going back. No method of its own: each transaction asks five times.
    monotonic = staticmethod(time.monotonic)

    def wait(self, seconds: float) -> None:
        """Waits; returns at once when the sync is asked to stop."""
        self._stopped.wait(seconds)

    @property
    def stopping(self) -> bool:
        """Whether the sync is asked to stop."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Asks the sync to stop. Any thread and a signal handler may call."""
        self._stopped.set()
        asked = self._open
        if asked is not None:
            asked.cancel()

    @contextmanager
    def watch(self, asked: Cancellable) -> Iterator[None]:
        """Lets `stop` end this stream or statement while the context lasts, instead of one that is open around it.

        Raises:
            StreamCancelledError: The sync is asked to stop already.
        """
        outer, self._open = self._open, asked
        try:
            if self.stopping:
                raise StreamCancelledError("VTGate was not asked, because this sync was asked to stop.")
            yield
        finally:
            self._open = outer


class Deadline:
    """When something has to be over, and what it is doing.

    Args:
        seconds: Until then. The last half second is kept for the answer.

    Attributes:
        step: What is being done.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds - 0.5
        self.step = "starting"

    def begin(self, step: str) -> None:
        """Notes what is done next."""
        self.step = step

    def left(self, at_most: float) -> float:
        """Returns the seconds that are left, or fewer."""
        return max(0.1, min(at_most, self._end - time.monotonic()))
