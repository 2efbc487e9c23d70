"""A table that is read: its columns in MySQL and in Spark, and whether it can be read at all."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from source_vitess.errors import ConfigError, StreamError
from source_vitess.mysql.routing import Routed, routed_message
from source_vitess.schema import Column, StreamedTable, Table, is_transactional
from source_vitess.shard_reading.changes import without_transactions
from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import json_schema_for

from vitess_spark.forms import Form, form_of
from vitess_spark.names import written
from vitess_spark.offsets import KnownColumns
from vitess_spark.options import ReadOptions

#: Columns that every row has beside its own: what was done, the order of a key's rows, where and when, and the position
#: that a copied row is of, or the transaction that changed it.
META = ("_vt_op", "_vt_seq", "_vt_shard", "_vt_time", "_vt_position")


@dataclass(frozen=True)
class ReadTable:
    """The table.

    Attributes:
        streamed: As the shards are read.
        forms: By column that is read, what it is in Spark; in the table's order.
    """

    streamed: StreamedTable
    forms: Mapping[str, Form]

    @property
    def table(self) -> Table:
        """The table as it was when it was looked at."""
        return self.streamed.table

    def columns(self) -> tuple[Column, ...]:
        """Returns the columns that are read, in the table's order."""
        return tuple(column for column in self.table.columns if column.name in self.forms)

    def without_later(self, known: KnownColumns) -> ReadTable:
        """Returns the table without the columns that are behind those that it had when the query began."""
        names = {column.name for column in self.table.columns[: known.count]}
        selected = {name: schema for name, schema in self.streamed.selected.items() if name in names}
        forms = {name: form for name, form in self.forms.items() if name in names}
        return replace(self, streamed=replace(self.streamed, selected=selected), forms=forms)

    def as_of(self, known: KnownColumns) -> ReadTable:
        """Returns the table with the columns only that it had when the query began.

        Raises:
            StreamError: It has others in their places, or one that came later is to be read.
        """
        table = self.table
        if not known.are_first_of(table.columns):
            raise StreamError(
                table.name,
                f"Table {table.name!r} was altered since the query began: its first {known.count} columns are others "
                "now, so that changes of before cannot be read by them. Start a new query with a new checkpoint, which "
                "copies the table again.",
            )
        columns = table.columns[: known.count]
        names = [column.name for column in columns]
        if later := [name for name in self.forms if name not in names]:
            kept = ", ".join(written(name) for name in self.forms if name in names)
            raise StreamError(
                table.name,
                f"The column {', '.join(map(repr, later))} was added to table {table.name!r} after the query began. To "
                f"go on without it, give the option columns: {kept}. To read it, start a new query with a new "
                "checkpoint, which copies the table again.",
            )
        return replace(self, streamed=replace(self.streamed, table=replace(table, columns=columns)))


def readable(table: Table, options: ReadOptions, routed: Routed | None, *, followed: bool) -> ReadTable:
    """Returns a table as the options read it.

    Args:
        table: The table.
        options: What is read.
        routed: Where VTGate sends its queries, if that is another keyspace.
        followed: Whether its changes are read.

    Raises:
        ConfigError: It cannot be read so.
        StreamError: Its storage engine has no transactions.
    """
    if routed is not None and not routed.is_followed:
        raise ConfigError(routed_message(table.name, options.config.keyspace, routed))
    if not is_transactional(table.engine):
        raise without_transactions(table.name)
    selected = _selected(table, options)
    if followed:
        _check_followed(table, selected, options)
    types = TypeOptions(tinyint1_as_boolean=options.config.tinyint1_as_boolean)
    schemas = {
        column.name: json_schema_for(parse_column_type(column.column_type), column.charset, types)
        for column in selected
    }
    forms = {column.name: form_of(column, schemas[column.name]) for column in selected}
    return ReadTable(StreamedTable(table, schemas), forms)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a sentence with the name that is nearest to an unknown one, whatever its case; empty if none is near.

    A name of which the unknown one is what a comma or a space has left is the nearest.
    """
    by_folded = {one.casefold(): one for one in known}
    wanted = name.casefold()
    parts = (folded for folded in by_folded if wanted in map(str.strip, folded.split(",")) and wanted != folded)
    close = [*parts, *difflib.get_close_matches(wanted, by_folded, n=1)]
    if not close:
        return ""
    found = by_folded[close[0]]
    option = written(found)
    return f" Did you mean {found!r}?" if option == found else f" Did you mean {found!r}? It is written {option}."


def _selected(table: Table, options: ReadOptions) -> tuple[Column, ...]:
    if unknown := [name for name in options.columns if name not in table.columns_by_name]:
        similar = did_you_mean(unknown[0], table.columns_by_name)
        raise ConfigError(f"Table {table.name!r} has no column {', '.join(map(repr, unknown))}.{similar}")
    selected = tuple(column for column in table.columns if not options.columns or column.name in options.columns)
    taken = [column.name for column in selected if column.name.lower() in META]
    if taken and not options.in_envelopes:
        raise ConfigError(
            f"The column {', '.join(map(repr, taken))} of table {table.name!r} has a name that this data source gives "
            "to a column of its own. Leave it out by the option columns, or rename it."
        )
    return selected


def _check_followed(table: Table, selected: tuple[Column, ...], options: ReadOptions) -> None:
    """Refuses a table whose changed rows could not be told from each other.

    Raises:
        ConfigError: It is one.
    """
    if not table.key:
        raise ConfigError(
            f"Table {table.name!r} has no primary key, and no unique one without NULLs, by which its changes could be "
            "merged. Give it a primary key; a batch (spark.read) reads it without."
        )
    names = {column.name for column in selected}
    if missing := [name for name in table.key if name not in names]:
        raise ConfigError(
            f"The key of table {table.name!r} has the column {', '.join(map(repr, missing))}, which the option columns "
            "leaves out: changes could not be merged without it."
        )
    for name in table.key:
        if options.copies and parse_column_type(table.columns_by_name[name].column_type).name == "float":
            raise ConfigError(
                f"The key of table {table.name!r} has the FLOAT column {name!r}. A copy has six of its digits, and "
                "a change has all, so that changes would not find copied rows. Change the column to DOUBLE or DECIMAL."
            )
