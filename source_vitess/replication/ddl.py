"""Statements of the change stream that remove rows without a row event.

Only what a server writes into its binlog has to be understood (MySQL manual, "DROP TABLE", "TRUNCATE TABLE",
"RENAME TABLE", "ALTER TABLE"), not all of SQL: statements come one at a time, and comments only between words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_COMMENT = re.compile(r"/\*.*?\*/|--[ \t][^\n]*|#[^\n]*", re.DOTALL)
_NAME = r"(?:`(?:[^`]|``)+`|[^\s`.,;()]+)"
_TABLE = rf"(?:{_NAME}\s*\.\s*)?({_NAME})"
_TRUNCATE = re.compile(rf"TRUNCATE\s+(?:TABLE\s+)?{_TABLE}", re.IGNORECASE)
_DROP = re.compile(r"DROP\s+(?:TEMPORARY\s+)?TABLES?\s+(?:IF\s+EXISTS\s+)?", re.IGNORECASE)
_RENAME = re.compile(r"RENAME\s+TABLES?\s+", re.IGNORECASE)
_RENAME_PAIR = re.compile(rf"{_TABLE}\s+TO\s+{_TABLE}", re.IGNORECASE)
_ALTER_RENAME = re.compile(
    rf"ALTER\s+(?:IGNORE\s+)?TABLE\s+{_TABLE}\s.*?\bRENAME\s+(?!COLUMN\b|INDEX\b|KEY\b)(?:TO\s+|AS\s+|=\s*)?{_TABLE}",
    re.IGNORECASE | re.DOTALL,
)
_PARTITION = re.compile(
    rf"ALTER\s+(?:IGNORE\s+)?TABLE\s+{_TABLE}\s+(DROP|TRUNCATE|EXCHANGE)\s+PARTITION\b"
    rf"(?:.*?\bWITH\s+TABLE\s+{_TABLE})?",
    re.IGNORECASE | re.DOTALL,
)
_ALTER = re.compile(rf"ALTER\s+(?:IGNORE\s+)?TABLE\s+{_TABLE}\s", re.IGNORECASE)
_ADD = re.compile(
    r"\bADD\s+(?!(?:UNIQUE|FULLTEXT|SPATIAL|PRIMARY|FOREIGN|INDEX|KEY|CONSTRAINT|CHECK|PARTITION)\b)(?:COLUMN\s+)?"
    rf"\(?\s*({_NAME})",
    re.IGNORECASE,
)
_DROP_COLUMN = re.compile(
    r"\bDROP\s+(?!(?:PRIMARY|INDEX|KEY|FOREIGN|CONSTRAINT|CHECK|PARTITION|DEFAULT)\b)(?:COLUMN\s+)?"
    rf"({_NAME})",
    re.IGNORECASE,
)
#: How gh-ost, pt-online-schema-change, spirit, Vitess (all `_`) and LHM name a table that is to become another one.
_SHADOW = ("_", "lhmn_")


@dataclass(frozen=True)
class RowsGone:
    """A table lost rows without row events.

    Attributes:
        table: The table.
        how: The word for what was done to it.
        replaced: Other rows may have come in their place, without row events too.
    """

    table: str
    how: str
    replaced: bool = False


def rows_gone(statement: str) -> Iterator[RowsGone]:
    """Yields each table that lost rows by a statement.

    A rename that puts a shadow table in the place of the first, as online schema changes end, keeps the rows and is
    not one of these; any other table in its place has rows of its own.
    """
    text = _COMMENT.sub(" ", statement).strip()
    if match := _TRUNCATE.match(text):
        yield RowsGone(_unquoted(match[1]), "truncated")
    elif match := _DROP.match(text):
        for name in re.findall(_TABLE, text[match.end() :]):
            if name.upper() not in ("RESTRICT", "CASCADE"):
                yield RowsGone(_unquoted(name), "dropped")
    elif match := _RENAME.match(text):
        yield from _renamed([(_unquoted(a), _unquoted(b)) for a, b in _RENAME_PAIR.findall(text[match.end() :])])
    elif match := _PARTITION.match(text):
        for name in filter(None, (match[1], match[3])):
            how = match[2].upper()
            yield RowsGone(_unquoted(name), f"altered with {how} PARTITION", replaced=how == "EXCHANGE")
    elif match := _ALTER_RENAME.match(text):
        yield from _renamed([(_unquoted(match[1]), _unquoted(match[2]))])


def columns_added(statement: str) -> tuple[str, frozenset[str]] | None:
    """Returns the table of an ALTER TABLE that adds columns, and such columns, the first of each ADD at least."""
    text = _COMMENT.sub(" ", statement).strip()
    match = _ALTER.match(text)
    names = frozenset(map(_unquoted, _ADD.findall(text[match.end() :]))) if match else frozenset()
    return (_unquoted(match[1]), names) if match and names else None


def columns_dropped(statement: str) -> tuple[str, frozenset[str]] | None:
    """Returns the table of an ALTER TABLE, and the columns that it drops."""
    text = _COMMENT.sub(" ", statement).strip()
    if not (match := _ALTER.match(text)):
        return None
    return _unquoted(match[1]), frozenset(map(_unquoted, _DROP_COLUMN.findall(text[match.end() :])))


def tables_replaced(statement: str) -> Iterator[str]:
    """Yields each table into whose place a RENAME TABLE puts another one."""
    text = _COMMENT.sub(" ", statement).strip()
    if match := _RENAME.match(text):
        for _, new in _RENAME_PAIR.findall(text[match.end() :]):
            yield _unquoted(new)


def _renamed(pairs: Sequence[tuple[str, str]]) -> Iterator[RowsGone]:
    successors = {new: old for old, new in pairs}
    for old, new in pairs:
        if old not in successors:
            yield RowsGone(old, "renamed")
        elif not successors[old].startswith(_SHADOW):
            yield RowsGone(old, "replaced", replaced=True)
        if not old.startswith(_SHADOW) and all(other != new for other, _ in pairs):
            # Into the place of a table that was dropped or renamed before.
            yield RowsGone(new, "replaced", replaced=True)


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") else name
