"""Which parts a batch is made of, and what a stream reads next. Spark asks; nothing is kept but what it is told.

- A stream that copies begins with the position of now, P0, and Spark has written that down before a task starts. Each
  task of the copy refuses a position that does not contain P0, and all changes since P0 follow, deletes included. So a
  copy that was repeated in part, or whose rows are of later positions, becomes right by the changes.
- A batch of changes is a set of transactions, which any tablet with the binary logs can give again.
- Until the first changes have passed the positions of the copy, the shards are not at one moment. So with
  Trigger.AvailableNow the changes behind a copy are read up to what the primaries have executed when it is over, which
  contains whatever the tablets have that were copied from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from source_vitess.clock import SystemClock
from source_vitess.conditions.values import Term
from source_vitess.errors import ConfigError
from source_vitess.keyspace import LiveVitess
from source_vitess.position.vgtid import Vgtid
from source_vitess.shard_reading.copies import ShardPart
from source_vitess.shard_reading.questions import answer_of, verified
from source_vitess.shard_reading.steps import next_position, spans

from vitess_spark.connection import connected
from vitess_spark.offsets import Offset
from vitess_spark.options import ReadOptions
from vitess_spark.parts import Part
from vitess_spark.pushed_filters import pushed_terms
from vitess_spark.ranges import ranges_of
from vitess_spark.replication import Behind, expect_replication, warn_of_lags
from vitess_spark.tables import ReadTables, look_up

Json = dict[str, Any]

#: Seconds after which a running query asks for lags again: VTGate asks every replica then.
LAGS_EVERY = 60.0


def look_up_tables(options: ReadOptions, *, followed: bool) -> ReadTables:
    """Returns the tables of the options, once Vitess and its MySQL servers are known to be fit for it.

    Raises:
        ConfigError: The user has to act.
        TransientError: That is not known now.
    """
    clock = SystemClock()
    with connected(options.config, clock) as vitess:
        answer_of(vitess.inspect_binlogs, clock)
        return look_up(vitess, options, clock, followed=followed)


def batch_parts(options: ReadOptions, tables: ReadTables, terms: Sequence[Term] = ()) -> Sequence[Part]:
    """Returns the parts of tables as they are now.

    Args:
        options: What is read.
        tables: The tables.
        terms: Terms on columns of the key, without which a row need not be read.

    Raises:
        ConfigError: The user has to act.
        TransientError: A shard does not answer, however often it was asked.
    """
    clock = SystemClock()
    with connected(options.config, clock) as vitess:
        expect_replication(vitess, clock)
        return _copy_parts(vitess, clock, options, tables, answer_of(vitess.current, clock), 0, terms)


def batch_terms(options: ReadOptions, tables: ReadTables, filters: Sequence[object]) -> tuple[Term, ...]:
    """Returns what VTTablet is to evaluate of Spark's filters on a batch; nothing before Vitess 22.

    Raises:
        ConfigError: The user has to act.
        TransientError: The table is not known now.
    """
    clock = SystemClock()
    with connected(options.config, clock) as vitess:
        if not vitess.topology.release.filters_rows:
            return ()
        table = tables.one.table
        return pushed_terms(filters, table, answer_of(lambda: vitess.column_details(table.name), clock))


class TableStream:
    """The driver's half of a stream.

    Args:
        options: What is read.
        tables: The tables as they are.
    """

    def __init__(self, options: ReadOptions, tables: ReadTables) -> None:
        self._options = options
        self._tables = tables
        self._has_looked_for_later_columns = False
        self._target: Vgtid | None = None
        self._behind: frozenset[Behind] = frozenset()
        self._asked_for_lags_at = -math.inf
        self._extended = False

    def initial(self) -> Json:
        """Returns the offset at which the first batch begins. It is the same whenever it is asked for."""
        options = self._options
        return Offset(
            options.config.keyspace,
            options.tables,
            shards=options.start.shards if options.start is not None else None,
            in_envelopes=options.in_envelopes,
        ).to_json()

    def prepare_available_now(self) -> None:
        """Takes the position of now for all that there is to read.

        Raises:
            ConfigError: The user has to act.
            TransientError: A shard does not answer, however often it was asked.
        """
        clock = SystemClock()
        with connected(self._options.config, clock) as vitess:
            expect_replication(vitess, clock)
            self._target = answer_of(vitess.current, clock)
        self._extended = False

    def latest(self, start: Json, most: int | None) -> Json:
        """Returns the offset at which the next batch ends; `start` itself if there is nothing to read.

        Args:
            start: Where it begins.
            most: Transactions of a shard that it has at most.

        Raises:
            ConfigError: The user has to act; the checkpoint is of something else.
            PositionLostError: Changes since then are gone.
            TransientError: That is not known now.
        """
        offset = self._offset(start)
        tables = self._tables.as_of(offset.columns)
        if not self._has_looked_for_later_columns:
            self._has_looked_for_later_columns = True
            self._tables.log_columns_left_out(offset.columns)
        clock = SystemClock()
        with connected(self._options.config, clock) as vitess:
            here = offset.vgtid
            target = self._next_target(vitess, clock, offset)
            if here is None:
                return self._after(offset, target, tables, copied=self._options.copies)
            if self._options.config.shards:
                # Each has ended in a reshard, or is left out now: for its journal one would wait in vain.
                ended = {shard: gtid for shard, gtid in here.shards.items() if shard not in target.shards}
                answer_of(lambda: verified(vitess, here.keyspace, ended), clock)
            reached = answer_of(lambda: next_position(vitess, here, target, most), clock)
            if reached == here:
                return start
            # What cannot be read any more is an error before a task starts.
            starts = {span.shard: span.start for span in spans(here, reached)}
            answer_of(lambda: verified(vitess, here.keyspace, starts), clock)
            return self._after(offset, reached, tables)

    def parts(self, start: Json, end: Json) -> Sequence[Part]:
        """Returns what a batch is made of, the same whenever it is asked for.

        Raises:
            ConfigError: The checkpoint is of something else.
            TransientError: Vitess cannot be reached.
        """
        begins, ends = self._offset(start), self._offset(end)
        self._tables.as_of(ends.columns)
        there, here = ends.vgtid, begins.vgtid
        if begins.number == 0 and ends.copied is not self._options.copies:
            began = "with a copy" if ends.copied else "without a copy"
            raise ConfigError(
                f"The query of this checkpoint began {began}, and the option startingPosition says otherwise now. Set "
                "it back, or start a new query with a new checkpoint."
            )
        if there is None or there == here:
            return ()
        if here is None:
            # What begins with the position of now without a copy has nothing before that.
            return self._copied(there, begins.number) if ends.copied else ()
        found = list(spans(here, there))
        clock = SystemClock()
        with connected(self._options.config, clock) as vitess:
            answer_of(vitess.inspect_binlogs, clock)
            images, tables = vitess.row_images, self._options.tables
            return tuple(
                Part(span, begins.number, tables, {shard: images[shard] for shard in images if shard == span.shard})
                for span in found
            )

    def _copied(self, there: Vgtid, number: int) -> Sequence[Part]:
        clock = SystemClock()
        with connected(self._options.config, clock) as vitess:
            return _copy_parts(vitess, clock, self._options, self._tables, there, number)

    def read_tables(self, end: Json) -> ReadTables:
        """Returns the tables as the tasks of a batch read them: with the columns that they had when the query began."""
        return self._tables.as_of(self._offset(end).columns)

    def _next_target(self, vitess: LiveVitess, clock: SystemClock, offset: Offset) -> Vgtid:
        if self._target is None:
            if clock.now() - self._asked_for_lags_at >= LAGS_EVERY:
                self._asked_for_lags_at = clock.now()
                self._behind = warn_of_lags(answer_of(vitess.lags, clock), self._behind)
            return answer_of(vitess.current, clock)
        if offset.copied and not self._extended:
            self._target = answer_of(vitess.lineage, clock)
            self._extended = True
        return self._target

    def _after(self, offset: Offset, reached: Vgtid, tables: ReadTables, *, copied: bool = False) -> Json:
        columns = offset.columns or tables.known()
        return replace(
            offset, number=offset.number + 1, shards=reached.shards, columns=columns, copied=copied
        ).to_json()

    def _offset(self, value: Mapping[str, Any]) -> Offset:
        options = self._options
        return Offset.from_json(value, options.config.keyspace, options.tables, in_envelopes=options.in_envelopes)


def _copy_parts(
    vitess: LiveVitess,
    clock: SystemClock,
    options: ReadOptions,
    tables: ReadTables,
    position: Vgtid,
    number: int,
    terms: Sequence[Term] = (),
) -> tuple[Part, ...]:
    shards = tuple(position.shards)
    parts: list[Part] = []
    for name in tables.largest_first():
        table = tables.by_name[name].table
        made = ranges_of(vitess, clock, table, shards, options.partitions_per_shard, terms)
        parts += (
            Part(ShardPart(position.keyspace, shard, gtid, ranges), number, (name,))
            for shard, gtid in position.shards.items()
            for ranges in made.get(shard, ((),))
        )
    return tuple(parts)
