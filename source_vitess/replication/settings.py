"""What a sync is to do, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from source_vitess.position.vgtid import Vgtid
from source_vitess.schema import StreamedTable

if TYPE_CHECKING:
    from source_vitess.row_filters.row_filter import RowFilter


@dataclass(frozen=True)
class SyncSettings:
    """How a sync behaves.

    Attributes:
        checkpoint_seconds: Time after which a state is due.
        checkpoint_records: Records after which a state is due.
        copy_seconds: Time after which copying stops for this sync, so that changes are read in between.
        no_progress_seconds: Time without any transaction, while some are known to be missing, that is an error.
        resync_lost_position: Start over instead of failing when the saved position is lost.
        ignore_removed_rows: Go on after a statement that removed rows without row events, instead of failing.
        retries: How often in a row a broken stream is opened again without any progress.
        changes_only: Streams that are new to the connection begin without a copy.
        start: Where they begin if no stream is followed yet; None for where the keyspace is now.
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
    changes_only: bool = False
    start: Vgtid | None = None


@dataclass(frozen=True)
class SelectedStream:
    """A stream of the configured catalog that can be read.

    Attributes:
        streamed: Its table, and the columns to emit.
        incremental: Follow changes; else a full refresh.
        with_meta: Whether records carry the `_ab_cdc_*` members.
        sync_id: The platform's number of this sync, if it gives any.
        generation_id: The platform's number of how often the stream was cleared or refreshed, if it gives any.
        row_filter: Which rows are read; None for all.
    """

    streamed: StreamedTable
    incremental: bool
    with_meta: bool = True
    sync_id: int | None = None
    generation_id: int | None = None
    row_filter: RowFilter | None = None

    @property
    def name(self) -> str:
        """The table's name, which is the stream's."""
        return self.streamed.table.name

    @property
    def where(self) -> Mapping[str, str]:
        """The condition on its rows by table, as a request has it."""
        return {self.name: self.row_filter.where} if self.row_filter is not None else {}
