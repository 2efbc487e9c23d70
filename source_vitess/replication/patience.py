"""How long to wait for VTGate, and how often to ask it again, or to open a broken stream again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from source_vitess.errors import ConnectorError, TransientError
from source_vitess.replication.interfaces import Clock
from source_vitess.replication.messages import Log
from source_vitess.vstream.events import Event

#: Seconds before the first new attempt; doubled for each one that follows, up to the limit. A failover of a shard
#: takes VTGate up to 30 s to notice (go/vt/discovery/tablet_picker.go).
FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0

Answer = TypeVar("Answer")


class Retry:
    """Counts failures in a row.

    Args:
        clock: Time.
        limit: How many failures in a row are ridden out.
        what: What happened and is done about it, for the log.
    """

    def __init__(self, clock: Clock, limit: int, what: str = "The stream broke off and is opened again") -> None:
        self._clock = clock
        self._limit = limit
        self._what = what
        self._failures = 0

    def progressed(self) -> None:
        """Notes that the stream works."""
        self._failures = 0

    @property
    def left(self) -> bool:
        """Whether another failure would be ridden out."""
        return self._failures < self._limit

    def failed(self, error: ConnectorError) -> Log:
        """Waits before another attempt, and returns what to log about it.

        Raises:
            ConnectorError: The error itself, when it is one too many or the sync is asked to stop.
        """
        self._failures += 1
        if self._failures > self._limit or self._clock.stopping:
            raise error
        seconds = min(FIRST_WAIT * 2 ** (self._failures - 1), LONGEST_WAIT)
        self._clock.wait(seconds)
        if self._clock.stopping:
            raise error
        return Log(
            f"{self._what} (attempt {self._failures} of {self._limit}): {error.message}",
            warning=True,
        )


class Silence:
    """Adds up the time spent waiting for events.

    What the consumer does with them, such as writing to a stdout that nobody reads for minutes, does not count:
    VTGate is not to blame for it.

    Args:
        clock: Time.

    Attributes:
        seconds: Waited since something came that was waited for.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds = 0.0

    def watch(self, events: Iterable[Event]) -> Iterator[Event]:
        """Yields the events."""
        monotonic = self._clock.monotonic
        asked = monotonic()
        for event in events:
            self.seconds += monotonic() - asked
            yield event
            asked = monotonic()

    def end(self) -> None:
        """Notes that something came that was waited for."""
        self.seconds = 0.0


def ask_again(ask: Callable[[], Answer], clock: Clock, limit: int) -> Generator[Log, None, Answer]:
    """Returns an answer of VTGate's, asking again while that may help: a shard may be in the middle of a failover.

    Args:
        ask: Asks; a TransientError is no answer.
        clock: Time.
        limit: How often it is asked again.

    Yields:
        What went wrong, before the time to wait.

    Raises:
        TransientError: There was no answer, however often it was asked; or the sync is asked to stop.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return ask()
        except TransientError as error:
            if attempt > limit or clock.stopping:
                raise
            seconds = min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT)
            yield Log(
                f"{error.message} This is tried again in {seconds:g} s (attempt {attempt} of {limit}).",
                warning=True,
            )
            clock.wait(seconds)
            if clock.stopping:
                raise
