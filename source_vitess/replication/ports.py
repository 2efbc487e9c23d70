"""What a sync needs of the world: streams, positions, time. Tests bring their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from source_vitess.position.lag import Lag
from source_vitess.position.lineage import Finding
from source_vitess.position.vgtid import Vgtid
from source_vitess.vstream.events import Event
from source_vitess.vstream.reader import StreamedTable
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

    def shards(self) -> tuple[str, ...]:
        """Returns the selected shards that serve now.

        Raises TransientError, ConfigError.
        """
        ...

    def current(self) -> Vgtid:
        """Returns the position of all serving shards now, as a tablet that is streamed from has it.

        Each shard is answered by one of its tablets, which may be behind the one that answers the next question.
        Transactions that the shard's primary does not have are left out, and the primaries were asked later: so the
        position is of the shards' own lineage, and not behind the journal of a reshard.

        Raises TransientError, ConfigError.
        """
        ...

    def lineage(self) -> Vgtid:
        """Returns what the primaries of all serving shards have executed now.

        Raises TransientError, ConfigError.
        """
        ...

    def verify(self, positions: Mapping[str, str]) -> Mapping[str, Finding]:
        """Tells by shard whether changes can be followed from a position, by all tablets that are streamed from.

        Raises TransientError, ConfigError.
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


@dataclass(frozen=True)
class SyncSettings:
    """How a sync behaves.

    Attributes:
        checkpoint_seconds: Time after which a state is due.
        checkpoint_records: Records after which a state is due.
        copy_seconds: Time after which copying stops for this sync, so that changes are read in between.
        no_progress_seconds: Time without any transaction, while some are known to be missing, that is an error.
        resync_lost_position: Start over instead of failing when the saved position is lost.
        ignore_removed_rows: Go on after a statement that removed rows without telling which, instead of failing.
        retries: How often in a row a broken stream is opened again without any progress.
        streaming_seconds: Time for which changes are read as they happen, once all streams are caught up.
    """

    checkpoint_seconds: float = 60
    checkpoint_records: int = 100_000
    copy_seconds: float = 8 * 3600
    no_progress_seconds: float = 300
    resync_lost_position: bool = False
    ignore_removed_rows: bool = False
    retries: int = 6
    streaming_seconds: float = 0


@dataclass(frozen=True)
class SelectedStream:
    """A stream of the configured catalog that can be read.

    Attributes:
        streamed: Its table, and the columns to emit.
        incremental: Follow changes; else a full refresh.
        with_meta: Whether records carry the `_ab_cdc_*` members.
        sync_id: The platform's number of this sync, if it gives any.
    """

    streamed: StreamedTable
    incremental: bool
    with_meta: bool = True
    sync_id: int | None = None

    @property
    def name(self) -> str:
        """The table's name, which is the stream's."""
        return self.streamed.table.name
