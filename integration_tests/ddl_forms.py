"""Statements at random, from a grammar of MySQL's manual.

ALTER, RENAME, TRUNCATE, DROP and CREATE in all forms that touch a table's rows, columns or stored values, and in those
that do not, with names, comments, labels and defaults that look like clauses.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

#: Names of tables. Most have to be quoted.
NAMES = (
    *("t", "Orders", "1a", "drop", "odd`name", "a b", "add column", "é", "it's", "x;y", "partition", "rename to", "--"),
)

_RESERVED = ("add", "alter", "drop", "key", "order", "partition")

#: What stands in comments, labels and defaults.
TEXTS = (
    *("", "x", "please rename to remark later", "drop location of the ride", "please add email later", "rename file"),
    *("a, DROP PARTITION p0", "it's", ", drop column a", "-- ", "/* x */", "*/", "# x", "/*! x", "add column x int"),
    *('say "drop"', "`", ");", "truncate", "é, 日本", "\\", "\\', drop column a -- ", "NOT NULL DEFAULT 5", "a\nb"),
)

MODES = ("", "STRICT_TRANS_TABLES", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES")

#: What may stand between two words.
GAPS = (
    "\n",
    "\t ",
    " /* , drop column a */ ",
    " -- , drop column a\n",
    " # '\n",
    "/**/ ",
    " /* ' */ ",
    " /*M! force*/ ",
)

#: Columns of the tables, in order, with values that lose something in most other types.
COLUMNS = {
    "id": "int not null",
    "a": "int",
    "b": "varchar(20)",
    "c": "decimal(10,2)",
    "d": "datetime(3)",
    "e": "enum('x','rename file','drop')",
    "f": "text",
    "g": "int generated always as (a + 1) stored",
    "h": "bigint unsigned",
    "i": "char(8)",
    "j": "double",
    "k": "varbinary(10)",
}

_ROWS = (
    "({id}, {id}, 'é  ', 1.55, '2020-01-02 03:04:05.678', 'x', '日本', default, 18446744073709551615, 'ab', 0.1, 'x')",
    "({id}, null, 'abcdefghijklmnop', -99999.99, null, 'drop', 'é', default, 5, null, 1e300, x'00ff')",
    "({id}, 70000, null, null, '1999-12-31 23:59:59.999', null, null, default, null, 'A', null, null)",
)

_PARTITIONS = {
    "": "",
    "hash": " partition by hash (id) partitions 3",
    "range": " partition by range (id) (partition p0 values less than (2), partition p1 values less than (4), "
    "partition `drop` values less than maxvalue)",
}

#: By symbol, what it can be. `<x>` is a symbol, `[x]` is there or not, `{x}` is a name in any quotation, a word in
#: capitals is a keyword, and between two words anything may stand that separates them.
GRAMMAR: dict[str, tuple[str, ...]] = {
    "statement": (
        *("<alter>",) * 14,
        *("TRUNCATE [TABLE] <table>", "TRUNCATE TABLE <table>"),
        *("DROP TABLE <table>", "DROP TABLES IF EXISTS <table> , <other> , nope [CASCADE]", "DROP TABLE <other>"),
        "RENAME TABLE <table> TO {new}",
        "RENAME TABLES <table> TO {x} , <other> TO <table> , {x} TO <other>",
        "RENAME TABLE <table> TO {old} , <other> TO <table>",
        "RENAME TABLE <table> TO {x} , {x} TO <table>",
        "<other statement>",
        "<other statement>",
    ),
    "other statement": (
        *("CREATE [UNIQUE] INDEX {add} ON <table> (id, b) COMMENT <text>", "DROP INDEX {i_a} ON <table>"),
        *("CREATE TABLE IF NOT EXISTS <table> (drop_me int)", "CREATE TABLE {new} LIKE <table>"),
        *("CREATE TABLE {new} AS SELECT * FROM <table>", "CREATE VIEW {new} AS SELECT * FROM <table>"),
        *(
            "CREATE TEMPORARY TABLE <table> (a int)",
            "DROP TEMPORARY TABLE IF EXISTS <table>",
            "DROP VIEW IF EXISTS {new}",
        ),
        "CREATE TRIGGER {new} BEFORE INSERT ON <table> FOR EACH ROW SET @drop = 1",
    ),
    "alter": (
        *("ALTER TABLE <table> <clauses>",) * 5,
        *("ALTER TABLE <table> <modifiers> <clauses>",) * 2,
        "ALTER TABLE <table> <clauses> , RENAME <to> {new}",
        "ALTER TABLE <table> <clauses> PARTITION BY HASH (id) PARTITIONS 2",
        "ALTER TABLE <table> /*! <clauses> */",
        "ALTER TABLE <table> /*!50100 <clauses> */",
        "ALTER TABLE <table> /*!080400 <clauses> */ , COMMENT <text>",
        "ALTER TABLE <table> /*!99999 <clause> , */ FORCE",
        *(
            "ALTER TABLE <table> <partition>",
            "ALTER TABLE <table> <partition>",
            "ALTER TABLE <table> <modifiers> <partition>",
        ),
        "ALTER TABLE <table> /*!50100 <partition> */",
        "ALTER TABLE <table> <modifiers> <whole>",
    ),
    "whole": ("DISCARD TABLESPACE", "ENGINE = BLACKHOLE", "ENGINE MyISAM , COMMENT 'blackhole'"),
    "to": ("TO", "AS", "=", ""),
    "modifiers": ("ALGORITHM = DEFAULT ,", "LOCK DEFAULT ,", "ALGORITHM DEFAULT , LOCK = DEFAULT ,"),
    "clauses": (
        *("<clause>",) * 3,
        "<clause> , <clause>",
        "<clause>, <clause>, <clause>",
        "<keep> , <clause> , <keep>",
    ),
    "clause": ("<change>", "<change>", "<keep>"),
    "change": (
        *("ADD [COLUMN] <new> <definition> [<place>]",) * 3,
        "ADD [COLUMN] ( {n3} <definition> , INDEX (a) , {n4} <definition> )",
        "DROP [COLUMN] <column>",
        *("MODIFY [COLUMN] <column> <definition> [<place>]",) * 4,
        "CHANGE [COLUMN] <column> <new> <definition> [<place>]",
        *("CHANGE [COLUMN] {b} {b} <definition>", "CHANGE {c} {C} <definition>"),
        *("RENAME COLUMN <column> TO <new>", "RENAME COLUMN {a} TO {h} , RENAME COLUMN {h} TO {a}"),
        *("DROP {f} , ADD {f} <definition>", "ADD COLUMN {e} <definition> , DROP COLUMN {e}"),
        *("CONVERT TO CHARACTER SET <charset>", "CONVERT TO CHARSET <charset> COLLATE DEFAULT"),
    ),
    "keep": (
        *("ADD <index> {i_new} (b, a desc) COMMENT <text>", "ADD FULLTEXT (f)", "ADD UNIQUE [KEY] (id) USING BTREE"),
        *("ADD CONSTRAINT {x y} CHECK (id > 0) [NOT ENFORCED]", "ADD CONSTRAINT UNIQUE (id)", "DROP <index> {i_a}"),
        *(
            "DROP PRIMARY KEY , ADD PRIMARY KEY (id)",
            "RENAME <index> {i_a} TO {add}",
            "ALTER [COLUMN] {b} SET DEFAULT <text>",
        ),
        *("ALTER {a} DROP DEFAULT", "ALTER COLUMN {a} SET INVISIBLE", "ALTER {a} SET DEFAULT (1 + 1)"),
        *(
            "DROP CHECK {ch_1}",
            "DROP CONSTRAINT {ch_1}",
            "ALTER CHECK {ch_1} NOT ENFORCED",
            "ADD CHECK (a <> 3) NOT ENFORCED",
        ),
        "ADD CONSTRAINT {fk} FOREIGN KEY {add} (id) REFERENCES <table> (id) ON DELETE CASCADE ON UPDATE NO ACTION",
        *("ALTER INDEX {i_a} INVISIBLE", "COMMENT [=] <text>", "ENGINE [=] InnoDB ROW_FORMAT = DYNAMIC COMMENT <text>"),
        *("AUTO_INCREMENT = 500", "[DEFAULT] CHARACTER SET [=] latin1", "DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin"),
        *("COLLATE = utf8mb4_bin MAX_ROWS = 5 STATS_PERSISTENT = DEFAULT", "FORCE", "ORDER BY a DESC, b", "ORDER BY a"),
        *("DISABLE KEYS", "ENABLE KEYS", "WITHOUT VALIDATION", "ALGORITHM = COPY", "LOCK SHARED", "LOCK = EXCLUSIVE"),
    ),
    "index": ("INDEX", "KEY"),
    "charset": ("latin1", "utf8mb4", "ascii", "'latin1'"),
    "column": tuple(f"{{{name}}}" for name in list(COLUMNS)[1:]),
    "new": tuple(f"{{{name}}}" for name in ("n1", "n2", "drop", "add", "a b", "Partition", "1x", "it's", "é")),
    "place": ("FIRST", "AFTER {a}", "AFTER {k}"),
    "definition": (
        *("<type> <null> <attributes>",) * 4,
        *("<type> <null> DEFAULT <default> <attributes>",) * 3,
        "<type> [GENERATED ALWAYS] AS ( <expression> ) <stored> <attributes>",
        "<text type> <character set> <null> <attributes>",
    ),
    "expression": ("a + 2", "a + 1", "id", "concat(id, ')')", "length(b)"),
    "stored": ("VIRTUAL", "STORED", ""),
    "null": ("NOT NULL", "NULL", "", ""),
    "attributes": (
        *("", "", "COMMENT <text>", "COMMENT <text>", "UNIQUE [KEY]", "INVISIBLE", "COLUMN_FORMAT FIXED"),
        *("/*!80023 VISIBLE */", "CHECK (1 = 1) [NOT] ENFORCED COMMENT <text>"),
    ),
    "character set": ("CHARACTER SET latin1", "CHARSET utf8mb4", "COLLATE utf8mb4_bin", "CHAR SET ascii", ""),
    "default": (
        *("NULL", "5", "-1.5e-3", "1.", ".5", "0x41", "b'1'", "x'41'", "(1 + 1)", "now()", "CURRENT_TIMESTAMP", "'x'"),
        *("_utf8mb4'x'", "N'x'", "date '2020-01-01'", "TRUE", "1e+3", "<text>", "'2020-01-01'", "(uuid())"),
    ),
    "type": (
        *(
            "INT",
            "INTEGER",
            "TINYINT",
            "SMALLINT",
            "MEDIUMINT",
            "BIGINT",
            "BIGINT UNSIGNED",
            "INT8",
            "BOOL",
            "MIDDLEINT",
        ),
        *(
            "INT UNSIGNED",
            "INT(9) ZEROFILL",
            "SERIAL",
            "BIT(5)",
            "REAL",
            "DOUBLE PRECISION",
            "FLOAT",
            "DOUBLE",
            "FLOAT(30)",
        ),
        *("DECIMAL", "DECIMAL(12,2)", "DECIMAL(10,1)", "NUMERIC(14,4)", "DECIMAL(8,2) UNSIGNED", "DOUBLE(10,2)"),
        *(
            "DATE",
            "TIME",
            "DATETIME",
            "YEAR",
            "TIMESTAMP",
            "TIMESTAMP NULL",
            "DATETIME(2)",
            "DATETIME(6)",
            "TIMESTAMP(3)",
        ),
        *("BLOB", "LONGBLOB", "VARBINARY(3)", "VARBINARY(30)", "BINARY(10)", "JSON", "GEOMETRY", "POINT", "VECTOR(3)"),
        *("<text type>",) * 16,
    ),
    "text type": (
        *("VARCHAR(19)", "VARCHAR(20)", "VARCHAR(21)", "VARCHAR(200)", "CHAR(30)", "CHAR(3)", "NCHAR(9)", "TEXT"),
        *("CHARACTER VARYING(5)", "NATIONAL CHARACTER VARYING(50)", "LONG", "TINYTEXT", "MEDIUMTEXT", "LONGTEXT"),
        *(
            "ENUM( 'x', 'rename file', 'drop' )",
            "ENUM( 'x', 'drop' )",
            "ENUM( 'drop', 'add x int', 'rename file', 'x' )",
        ),
        *("ENUM( 'x', 'rename file', 'drop', <label> )", "SET( 'x', 'drop' )", "ENUM( <label>, 'x' )"),
    ),
    "label": ("'it''s'", "'add column x int'", "'a b'", "')'", "'é'"),
    "partition": (
        *("DROP PARTITION {p0}", "DROP PARTITION {p0} , {drop}", "TRUNCATE PARTITION {p1}", "TRUNCATE PARTITION ALL"),
        *("EXCHANGE PARTITION {p0} WITH TABLE <other> [WITHOUT VALIDATION]", "REMOVE PARTITIONING"),
        "REORGANIZE PARTITION p0 INTO (PARTITION p8 VALUES LESS THAN (1), PARTITION p9 VALUES LESS THAN (2))",
        *("ANALYZE PARTITION {p0}", "CHECK PARTITION ALL", "OPTIMIZE PARTITION p1", "REBUILD PARTITION {p1} , {drop}"),
        *(
            "REPAIR PARTITION {drop}",
            "DISCARD PARTITION {p1} TABLESPACE",
            "ADD PARTITION PARTITIONS 2",
            "COALESCE PARTITION 1",
        ),
        "PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (5), PARTITION p1 VALUES LESS THAN MAXVALUE)",
        "PARTITION BY KEY (id) PARTITIONS 2",
    ),
}

_PIECE = re.compile(r"\[(?P<maybe>[^\[\]]+)\]|<(?P<symbol>[^<>]+)>|\{(?P<name>[^{}]+)\}|(?P<word>[^\s\[<{][^\s<{]*)")


@dataclass(frozen=True)
class Example:
    """A statement and the tables that it meets.

    Attributes:
        mode: The session's SQL mode.
        setup: What makes the tables.
        statement: The statement.
        table: The table that it alters.
    """

    mode: str
    setup: tuple[str, ...]
    statement: str
    table: str


class DdlForms:
    """Makes statements.

    Args:
        seed: For the random numbers.
        symbols: Symbols of the grammar that are something else here.
    """

    def __init__(self, seed: int, symbols: Mapping[str, tuple[str, ...]] = MappingProxyType({})) -> None:
        self._random = random.Random(seed)  # noqa: S311 - test data
        self._grammar = {**GRAMMAR, **symbols}
        self._mode = ""
        self._tables = ("", "")

    def example(self) -> Example:
        """Makes a statement and what has to be there for it."""
        self._mode = self._pick(MODES)
        table, other = self._random.sample(NAMES, 2)
        self._tables = table, other
        statement = self._expand("statement")
        partitions = self._pick(("range", "range", "range", "hash")) if "PARTITION" in statement.upper() else ""
        setup = [*self._create(table, 1, partitions), *self._create(other, 1001, "")]
        if "exchange" in statement.lower():
            # Its rows have to fit into the partition.
            setup += [f"delete from {_backquoted(other)}", f"insert into {_backquoted(other)} (id, a) values (0, 9)"]
        return Example(self._mode, tuple(setup), self._between_comments(statement), table)

    def write(self, form: str, table: str, other: str = "", *, mode: str = "") -> str:
        """Writes a statement of a given form.

        Args:
            form: With symbols, names and keywords as in the grammar.
            table: What `<table>` is.
            other: What `<other>` is.
            mode: The SQL mode of the session that takes it.
        """
        self._mode, self._tables = mode, (table, other)
        return self._between_comments(self._fill(form))

    def _between_comments(self, statement: str) -> str:
        before = self._pick(("", "", "", "/* drop table x */ ", "-- x\n"))
        after = self._pick(("", "", "", " /* generated */", " -- x", ";"))
        assert re.match(r"[A-Za-z]+\s", statement), "VTTablet must be able to tell the first word, see _fill"
        return f"{before}{statement}{after}"

    def _pick(self, choices: Sequence[str]) -> str:
        return self._random.choice(choices)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _expand(self, symbol: str) -> str:
        match symbol:
            case "table":
                return self._name(self._tables[0])
            case "other":
                return self._name(self._tables[1])
            case "text":
                return self._text(self._pick(TEXTS))
        return self._fill(self._pick(self._grammar[symbol]))

    def _fill(self, form: str) -> str:
        """Fills in symbols and names, and separates words.

        VTTablet takes the first word to end at a space, and ends every stream of the server if it does not know it
        (go/vt/sqlparser/analyzer.go, Preview): nothing else comes after it, and no comment with `#` before it.
        """
        made = ""
        is_first = form.startswith(("ALTER", "CREATE", "DROP", "RENAME", "TRUNCATE"))
        for piece in _PIECE.finditer(form):
            if piece["maybe"]:
                text = self._fill(piece["maybe"]) if self._chance(0.5) else ""
            elif piece["symbol"]:
                text = self._expand(piece["symbol"])
            elif piece["name"]:
                text = self._name(piece["name"])
            else:
                text = self._keyword(piece["word"])
            if made and text:
                made += " " if is_first else self._gap()
                is_first = False
            made += text
        return made

    def _keyword(self, word: str) -> str:
        return self._pick((word, word.lower(), word.title())) if word.isalpha() and word.isupper() else word

    def _gap(self) -> str:
        return " " if self._chance(0.93) else self._pick(GAPS)

    def _name(self, name: str) -> str:
        is_plain = re.fullmatch(r"[a-z]\w*", name, re.IGNORECASE | re.ASCII) is not None
        if is_plain and name.lower() not in _RESERVED and self._chance(0.5):
            return name
        if "ANSI_QUOTES" in self._mode and self._chance(0.5):
            return '"' + name.replace('"', '""') + '"'
        return _backquoted(name)

    def _text(self, text: str) -> str:
        mark = '"' if "ANSI_QUOTES" not in self._mode and self._chance(0.3) else "'"
        if "NO_BACKSLASH_ESCAPES" not in self._mode:
            text = text.replace("\\", "\\\\")
            if self._chance(0.5):
                return mark + text.replace(mark, "\\" + mark) + mark
        return mark + text.replace(mark, mark * 2) + mark

    def _create(self, table: str, first: int, partitions: str) -> list[str]:
        columns = ", ".join(f"{name} {definition}" for name, definition in COLUMNS.items())
        rows = ", ".join(_ROWS[at % 3].format(id=first + at) for at in range(6))
        check = "" if partitions else f", constraint ch_{first} check (id > -9)"
        return [
            f"create table {_backquoted(table)} ({columns}, primary key (id), key i_a (a){check}) charset utf8mb4"
            + _PARTITIONS[partitions],
            f"insert into {_backquoted(table)} values {rows}",
        ]


def _backquoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
