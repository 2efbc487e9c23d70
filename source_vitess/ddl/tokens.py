"""MySQL's words: a statement's text as tokens, without comments.

- Conditional comments are opened, whatever their version: a server writes those that it skipped into its binary log as
  plain comments (MySQL's sql/sql_lex.cc turns their `!` into a space), so one that is still there was carried out.
  `/*M! … */`, MariaDB's, is a comment to MySQL.
- The session's SQL mode is not part of the stream. Without ANSI_QUOTES `"x"` is a string, with it a name: it is kept as
  what it is, and the parser takes it for what can stand there. What a backslash is (NO_BACKSLASH_ESCAPES) can change
  where a string ends, so a statement with one has several readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class UnreadableError(ValueError):
    """A text is no statement: a quotation or a comment does not end."""


class Kind(Enum):
    """What a token is."""

    WORD = "a keyword, a name without quotation marks, or a number"
    NAME = "a name in backquotes"
    DOUBLE = "in double quotes: a name under ANSI_QUOTES, else a string"
    STRING = "in single quotes"
    SIGN = "any other character"


@dataclass(frozen=True)
class Token:
    """A token.

    Attributes:
        kind: What it is.
        text: Without quotation marks and escapes.
        start: Where it starts in the statement.
        end: Where it ends.
    """

    kind: Kind
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Quoting:
    """A part of the SQL mode: whether a backslash escapes.

    Attributes:
        in_single: In '…'.
        in_double: In "…".
    """

    in_single: bool = True
    in_double: bool = True


#: The server's default; ANSI_QUOTES; NO_BACKSLASH_ESCAPES.
_QUOTINGS = (Quoting(), Quoting(in_double=False), Quoting(in_single=False, in_double=False))

_SPACE = re.compile(r"[ \t\n\v\f\r]+")
# A dash, a dash, and a space or a control character, or the end.
_LINE_COMMENT = re.compile(r"(?:#|--(?=[\x00-\x20]|\Z))[^\n]*")
_OPENING = re.compile(r"/\*!(?:\d{5,6})?")
_WORD = re.compile(r"[0-9A-Za-z_$\u0080-\U0010ffff]+")
_QUOTED = {
    ("`", False): re.compile(r"`((?:[^`]|``)*)`"),
    ("'", True): re.compile(r"'((?:[^'\\]|\\.|'')*)'", re.DOTALL),
    ("'", False): re.compile(r"'((?:[^']|'')*)'"),
    ('"', True): re.compile(r'"((?:[^"\\]|\\.|"")*)"', re.DOTALL),
    ('"', False): re.compile(r'"((?:[^"]|"")*)"'),
}
_KINDS = {"`": Kind.NAME, "'": Kind.STRING, '"': Kind.DOUBLE}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_UNESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "0": "\0", "Z": "\x1a", "%": "\\%", "_": "\\_"}


def readings(statement: str) -> Iterator[tuple[Token, ...]]:
    """Yields the tokens of a statement, as with the default SQL mode first, then as with others where they differ."""
    seen: list[tuple[Token, ...]] = []
    for quoting in _QUOTINGS if "\\" in statement else _QUOTINGS[:1]:
        try:
            tokens = tokenize(statement, quoting)
        except UnreadableError:
            continue
        if tokens not in seen:
            seen.append(tokens)
            yield tokens


def tokenize(statement: str, quoting: Quoting = Quoting()) -> tuple[Token, ...]:
    """Splits a statement into tokens.

    Raises:
        UnreadableError: A quotation or a comment does not end.
    """
    tokens = []
    at = 0
    opened = False
    while at < len(statement):
        character = statement[at]
        if match := _SPACE.match(statement, at) or _LINE_COMMENT.match(statement, at):
            at = match.end()
        elif opened and statement.startswith("*/", at):
            opened = False
            at += 2
        elif match := _OPENING.match(statement, at):
            opened = True
            at = match.end()
        elif statement.startswith("/*", at):
            end = statement.find("*/", at + 2)
            if end < 0:
                raise UnreadableError("A comment does not end.")
            at = end + 2
        elif match := _WORD.match(statement, at):
            tokens.append(Token(Kind.WORD, match[0], at, match.end()))
            at = match.end()
        elif kind := _KINDS.get(character):
            escapes = quoting.in_single if kind is Kind.STRING else quoting.in_double and kind is Kind.DOUBLE
            match = _QUOTED[character, escapes].match(statement, at)
            if match is None:
                raise UnreadableError("A quotation does not end.")
            tokens.append(Token(kind, _unquote(match[1], character, escapes=escapes), at, match.end()))
            at = match.end()
        else:
            tokens.append(Token(Kind.SIGN, character, at, at + 1))
            at += 1
    if opened:
        raise UnreadableError("A conditional comment does not end.")
    return tuple(tokens)


def _unquote(inner: str, mark: str, *, escapes: bool) -> str:
    text = inner.replace(mark * 2, mark)
    return _ESCAPED.sub(lambda match: _UNESCAPED.get(match[1], match[1]), text) if escapes else text


_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*(?:'|\Z)|\"(?:[^\"\\]|\\.|\"\")*(?:\"|\Z)", re.DOTALL)


def without_literals(statement: str, length: int = 200) -> str:
    """Returns the beginning of a statement for the log, without what is in quotation marks, which may be values."""
    text = " ".join(_LITERAL.sub("'…'", statement[: 10 * length]).split())
    return text if len(text) <= length else text[: length - 1] + "…"
