"""Parses the statements of the change stream that can remove rows, or change columns or stored values.

Grammar: MySQL 8.4 and 9, "Data Definition Statements"; forms of older servers and of MariaDB where they cannot be
confused with these. A statement was carried out by a server, so it need not be validated, but a clause that is not
known must be seen as such, and must not hide the others.

Why not a library: sqlglot 30.30, the best kept one for Python, was tried. It takes 8 MB on disk, 0.15 s and 17 MB of
memory to import, which would do. But of 3,000 statements of `integration_tests/ddl_forms.py` its MySQL dialect gave up
on 1,655 as a whole ("Command": ALGORITHM or LOCK, CONVERT TO, ADD with brackets, FORCE, ORDER BY, ENGINE, most clauses
of partitions, types that it does not know), raised at 38, and dropped the conditional comment of 166 others. What would
be left is its tokenizer, which has to know where these comments are, knows no NO_BACKSLASH_ESCAPES, and so needs
most of tokens.py before it. It releases a new major version every few weeks; MySQL's words change once in years.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from source_vitess.ddl.cursor import NoGrammarError
from source_vitess.ddl.definitions import Definitions
from source_vitess.ddl.statements import (
    Action,
    AddColumn,
    AlterColumn,
    AlterTable,
    ChangeColumn,
    ConvertTo,
    CreateTable,
    DefaultCharset,
    DropColumn,
    DropTables,
    Engine,
    Harmless,
    NotUnderstood,
    Parsed,
    Partitions,
    RenameColumn,
    RenameTables,
    RenameTo,
    Statement,
    Tablespace,
    TruncateTable,
)
from source_vitess.ddl.tokens import Kind, readings

#: The words with which a key or a constraint begins, all of them reserved.
_KEYS = ("INDEX", "KEY", "UNIQUE", "FULLTEXT", "SPATIAL", "PRIMARY", "FOREIGN", "CONSTRAINT", "CHECK")

#: Options of tables. UNION is not among them: it gives a MERGE table other rows.
_OPTIONS = (
    *("ENGINE", "TYPE", "CHARACTER", "CHAR", "CHARSET", "DATA", "INDEX", "START", "COLLATE", "COMMENT", "STORAGE"),
    *("AUTO_INCREMENT", "AUTOEXTEND_SIZE", "AVG_ROW_LENGTH", "CHECKSUM", "TABLE_CHECKSUM", "COMPRESSION", "CONNECTION"),
    *("DELAY_KEY_WRITE", "ENCRYPTION", "ENGINE_ATTRIBUTE", "INSERT_METHOD", "KEY_BLOCK_SIZE", "MAX_ROWS", "MIN_ROWS"),
    *("PACK_KEYS", "PASSWORD", "ROW_FORMAT", "SECONDARY_ENGINE", "SECONDARY_ENGINE_ATTRIBUTE", "STATS_AUTO_RECALC"),
    *("STATS_PERSISTENT", "STATS_SAMPLE_PAGES", "TABLESPACE"),
)

#: What can follow a column of ORDER BY, other than a sign.
_AFTER_ORDER = ("ASC", "DESC", "PARTITION", "REMOVE")


# All shards write the same statement.
@lru_cache(maxsize=16)
def parse(text: str) -> Parsed:
    """Parses a statement. Never fails."""
    found: list[Parsed] = []
    for tokens in readings(text):
        parsed = _Parser(tokens).parse()
        if not parsed.understood and not found:
            found.append(parsed)
        elif parsed.understood:
            if not found or not found[0].understood:
                found = [parsed]
            elif found[0].statement != parsed.statement:
                # Both SQL modes give a statement, and not the same: that of the default mode is likelier.
                return Parsed(found[0].statement, understood=False, words=found[0].words | parsed.words)
    return found[0] if found else Parsed(None, understood=False, words=frozenset(re.findall(r"[\w$]+", text)))


def opens_transaction(text: str) -> bool:
    """Tells whether a statement ends no transaction, but begins one: CREATE TABLE … START TRANSACTION."""
    if text.lstrip()[:6].upper() != "CREATE" or "TRANSACTION" not in text[-200:].upper():
        return False
    statement = parse(text).statement
    return isinstance(statement, CreateTable) and statement.opens_transaction


class _Parser(Definitions):
    """One pass over the tokens of one reading."""

    def parse(self) -> Parsed:
        """Returns what the tokens mean."""
        statement: Statement | None = None
        understood = False
        try:
            statement = self._statement()
            understood = self.at_end() and not (
                isinstance(statement, AlterTable) and any(isinstance(a, NotUnderstood) for a in statement.actions)
            )
        except NoGrammarError:
            pass
        words = frozenset(token.text for token in self.tokens if token.kind not in (Kind.SIGN, Kind.STRING))
        return Parsed(statement, understood, words)

    def _statement(self) -> Statement:
        if self.at_end():
            return Harmless()
        match self.take_one("ALTER", "CREATE", "DROP", "RENAME", "TRUNCATE"):
            case "ALTER":
                return self._alter()
            case "CREATE":
                return self._create()
            case "DROP":
                # Not other things than tables, nor temporary ones, which hide those of the same name.
                return self._drop_tables() if self.take_one("TABLE", "TABLES") else self._harmless()
            case "RENAME":
                return self._rename_tables() if self.take_one("TABLE", "TABLES") else self._harmless()
            case "TRUNCATE":
                self.take("TABLE")
                return TruncateTable(self.table())
            case _:
                raise NoGrammarError

    def _harmless(self) -> Harmless:
        self.skip_all()
        return Harmless()

    def _drop_tables(self) -> DropTables:
        self.take("IF", "EXISTS")
        tables = [self.table()]
        while self.take_sign(","):
            tables.append(self.table())
        self.take_one("RESTRICT", "CASCADE")
        return DropTables(tuple(tables))

    def _rename_tables(self) -> RenameTables:
        pairs = []
        while True:
            old = self.table()
            self.expect("TO")
            pairs.append((old, self.table()))
            if not self.take_sign(","):
                return RenameTables(tuple(pairs))

    def _create(self) -> Statement:
        replaces = self.take("OR", "REPLACE")
        if not self.take("TABLE"):
            return self._harmless()
        self.take("IF", "NOT", "EXISTS")
        table = self.table()
        self.skip_all()
        while self.at and self.sign(-1) == ";":
            self.at -= 1
        opens_transaction = self.word(-2) == "START" and self.word(-1) == "TRANSACTION"
        self.skip_all()
        return CreateTable(table, replaces, opens_transaction)

    def _alter(self) -> Statement:
        ignore = False
        while word := self.take_one("IGNORE", "ONLINE", "OFFLINE"):
            ignore |= word == "IGNORE"
        if not self.take("TABLE"):
            return self._harmless()
        self.take("IF", "EXISTS")
        table = self.table()
        actions: list[Action] = []
        while not self.at_end():
            start = self.at
            try:
                # One by one: what was found before a word that is not known counts.
                for action in self._action():
                    actions.append(action)  # noqa: PERF402
                if not (self.at_end() or self.take_sign(",") or self.word() in ("PARTITION", "REMOVE")):
                    raise NoGrammarError
            except NoGrammarError:
                actions.append(NotUnderstood())
                self.skip()
                if not self.take_sign(",") and self.at == start:
                    self.at += 1
        return AlterTable(table, tuple(actions), ignore)

    def _action(self) -> Iterator[Action]:
        match self.word():
            case "ADD":
                self.at += 1
                yield from self._add()
            case "DROP":
                self.at += 1
                yield from self._drop()
            case "MODIFY":
                self.at += 1
                self.take("COLUMN")
                self.take("IF", "EXISTS")
                old = self.name()
                yield from self.define(old, lambda column: ChangeColumn(old, column))
            case "CHANGE":
                self.at += 1
                self.take("COLUMN")
                self.take("IF", "EXISTS")
                old = self.name()
                yield from self.define(self.name(), lambda column: ChangeColumn(old, column))
            case "ALTER":
                self.at += 1
                if not self.take_one("INDEX", "CHECK", "CONSTRAINT"):
                    self.take("COLUMN")
                    yield AlterColumn(self.name())
                self.skip()
            case "RENAME":
                self.at += 1
                yield from self._rename()
            case "CONVERT":
                self.at += 1
                self.expect("TO")
                yield ConvertTo(_known(self.charset()))
                if self.take("COLLATE"):
                    self.value()
            case "ORDER":
                self.at += 1
                self.expect("BY")
                self._order()
            case "DISCARD" | "IMPORT" as verb:
                self.at += 1
                if self.take("PARTITION"):
                    self.skip_all()
                    yield Partitions(verb)
                else:
                    self.expect("TABLESPACE")
                    yield Tablespace(verb)
            case "TRUNCATE":
                self.at += 1
                self.expect("PARTITION")
                yield Partitions("TRUNCATE")
                self.skip_all()
            case "EXCHANGE":
                self.at += 1
                self.expect("PARTITION")
                self.name()
                self.expect("WITH", "TABLE")
                yield Partitions("EXCHANGE", self.table())
                if self.take_one("WITH", "WITHOUT"):
                    self.expect("VALIDATION")
            case "COALESCE" | "REORGANIZE" | "ANALYZE" | "CHECK" | "OPTIMIZE" | "REBUILD" | "REPAIR":
                self.at += 1
                self.expect("PARTITION")
                self.skip_all()
            case "PARTITION":
                self.at += 1
                self.expect("BY")
                self.skip_all()
            case "REMOVE" | "UPGRADE":
                self.at += 1
                self.expect("PARTITIONING")
            case "FORCE":
                self.at += 1
            case "SECONDARY_LOAD" | "SECONDARY_UNLOAD":
                self.at += 1
                if self.take("PARTITION"):
                    self.brackets()
            case "ENABLE" | "DISABLE":
                self.at += 1
                self.expect("KEYS")
            case "WITH" | "WITHOUT":
                self.at += 1
                self.expect("VALIDATION")
            case "ALGORITHM" | "LOCK":
                self.at += 1
                self.take_sign("=")
                self.name()
            case _:
                yield from self._options()

    def _add(self) -> Iterator[Action]:
        if self.take("PARTITION"):
            self.skip_all()
        elif self.word() in _KEYS:
            self.skip()
        else:
            self.take("COLUMN")
            self.take("IF", "NOT", "EXISTS")
            if not self.take_sign("("):
                yield from self.define(self.name(), AddColumn)
                return
            while True:
                if self.word() in _KEYS:
                    self.skip()
                else:
                    yield from self.define(self.name(), AddColumn)
                if self.take_sign(")"):
                    return
                if not self.take_sign(","):
                    raise NoGrammarError

    def _drop(self) -> Iterator[Action]:
        if self.take("PARTITION"):
            yield Partitions("DROP")
            self.skip_all()
        elif self.take_one("INDEX", "KEY", "PRIMARY", "FOREIGN", "CHECK", "CONSTRAINT"):
            self.skip()
        else:
            self.take("COLUMN")
            self.take("IF", "EXISTS")
            yield DropColumn(self.name())
            self.take_one("RESTRICT", "CASCADE")

    def _rename(self) -> Iterator[Action]:
        if self.take("COLUMN"):
            old = self.name()
            self.expect("TO")
            yield RenameColumn(old, self.name())
        elif self.take_one("INDEX", "KEY"):
            self.name()
            self.expect("TO")
            self.name()
        else:
            if not self.take_one("TO", "AS"):
                self.take_sign("=")
            yield RenameTo(self.table())

    def _order(self) -> None:
        """Takes the columns of ORDER BY, which commas separate as they do clauses."""
        while True:
            self.table()
            if self.take_sign("."):
                self.name()
            self.take_one("ASC", "DESC")
            ends = self.peek(2)
            if self.sign() != "," or not (ends is None or self.sign(2) or self.word(2) in _AFTER_ORDER):
                return
            if self.word(1) == "FORCE":
                return
            self.at += 1

    def _options(self) -> Iterator[Action]:
        """Takes the table's options, between which commas are left out at will."""
        while True:
            self.take("DEFAULT")
            match self.take_one(*_OPTIONS):
                case "":
                    raise NoGrammarError
                case "ENGINE" | "TYPE":
                    self.take_sign("=")
                    yield Engine(self.value().upper())
                case "CHARACTER" | "CHAR" | "CHARSET":
                    self.at -= 1
                    yield DefaultCharset(_known(self.charset()))
                case "COLLATE":
                    self.take_sign("=")
                    yield DefaultCharset(_known(self.value().lower().partition("_")[0]))
                case "DATA" | "INDEX":
                    self.expect("DIRECTORY")
                    self.take_sign("=")
                    self.value()
                case "START":
                    self.expect("TRANSACTION")
                case _:
                    self.take_sign("=")
                    self.value()
            if self.at_end() or self.sign() or self.word() in ("PARTITION", "REMOVE"):
                return


def _known(charset: str) -> str | None:
    """Returns a character set, or None if the statement only refers to the database's."""
    return None if charset == "default" else charset
