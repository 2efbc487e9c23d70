"""Whether a column's new type holds all values of its old one, as they are."""

from __future__ import annotations

from collections.abc import Mapping

from source_vitess.ddl.statements import ColumnDefinition
from source_vitess.schema import Column
from source_vitess.types.column_type import ColumnType, parse_column_type


class ColumnValues:
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
    def of_column(cls, column: Column) -> ColumnValues:
        """Returns the values that a column of the schema can have."""
        return cls(parse_column_type(column.column_type), column.charset, column.nullable)

    @classmethod
    def of_definition(cls, column: ColumnDefinition, charset: str | None) -> ColumnValues:
        """Returns the values that a column has once a statement has defined it.

        Args:
            column: Its definition.
            charset: The table's default character set.
        """
        has_charset = column.column_type.name in (*_CHARACTERS, "enum", "set")
        return cls(column.column_type, (column.charset or charset) if has_charset else None, not column.not_null)

    def fit(self, other: ColumnValues) -> bool:
        """Returns whether the other column keeps every value of this one unchanged. Not symmetric."""
        if self.nullable and not other.nullable:
            return False
        old, new = self.type, other.type
        if old.zerofill != new.zerofill:
            return False
        if old.name in (*_CHARACTERS, "enum", "set"):
            if self.charset is None or other.charset is None:
                return False
            if other.charset != self.charset and not (self.charset in _UTF8 and other.charset == "utf8mb4"):
                return False
        return _fits(old, new)


#: Whole numbers, by their bytes.
_INTEGERS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
#: Types without a length of their own, by the most bytes that they hold.
_TEXTS_BY_SIZE = {"tinytext": 255, "text": 65535, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1}
_BLOBS_BY_SIZE = {"tinyblob": 255, "blob": 65535, "mediumblob": 2**24 - 1, "longblob": 2**32 - 1}
#: Character sets whose bytes are the same in utf8mb4. VTTablet sends the bytes of a change that was made before an
#: ALTER, and names the character set of now.
_UTF8 = ("ascii", "utf8", "utf8mb3")
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
        # By number, too: VTTablet gives a change that was made before an ALTER the labels of now.
        return bool(old.members) and new.members[: len(old.members)] == old.members
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
