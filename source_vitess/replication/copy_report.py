"""The log lines that report how far a table's copy is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from source_vitess.replication.interfaces import Clock
from source_vitess.replication.messages import Estimate, Log, Message
from source_vitess.schema import Table

if TYPE_CHECKING:
    from source_vitess.row_filters.row_filter import RowFilter

#: Seconds between two lines that report how far a copy is.
REPORT_SECONDS = 30.0


class CopyReport:
    """Reports the copy of one table.

    Args:
        clock: Time.
        table: The table.
        row_filter: Which of its rows are copied; None for all.

    Attributes:
        records: How many rows were emitted so far.
    """

    def __init__(self, clock: Clock, table: Table, row_filter: RowFilter | None = None) -> None:
        self._clock = clock
        self._table = table
        self._filter = row_filter
        self.records = 0
        self._began = 0.0
        self._reported_at = 0.0
        self._reported_records = 0

    def begin(self, attempt: int) -> Iterator[Message]:
        """Yields what is known of the table's size, and that its copy begins."""
        self._began = self._reported_at = self._clock.monotonic()
        table, about = self._table, ""
        if self._filter is not None:
            # How many rows fit is not known.
            about = f"rows with {self._filter.condition}, "
        elif table.estimated_rows:
            # Statistics that were never gathered report 0, which would be a wrong promise.
            yield Estimate(table.name, table.estimated_rows, table.estimated_bytes)
            about = f"about {table.estimated_rows:,} rows, "
        yield Log(f"Copying table {table.name!r} ({about}attempt {attempt}).")

    def due(self) -> Iterator[Message]:
        """Yields how far a long copy is, every half minute."""
        now = self._clock.monotonic()
        if now - self._reported_at < REPORT_SECONDS:
            return
        rate = (self.records - self._reported_records) / (now - self._reported_at)
        self._reported_at, self._reported_records = now, self.records
        yield Log(f"Copying table {self._table.name!r}: {self.records:,} rows so far, {rate:,.0f} rows/s.")

    def again(self) -> Iterator[Message]:
        """Yields a warning if the copy goes on by emitting rows twice which cannot be told apart."""
        if self.records and not self._table.key:
            yield Log(
                f"Table {self._table.name!r} has no key, so its copy starts from the beginning: the "
                f"{self.records:,} rows that were emitted come again, and nothing tells them apart.",
                warning=True,
            )

    def end(self) -> Message:
        """Returns what was copied, and how fast."""
        seconds = max(self._clock.monotonic() - self._began, 0.001)
        return Log(
            f"Copied table {self._table.name!r}: {self.records:,} rows in {seconds:.1f} s "
            f"({self.records / seconds:,.0f} rows/s)."
        )
