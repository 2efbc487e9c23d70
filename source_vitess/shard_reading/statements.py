"""Statements after which the rows that were read of a table cannot be relied on.

A reader of positions has no state in which it could note that a table is to be copied anew: the statement is an error,
and so is whatever could change what a column's name means. Columns that are added behind the others are no matter.
"""

from __future__ import annotations

from collections.abc import Sequence

from source_vitess.errors import SchemaMismatchError, StreamError
from source_vitess.replication.ddl_effects import charsets_named, column_changes, not_understood, rows_gone
from source_vitess.schema import Column, Table

_REMEDY = "Start a new query with a new checkpoint, which copies the table again."


def refused_statement(known: Table, shard: str, statement: str) -> StreamError | None:
    """Returns the error that a statement is for who follows a table; None if it is no matter.

    Args:
        known: The table, as its changes are read.
        shard: Where the statement ran.
        statement: Its text.
    """
    table = known.name
    for gone in rows_gone(statement):
        if gone.table == table:
            return StreamError(
                table,
                f"Table {table!r} was {gone.how} in shard {shard!r}, which removes rows without row events. {_REMEDY}",
            )
    changes = column_changes(statement)
    touched: frozenset[str] = frozenset()
    if changes is not None and changes.table == table:
        # A column that is known already was added before the rows of now, and after those that came before.
        later = {name.lower() for name in changes.added} - {column.name.lower() for column in known.columns}
        touched = changes.vacated | (changes.mentioned - later)
    if touched or charsets_named(statement) == table:
        named = f" ({', '.join(sorted(touched))})" if touched else ""
        return StreamError(table, f"Columns of table {table!r}{named} were altered in shard {shard!r}. {_REMEDY}")
    unclear, beginning = not_understood(statement, (table,))
    if unclear:
        return StreamError(
            table,
            f"A statement in shard {shard!r} names table {table!r} and is not understood: {beginning} Please report "
            f"it. It may have removed rows or changed stored values. {_REMEDY}",
        )
    return None


def altered(table: Table, shard: str, now: Sequence[Column]) -> SchemaMismatchError | None:
    """Returns the error for a table whose columns are not those that it had, with others behind them at most.

    Args:
        table: As it was when the query began.
        shard: The shard that was read.
        now: The table's columns there now.
    """
    before = [(column.name, column.column_type, column.charset) for column in table.columns]
    if [(column.name, column.column_type, column.charset) for column in now[: len(before)]] == before:
        return None
    what = "was altered" if now else "was dropped or renamed"
    return SchemaMismatchError(
        table.name,
        f"Table {table.name!r} {what} in shard {shard!r} since the query began, so that its changes cannot be read by "
        f"the columns of then. {_REMEDY}",
    )
