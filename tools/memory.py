"""The most memory that another process takes.

`ru_maxrss` of a child does not show it: Linux counts what the child had before it became another program, which is all
of the process that started it (fs/exec.c, `exec_mmap`). `VmHWM` is of the program alone, and gone when it ends.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds between two looks. What is missed is a rise after the last one.
INTERVAL = 0.02

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


class PeakMemory:
    """A process' memory at its peak.

    Attributes:
        megabytes: The most resident memory that was seen, in units of 1024² bytes; 0 if it ended too soon.
    """

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self._file = Path(f"/proc/{pid}/status")

    def look(self) -> bool:
        """Looks once; returns whether the process was still there."""
        try:
            found = _PEAK.search(self._file.read_text())
        except OSError:
            return False
        if found:
            self.megabytes = max(self.megabytes, int(found[1]) / 1024)
        return found is not None


@contextmanager
def watch_memory(pid: int) -> Iterator[PeakMemory]:
    """Watches a process while the context lasts, or until the process ends."""
    peak = PeakMemory(pid)
    ended = threading.Event()

    def watch() -> None:
        while peak.look() and not ended.wait(INTERVAL):
            pass

    thread = threading.Thread(target=watch, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
