"""What statements do, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from source_vitess.types.column_type import ColumnType


@dataclass(frozen=True)
class TableName:
    """A table as a statement names it.

    Attributes:
        name: The table.
        schema: The database before the dot, None without one.
    """

    name: str
    schema: str | None = None


@dataclass(frozen=True)
class ColumnDefinition:
    """A column as ADD, MODIFY or CHANGE defines it.

    Attributes:
        name: The column.
        column_type: Its type in the words of information_schema, as far as the statement has it.
        charset: The character set if it is named.
        not_null: Whether it cannot be NULL, a key's column included. True where only the server's settings decide.
        has_default: Whether it has a default other than NULL.
        generated: Whether an expression makes its values.
        numbered: AUTO_INCREMENT.
    """

    name: str
    column_type: ColumnType
    charset: str | None = None
    not_null: bool = False
    has_default: bool = False
    generated: bool = False
    numbered: bool = False


@dataclass(frozen=True)
class AddColumn:
    """ADD COLUMN; one with brackets is several of these."""

    column: ColumnDefinition


@dataclass(frozen=True)
class DropColumn:
    """DROP COLUMN."""

    name: str


@dataclass(frozen=True)
class ChangeColumn:
    """CHANGE COLUMN, or MODIFY COLUMN, which keeps the name."""

    old: str
    column: ColumnDefinition


@dataclass(frozen=True)
class RenameColumn:
    """RENAME COLUMN."""

    old: str
    new: str


@dataclass(frozen=True)
class AlterColumn:
    """ALTER COLUMN: its default or its visibility."""

    name: str


@dataclass(frozen=True)
class RenameTo:
    """RENAME TO: another name for the table."""

    new: TableName


@dataclass(frozen=True)
class ConvertTo:
    """CONVERT TO CHARACTER SET.

    Attributes:
        charset: In lower case; None is the database's default.
    """

    charset: str | None


@dataclass(frozen=True)
class DefaultCharset:
    """CHARACTER SET = … or COLLATE = …: that of columns which are defined without one, in this statement too.

    Attributes:
        charset: In lower case; None is the database's default.
    """

    charset: str | None


@dataclass(frozen=True)
class Partitions:
    """DROP, TRUNCATE, EXCHANGE, DISCARD or IMPORT PARTITION.

    Attributes:
        verb: In upper case.
        other: The table to exchange with.
    """

    verb: str
    other: TableName | None = None


@dataclass(frozen=True)
class Tablespace:
    """DISCARD or IMPORT TABLESPACE: the file with the table's rows is taken away, or another one takes its place."""

    verb: str


@dataclass(frozen=True)
class Engine:
    """ENGINE = …, in upper case."""

    name: str


@dataclass(frozen=True)
class NotUnderstood:
    """A clause that is not known."""


Action = (
    AddColumn
    | DropColumn
    | ChangeColumn
    | RenameColumn
    | AlterColumn
    | RenameTo
    | ConvertTo
    | DefaultCharset
    | Partitions
    | Tablespace
    | Engine
    | NotUnderstood
)


@dataclass(frozen=True)
class AlterTable:
    """ALTER TABLE. Clauses that change neither rows nor columns are left out.

    Attributes:
        table: The table.
        actions: In order.
        ignore: IGNORE: rows that do not fit are removed or changed (MySQL before 5.7).
    """

    table: TableName
    actions: tuple[Action, ...]
    ignore: bool = False


@dataclass(frozen=True)
class TruncateTable:
    """TRUNCATE TABLE."""

    table: TableName


@dataclass(frozen=True)
class DropTables:
    """DROP TABLE, but of no temporary ones."""

    tables: tuple[TableName, ...]


@dataclass(frozen=True)
class RenameTables:
    """RENAME TABLE, carried out from left to right."""

    pairs: tuple[tuple[TableName, TableName], ...]


@dataclass(frozen=True)
class CreateTable:
    """CREATE TABLE, but of no temporary one.

    Attributes:
        table: The table.
        replaces: OR REPLACE (MariaDB).
        opens_transaction: It ends in START TRANSACTION: the rows of its SELECT and the commit follow in the same
            transaction (MySQL's sql/sql_table.cc, since 8.0.21).
    """

    table: TableName
    replaces: bool = False
    opens_transaction: bool = False


@dataclass(frozen=True)
class Harmless:
    """A statement that touches no table's rows and columns: an index, a view, a user, a temporary table and so on."""


Statement = AlterTable | TruncateTable | DropTables | RenameTables | CreateTable | Harmless


@dataclass(frozen=True)
class Parsed:
    """A statement, as far as it is understood.

    Attributes:
        statement: What it does; None if not even that is known.
        understood: Whether all of it is.
        words: All words and names in it, for statements that are not understood.
    """

    statement: Statement | None
    understood: bool
    words: frozenset[str] = field(default=frozenset(), repr=False)
