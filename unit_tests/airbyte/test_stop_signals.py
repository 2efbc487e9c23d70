"""What listens for SIGTERM and SIGINT within a process that has signals of its own; see also `test_entrypoint`."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from source_vitess.airbyte.stop_signals import StopSignals


@pytest.fixture
def another_handler() -> Iterator[None]:
    """The process has a handler for SIGUSR1."""
    before = signal.signal(signal.SIGUSR1, lambda _, __: None)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("another_handler")
def test_other_signals_end_nothing() -> None:
    """Python writes the numbers of all signals that it handles, and a second one would end the process."""
    stopped = threading.Event()
    with StopSignals() as signals:
        signals.listen(stopped.set)
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        assert stopped.wait(60)
        signal.raise_signal(signal.SIGUSR1)

    assert signals.number == signal.SIGTERM


def test_a_signal_that_is_sent_twice_is_one() -> None:
    """GNU's `timeout` sends it to its child, and then to the group that both are in."""
    program = (
        "import signal, threading\n"
        "from source_vitess.airbyte import stop_signals\n"
        "stop_signals._SAME_SECONDS = 60\n"
        "stopped = threading.Event()\n"
        "with stop_signals.StopSignals() as signals:\n"
        "    signals.listen(stopped.set)\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    stopped.wait()\n"
        "    threading.Event().wait(0.5)\n"  # in which the second one would have ended it
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603 - itself


def test_something_is_done_before_the_process_is_ended() -> None:
    """Else a health file would say for ever that all is well."""
    program = (
        "import signal, threading\n"
        "from source_vitess.airbyte.stop_signals import StopSignals\n"
        "stopped = threading.Event()\n"
        "with StopSignals(before_exit=lambda: print('the last', flush=True)) as signals:\n"
        "    signals.listen(stopped.set)\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    stopped.wait()\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "    threading.Event().wait()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)  # noqa: S603 - itself

    assert (ended.returncode, ended.stdout) == (128 + signal.SIGINT, "the last\n")


def test_handlers_come_back() -> None:
    """Else the process would not end by a signal any more."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with StopSignals() as signals:
        signals.listen(lambda: None)
        assert signal.getsignal(signal.SIGINT) not in before

    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
    assert signal.set_wakeup_fd(-1) == -1
