"""Spark's protocol for streams, in small and without Spark: offsets are written down, then read, then committed.

It does what Spark does, and breaks off wherever Spark can: between any two steps, and within a task or a merge.
"""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from source_vitess.clock import SystemClock
from source_vitess.errors import TransientError
from source_vitess.position.vgtid import contains

from vitess_spark.options import ReadOptions
from vitess_spark.parts import COPY, DELETE, read_part
from vitess_spark.row_text import key_text
from vitess_spark.stream import TableStream, look_up_tables

Row = dict[str, Any]
Key = tuple[Any, ...]


#: As spark.task.maxFailures.
TASK_FAILURES = 4


class KilledError(Exception):
    """The driver died."""


@dataclass
class Engine:
    """A query with a checkpoint and a sink that merges by key: its values, or of several tables its name and its text.

    Attributes:
        options: The query's options.
        chance: Everything that is random.
        death: The chance to die at each of the moments at which that is possible.
        offsets: The checkpoint's log of offsets, as text.
        committed: How many batches are committed.
        rows: What the sink holds.
        counts: What happened.
    """

    options: Mapping[str, str]
    chance: random.Random
    death: float = 0.0
    offsets: list[str] = field(default_factory=list)
    committed: int = 0
    rows: dict[Key, Row] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    clock: SystemClock | None = None

    def run(self, *, available_now: bool = False, batches: int = 1000) -> None:
        """Starts the query and runs it until there is nothing to read, or for so many batches.

        Raises:
            KilledError: It died; what the checkpoint and the sink hold stays.
            ConnectorError: It ended with an error.
        """
        options = ReadOptions.parse(self.options, streaming=True)
        # Spark makes the reader once to plan and once to run, from bytes.
        options, tables = pickle.loads(pickle.dumps((options, look_up_tables(options, followed=True))))
        stream = TableStream(options, tables)
        if available_now:
            stream.prepare_available_now()
        for _ in range(batches):
            if self.committed == len(self.offsets):
                self._may_die("before an offset")
                begin = self._offset(len(self.offsets) - 1, stream)
                end = stream.latest(begin, options.most_transactions)
                if end == begin:
                    return
                self._may_die("between an offset and the log")
                self.offsets.append(json.dumps(end))
            self._may_die("before a batch")
            for left in reversed(range(TASK_FAILURES)):
                try:
                    self._batch(options, stream)
                    break
                except TransientError:
                    # Spark tries a task again from its beginning; here that is the batch.
                    self.counts["failed tasks"] += 1
                    if not left:
                        raise
            self._may_die("before a commit")
            self.committed += 1
            self.counts["batches"] += 1

    def run_to_the_end(self, *, tries: int = 200, available_now: bool = True) -> None:
        """Starts the query again and again until it ends by itself."""
        for _ in range(tries):
            try:
                self.run(available_now=available_now)
            except KilledError:
                continue
            return
        raise AssertionError(f"not at an end after {tries} starts: {self.counts}")

    def expect_equal(self, rows: Mapping[Key, Row]) -> None:
        """Compares the sink with a table."""
        missing = sorted(map(repr, rows.keys() - self.rows.keys()))
        extra = sorted(map(repr, self.rows.keys() - rows.keys()))
        differs = sorted(repr(key) for key in rows.keys() & self.rows.keys() if rows[key] != self.rows[key])
        wrong = {"missing": missing[:9], "too many": extra[:9], "different": differs[:9]}
        assert not any(wrong.values()), f"{wrong} of {len(rows)} rows; {dict(self.counts)}"

    def _offset(self, index: int, stream: TableStream) -> dict[str, Any]:
        return dict(json.loads(self.offsets[index])) if index >= 0 else stream.initial()

    def _batch(self, options: ReadOptions, stream: TableStream) -> None:
        begin, end = self._offset(self.committed - 1, stream), self._offset(self.committed, stream)
        parts = list(stream.parts(begin, end))
        tables = stream.read_tables(end)
        self.chance.shuffle(parts)
        latest: dict[Key, tuple[int, str, Row]] = {}
        keys = {name: table.table.key for name, table in tables.by_name.items()}
        for part in parts:
            tries = 1 + (self.chance.random() < self.death)
            read: list[tuple[int, str, Key, Row]] = []
            for attempt in range(tries):
                again: list[tuple[int, str, Key, Row]] = []
                stop = self.chance.randint(0, 20) if attempt < tries - 1 else -1
                for rows in read_part(options, tables.only(part.tables), pickle.loads(pickle.dumps(part)), self.clock):
                    if len(again) >= stop >= 0:
                        self.counts["repeated tasks"] += 1
                        break
                    for index, (members, operation) in enumerate(zip(rows.members, rows.operations, strict=True)):
                        row = json.loads(b"{" + members[:-1] + b"}")
                        names = keys[rows.table]
                        key: Key = tuple(row[name] for name in names)
                        if options.in_envelopes:
                            key = (rows.table, key_text(members.decode(), names))
                        again.append((rows.first + index, operation, key, row))
                read = again
            for number, operation, key, row in read:
                self.counts[operation] += 1
                if key not in latest or latest[key][0] < number:
                    latest[key] = number, operation, row
        self._merge(latest)

    def _merge(self, latest: Mapping[Key, tuple[int, str, Row]]) -> None:
        items = list(latest.items())
        self.chance.shuffle(items)
        stop = self.chance.randint(0, len(items)) if self.chance.random() < self.death else -1
        for index, (key, (_, operation, row)) in enumerate(items):
            if index == stop:
                self.counts["kills"] += 1
                raise KilledError
            if operation == DELETE:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row

    def _may_die(self, moment: str) -> None:
        if self.chance.random() < self.death:
            self.counts["kills"] += 1
            self.counts[moment] += 1
            raise KilledError(moment)

    def reread(self) -> None:
        """Reads a batch of changes that is long over once more: its rows have to be the same.

        A copy is of another moment each time.
        """
        options = ReadOptions.parse(self.options, streaming=True)
        stream = TableStream(options, look_up_tables(options, followed=True))
        for index in range(1, self.committed):
            found = []
            for _ in range(2):
                begin, end = self._offset(index - 1, stream), self._offset(index, stream)
                rows = []
                for part in stream.parts(begin, end):
                    for read in read_part(options, stream.read_tables(end), part, self.clock):
                        assert COPY not in read.operations
                        rows += sorted(zip(read.members, read.operations, strict=True))
                found.append(sorted(rows))
            assert found[0] == found[1]
            self.counts["batches read again"] += 1

    def copy(self) -> Engine:
        """Returns another query that goes on from the same checkpoint."""
        return copy.deepcopy(self)

    def expect_growing(self) -> None:
        """Expects that no shard's position ever went back."""
        before: dict[str, str] = {}
        for text in self.offsets:
            shards = json.loads(text)["vgtid"]
            for shard, gtid in shards.items():
                assert shard not in before or contains(gtid, before[shard])
            before = shards
