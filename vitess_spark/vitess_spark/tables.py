"""The tables of a query: one, whose columns are Spark's, or several, whose rows are JSON in an envelope."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from source_vitess.clock import SystemClock
from source_vitess.errors import ConfigError
from source_vitess.keyspace import LiveVitess
from source_vitess.naming import can_be_streamed
from source_vitess.schema import Schema, StreamedTable, Table
from source_vitess.shard_reading.questions import LOG, answer_of

from vitess_spark.offsets import KnownColumns
from vitess_spark.options import ReadOptions
from vitess_spark.table import ReadTable, did_you_mean, readable

#: Columns of an envelope, in front of `META`: the row's table, and its key and itself as JSON objects.
ENVELOPE = ("table", "key", "row")


@dataclass(frozen=True)
class ReadTables:
    """The tables.

    Attributes:
        by_name: By name, in the order of the options.
        in_envelopes: Whether their rows are JSON beside the table's name. Else there is one table.
    """

    by_name: Mapping[str, ReadTable]
    in_envelopes: bool = False

    @property
    def one(self) -> ReadTable:
        """The table, where there is one."""
        [table] = self.by_name.values()
        return table

    def streamed(self) -> tuple[StreamedTable, ...]:
        """Returns the tables as the shards are read."""
        return tuple(table.streamed for table in self.by_name.values())

    def only(self, names: Collection[str]) -> ReadTables:
        """Returns some of the tables."""
        return replace(self, by_name={name: table for name, table in self.by_name.items() if name in names})

    def largest_first(self) -> tuple[str, ...]:
        """Returns the tables' names, the largest first: what takes longest is not to begin last."""
        return tuple(sorted(self.by_name, key=lambda name: -self.by_name[name].table.estimated_bytes))

    def known(self) -> Mapping[str, KnownColumns]:
        """Returns what to remember of the tables' columns."""
        return {name: KnownColumns.of(table.table.columns) for name, table in self.by_name.items()}

    def as_of(self, known: Mapping[str, KnownColumns]) -> ReadTables:
        """Returns the tables with the columns only that they had when the query began, or as they are before that.

        Raises:
            StreamError: A table has others in their places, or one that came later is to be read.
        """
        if not known:
            return self
        tables = self.by_name.items()
        return replace(
            self,
            by_name={
                name: (table.without_later(known[name]) if self.in_envelopes else table).as_of(known[name])
                for name, table in tables
            },
        )

    def log_columns_left_out(self, known: Mapping[str, KnownColumns]) -> None:
        """Says which columns came after the query began, and are not in its rows."""
        for name, before in known.items():
            if later := [column.name for column in self.by_name[name].table.columns[before.count :]]:
                LOG.warning(
                    f"The column {', '.join(map(repr, later))} was added to table {name!r} after the query began, and "
                    "is not in its rows. To read it, start a new query with a new checkpoint, which copies the tables "
                    "again."
                )


def look_up(vitess: LiveVitess, options: ReadOptions, clock: SystemClock, *, followed: bool) -> ReadTables:
    """Returns the tables of the options.

    Args:
        vitess: The keyspace.
        options: What is read.
        clock: Time.
        followed: Whether their changes are read.

    Raises:
        ConfigError: One does not exist, or cannot be read so.
        StreamError: One is of a storage engine without transactions.
        TransientError: That is not known now.
    """
    schema = answer_of(vitess.schema, clock)
    tables = [_existing(name, schema) for name in options.tables]
    routed = answer_of(lambda: vitess.routed(options.tables), clock)
    return ReadTables(
        {table.name: readable(table, options, routed.get(table.name), followed=followed) for table in tables},
        options.in_envelopes,
    )


def _existing(name: str, schema: Schema) -> Table:
    if name in schema.tables:
        return schema.tables[name]
    if not can_be_streamed(name):
        raise ConfigError(
            f"Vitess cannot stream table {name!r}, because of a backtick or a leading slash in its name. Rename it, if "
            "there is one."
        )
    similar = did_you_mean(name.removeprefix(f"{schema.keyspace}."), schema.tables)
    raise ConfigError(f"There is no table {name!r} in keyspace {schema.keyspace!r}.{similar}")
