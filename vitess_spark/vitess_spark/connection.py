"""A connection to Vitess, made anew by whoever needs one: the driver's planner and every task are processes alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from source_vitess.clock import SystemClock
from source_vitess.keyspace import LiveVitess
from source_vitess.network.tunnel import reachable
from source_vitess.settings.config import Config
from source_vitess.shard_reading.questions import answer_of


@contextmanager
def connected(config: Config, clock: SystemClock) -> Iterator[LiveVitess]:
    """Yields the keyspace while the context lasts.

    Raises:
        ConfigError: The server cannot be found, or refuses the user, the keyspace, a shard or the tablet type.
        TransientError: It cannot be reached, however often that was tried.
    """
    with ExitStack() as opened:
        reached = opened.enter_context(reachable(config))
        yield opened.enter_context(answer_of(lambda: LiveVitess.connect(reached, clock), clock))
