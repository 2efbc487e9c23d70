"""Which columns a copy asks for, and whether a tablet has those that are read: of a sync and of a read of one shard."""

from __future__ import annotations

from collections.abc import Iterable

from source_vitess.errors import MissingColumnError, SchemaMismatchError
from source_vitess.schema import StreamedTable, Table
from source_vitess.vstream.events import Fields


def columns_to_ask_for(streamed: StreamedTable, also: Iterable[str] = ()) -> tuple[str, ...]:
    """Returns the selected columns, the key's and some more, in the table's order; nothing for all of them.

    VTTablet sends a message when it has so many bytes of values, and a NULL has none: of a table without a key it could
    put all rows into one, which is more than gRPC takes.
    """
    table = streamed.table
    names = {*streamed.selected, *table.key, *also}
    wanted = tuple(column.name for column in table.columns if column.name in names)
    return wanted if table.key and len(wanted) < len(table.columns) else ()


def check_asked(table: Table, asked: tuple[str, ...], fields: Fields) -> None:
    """Checks that VTTablet took the columns that were meant: it takes some names for equal that MySQL does not.

    Raises:
        SchemaMismatchError: It took others.
    """
    if asked and fields.columns != asked:
        raise SchemaMismatchError(
            table.name,
            f"Shard {fields.shard!r} sends the columns {', '.join(fields.columns)} instead of {', '.join(asked)}.",
        )


def check_selected(streamed: StreamedTable, fields: Fields) -> None:
    """Checks that the tablet has what is selected: its schema may be older than an ALTER that the primary has applied.

    Raises:
        MissingColumnError: It does not have a column, or not yet.
    """
    missing = [name for name in streamed.selected if name not in fields.columns]
    if missing:
        table = streamed.table
        raise MissingColumnError(
            table.name,
            f"The tablet of shard {fields.shard!r} does not have the column {', '.join(map(repr, missing))} of table "
            f"{table.name!r}, or not yet: a replica has it once it has replicated the ALTER. If it was dropped, "
            "refresh the source's schema.",
        )
