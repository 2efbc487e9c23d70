"""Scripts: exactly what a VStream call is answered with.

A script is a sequence of steps: a VEvent or a list of them (one response), a `Gate` (wait until the test
opens it), `Delay`, `Fail` (a gRPC error), `Hang` (until the client cancels). After its last step the stream
ends with OK, as an EOF does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import grpc

from instruments.scripted_vtgate.vstream_server import Call, StreamStatusError
from source_vitess.proto import binlogdata_pb2, vtgate_pb2


class Gate:
    """A point of a script where the stream stands still until the test opens it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = False
        self._reached = False

    def open(self) -> None:
        """Lets the stream go on."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def wait_reached(self, timeout: float = 10.0) -> None:
        """Waits until a stream has come to this point: all before it was handed to gRPC.

        Raises:
            TimeoutError: No stream came.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._reached, timeout):
                raise TimeoutError("no stream has reached the gate")

    def pass_through(self, call: Call) -> None:
        """Called by the player: waits until the gate is open or the call has ended."""

        def wake() -> None:
            with self._changed:
                self._changed.notify_all()

        call.on_end(wake)
        with self._changed:
            self._reached = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._open or call.ended)


@dataclass(frozen=True)
class Fail:
    """Ends the stream with an error."""

    code: grpc.StatusCode
    text: str


@dataclass(frozen=True)
class Hang:
    """Sends nothing more until the client cancels."""


@dataclass(frozen=True)
class Delay:
    """Sends nothing for some time."""

    seconds: float


Step = binlogdata_pb2.VEvent | Sequence[binlogdata_pb2.VEvent] | vtgate_pb2.VStreamResponse | Gate | Fail | Hang | Delay
Script = Iterable[Step]


class Scripts:
    """Answers calls with scripts, one after the other.

    Args:
        scripts: One per expected call, in order. A call more than that is refused with FAILED_PRECONDITION.
        choose: Instead of a queue, a function from the request to its script.
    """

    def __init__(self, *scripts: Script, choose: Callable[[vtgate_pb2.VStreamRequest], Script] | None = None) -> None:
        self._lock = threading.Lock()
        self._queue = list(scripts)
        self._choose = choose

    def add(self, script: Script) -> None:
        """Puts a script at the end of the queue."""
        with self._lock:
            self._queue.append(script)

    def __call__(self, call: Call) -> Iterator[vtgate_pb2.VStreamResponse]:
        """Answers a call."""
        if self._choose is not None:
            return play(self._choose(call.request), call)
        with self._lock:
            if not self._queue:
                raise StreamStatusError(grpc.StatusCode.FAILED_PRECONDITION, "no script left for this call")
            return play(self._queue.pop(0), call)


def play(script: Script, call: Call) -> Iterator[vtgate_pb2.VStreamResponse]:
    """Yields the responses of a script, and waits where it has a pause.

    Raises:
        StreamStatusError: The script has a failure.
    """
    for step in script:
        if call.ended:
            return
        if isinstance(step, binlogdata_pb2.VEvent):
            yield vtgate_pb2.VStreamResponse(events=[step])
        elif isinstance(step, vtgate_pb2.VStreamResponse):
            yield step
        elif isinstance(step, Gate):
            step.pass_through(call)
        elif isinstance(step, Fail):
            raise StreamStatusError(step.code, step.text)
        elif isinstance(step, Hang):
            call.wait_end()
        elif isinstance(step, Delay):
            call.wait_end(step.seconds)
        else:
            yield vtgate_pb2.VStreamResponse(events=step)
