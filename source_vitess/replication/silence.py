"""How long VTGate has let this side wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from source_vitess.replication.ports import Clock
from source_vitess.vstream.events import Event


class Silence:
    """Adds up the time spent waiting for events.

    What the consumer does with them, such as writing to a stdout that nobody reads for minutes, does not count:
    VTGate is not to blame for it.

    Args:
        clock: Time.

    Attributes:
        seconds: Waited since the last `broken`.
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

    def broken(self) -> None:
        """Notes that something came that was waited for."""
        self.seconds = 0.0
