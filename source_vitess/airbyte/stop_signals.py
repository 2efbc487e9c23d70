"""SIGTERM and SIGINT, heard by a thread of their own.

Python runs a signal's handler on the main thread, once that gets to it: a signal that comes just before the main
thread waits for a stdout that nobody reads, or for a lock, is not handled for as long as that lasts. What CPython does
at once, on whichever thread the signal reaches, is to write its number to `signal.set_wakeup_fd` (`trip_signal` in
Modules/signalmodule.c); a thread can wait for that.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

#: Seconds from a signal to the end of the process. Docker kills after 10 s, and Kubernetes after 30 s.
GRACE_SECONDS = 8.0


class StopSignals:
    """What SIGTERM and SIGINT do, from `listen` to the end of the `with` block.

    The first one asks to stop. A second one ends the process at once, and so does the time that an orchestrator gives
    it: it may be writing to a stdout that nobody reads.

    Attributes:
        number: Of the first signal that came; None before.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._writing: int | None = None

    def listen(self, stop: Callable[[], None]) -> None:
        """Begins to listen; once, on the main thread.

        Args:
            stop: Called on a thread of its own when the first signal has come.
        """
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        threading.Thread(target=self._hear, args=(reading, stop), name="signals", daemon=True).start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _nothing)

    def __enter__(self) -> StopSignals:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._writing is not None:
            signal.set_wakeup_fd(-1)
            os.close(self._writing)

    def _hear(self, reading: int, stop: Callable[[], None]) -> None:
        try:
            if not (first := os.read(reading, 1)):
                return  # the other end was closed
            self.number = first[0]
            threading.Thread(target=stop, daemon=True).start()
            if not select.select([reading], [], [], GRACE_SECONDS)[0]:
                os._exit(128 + self.number)
            if second := os.read(reading, 1):
                os._exit(128 + second[0])
        finally:
            os.close(reading)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Is there for Python to write the signal's number, which it does for what has a handler."""
