"""Statements that may change stored values without row events.

An ALTER TABLE that rewrites a table writes no rows to the binary log: what the destination got of them stays as it was.
Which statements change values depends on the type of before, on the SQL mode and on the values, and the stream shows
neither. So a statement is reported unless it cannot have changed a value that the stream has emitted:

- MODIFY and CHANGE are reported unless the new type holds all values of the old one (more digits, a longer VARCHAR,
  more labels). The old type is known from an earlier statement of this sync, else it is taken to be the discovered one.
  That may be the type of *later*: so a statement that ends at the discovered type is reported, whatever it does. If one
  that narrows a column is taken for a widening, another one must have led to the discovered type, and that one is
  reported.
- CHANGE and RENAME COLUMN to another name: the values are emitted under the new name from then on.
- ADD COLUMN with a value for the rows that exist: a default, NOT NULL, AUTO_INCREMENT, an expression; and of a name
  that was another column's in this sync.
- CONVERT TO CHARACTER SET, to whatever: VTTablet sends the bytes of changes from before, and says that they are of the
  character set of now. The same goes for labels of ENUM and SET, which come by number.
- The end of an online schema change, whose own statement is not part of the stream.

Columns that the stream does not read count too: other columns may be computed from them, and a new one is often
selected after its statement was read. But a new name for one of them is no news.

Not reported: MODIFY without a character set, in a table whose text columns all have one, is taken to keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from source_vitess.ddl.parser import parse
from source_vitess.ddl.statements import (
    Action,
    AddColumn,
    AlterTable,
    ChangeColumn,
    ColumnDefinition,
    ConvertTo,
    DefaultCharset,
    DropColumn,
    RenameColumn,
)
from source_vitess.replication.column_values import ColumnValues
from source_vitess.replication.ddl_effects import shadows_swapped
from source_vitess.schema import StreamedTable, Table

_NONE: Mapping[tuple[str, str], Collection[str]] = MappingProxyType({})
_ANY = "its columns"
#: All of a table's text columns.
TEXTS = "its text columns"


@dataclass(frozen=True)
class Rewritten:
    """A statement may have changed stored values.

    Attributes:
        table: Of which table.
        column: Of which column; `TEXTS` for all of text, and empty if that is not known.
        text: What to report.
    """

    table: str
    column: str
    text: str


class RewrittenValues:
    """Reports statements that may have changed values. One for all streams of a sync's changes.

    Args:
        tables: What is read, by table.
        dropped: By shard and table, columns that earlier syncs saw dropped, in lower case.
    """

    def __init__(
        self, tables: Mapping[str, StreamedTable], dropped: Mapping[tuple[str, str], Collection[str]] = _NONE
    ) -> None:
        self._tables = tables
        self._shards = {
            (shard, table): _TableColumns(tables[table], frozenset(names))
            for (shard, table), names in dropped.items()
            if table in tables
        }
        self._reported: set[tuple[str, str]] = set()

    def changed(self, shard: str, statement: str, is_news: Callable[[str], bool]) -> Iterator[Rewritten]:
        """Notes a statement that was carried out, and yields what it may have done: once for each table and column.

        Args:
            shard: Where.
            statement: The statement.
            is_news: Whether the statement changes what was emitted of a table.
        """
        for table in shadows_swapped(statement):
            if table in self._tables:
                self._shards.pop((shard, table), None)
                if is_news(table) and self._is_first(table, _ANY):
                    yield Rewritten(
                        table,
                        "",
                        f"An online schema change of table {table!r} ended in shard {shard!r}. The change stream does "
                        "not show what it did. If it changed stored values, as by a narrower type or a new column "
                        "with a default, the destination keeps the old ones: then refresh this stream.",
                    )
        match parse(statement).statement:
            case AlterTable(named, actions) if (streamed := self._tables.get(named.name)) is not None:
                columns = self._shards.setdefault((shard, named.name), _TableColumns(streamed))
                for column, how in columns.altered(actions):
                    if is_news(named.name) and self._is_first(named.name, column):
                        what = column if column == TEXTS else f"column {column!r}"
                        what += " and of columns that are computed from it" if how == "MODIFY COLUMN" else ""
                        yield Rewritten(
                            named.name,
                            column,
                            f"Table {named.name!r} was altered in shard {shard!r} with {how}, which may have changed "
                            f"values of {what} in rows that exist already, without row events. The destination "
                            "keeps what it has of them: refresh this stream if they matter.",
                        )

    def _is_first(self, table: str, column: str) -> bool:
        is_first = (table, column) not in self._reported
        self._reported.add((table, column))
        return is_first


class _TableColumns:
    """What is known of a shard's table while its statements go by."""

    def __init__(self, streamed: StreamedTable, vacated: frozenset[str] = frozenset()) -> None:
        self._table = streamed.table
        self._discovered = {column.name.lower(): column for column in streamed.table.columns}
        self._selected = {name.lower() for name in streamed.selected}
        # By name in lower case: what statements made of columns.
        self._known: dict[str, ColumnValues] = {}
        # Names that columns do not have any more.
        self._vacated = set(vacated)
        self._charset = _only_charset(streamed.table)

    def altered(self, actions: tuple[Action, ...]) -> Iterator[tuple[str, str]]:
        """Yields the columns whose values an ALTER TABLE may have changed, and by what."""
        for action in actions:
            match action:
                case DropColumn(name):
                    self._vacated.add(name.lower())
                case ChangeColumn(old, column) if old != column.name:
                    self._vacated.add(old.lower())
                case RenameColumn(old, _):
                    self._vacated.add(old.lower())
                case ConvertTo(charset) | DefaultCharset(charset):
                    self._charset = charset
                case _:
                    pass
        for action in actions:
            match action:
                case AddColumn(column):
                    if _is_filled(column) or column.name.lower() in self._vacated:
                        yield column.name, "ADD COLUMN"
                    self._know(column)
                case ChangeColumn(old, column):
                    if old != column.name:
                        if self._is_read(old, column.name):
                            yield column.name, "CHANGE COLUMN"
                    elif not self._is_widened(column):
                        yield column.name, "MODIFY COLUMN"
                    self._know(column)
                case RenameColumn(old, new):
                    if self._is_read(old, new):
                        yield new, "RENAME COLUMN"
                    self._known.pop(old.lower(), None)
                    self._known.pop(new.lower(), None)
                case ConvertTo():
                    if self._reads_text():
                        yield TEXTS, "CONVERT TO CHARACTER SET"
                    self._known.clear()
                case _:
                    pass

    def _is_read(self, *names: str) -> bool:
        return any(name.lower() in self._selected for name in names)

    def _reads_text(self) -> bool:
        return any(column.charset and column.name.lower() in self._selected for column in self._table.columns)

    def _know(self, column: ColumnDefinition) -> None:
        self._known[column.name.lower()] = ColumnValues.of_definition(column, self._charset)

    def _is_widened(self, column: ColumnDefinition) -> bool:
        if column.generated or column.numbered:
            return False  # which expression it had is not known; AUTO_INCREMENT gives a number to a row that has 0
        new = ColumnValues.of_definition(column, self._charset)
        old = self._known.get(column.name.lower())
        if old is not None:
            return old.fit(new)
        discovered = self._discovered.get(column.name.lower())
        if discovered is None:
            return False
        old = ColumnValues.of_column(discovered)
        return old.fit(new) and not new.fit(old)


def _is_filled(column: ColumnDefinition) -> bool:
    return column.has_default or column.not_null or column.generated or column.numbered


def _only_charset(table: Table) -> str | None:
    charsets = {column.charset for column in table.columns if column.charset}
    return charsets.pop() if len(charsets) == 1 else None
