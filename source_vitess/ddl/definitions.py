"""Definitions of columns, in ADD, MODIFY and CHANGE."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from source_vitess.ddl.cursor import Cursor, NoGrammarError
from source_vitess.ddl.statements import Action, ColumnDefinition
from source_vitess.types.column_type import ColumnType

#: By the words of statements, the types in the words of information_schema. REAL is one or the other (REAL_AS_FLOAT).
_TYPES = {
    **{
        word.upper(): word
        for word in (
            *("tinyint", "smallint", "mediumint", "int", "bigint", "bit", "decimal", "float", "double", "real"),
            *("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "json", "vector"),
            *("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
            *("date", "time", "datetime", "timestamp", "year"),
            *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"),
            "geomcollection",
        )
    },
    "INT1": "tinyint",
    "INT2": "smallint",
    "INT3": "mediumint",
    "MIDDLEINT": "mediumint",
    "INT4": "int",
    "INTEGER": "int",
    "INT8": "bigint",
    "SERIAL": "bigint",
    "BOOL": "tinyint",
    "BOOLEAN": "tinyint",
    "DEC": "decimal",
    "NUMERIC": "decimal",
    "FIXED": "decimal",
    "FLOAT4": "float",
    "FLOAT8": "double",
    "CHARACTER": "char",
    "NCHAR": "char",
    "NVARCHAR": "varchar",
    "VARCHARACTER": "varchar",
    "GEOMETRYCOLLECTION": "geomcollection",
}

#: FLOAT(n) with more bits is DOUBLE.
_FLOAT_BITS = 24


class Definitions(Cursor):
    """Takes columns' definitions."""

    def define(self, name: str, action: Callable[[ColumnDefinition], Action]) -> Iterator[Action]:
        """Takes a column's definition after its name."""
        column = _Column(name)
        try:
            self._type(column)
            self._attributes(column)
        except NoGrammarError:
            column.is_known = False
        yield action(column.definition())
        if not column.is_known:
            raise NoGrammarError

    def _type(self, column: _Column) -> None:
        word = self.word()
        self.at += 1
        if word == "NATIONAL":
            word = {"CHARACTER": "NCHAR", "CHAR": "NCHAR", "VARCHAR": "NVARCHAR"}.get(self.word(), "")
            self.at += 1
        if word == "LONG":
            word = "MEDIUMBLOB" if self.take("VARBINARY") else "MEDIUMTEXT"
            if not self.take_one("VARCHAR", "VARCHARACTER") and self.word(1) == "VARYING":
                self.take_one("CHAR", "CHARACTER")
                self.expect("VARYING")
        if word in ("CHAR", "CHARACTER", "NCHAR") and self.take_one("VARYING", "VARCHAR", "VARCHARACTER"):
            word = "NVARCHAR" if word == "NCHAR" else "VARCHAR"
        if word in ("DOUBLE", "FLOAT8"):
            self.take("PRECISION")
        if word in ("NCHAR", "NVARCHAR"):
            column.charset = "utf8mb3"
        column.type = _TYPES.get(word, "")
        if not column.type:
            raise NoGrammarError
        if word in ("BOOL", "BOOLEAN"):
            column.arguments = (1,)
        elif word == "SERIAL":
            column.unsigned = column.not_null = column.numbered = True
        if self.take_sign("("):
            if column.type in ("enum", "set"):
                column.members = tuple(self._members())
            else:
                column.arguments = tuple(self._numbers())
        if column.type == "float" and len(column.arguments) == 1:
            column.type = "float" if column.arguments[0] <= _FLOAT_BITS else "double"
            column.arguments = ()
        elif column.type in ("text", "blob") and column.arguments:
            # The number is that of characters; the longest character is not known here.
            column.type = ""

    def _members(self) -> Iterator[str]:
        while True:
            if not self.is_string():
                # N'…', _utf8mb4'…', x'…': what the label is depends on the character set.
                self.literal()
                yield "\0"
            else:
                yield self.string()
            if self.take_sign(")"):
                return
            if not self.take_sign(","):
                raise NoGrammarError

    def _numbers(self) -> Iterator[int]:
        while True:
            word = self.word()
            self.at += 1
            if not word.isdecimal():
                raise NoGrammarError
            yield int(word)
            if self.take_sign(")"):
                return
            if not self.take_sign(","):
                raise NoGrammarError

    def _attributes(self, column: _Column) -> None:
        nullable = False
        while not (self.at_end() or self.sign() in (",", ")")):
            word = self.word()
            if word in ("PARTITION", "REMOVE"):
                break
            self.at += 1
            match word:
                case "UNSIGNED":
                    column.unsigned = True
                case "ZEROFILL":
                    column.unsigned = column.zerofill = True
                case "SIGNED" | "BINARY" | "VISIBLE" | "INVISIBLE" | "VIRTUAL" | "STORED" | "PERSISTENT" | "FIRST":
                    pass
                case "ASCII":
                    column.charset = "latin1"
                case "UNICODE":
                    column.charset = "ucs2"
                case "BYTE":
                    column.charset = "binary"
                case "CHARACTER" | "CHAR" | "CHARSET":
                    self.at -= 1
                    column.charset = self.charset()
                case "COLLATE":
                    collation = self.value().lower()
                    column.charset = column.charset or collation.partition("_")[0]
                case "NOT":
                    if not self.take("SECONDARY"):
                        self.expect("NULL")
                        column.not_null = True
                case "NULL":
                    nullable = True
                case "DEFAULT":
                    if not self.take("NULL"):
                        self.literal()
                        column.has_default = True
                case "ON":
                    self.expect("UPDATE")
                    self.literal()
                case "AUTO_INCREMENT":
                    column.numbered = column.not_null = True
                case "SERIAL":
                    self.expect("DEFAULT", "VALUE")
                    column.numbered = column.not_null = True
                case "PRIMARY" | "KEY":
                    if word == "PRIMARY":
                        self.expect("KEY")
                    column.not_null = True
                case "UNIQUE":
                    self.take("KEY")
                case "COMMENT":
                    self.string()
                case "COLUMN_FORMAT" | "STORAGE" | "SRID":
                    self.name()
                case "ENGINE_ATTRIBUTE" | "SECONDARY_ENGINE_ATTRIBUTE":
                    self.take_sign("=")
                    self.string()
                case "GENERATED":
                    self.expect("ALWAYS", "AS")
                    self.brackets()
                    column.generated = True
                case "AS":
                    self.brackets()
                    column.generated = True
                case "REFERENCES":
                    self._references()
                case "CONSTRAINT":
                    if self.word() != "CHECK":
                        self.name()
                case "CHECK":
                    self.brackets()
                    if self.take("NOT"):
                        self.expect("ENFORCED")
                    self.take("ENFORCED")
                case "AFTER":
                    self.name()
                case _:
                    raise NoGrammarError
        # Whether TIMESTAMP is NOT NULL by itself depends on explicit_defaults_for_timestamp.
        column.not_null |= column.type == "timestamp" and not nullable

    def _references(self) -> None:
        self.table()
        if self.sign() == "(":
            self.brackets()
        if self.take("MATCH"):
            self.name()
        while self.take("ON"):
            if not self.take_one("DELETE", "UPDATE"):
                raise NoGrammarError
            if not self.take_one("RESTRICT", "CASCADE"):
                self.expect(*(("NO", "ACTION") if self.word() == "NO" else ("SET",)))
                self.take_one("NULL", "DEFAULT")

    def literal(self) -> None:
        """Takes a default: a literal, a function of time, or an expression in brackets."""
        if self.sign() == "(":
            self.brackets()
            return
        while self.sign() in ("+", "-"):
            self.at += 1
        if self.is_string():
            self.string()
        elif self.take_sign("."):
            self._fraction()
        elif word := self.word():
            self.at += 1
            if word.isdecimal() and self.take_sign("."):
                self._fraction()
            elif re.fullmatch(r"\d+E", word):
                self._exponent()
            elif self.is_string():
                self.string()  # N'…', x'…', DATE '…', _latin1'…'
            elif word.startswith("_"):
                self.literal()
            elif self.sign() == "(":
                self.brackets()
        else:
            raise NoGrammarError

    def _fraction(self) -> None:
        if re.fullmatch(r"\d+(?:E\d*)?|E\d*", self.word()):
            self.at += 1
            if self.word(-1)[-1] == "E":
                self._exponent()

    def _exponent(self) -> None:
        if self.sign() not in ("+", "-"):
            raise NoGrammarError
        self.at += 1
        self.name()

    def charset(self) -> str:
        """Takes CHARACTER SET and its name."""
        if not self.take("CHARSET"):
            if not self.take_one("CHARACTER", "CHAR"):
                raise NoGrammarError
            self.expect("SET")
        self.take_sign("=")
        return self.value().lower()


class _Column:
    """A column's definition while it is being read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.type = ""
        self.arguments: tuple[int, ...] = ()
        self.members: tuple[str, ...] = ()
        self.unsigned = False
        self.zerofill = False
        self.charset: str | None = None
        self.not_null = False
        self.has_default = False
        self.generated = False
        self.numbered = False
        self.is_known = True

    def definition(self) -> ColumnDefinition:
        """Returns it as a value; what is not known is taken for what can change values."""
        return ColumnDefinition(
            self.name,
            ColumnType(self.type if self.is_known else "", self.arguments, self.members, self.unsigned, self.zerofill),
            self.charset,
            self.not_null or not self.is_known,
            self.has_default,
            self.generated,
            self.numbered,
        )
