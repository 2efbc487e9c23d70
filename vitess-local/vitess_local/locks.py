"""File locks between processes, released by the kernel even if the holder is killed."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vitess_local.errors import VitessLocalError

_POLL_SECONDS = 0.1


@contextmanager
def locked(path: Path, *, timeout: float, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on `path` for the body of the `with`.

    `on_wait` is called once, with the holder's process id as text, if somebody else
    has the lock. The lock file is never deleted: deleting it would let two processes
    lock two different files of the same name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, path, timeout, on_wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, timeout: float, on_wait: Callable[[str], None] | None) -> None:
    deadline = time.monotonic() + timeout
    reported = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode() or "unknown"
            if time.monotonic() > deadline:
                raise VitessLocalError(f"Process {holder} has held {path} for more than {timeout:.0f} s.") from None
            if not reported and on_wait is not None:
                on_wait(holder)
                reported = True
            time.sleep(_POLL_SECONDS)
