"""What statements of the change stream do to rows and columns, as far as no row event shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from source_vitess.ddl.parser import parse
from source_vitess.ddl.statements import (
    AddColumn,
    AlterColumn,
    AlterTable,
    ChangeColumn,
    ColumnDefinition,
    ConvertTo,
    CreateTable,
    DropColumn,
    DropTables,
    Engine,
    Partitions,
    RenameColumn,
    RenameTables,
    RenameTo,
    TableName,
    Tablespace,
    TruncateTable,
)
from source_vitess.ddl.tokens import without_literals
from source_vitess.replication.shadow_tables import is_shadow

_Pairs = Sequence[tuple[TableName, TableName]]


@dataclass(frozen=True)
class RowsGone:
    """A table lost rows without row events.

    Attributes:
        table: The table.
        how: What was done to it, as in `truncated`.
        replaced: Other rows may have come in their place, without row events too.
    """

    table: str
    how: str
    replaced: bool = False


@dataclass(frozen=True)
class ColumnChanges:
    """What an ALTER TABLE does to the names of columns.

    Attributes:
        table: The table.
        added: Columns that are new, as they are written.
        dropped: Columns that are no more, in lower case as all others.
        vacated: These, and names that columns had before they got another.
        mentioned: Columns that are named otherwise than to be dropped, be it by a name that they have no longer.
    """

    table: str
    added: frozenset[str]
    dropped: frozenset[str]
    vacated: frozenset[str]
    mentioned: frozenset[str]


def rows_gone(statement: str) -> Iterator[RowsGone]:
    """Yields each table that lost rows by a statement.

    A rename that puts a shadow table in the place of the first, as online schema changes end, keeps the rows and is
    not one of these; any other table in its place has rows of its own.
    """
    match parse(statement).statement:
        case TruncateTable(table):
            yield RowsGone(table.name, "truncated")
        case DropTables(tables):
            for table in tables:
                yield RowsGone(table.name, "dropped")
        case CreateTable(table, replaces=True):
            yield RowsGone(table.name, "dropped")
        case RenameTables(pairs):
            yield from _renamed(pairs)
        case AlterTable() as alter:
            yield from _altered(alter)


def column_changes(statement: str) -> ColumnChanges | None:
    """Returns what an ALTER TABLE does to the names of its table's columns."""
    match parse(statement).statement:
        case AlterTable(table, actions):
            pass
        case _:
            return None
    added: set[str] = set()
    dropped: set[str] = set()
    renamed: set[str] = set()
    present: set[str] = set()
    for action in actions:
        match action:
            case AddColumn(column):
                added.add(column.name)
            case DropColumn(name):
                dropped.add(name.lower())
            case AlterColumn(name):
                present.add(name.lower())
            case ChangeColumn(old, column):
                present.add(column.name.lower())
                renamed |= {old.lower()} - {column.name.lower()}
            case RenameColumn(old, new):
                present.add(new.lower())
                renamed.add(old.lower())
            case _:
                pass
    mentioned = present | renamed | {name.lower() for name in added}
    return ColumnChanges(
        table.name, frozenset(added), frozenset(dropped), frozenset(dropped | renamed), frozenset(mentioned)
    )


def tables_replaced(statement: str) -> Iterator[str]:
    """Yields each table into whose place another one is renamed."""
    for _, new in _renames(statement):
        yield new.name


def shadows_swapped(statement: str) -> Iterator[str]:
    """Yields each table that an online schema change replaces by its new self."""
    for table, came_from, went_to in _swaps(_renames(statement)):
        if came_from is not None and went_to is not None and is_shadow(table.name, came_from.name, went_to.name):
            yield table.name


def charsets_named(statement: str) -> str | None:
    """Returns the table whose columns an ALTER TABLE gives a character set by name, be it the one that they had."""
    match parse(statement).statement:
        case AlterTable(table, actions):
            pass
        case _:
            return None
    for action in actions:
        match action:
            case ConvertTo() | ChangeColumn(column=ColumnDefinition(charset=str())):
                return table.name
            case _:
                pass
    return None


def not_understood(statement: str, tables: Collection[str]) -> tuple[list[str], str]:
    """Returns which of some tables a statement names, if it is not understood, and its beginning for the log."""
    parsed = parse(statement)
    if parsed.understood:
        return [], ""
    return [table for table in tables if table in parsed.words], without_literals(statement)


def _altered(alter: AlterTable) -> Iterator[RowsGone]:
    name = alter.table.name
    if alter.ignore:
        yield RowsGone(name, "altered with IGNORE", replaced=True)
    for action in alter.actions:
        match action:
            case Partitions(verb, other):
                how = f"altered with {verb} PARTITION"
                yield RowsGone(name, how, replaced=verb in ("EXCHANGE", "IMPORT"))
                if other is not None:
                    yield RowsGone(other.name, how, replaced=True)
            case Tablespace(verb):
                yield RowsGone(name, f"altered with {verb} TABLESPACE", replaced=verb == "IMPORT")
            case Engine("BLACKHOLE"):
                yield RowsGone(name, "altered with ENGINE=BLACKHOLE")
            case RenameTo(new):
                yield from _renamed([(alter.table, new)])
            case _:
                pass


def _renames(statement: str) -> _Pairs:
    match parse(statement).statement:
        case RenameTables(pairs):
            return pairs
        case AlterTable(table, actions):
            return [(table, action.new) for action in actions if isinstance(action, RenameTo)]
    return []


def _swaps(
    pairs: _Pairs,
) -> Iterator[tuple[TableName, TableName | None, TableName | None]]:
    """Yields each table of a rename whose rows are not its own any more: it, and where they came from and went to."""
    # By name, the name before of the table that has it.
    holds: dict[TableName, TableName | None] = {}
    for old, new in pairs:
        holds[new] = holds.get(old, old)
        holds[old] = None
    went_to = {before: now for now, before in holds.items() if before is not None}
    for table, before in holds.items():
        # A name that was only passed through was no table's before.
        if before != table and (before is not None or table in went_to):
            yield table, before, went_to.get(table)


def _renamed(pairs: _Pairs) -> Iterator[RowsGone]:
    for table, came_from, went_to in _swaps(pairs):
        if came_from is None:
            yield RowsGone(table.name, "renamed")
        elif went_to is None or not is_shadow(table.name, came_from.name, went_to.name):
            # Also into the place of a table that was dropped or renamed before.
            yield RowsGone(table.name, "replaced", replaced=True)
