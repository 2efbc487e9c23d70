"""Lines on stdout stay whole whatever happens while they are written."""

from __future__ import annotations

import array
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time

import pytest

_LINES = 20_000
_CHILD = f"""
import signal, sys
from source_vitess.airbyte.command import emit
signal.signal(signal.SIGTERM, lambda *_: None)
emit(b"a whole line of output\\n" * {_LINES})
emit(b"state\\n")
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_signal_cuts_no_line(unbuffered: str) -> None:
    """It comes while stdout is full and nobody reads: with and without Python's own buffer, every byte arrives."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen([sys.executable, "-c", _CHILD], stdout=subprocess.PIPE, env=environment) as child:  # noqa: S603
        assert child.stdout is not None
        while _waiting(child.stdout.fileno()) < 65_536:
            time.sleep(0.01)
        child.send_signal(signal.SIGTERM)
        written = child.stdout.read()

    assert written == b"a whole line of output\n" * _LINES + b"state\n"


def _waiting(descriptor: int) -> int:
    """Returns how many bytes wait in a pipe."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]
