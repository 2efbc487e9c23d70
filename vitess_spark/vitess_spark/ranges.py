"""Which rows of its shard a task reads: ranges of the primary key, and conditions on it.

Only what MySQL and VTTablet are known to compare alike is ever sent (`row_filters`). So a key that begins with a column
of which that is not known cannot be cut. What Spark compares otherwise is seen to in `pushed_filters`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from source_vitess.clock import SystemClock
from source_vitess.conditions.parser import can_be_written
from source_vitess.conditions.values import Comparison, Condition, Operator, Term
from source_vitess.errors import ConfigError
from source_vitess.keyspace import LiveVitess
from source_vitess.row_filters.comparable import COLLATIONS, NotComparableError
from source_vitess.row_filters.row_filter import ColumnDetails, RowFilter, copied_rows, kind_of_column
from source_vitess.schema import Table
from source_vitess.shard_reading.key_ranges import SOUGHT, Key, choose_cuts, in_ranges, seek_keys
from source_vitess.shard_reading.questions import LOG, answer_of

#: Rows that one question passes over at most: VTTablet ends a statement after half a minute
#: (--queryserver-config-query-timeout, go/vt/vttablet/tabletserver/tabletenv/config.go).
LONGEST_STEP = 500_000

#: Kinds of columns (`comparable.kind_of`), by their first words, that have an order which is the same for all. Left out
#: are ENUM, whose labels are not compared by less and greater, and TIMESTAMP, whose text depends on who asks.
_CUT = ("integer", "year", "decimal", "binary", "date", "text in ")

#: For each task in a shard, conditions of which each of its rows fits one; none for all rows.
Ranges = Sequence[tuple[RowFilter, ...]]
Details = Mapping[str, ColumnDetails]


def ranges_of(
    vitess: LiveVitess, clock: SystemClock, table: Table, shards: Sequence[str], parts: int, terms: Sequence[Term] = ()
) -> Mapping[str, Ranges]:
    """Returns by shard what its tasks read; nothing if each shard has one task, which reads all.

    Args:
        vitess: The keyspace.
        clock: Time.
        table: The table.
        shards: The shards.
        parts: How many tasks a shard should have; it gets fewer if it has not as many keys.
        terms: Terms that have to be true of all rows, on columns of the key.

    Raises:
        ConfigError: The table's key cannot be cut, or this Vitess does not choose rows.
        TransientError: A shard does not answer, however often it was asked.
    """
    if parts == 1 and not terms:
        return {}
    if not vitess.topology.release.filters_rows:
        raise ConfigError(
            "The option partitionsPerShard needs Vitess 22 or later, whose tablets can read a range of a table's key; "
            f"this is Vitess {vitess.topology.version}. Leave it out."
        )
    details = answer_of(lambda: vitess.column_details(table.name), clock)
    columns = cut_columns(table, details) if parts > 1 else ()
    step = max(1, min(LONGEST_STEP, 2 * table.estimated_rows // (len(shards) * parts * SOUGHT)))

    def fits(key: Key) -> bool:
        return can_be_compared(table, details, columns, key)

    def sought(shard: str) -> list[Key]:
        where = str(Condition(tuple(terms))) if terms else ""
        with vitess.key_seeks(shard, table, columns, where) as seeks:
            keys = seek_keys(seeks.seek, fits, step, parts * SOUGHT)
        cuts = choose_cuts(keys, parts)
        if len(cuts) < parts - 1 <= len(keys):
            LOG.warning(
                f"Shard {shard!r} is read by {len(cuts) + 1} tasks instead of {parts}: table {table.name!r} has too "
                f"few keys there that differ in {', '.join(columns)} and that a condition can hold."
            )
        return cuts

    made: dict[str, Ranges] = {}
    for shard in shards:
        cuts = answer_of(lambda: sought(shard), clock) if columns else []  # noqa: B023 - it is called here
        made[shard] = [
            tuple(copied_rows(Condition((*terms, *one)), table, details) for one in task if terms or one)
            for task in in_ranges(columns, cuts)
        ]
    return made


def cut_columns(table: Table, details: Details) -> tuple[str, ...]:
    """Returns the first columns of a table's primary key, as many as ranges can be made of.

    Raises:
        ConfigError: Not even of the first one.
    """
    if not table.has_primary_key or not table.presorted:
        raise ConfigError(
            f"The option partitionsPerShard cuts a table by its primary key, in that key's order, and table "
            f"{table.name!r} has no primary key, or one over the beginning of a column, or with columns of which some "
            "descend. Leave it out."
        )
    found: list[str] = []
    for name in table.key:
        column = table.columns_by_name[name]
        try:
            kind = kind_of_column(column, details.get(name, ColumnDetails()))
        except NotComparableError:
            kind = ""
        if not kind.startswith(_CUT):
            break
        found.append(name)
    if not found:
        first = table.columns_by_name[table.key[0]]
        collation = details.get(first.name, ColumnDetails()).collation
        raise ConfigError(
            f"The option partitionsPerShard cannot cut table {table.name!r}: its primary key begins with "
            f"{first.name!r}, which is {first.column_type[:80]}{f' in {collation}' if collation else ''}. What MySQL "
            "and Vitess order alike are integers, DECIMAL, YEAR, DATE, DATETIME, BINARY, VARBINARY, and CHAR and "
            f"VARCHAR with a collation of {', '.join(COLLATIONS.values())}. Leave it out."
        )
    return tuple(found)


def can_be_compared(table: Table, details: Details, columns: Sequence[str], key: Key) -> bool:
    """Tells whether a key can be a border: MySQL and VTTablet agree which rows are before, at and behind it."""
    if any(isinstance(value, str) and not can_be_written(value) for value in key):
        return False
    try:
        for column, value in zip(columns, key, strict=True):
            for operator in (Operator.LESS, Operator.EQUAL, Operator.GREATER, Operator.GREATER_OR_EQUAL):
                copied_rows(Condition((Comparison(column, operator, value),)), table, details)
    except NotComparableError:
        return False
    return True
