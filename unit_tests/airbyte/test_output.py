"""Records are written together where they follow each other closely; nothing waits for long, or changes its place."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from source_vitess.airbyte.output import ENOUGH, PAUSE, RECORD, Output

#: Seconds in which the thread that writes what waits does not wake up.
_LONG = 3600.0
_STATE = b'{"type":"STATE","state":{}}\n'


def record(number: int, size: int = 0) -> bytes:
    """Returns a record's line."""
    return b'%b"record":{"data":{"id":%d,"x":"%b"}}}\n' % (RECORD, number, b"x" * size)


class Sink:
    """Takes bytes, and notes what came with each write."""

    def __init__(self, *, at_most: int = sys.maxsize) -> None:
        self.writes: list[bytes] = []
        self.written = threading.Event()
        self.fails = False
        self._at_most = at_most

    def write(self, data: memoryview, /) -> int:
        """Takes at most so many bytes."""
        if self.fails:
            self.written.set()
            raise OSError(errno.ENOSPC, "no space left")
        self.writes.append(bytes(data[: self._at_most]))
        return len(self.writes[-1])

    def flush(self) -> None:
        """Notes that something was written."""
        self.written.set()


class Times:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        """Returns the time."""
        return self.now


def outputs(sink: Sink, *, pause: float) -> tuple[Output, Times]:
    """Returns what writes to a sink, and its clock."""
    times = Times()
    return Output(lambda: sink, times, pause=pause), times


def test_a_record_after_a_pause_goes_out_at_once() -> None:
    """Whoever follows changes one by one gets each without a delay."""
    sink = Sink()
    output, times = outputs(sink, pause=_LONG)

    for number in range(3):
        output.write(record(number))
        times.now += _LONG

    assert sink.writes == [record(0), record(1), record(2)]


@pytest.mark.parametrize(
    "last", [_STATE, b'{"type":"LOG","log":{}}\n', record(9, ENOUGH)], ids=["state", "log", "full"]
)
def test_records_in_a_row_are_written_together(last: bytes) -> None:
    """Up to a state, or any other line, or as much as a pipe holds; in their order."""
    sink = Sink()
    output, _ = outputs(sink, pause=_LONG)

    for number in range(5):
        output.write(record(number))
    output.write(last)

    assert sink.writes == [record(0), b"".join(map(record, range(1, 5))) + last]


def test_a_record_does_not_wait_for_the_next() -> None:
    """A thread writes what waits: the change stream may have nothing more to tell for hours."""
    sink = Sink()
    output, _ = outputs(sink, pause=PAUSE)

    output.write(record(0))
    sink.written.clear()
    output.write(record(1))

    assert sink.written.wait(60)
    assert sink.writes == [record(0), record(1)]


def test_what_waits_is_written_at_the_end() -> None:
    """And once."""
    sink = Sink()
    output, _ = outputs(sink, pause=_LONG)

    output.write(record(0))
    output.write(record(1))
    output.flush()
    output.flush()

    assert b"".join(sink.writes) == record(0) + record(1)


def test_a_sink_may_take_a_part() -> None:
    """A raw file does, where a signal comes: what is left follows."""
    sink = Sink(at_most=7)
    output, _ = outputs(sink, pause=PAUSE)

    for number in range(4):
        output.write(record(number))
    output.write(_STATE)

    assert b"".join(sink.writes) == b"".join(map(record, range(4))) + _STATE


@pytest.mark.parametrize("then", [lambda output: output.write(_STATE), Output.flush], ids=["write", "flush"])
def test_nothing_follows_an_error_of_the_thread(then: Callable[[Output], None]) -> None:
    """A state that followed records which were not written would lose them: not even once there is space again."""
    sink = Sink()
    output, _ = outputs(sink, pause=PAUSE)
    output.write(record(0))
    sink.fails = True
    sink.written.clear()
    output.write(record(1))
    assert sink.written.wait(60)
    sink.fails = False

    for _ in range(2):
        with pytest.raises(OSError, match="no space left"):
            then(output)

    assert sink.writes == [record(0)]


def test_nothing_follows_records_that_went_with_a_lost_log() -> None:
    """Whoever writes a log may not mind that it fails, and does not know of the records that were to go with it."""
    sink = Sink()
    output, _ = outputs(sink, pause=_LONG)
    output.write(record(0))
    output.write(record(1))
    sink.fails = True
    with contextlib.suppress(OSError):
        output.write(b'{"type":"LOG","log":{}}\n')
    sink.fails = False

    with pytest.raises(OSError, match="no space left"):
        output.write(_STATE)

    assert sink.writes == [record(0)]


def test_lines_of_many_threads_stay_whole() -> None:
    """Each thread's lines come in its order."""
    sink = Sink()
    output = Output(lambda: sink)
    start = threading.Barrier(4)

    def write(thread: int) -> None:
        start.wait()
        for number in range(500):
            output.write(record(thread * 1000 + number) if number % 50 else _STATE)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output.flush()

    lines = b"".join(sink.writes).splitlines(keepends=True)
    for first in range(0, 4000, 1000):
        expected = [record(first + number) for number in range(500) if number % 50]
        mine = set(expected)
        assert [line for line in lines if line in mine] == expected
    assert lines.count(_STATE) == 40


_CHILD = """
import sys
from source_vitess.airbyte.command import emit, run_command

def command():
    for number in range(3):
        emit(b'{"type":"RECORD","record":%d}\\n' % number)
    sys.stdin.readline()
    emit(b'{"type":"RECORD","record":3}\\n')
    emit(b'{"type":"RECORD","record":4}\\n')
    return 0

sys.exit(run_command(command))
"""


def test_a_command_writes_all_of_its_lines() -> None:
    """Those of before it waits for something, and the last ones before it ends."""
    with subprocess.Popen([sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # noqa: S603
        assert child.stdin is not None
        assert child.stdout is not None
        before = [child.stdout.readline() for _ in range(3)]
        child.stdin.write(b"\n")
        child.stdin.flush()
        after = child.stdout.read()

    assert before == [b'{"type":"RECORD","record":%d}\n' % number for number in range(3)]
    assert after == b'{"type":"RECORD","record":3}\n{"type":"RECORD","record":4}\n'
    assert child.returncode == 0
