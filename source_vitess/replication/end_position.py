"""The end position of a sync: where all shards are, and when that was asked for."""

from __future__ import annotations

from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.interfaces import Clock, Vitess


class EndPosition:
    """Asks for the positions that changes are to be read up to.

    Args:
        vitess: The keyspace.
        clock: Time.

    Attributes:
        asked_at: When the end position that counts was asked for, in seconds since 1970.
    """

    def __init__(self, vitess: Vitess, clock: Clock) -> None:
        self._vitess = vitess
        self._clock = clock
        self.asked_at = 0.0
        self._last_asked_at = 0.0

    def ask(self) -> Vgtid:
        """Asks for the position of all serving shards now.

        Raises:
            TransientError: A shard does not answer now.
            ConfigError: The user has to act.
        """
        asked_at = self._clock.now()
        position = self._vitess.current()
        self._last_asked_at = asked_at
        return position

    def adopt(self) -> None:
        """Makes the position that was asked for last the one that counts."""
        self.asked_at = self._last_asked_at
