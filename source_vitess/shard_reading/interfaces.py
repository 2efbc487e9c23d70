"""What reading a shard needs from outside, beyond what a sync needs."""

from __future__ import annotations

from typing import Protocol

from source_vitess.replication.interfaces import Vitess
from source_vitess.schema import Column
from source_vitess.vstream.events import Journal


class Keyspace(Vitess, Protocol):
    """The keyspace that is read."""

    def next_journal(self, shard: str, gtid: str) -> Journal:
        """Returns the journal of a reshard that comes next after a shard's position.

        Raises TransientError, also if none comes within a minute, PositionLostError, ConfigError.
        """
        ...

    def columns(self, table: str, shard: str) -> tuple[Column, ...] | None:
        """Returns a table's columns in a shard now; none without the table, None if the shard does not serve.

        Raises TransientError, ConfigError.
        """
        ...
