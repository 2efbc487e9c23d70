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
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

#: Seconds from a signal to the end of the process. Docker kills after 10 s, and Kubernetes after 30 s.
GRACE_SECONDS = 8.0
#: Seconds in which a signal that comes again is the same one: `timeout` of GNU sends it to its child and then to the
#: group of both.
_SAME_SECONDS = 0.5
#: Seconds for what is done before the process is ended.
_LAST_SECONDS = 1.0
_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """What SIGTERM and SIGINT do, from `listen` to the end of the `with` block.

    The first one asks to stop. A second one ends the process at once, and so does the time that an orchestrator gives
    it: it may be writing to a stdout that nobody reads.

    Args:
        seconds: From the first signal to the end of the process.
        before_exit: Called before the process is ended by a second signal or at the end of that time. It has a second.

    Attributes:
        number: Of the first signal that came; None before.
    """

    def __init__(self, *, seconds: float = GRACE_SECONDS, before_exit: Callable[[], None] = lambda: None) -> None:
        self._seconds = seconds
        self._before_exit = before_exit
        self.number: int | None = None
        self._writing: int | None = None
        #: What handled the signals before.
        self._before: dict[int, Any] = {}

    def listen(self, stop: Callable[[], None]) -> None:
        """Begins to listen; once, on the main thread.

        Args:
            stop: Called on a thread of its own when the first signal has come.
        """
        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        threading.Thread(target=self._hear, args=(reading, stop), name="signals", daemon=True).start()
        for number in _NUMBERS:
            self._before[number] = signal.signal(number, _nothing)

    def __enter__(self) -> StopSignals:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            if handler is not None:  # else it was not set from Python, and cannot be
                signal.signal(number, handler)
        if self._writing is not None:
            signal.set_wakeup_fd(-1)
            os.close(self._writing)

    def _hear(self, reading: int, stop: Callable[[], None]) -> None:
        try:
            # Of every signal that has a handler in Python, the number comes here.
            while (first := os.read(reading, 1)) and first[0] not in _NUMBERS:
                pass
            if not first:
                return  # the other end was closed
            self.number = first[0]
            # The grace begins now, even if that waits for something.
            threading.Thread(target=stop, daemon=True).start()
            heard_at = time.monotonic()
            ends_at = heard_at + self._seconds
            while select.select([reading], [], [], max(0.0, ends_at - time.monotonic()))[0]:
                if not (second := os.read(reading, 1)):
                    return
                is_same = second[0] == self.number and time.monotonic() - heard_at < _SAME_SECONDS
                if second[0] in _NUMBERS and not is_same:
                    self._end(second[0])
            self._end(self.number)
        finally:
            os.close(reading)

    def _end(self, number: int) -> NoReturn:
        last = threading.Thread(target=self._before_exit, daemon=True)
        last.start()
        last.join(_LAST_SECONDS)
        os._exit(128 + number)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Is there for Python to write the signal's number, which it does for what has a handler."""
