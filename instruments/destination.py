"""A destination as Airbyte's own deduplicate, written down from their rules: the oracle of Append + Deduped.

- Records are collected, and loaded a batch at a time. A state is acknowledged when everything before it is loaded; at
  once if there is nothing. A copy relies on that: the state that begins it must not be lost while its rows are kept.
- Of a batch, each key keeps the record with the highest cursor, NULLs last; of equal ones, the one extracted last.
- A row of the table is replaced if its cursor is lower, or missing while the new one is not, or if both are equal and
  the new one was extracted later.
- A record with `_ab_cdc_deleted_at` removes the row (hard delete), or replaces it like any other (soft delete).
- A worker may die at any time: what was collected may have been loaded or not, and the next sync has the last state
  that was acknowledged.

It differs from `oracle.py`, which applies records in their order: a destination goes by the cursor alone.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from instruments.oracle import META, Row, canonical

_Key = tuple[Any, ...]


@dataclass(frozen=True)
class _Loaded:
    """A row of a destination's table."""

    data: Row
    extracted_at: int

    @property
    def cursor(self) -> int | None:
        return self.data.get("_ab_cdc_cursor")

    @property
    def deleted(self) -> bool:
        return self.data.get("_ab_cdc_deleted_at") is not None

    def wins_in_batch(self, other: _Loaded) -> bool:
        """The order of `cursor DESC NULLS LAST, extracted_at DESC`."""
        return (self.cursor is not None, self.cursor or 0, self.extracted_at) > (
            other.cursor is not None,
            other.cursor or 0,
            other.extracted_at,
        )

    def replaces(self, old: _Loaded) -> bool:
        """The condition of the MERGE."""
        if old.cursor is None:
            return self.cursor is not None or self.extracted_at > old.extracted_at
        if self.cursor is None:
            return False
        return old.cursor < self.cursor or (old.cursor == self.cursor and self.extracted_at > old.extracted_at)


@dataclass
class Destination:
    """Tables that are deduplicated.

    Attributes:
        keys: By stream, the columns of its key. All streams have one.
        hard: Whether deletions remove rows.
        random: Chooses where batches end.
        tables: By stream, its rows by key.
        acknowledged: The last state before which everything is loaded.
    """

    keys: Mapping[str, Sequence[str]]
    hard: bool
    random: random.Random
    tables: dict[str, dict[_Key, _Loaded]] = field(default_factory=dict)
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    _batch: list[tuple[str, _Loaded]] = field(default_factory=list)
    _states: list[dict[str, Any]] = field(default_factory=list)

    def apply(self, lines: Iterable[bytes]) -> None:
        """Takes lines of a sync, and loads a batch now and then."""
        for line in lines:
            message = json.loads(line, parse_float=Decimal)
            if message["type"] == "RECORD":
                record = message["record"]
                self._batch.append((record["stream"], _Loaded(record["data"], record["emitted_at"])))
            elif message["type"] == "STATE":
                self._states = [json.loads(line)["state"]]
                if not self._batch:
                    self._load(0)
            if self.random.random() < 0.1:
                self._load(len(self._batch))

    def end(self) -> None:
        """The sync is over: everything is loaded."""
        self._load(len(self._batch))

    def die(self) -> None:
        """The worker is gone: of what was collected, some is loaded, and no state is acknowledged."""
        self._states = []
        self._load(self.random.randint(0, len(self._batch)))
        self._batch.clear()

    def _load(self, count: int) -> None:
        newest: dict[tuple[str, _Key], _Loaded] = {}
        for stream, row in self._batch[:count]:
            key = (stream, tuple(row.data[name] for name in self.keys[stream]))
            if key not in newest or row.wins_in_batch(newest[key]):
                newest[key] = row
        for (stream, identity), row in newest.items():
            table = self.tables.setdefault(stream, {})
            old = table.get(identity)
            if old is not None and not row.replaces(old):
                continue
            if not (row.deleted and self.hard):
                table[identity] = row
            elif old is not None:
                del table[identity]
        del self._batch[:count]
        self.acknowledged = self._states or self.acknowledged
        self._states = []

    def rows(self, stream: str, documents: Collection[str] = ()) -> list[str]:
        """Returns the rows that are not deleted, in a form that can be compared, sorted; some columns hold JSON."""
        found = self.tables.get(stream, {}).values()
        return sorted(canonical(_plain(row), documents) for row in found if not row.deleted)

    def deleted(self, stream: str) -> dict[_Key, Row]:
        """Returns the rows that are marked as deleted, as they were."""
        return {key: _plain(row) for key, row in self.tables.get(stream, {}).items() if row.deleted}


def _plain(row: _Loaded) -> Row:
    return {name: value for name, value in row.data.items() if name not in META}
