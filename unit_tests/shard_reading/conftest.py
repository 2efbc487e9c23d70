"""A Vitess in memory with a table, and what reads its shards by positions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from instruments.scripted_vtgate.model.shard import Shard, Tablet
from instruments.scripted_vtgate.model.world import World
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from source_vitess.keyspace import LiveVitess
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto.binlogdata_pb2 import VEvent
from source_vitess.row_filters.row_filter import RowFilter
from source_vitess.rows.columns import Rows
from source_vitess.schema import StreamedTable
from source_vitess.settings.config import Config
from source_vitess.shard_reading.changes import Span, read_changes
from source_vitess.shard_reading.copies import ShardPart, read_copy
from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import json_schema_for
from unit_tests.syncing import EventTest


class Chosen(World):
    """VTGate takes the tablet that the test has chosen, after `waits` waits the next one."""

    index = 0

    def pick(self, shard: Shard, candidates: list[Tablet]) -> Tablet:  # type: ignore[override] # a sequence there
        """Returns the chosen one, the last if there are not so many."""
        return candidates[min(self.index, len(candidates) - 1)]


@dataclass
class Reading:
    """Reads a table's shards by positions, and keeps what came by key.

    Attributes:
        vitess: The model.
        live: The keyspace.
        streamed: The table as it was at the beginning.
        rows: What a destination holds that applies everything in order.
        given: What came of the last read, in order: operation, and row.
        ranges: Ranges to copy a shard in.
        others: Tables whose changes are read with its.
    """

    vitess: Vitess
    live: LiveVitess
    streamed: StreamedTable
    clock: SystemClock = field(default_factory=SystemClock)
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    given: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ranges: tuple[RowFilter, ...] = ()
    others: tuple[StreamedTable, ...] = ()

    def position(self, shard: str = "-80") -> str:
        """Returns where a shard is now."""
        return self.live.lineage().shards[shard]

    def all(self) -> Vgtid:
        """Returns where the keyspace is now."""
        return self.live.current()

    def copy(self, at_least: str | None = None, shard: str = "-80", *, seconds: float = 300) -> set[str]:
        """Copies a shard; returns the positions of its rows."""
        part = ShardPart(self.vitess.keyspace, shard, at_least or self.position(shard), self.ranges)
        positions = set()
        self.given = []
        for copied in read_copy(self.live, self.clock, self.streamed, part, no_progress_seconds=seconds):
            self._apply(copied.rows)
            positions.add(copied.position)
        return positions

    def changes(self, start: str, end: str | None, shard: str = "-80", *, seconds: float = 300) -> list[str]:
        """Reads changes of a shard; returns their transactions, each once."""
        span = Span(self.vitess.keyspace, shard, start, end)
        transactions: list[str] = []
        self.given = []
        tables = (self.streamed, *self.others)
        for change in read_changes(self.live, self.clock, tables, span, no_progress_seconds=seconds):
            self._apply(change.rows)
            if change.transaction not in transactions[-1:]:
                transactions.append(change.transaction)
        return transactions

    @property
    def given_ids(self) -> list[int]:
        """The ids of the rows that came last."""
        return [row["id"] for _, row in self.given]

    def _apply(self, rows: Rows) -> None:
        for index, members in enumerate(rows.members):
            row = orjson.loads(b"{" + members[:-1] + b"}")
            gone = index in rows.deleted
            self.given.append(("delete" if gone else "row", row))
            if gone:
                self.rows.pop(row["id"], None)
            else:
                self.rows[row["id"]] = row


def nth(number: int, test: EventTest) -> EventTest:
    """Tells the n-th of the events that a test tells."""
    seen: list[VEvent] = []

    def is_nth(event: VEvent) -> bool:
        if not test(event) or event in seen[-1:]:
            return False
        seen.append(event)
        return len(seen) == number

    return is_nth


def streamed_table(live: LiveVitess, name: str, *columns: str) -> StreamedTable:
    """Returns a table as it is read, with all columns unless some are named."""
    table = live.schema().tables[name]
    return StreamedTable(
        table,
        {
            column.name: json_schema_for(parse_column_type(column.column_type), column.charset, TypeOptions())
            for column in table.columns
            if not columns or column.name in columns
        },
    )


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Makes retries follow at once; returns the seconds that they would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(SystemClock, "wait", lambda _, seconds: waited.append(seconds))
    return waited


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A Vitess in memory with table `a`, keyed by `id`; heartbeats come after 10 ms."""
    with Vitess() as running:
        running.heartbeat_scale = 0.002
        running.batch_rows = 3
        running.create_table("a", {"id": "bigint", "name": "varchar(20)"}, key=["id"])
        yield running


@pytest.fixture
def reading(vitess: Vitess, request: pytest.FixtureRequest) -> Iterator[Reading]:
    """Reads table `a`, from the type of tablet that the test's parameter names, else from primaries."""
    tablet_type = getattr(request, "param", "PRIMARY")
    if tablet_type == "REPLICA":
        vitess.make_uneven("PRIMARY", "REPLICA", "REPLICA", "REPLICA")
    config = Config.from_json({"url": vitess.url, "tablet_type": tablet_type})
    with LiveVitess.connect(config, SystemClock()) as live:
        yield Reading(vitess, live, streamed_table(live, "a"))
