"""Statements that may change stored values."""

from __future__ import annotations

import pytest

from source_vitess.replication.rewritten_values import RewrittenValues
from source_vitess.schema import Column, StreamedTable, Table

#: By column: the discovered type, its character set, whether it can be NULL.
COLUMNS = (
    Column("id", "int", None, nullable=False),
    Column("n", "int unsigned", None, nullable=True),
    Column("flag", "tinyint(1)", None, nullable=True),
    Column("price", "decimal(10,2)", None, nullable=True),
    Column("ratio", "float", None, nullable=True),
    Column("name", "varchar(50)", "utf8mb4", nullable=True),
    Column("code", "char(4)", "utf8mb4", nullable=True),
    Column("note", "text", "utf8mb4", nullable=True),
    Column("old", "varchar(9)", "latin1", nullable=True),
    Column("raw", "varbinary(20)", None, nullable=True),
    Column("fixed", "binary(4)", None, nullable=True),
    Column("kind", "enum('a','b')", "utf8mb4", nullable=True),
    Column("tags", "set('a','b')", "utf8mb4", nullable=True),
    Column("at", "datetime(3)", None, nullable=True),
    Column("doc", "json", None, nullable=True),
    Column("unread", "int", None, nullable=True),
)


def rewritten(columns: tuple[Column, ...] = COLUMNS) -> RewrittenValues:
    """Returns what watches over a table whose columns are read, all but one."""
    table = Table("t", columns, key=("id",))
    selected: dict[str, dict[str, object]] = {column.name: {} for column in columns if column.name != "unread"}
    return RewrittenValues({"t": StreamedTable(table, selected)})


def columns_told(*statements: str, watch: RewrittenValues | None = None) -> list[str]:
    """Lists the columns that were told of."""
    watch = watch or rewritten()
    told = [change.text for statement in statements for change in watch.changed("0", statement, lambda _: True)]
    return [
        text.split("values of ")[1].split(" in rows")[0].split(" and of ")[0].removeprefix("column ").strip("'")
        for text in told
    ]


@pytest.mark.parametrize(
    ("clause", "columns"),
    [
        ("modify price decimal(10,1)", ["price"]),
        ("modify price decimal(9,2)", ["price"]),
        ("modify price decimal(12,3) unsigned", ["price"]),
        ("modify at datetime", ["at"]),
        ("modify at timestamp(3) null", ["at"]),
        ("modify name varchar(49) character set utf8mb4", ["name"]),
        ("modify name char(50) charset utf8mb4", ["name"]),
        ("modify name varchar(60) charset latin1", ["name"]),
        ("modify name varchar(60) not null charset utf8mb4", ["name"]),
        ("modify name varchar(60)", ["name"]),
        ("modify note varchar(200) charset utf8mb4", ["note"]),
        ("modify id smallint not null", ["id"]),
        ("modify id int unsigned not null", ["id"]),
        ("modify id bigint not null auto_increment", ["id"]),
        ("modify n int", ["n"]),
        ("modify flag tinyint", ["flag"]),
        ("modify ratio double", ["ratio"]),
        ("modify fixed binary(5)", ["fixed"]),
        ("modify kind enum('b') charset utf8mb4", ["kind"]),
        ("modify kind enum('b', 'a') charset utf8mb4", ["kind"]),
        ("modify tags set('c', 'a', 'b') charset utf8mb4", ["tags"]),
        ("modify doc longtext", ["doc"]),
        ("modify n bigint generated always as (id) stored", ["n"]),
        ("modify n bigint as (id)", ["n"]),
        ("modify n some_type_of_later", ["n"]),
        ("change n m bigint unsigned", ["m"]),
        ("modify unread smallint", ["unread"]),
        ("change unread n2 int", []),
        ("rename column name to title", ["title"]),
        ("rename column n to id2, rename column id to n", ["id2", "n"]),
        ("rename column unread to still", []),
        ("add c int not null", ["c"]),
        ("add c int default 5", ["c"]),
        ("add c int primary key", ["c"]),
        ("add column (c int default 5, d int, e int as (c))", ["c", "e"]),
        ("add c serial", ["c"]),
        ("add c timestamp", ["c"]),
        ("add c timestamp null", []),
        ("add c some_type_of_later", ["c"]),
        ("drop n, add n int unsigned", ["n"]),
        ("change n m int unsigned null, add n int", ["m", "n"]),
        ("convert to character set latin1", ["its text columns"]),
        ("convert to charset default", ["its text columns"]),
        # VTTablet reads changes from before with the character set and the labels of now.
        ("convert to character set utf8mb4", ["its text columns"]),
        ("modify old varchar(9) charset utf8mb4", ["old"]),
        ("modify kind enum('a', 'c', 'b') charset utf8mb4", ["kind"]),
        # The type that is discovered: which one was before is not known.
        ("modify price decimal(10,2)", ["price"]),
        ("modify kind enum('a','b') charset utf8mb4", ["kind"]),
    ],
)
def test_what_may_change_values(clause: str, columns: list[str]) -> None:
    """Whatever is not known to keep all values of what is read."""
    assert columns_told(f"alter table t {clause}") == columns


@pytest.mark.parametrize(
    "clause",
    [
        "modify id bigint not null",
        "modify id int null",
        "modify n bigint unsigned",
        "modify N bigint unsigned",
        "modify n bigint(20)",
        "modify price decimal(12,2) comment 'decimal(1,1)'",
        "modify price decimal(14,3) default 7",
        "modify name varchar(255) charset utf8mb4 collate utf8mb4_bin",
        "modify name text collate utf8mb4_bin",
        "modify note longtext charset utf8mb4",
        "modify code varchar(4) charset utf8mb4",
        "modify raw varbinary(30)",
        "modify raw blob",
        "modify kind enum('a', 'b', 'c') charset utf8mb4",
        "modify tags set('a', 'b', 'c') charset utf8mb4",
        "modify at datetime(6)",
        "modify unread bigint",
        "add c int",
        "add c varchar(9) default null comment 'not null default 5'",
        "drop n",
        "add index (n)",
        "add unique key u (n), drop primary key, add primary key (id)",
        "rename index a to b",
        "alter n set default 5",
        "alter n set invisible",
        "comment 'modify n smallint'",
        "default character set latin1",
        "engine=innodb",
        "force, order by n",
        "add partition partitions 4",
        "remove partitioning",
        "drop partition p0",
    ],
)
def test_what_changes_no_values(clause: str) -> None:
    """Wider types, and statements that touch no values: nothing is told."""
    assert columns_told(f"alter table t {clause}") == []


def test_the_type_of_before_is_known_from_a_statement() -> None:
    """A second ALTER of a sync is compared with what the first made of the column."""
    assert columns_told("alter table t modify n bigint unsigned", "alter table t modify n int unsigned") == ["n"]
    assert columns_told("alter table t add c int", "alter table t modify c smallint") == ["c"]
    known = (*COLUMNS, Column("c", "bigint", None, nullable=True))
    statements = "alter table t add c int", "alter table t modify c bigint"
    assert columns_told(*statements, watch=rewritten(known)) == []


def test_a_narrowing_before_the_discovery_is_told_of_sooner_or_later() -> None:
    """Taken for a widening of the discovered type, another statement must have led there, and that one is told of."""
    assert columns_told("alter table t modify name varchar(99) charset utf8mb4") == []
    assert columns_told("alter table t modify name varchar(50) charset utf8mb4") == ["name"]


def test_a_character_set_that_is_not_named() -> None:
    """In a table whose text columns all have one it is taken to be that of the table."""
    watch = rewritten(tuple(column for column in COLUMNS if column.name != "old"))

    assert columns_told("alter table t modify name varchar(60)", watch=watch) == []
    assert columns_told("alter table t modify note longtext, charset = latin1", watch=watch) == ["note"]
    assert columns_told("alter table t collate utf8mb4_bin, modify name varchar(70) charset utf8mb4", watch=watch) == []
    assert columns_told("alter table t convert to character set latin1", watch=watch) == ["its text columns"]


def test_each_column_is_told_of_once() -> None:
    """All shards write the same statement."""
    watch = rewritten()
    statement = "alter table t modify price decimal(10,1), modify at date"

    assert len(list(watch.changed("-80", statement, lambda _: False))) == 0
    first, second = (change.text for change in watch.changed("80-", statement, lambda table: table == "t"))
    assert "'t'" in first
    assert "'price'" in first
    assert "'80-'" in first
    assert "refresh this stream" in first
    assert "'at'" in second
    assert list(watch.changed("-80", statement, lambda _: True)) == []


def test_a_column_that_was_dropped_before() -> None:
    """It comes again without the values that the destination has, be it in a later sync."""
    assert columns_told("alter table t drop n", "alter table t add n int unsigned") == ["n"]
    table = Table("t", COLUMNS, key=("id",))
    watch = RewrittenValues({"t": StreamedTable(table, {"n": {}})}, {("0", "t"): frozenset({"n"})})
    assert columns_told("alter table t add N int unsigned", watch=watch) == ["N"]


def test_the_end_of_an_online_schema_change() -> None:
    """Its statement is not part of the stream, so it is told of in general; a table that is not read is not."""
    watch = rewritten()

    [told] = watch.changed("0", "rename table t to _t_del, _t_gho to t", lambda _: True)
    assert "online schema change" in told.text
    assert list(watch.changed("1", "rename table t to _t_del, _t_gho to t", lambda _: True)) == []
    assert list(watch.changed("0", "rename table u to _u_del, _u_gho to u", lambda _: True)) == []


#: Types of every kind, in the words of statements and of information_schema alike.
TYPES = (
    *(
        "tinyint(1)",
        "tinyint",
        "smallint",
        "int",
        "int unsigned",
        "bigint",
        "bigint unsigned",
        "int(9) unsigned zerofill",
    ),
    *("decimal(10,2)", "decimal(12,2)", "decimal(12,4)", "decimal(8,2) unsigned", "float", "double", "double(10,2)"),
    *("char(3)", "char(9)", "varchar(3)", "varchar(20)", "varchar(70)", "tinytext", "text", "mediumtext", "longtext"),
    *(
        "binary(3)",
        "binary(9)",
        "varbinary(3)",
        "varbinary(70)",
        "blob",
        "longblob",
        "bit(5)",
        "bit(6)",
        "json",
        "year",
    ),
    *("enum('a')", "enum('a','b')", "enum('b','a')", "enum('c','a','b')", "set('a')", "set('a','b')", "set('b','a')"),
    *(
        "date",
        "time",
        "time(3)",
        "datetime",
        "datetime(3)",
        "datetime(6)",
        "timestamp(3)",
        "point",
        "geometry",
        "vector(3)",
    ),
)


def test_wider_is_an_order() -> None:
    """On which it rests that a narrowing is told of, though the discovered type may be that of later.

    If values of one type stay what they are in a second, and those of the second in a third, so do those of the first.
    """
    columns = [
        Column("c", column_type, charset, nullable=nullable)
        for column_type in TYPES
        for charset in (("latin1", "utf8mb4") if column_type[:3] in ("cha", "var", "enu") else (None,))
        for nullable in (False, True)
    ]
    wider = {
        (old, new)
        for old in columns
        for new in columns
        if old != new and not columns_told(_modify(new), watch=rewritten((*COLUMNS, old)))
    }

    assert len(wider) > len(columns)
    for first, second in wider:
        assert (second, first) not in wider
        for third in columns:
            if (second, third) in wider:
                assert (first, third) in wider, "as from the first to the third"


def _modify(column: Column) -> str:
    charset = f" character set {column.charset}" if column.charset else ""
    null = "" if column.nullable else " not null"
    # TIMESTAMP may be NOT NULL by itself.
    return f"alter table t modify c {column.column_type}{charset}{null or ' null'}"
