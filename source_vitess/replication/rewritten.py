"""Statements that may change stored values without row events.

An ALTER TABLE that rewrites a table writes no rows to the binary log: what the destination got of them stays as it was.
Which statements change values depends on the type of before, on the SQL mode and on the values, and the stream tells
neither. So a statement is told of unless it cannot have changed a value that the stream has emitted:

- MODIFY and CHANGE are told of unless the new type holds all values of the old one (more digits, a longer VARCHAR, more
  labels). The old type is known from an earlier statement of this sync, else it is taken to be the discovered one. That
  may be the type of *later*: so a statement that ends at the discovered type is told of, whatever it does. If one that
  narrows a column is taken for a widening, another one must have led to the discovered type, and that one is told of.
- CHANGE and RENAME COLUMN to another name: the values are emitted under the new name from then on.
- ADD COLUMN with a value for the rows that are there: a default, NOT NULL, AUTO_INCREMENT, an expression; and of a name
  that was another column's in this sync.
- CONVERT TO CHARACTER SET, unless to utf8mb4, which has all characters of the others.
- The end of an online schema change, whose own statement is not part of the stream.

Columns that the stream does not read count too: other columns may be computed from them, and a new one is often
selected after its statement was read. But a new name for one of them is no news.

Not told of: MODIFY without a character set, in a table whose text columns all have one, is taken to keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from source_vitess.replication.ddl import shadows_swapped
from source_vitess.schema import Column, StreamedTable, Table
from source_vitess.types.column_type import ColumnType, parse_column_type

_NONE: Mapping[tuple[str, str], frozenset[str]] = MappingProxyType({})
_ANY = "its columns"
_TEXTS = "its text columns"


class RewrittenValues:
    """Tells of statements that may have changed values. One for all streams of a sync's changes.

    Args:
        tables: What is read, by table.
        dropped: By shard and table, columns that earlier syncs saw dropped, in lower case.
    """

    def __init__(
        self, tables: Mapping[str, StreamedTable], dropped: Mapping[tuple[str, str], frozenset[str]] = _NONE
    ) -> None:
        self._tables = tables
        self._shards = {
            (shard, table): _TableColumns(tables[table], names)
            for (shard, table), names in dropped.items()
            if table in tables
        }
        self._told: set[tuple[str, str]] = set()

    def changed(self, shard: str, statement: str, is_news: Callable[[str], bool]) -> Iterator[str]:
        """Notes a statement that was carried out, and yields what to say of it: once for each table and column.

        Args:
            shard: Where.
            statement: The statement.
            is_news: Whether the statement changes what was emitted of a table.
        """
        for table in shadows_swapped(statement):
            if table in self._tables:
                self._shards.pop((shard, table), None)
                if is_news(table) and self._is_first(table, _ANY):
                    yield (
                        f"An online schema change of table {table!r} ended in shard {shard!r}. The change stream does "
                        "not tell what it did. If it changed stored values, as by a narrower type or a new column "
                        "with a default, the destination keeps the old ones: then refresh this stream."
                    )
        match parse(statement).statement:
            case AlterTable(named, actions) if (streamed := self._tables.get(named.name)) is not None:
                columns = self._shards.setdefault((shard, named.name), _TableColumns(streamed))
                for column, how in columns.altered(actions):
                    if is_news(named.name) and self._is_first(named.name, column):
                        what = column if column == _TEXTS else f"column {column!r}"
                        what += " and of columns that are computed from it" if how == "MODIFY COLUMN" else ""
                        yield (
                            f"Table {named.name!r} was altered in shard {shard!r} with {how}, which may have changed "
                            f"values of {what} in rows that are there already, without telling which. The destination "
                            "keeps what it has of them: refresh this stream if they matter."
                        )

    def _is_first(self, table: str, column: str) -> bool:
        is_first = (table, column) not in self._told
        self._told.add((table, column))
        return is_first


class _TableColumns:
    """What is known of a shard's table while its statements go by."""

    def __init__(self, streamed: StreamedTable, vacated: frozenset[str] = frozenset()) -> None:
        self._table = streamed.table
        self._selected = {name.lower() for name in streamed.selected}
        # By name in lower case: what statements made of columns.
        self._known: dict[str, _Values] = {}
        # Names that columns had and gave up.
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
                case ConvertTo(charset):
                    if charset != "utf8mb4" and self._reads_text():
                        yield _TEXTS, "CONVERT TO CHARACTER SET"
                    self._known.clear()
                case _:
                    pass

    def _is_read(self, *names: str) -> bool:
        return any(name.lower() in self._selected for name in names)

    def _reads_text(self) -> bool:
        return any(column.charset and column.name.lower() in self._selected for column in self._table.columns)

    def _know(self, column: ColumnDefinition) -> None:
        self._known[column.name.lower()] = _Values.of_definition(column, self._charset)

    def _is_widened(self, column: ColumnDefinition) -> bool:
        if column.generated or column.numbered:
            return False  # which expression it had is not known; AUTO_INCREMENT gives a number to a row that has 0
        new = _Values.of_definition(column, self._charset)
        old = self._known.get(column.name.lower())
        if old is not None:
            return old.fit(new)
        discovered = self._table.columns_by_name.get(column.name)
        if discovered is None:
            return False
        old = _Values.of_column(discovered)
        return old.fit(new) and not new.fit(old)


class _Values:
    """The values that a column can have.

    Args:
        column_type: Its type.
        charset: Its character set; None without one, or if it is not known.
        nullable: Whether it can be NULL.
    """

    def __init__(self, column_type: ColumnType, charset: str | None, nullable: bool) -> None:
        self.type = column_type
        self.charset = charset
        self.nullable = nullable

    @classmethod
    def of_column(cls, column: Column) -> _Values:
        return cls(parse_column_type(column.column_type), column.charset, column.nullable)

    @classmethod
    def of_definition(cls, column: ColumnDefinition, charset: str | None) -> _Values:
        has_charset = column.column_type.name in (*_CHARACTERS, "enum", "set")
        return cls(column.column_type, (column.charset or charset) if has_charset else None, not column.not_null)

    def fit(self, other: _Values) -> bool:
        """Tells whether all of these stay what they are in the other column. A partial order, so far as they differ."""
        if self.nullable and not other.nullable:
            return False
        old, new = self.type, other.type
        if old.zerofill != new.zerofill:
            return False
        if old.name in (*_CHARACTERS, "enum", "set"):
            if self.charset is None or other.charset is None:
                return False
            if other.charset not in (self.charset, "utf8mb4"):
                return False
        return _fits(old, new)


#: Whole numbers, by their bytes.
_INTEGERS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
#: Types without a length of their own, by the most bytes that they hold.
_TEXTS_BY_SIZE = {"tinytext": 255, "text": 65535, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1}
_BLOBS_BY_SIZE = {"tinyblob": 255, "blob": 65535, "mediumblob": 2**24 - 1, "longblob": 2**32 - 1}
_CHARACTERS = ("char", "varchar", *_TEXTS_BY_SIZE)
_TIMES = ("datetime", "timestamp", "time")
_BYTES_PER_CHARACTER = 4


def _fits(old: ColumnType, new: ColumnType) -> bool:
    if old.name in _INTEGERS and new.name in _INTEGERS:
        # tinyint(1) may be a boolean to the destination.
        if (old.arguments == (1,)) != (new.arguments == (1,)) and "tinyint" in (old.name, new.name):
            return False
        if old.unsigned == new.unsigned:
            return _INTEGERS[old.name] <= _INTEGERS[new.name]
        return old.unsigned and _INTEGERS[old.name] < _INTEGERS[new.name]
    if old.name in _CHARACTERS and new.name in _CHARACTERS:
        return _holds(old, new, _TEXTS_BY_SIZE, "varchar", _BYTES_PER_CHARACTER)
    if old.name in ("varbinary", *_BLOBS_BY_SIZE) and new.name in ("varbinary", *_BLOBS_BY_SIZE):
        return _holds(old, new, _BLOBS_BY_SIZE, "varbinary", 1)
    if old.name != new.name:
        return False
    if old.name == "decimal":
        scales = old.argument(1, 0), new.argument(1, 0)
        digits = old.argument(0, 10) - scales[0], new.argument(0, 10) - scales[1]
        return digits[0] <= digits[1] and scales[0] <= scales[1] and old.unsigned == new.unsigned
    if old.name in _TIMES or old.name == "vector":
        return old.argument(0, 0) <= new.argument(0, 0 if old.name in _TIMES else 2048)
    if old.name == "enum":
        return set(old.members) <= set(new.members)
    if old.name == "set":
        return bool(old.members) and new.members[: len(old.members)] == old.members
    if old.name in ("bit", "binary"):
        return old.argument(0, 1) == new.argument(0, 1)
    if old.name in ("float", "double"):
        return old == new
    return old.name in _PLAIN


_PLAIN = (
    *("date", "year", "json", "geometry", "point", "linestring", "polygon"),
    *("multipoint", "multilinestring", "multipolygon", "geomcollection"),
)


def _holds(old: ColumnType, new: ColumnType, sizes: Mapping[str, int], varying: str, width: int) -> bool:
    if old.name in sizes:
        return new.name in sizes and sizes[old.name] <= sizes[new.name]
    length = old.argument(0, 1)
    if new.name in sizes:
        return length * width <= sizes[new.name]
    # What ends in spaces would lose them in a CHAR.
    return (new.name == varying or old.name == new.name) and length <= new.argument(0, 1)


def _is_filled(column: ColumnDefinition) -> bool:
    return column.has_default or column.not_null or column.generated or column.numbered


def _only_charset(table: Table) -> str | None:
    charsets = {column.charset for column in table.columns if column.charset}
    return charsets.pop() if len(charsets) == 1 else None
