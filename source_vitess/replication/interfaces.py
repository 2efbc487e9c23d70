"""What a sync needs from outside: streams, positions, time. Tests bring their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from source_vitess.position.lag import Lag
from source_vitess.position.lineage import Finding
from source_vitess.position.vgtid import Vgtid
from source_vitess.schema import StreamedTable
from source_vitess.vstream.events import Event
from source_vitess.vstream.request import StreamRequest


class Vitess(Protocol):
    """The keyspace that is read."""

    def stream(
        self, request: StreamRequest, tables: Mapping[str, StreamedTable]
    ) -> AbstractContextManager[Iterator[Event]]:
        """Opens a VStream. Leaving the context ends it. `current` may be asked while one is open.

        Iteration raises TransientError when the stream broke off, StreamError when one table is the cause,
        PositionLostError, ConfigError.
        """
        ...

    @property
    def tablet_type(self) -> str:
        """The type of tablet that is streamed from: PRIMARY, REPLICA or RDONLY."""
        ...

    @property
    def announces_collations(self) -> bool:
        """Whether changes come with their columns' character sets. If not, those of the sync's beginning count."""
        ...

    @property
    def numbers_transactions(self) -> bool:
        """Whether transactions come with their numbers in the binary log, so that a start of MySQL shows."""
        ...

    @property
    def retention(self) -> Mapping[str, int]:
        """By shard, for how many seconds its tablets keep binary logs; without those that keep all, or may do so."""
        ...

    def shards(self) -> tuple[str, ...]:
        """Returns the selected shards that serve now.

        Raises TransientError, ConfigError.
        """
        ...

    def current(self) -> Vgtid:
        """Returns the position of all serving shards now, as a tablet that is streamed from has it.

        Each shard is answered by one of its tablets, which may be behind the one that answers the next question.
        Transactions that the shard's primary does not have are left out, and the primaries were asked later: so the
        position is of the shards' own lineage, and not past the journal of a reshard.

        Raises TransientError, ConfigError.
        """
        ...

    def lineage(self) -> Vgtid:
        """Returns what the primaries of all serving shards have executed now.

        Raises TransientError, ConfigError.
        """
        ...

    def verify(self, positions: Mapping[str, str]) -> Mapping[str, Finding]:
        """Returns by shard whether changes can be followed from a position, by all tablets that are streamed from.

        Raises TransientError, ConfigError.
        """
        ...

    def last_starts(self, shards: Collection[str], *, all_told: bool = True) -> Mapping[str, float]:
        """Returns by shard when the last MySQL of some shards was started, in seconds since 1970.

        Without those of which no tablet tells, or, if `all_told`, not every one. Raises nothing: what depends on it is
        done either way.
        """
        ...

    def begun_at(self, position: Vgtid, shard: str) -> Mapping[str, str]:
        """Returns by shard the positions at which those begin that a position's shards were resharded to.

        Args:
            position: The position.
            shard: The new shard that is asked about. If it is missing, it is one of a reshard that followed.

        Raises TransientError, ConfigError.
        """
        ...

    def ends_with(self, shard: str, gtid: str) -> frozenset[str]:
        """Returns the other shards that took part in the reshard whose journal comes next after a shard's position.

        Raises TransientError, also if none comes within some seconds, ConfigError.
        """
        ...

    def lags(self) -> Sequence[Lag]:
        """Returns how far the tablets that are streamed from are behind; none for primaries.

        Raises TransientError, ConfigError.
        """
        ...

    def primary_keys(self, table: str, shards: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Returns by shard the columns of a table's primary key now, in key order; empty without one.

        Raises TransientError, ConfigError.
        """
        ...


class Clock(Protocol):
    """Time, and the wish to stop."""

    def now(self) -> float:
        """Returns seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Returns seconds since some moment, never going back."""
        ...

    def wait(self, seconds: float) -> None:
        """Waits; returns at once when the sync is asked to stop."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether the sync is asked to stop."""
        ...
