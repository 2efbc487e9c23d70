"""What reading a shard needs from outside, beyond what a sync needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def columns(self, tables: Sequence[str], shard: str) -> Mapping[str, tuple[Column, ...]] | None:
        """Returns the columns of tables in a shard now, without tables that are not there; None if it does not serve.

        Raises TransientError, ConfigError.
        """
        ...
