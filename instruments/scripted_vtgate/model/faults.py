"""Faults of the model's streams, each counted in events that clients were sent since it was ordered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from instruments.scripted_vtgate.script import Gate
from source_vitess.proto import binlogdata_pb2

#: After how many events, or after an event that a function chooses.
After = int | Callable[[binlogdata_pb2.VEvent], bool]


@dataclass(frozen=True)
class Cut:
    """The stream ends with a status."""

    code: grpc.StatusCode
    text: str


@dataclass(frozen=True)
class Eof:
    """The stream ends as if all were well."""


@dataclass(frozen=True)
class Stall:
    """Nothing more is sent until the client cancels; VTGate's heartbeats neither."""


@dataclass(frozen=True)
class Restart:
    """VTGate retries a shard inside the call, from the last position that it sent.

    Attributes:
        shard: Which; None for the shard of the event.
    """

    shard: str | None


Action = Cut | Eof | Stall | Restart | Gate


class Faults:
    """What goes wrong, and when. Each fault happens once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[tuple[After, Action]] = []
        #: Seconds before each response: a slow stream.
        self.delay = 0.0

    def cut_after(
        self,
        after: After,
        code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE,
        text: str = "Socket closed",
    ) -> None:
        """Ends the stream with an error."""
        self._plan(after, Cut(code, text))

    def eof_after(self, after: After) -> None:
        """Ends the stream without an error, be it in the middle of a transaction."""
        self._plan(after, Eof())

    def hang_after(self, after: After) -> None:
        """Stops sending."""
        self._plan(after, Stall())

    def restart_after(self, after: After, shard: str | None = None) -> None:
        """Has VTGate restart a shard's stream by itself: FIELD comes again, and more may.

        Right after the VGTID that follows a copy's first FIELD (`m1` in the tests), the copy is dropped silently.
        """
        self._plan(after, Restart(shard))

    def pause_after(self, after: After) -> Gate:
        """Holds the stream until the returned gate is opened, for a test to write at an exact point."""
        gate = Gate()
        self._plan(after, gate)
        return gate

    def take(self, event: binlogdata_pb2.VEvent) -> list[Action]:
        """Returns what happens right after an event that was sent."""
        due: list[Action] = []
        with self._lock:
            left: list[tuple[After, Action]] = []
            for after, action in self._planned:
                if after(event) if callable(after) else after <= 1:
                    due.append(action)
                else:
                    left.append((after if callable(after) else after - 1, action))
            self._planned = left
        return due

    def _plan(self, after: After, action: Action) -> None:
        with self._lock:
            self._planned.append((after, action))
