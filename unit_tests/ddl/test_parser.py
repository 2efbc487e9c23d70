"""Statements, parsed."""

from __future__ import annotations

import pytest

from source_vitess.ddl.parser import opens_transaction, parse
from source_vitess.ddl.statements import (
    AddColumn,
    AlterTable,
    ChangeColumn,
    ColumnDefinition,
    ConvertTo,
    DefaultCharset,
    DropColumn,
    Engine,
    NotUnderstood,
    Partitions,
    RenameColumn,
    RenameTo,
    TableName,
)
from source_vitess.types.column_type import ColumnType, parse_column_type


def definition(text: str) -> ColumnDefinition:
    """Parses a column's definition."""
    parsed = parse(f"alter table t add c {text}, drop d")
    assert parsed.understood
    assert isinstance(parsed.statement, AlterTable)
    added, dropped = parsed.statement.actions
    assert isinstance(added, AddColumn)
    assert dropped == DropColumn("d")
    return added.column


@pytest.mark.parametrize(
    ("text", "column_type"),
    [
        ("INT", "int"),
        ("INTEGER(10) UNSIGNED", "int(10) unsigned"),
        ("INT1", "tinyint"),
        ("int2", "smallint"),
        ("MIDDLEINT", "mediumint"),
        ("INT8 ZEROFILL", "bigint unsigned zerofill"),
        ("bool", "tinyint(1)"),
        ("SERIAL", "bigint unsigned"),
        ("DEC(5)", "decimal(5)"),
        ("NUMERIC(10,2)", "decimal(10,2)"),
        ("FIXED", "decimal"),
        ("DOUBLE PRECISION", "double"),
        ("FLOAT(24)", "float"),
        ("FLOAT(25)", "double"),
        ("FLOAT(7,3)", "float(7,3)"),
        ("REAL", "real"),
        ("CHARACTER VARYING(5)", "varchar(5)"),
        ("NATIONAL CHARACTER VARYING(5)", "varchar(5)"),
        ("NATIONAL VARCHAR(5)", "varchar(5)"),
        ("NCHAR VARCHAR(5)", "varchar(5)"),
        ("NCHAR(5)", "char(5)"),
        ("LONG", "mediumtext"),
        ("LONG CHAR SET ascii", "mediumtext"),
        ("LONG VARBINARY", "mediumblob"),
        ("LONG CHAR VARYING", "mediumtext"),
        ("ENUM('a','it''s','x,y')", "enum('a','it''s','x,y')"),
        ("SET('a')", "set('a')"),
        ("DATETIME(6)", "datetime(6)"),
        ("GEOMETRYCOLLECTION", "geomcollection"),
        ("VECTOR(3)", "vector(3)"),
    ],
)
def test_types(text: str, column_type: str) -> None:
    """All words for a type are those of information_schema."""
    assert definition(text).column_type == parse_column_type(column_type)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("int null default null comment 'not null default 5'", {}),
        ("int unique key invisible column_format dynamic storage disk", {}),
        ("int not null", {"not_null": True}),
        ("int primary key", {"not_null": True}),
        ("int key", {"not_null": True}),
        ("int auto_increment", {"numbered": True, "not_null": True}),
        ("int serial default value", {"numbered": True, "not_null": True}),
        ("timestamp", {"not_null": True}),
        ("timestamp null on update current_timestamp(3)", {}),
        *((f"int default {default} check (c > 1) not enforced", {"has_default": True}) for default in
          ("5", "-1.5e-3", ".5", "1.", "1.e4", "1e+4", "0xE", "0b1", "'x'", "'x' 'y'", "n'x'", "x'41'", "_latin1 x'41'",
           "_latin1'x'", "date '2020-01-01'", "true", "now(3)", "current_timestamp on update now()", "(uuid())",
           '"x"')),
        ("int generated always as (a + 1) virtual not null", {"generated": True, "not_null": True}),
        ("int as (concat(')', \"(\")) stored comment 'x'", {"generated": True}),
        ("int references u (a) match full on delete set null on update no action after x", {}),
        ("int constraint `x y` check (c > 1) first", {}),
        ("int constraint check (c > 1)", {}),
    ],
)  # fmt: skip
def test_attributes(text: str, expected: dict[str, bool]) -> None:
    """What decides whether there are values, and nothing of what stands in comments and expressions."""
    column = definition(text)

    found = {name for name in ("not_null", "has_default", "generated", "numbered") if getattr(column, name)}
    assert found == set(expected)


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("char(3)", None),
        ("char(3) character set latin1 collate latin1_bin", "latin1"),
        ("char(3) charset 'LATIN1'", "latin1"),
        ("char(3) collate utf8mb4_0900_ai_ci", "utf8mb4"),
        ("char(3) char set binary", "binary"),
        ("nchar(3)", "utf8mb3"),
        ("char(3) ascii", "latin1"),
        ("char(3) byte", "binary"),
    ],
)
def test_character_sets(text: str, charset: str | None) -> None:
    """As far as the statement has it."""
    assert definition(text).charset == charset


def test_alter_table() -> None:
    """All clauses that matter, in order, and none of the others."""
    parsed = parse(
        """alter table `x`.t algorithm = inplace, lock none, add index i (a, b desc) comment ', drop z', drop index j,
        change column a `b c` int after x, modify d int first, rename column e to f, rename index k to l,
        add constraint foreign key (a) references u (b) on delete cascade, drop foreign key m, drop primary key,
        alter index n invisible, drop check o, convert to charset utf8mb4 collate utf8mb4_bin, order by a desc, t.b,
        force, engine InnoDB row_format=dynamic, comment = 'drop p', max_rows 5 default charset = latin1,
        rename as "y" partition by range (a) (partition p0 values less than (5), partition p1 values less than (9))"""
    )

    integer = ColumnType("int")
    assert parsed.understood
    assert parsed.statement == AlterTable(
        TableName("t", "x"),
        (
            ChangeColumn("a", ColumnDefinition("b c", integer)),
            ChangeColumn("d", ColumnDefinition("d", integer)),
            RenameColumn("e", "f"),
            ConvertTo("utf8mb4"),
            Engine("INNODB"),
            DefaultCharset("latin1"),
            RenameTo(TableName("y")),
        ),
    )


def test_a_clause_that_is_not_known_hides_no_other() -> None:
    """What is understood counts, and that not all is understood is reported."""
    parsed = parse("alter table t drop a, frobnicate (b, c), add d int with flavour, drop partition p")

    assert not parsed.understood
    assert isinstance(parsed.statement, AlterTable)
    dropped, unknown, added, another, partition = parsed.statement.actions
    assert (dropped, partition) == (DropColumn("a"), Partitions("DROP"))
    assert unknown == another == NotUnderstood()
    assert isinstance(added, AddColumn)
    assert added.column.name == "d"


@pytest.mark.parametrize(
    ("statement", "understood", "columns"),
    [
        # A backslash that ends a string under NO_BACKSLASH_ESCAPES is an open string else.
        (r"alter table t add a int comment 'x\', add b int", True, ["a", "b"]),
        (r"alter table t add a int comment 'it\'s', add b int", True, ["a", "b"]),
        (r'alter table t add "a\" int, add b int', True, ["a\\", "b"]),
        # Both ways are a statement, and not the same.
        (r"alter table t add a int comment '\'', add b int comment ' , add c int #'", False, ["a", "b"]),
    ],
)
def test_backslashes(statement: str, understood: bool, columns: list[str]) -> None:
    """The SQL mode is not known: the way in which a statement makes sense is taken, and if two do, that is reported."""
    parsed = parse(statement)

    assert parsed.understood is understood
    assert isinstance(parsed.statement, AlterTable)
    assert [a.column.name for a in parsed.statement.actions if isinstance(a, AddColumn)] == columns


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("CREATE TABLE `t` (\n  `id` int DEFAULT NULL\n) START TRANSACTION", True),
        ("create table t (id int) comment 'x' start /* now */ transaction ;", True),
        ("CREATE TABLE t (id int) COMMENT 'START TRANSACTION'", False),
        ("CREATE TABLE t (id int) /* START TRANSACTION */", False),
        ("CREATE TABLE t (id int)", False),
        ("CREATE VIEW v AS SELECT 'a' start, 1 transaction", False),
        ("ALTER TABLE t ADD start int, ADD transaction int", False),
        ("", False),
    ],
)
def test_create_table_as_select_opens_a_transaction(statement: str, expected: bool) -> None:
    """Rows and a commit follow such a statement in its own transaction."""
    assert opens_transaction(statement) is expected
