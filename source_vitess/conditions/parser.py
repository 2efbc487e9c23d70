"""From the text of a condition to its value, by a grammar that holds what VTTablet takes, and less.

    condition   term (AND term)*
    term        column (= | != | <> | < | <= | > | >=) literal
                column IN (literal, …)
                column BETWEEN literal AND literal
                column IS [NOT] NULL
    column      a name, or any name in backquotes
    literal     a number, 'text' with '' for a quotation mark, x'bytes'

What is no part of it is refused by its place in the text. Nothing of the text is ever passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from source_vitess.conditions.values import AnyOf, Between, Comparison, Condition, Literal, NullTest, Operator, Term
from source_vitess.errors import WrongConditionError

#: Characters of a condition, terms, and literals of one IN.
LONGEST = 4000
MOST_TERMS = 50
MOST_VALUES = 500
#: MySQL's for DECIMAL: of a number, and of its fraction.
_MOST_DIGITS = 65
_MOST_FRACTION_DIGITS = 30
#: MySQL's for a name.
_LONGEST_NAME = 64

# No control characters, no half of a surrogate pair, and no backslash: NO_BACKSLASH_ESCAPES decides what that is.
_PLAIN = r"[^'\\\x00-\x1f\x7f-\x9f\ud800-\udfff]"
_TOKEN = re.compile(
    rf"""
      (?P<space>[ \t\r\n]+)
    | [xX]'(?P<bytes>(?:[0-9a-fA-F]{{2}})*)'
    | '(?P<text>(?:{_PLAIN}|'')*)'
    | (?P<number>[+-]?[0-9]+(?:\.[0-9]+)?)(?![\w$.'])
    | `(?P<name>(?:[^`\x00-\x1f\x7f\ud800-\udfff]|``)+)`
    | (?P<word>[^\W\d][\w$]*)(?!['"])
    | (?P<sign><=|>=|<>|!=|[=<>(),])
    """,
    re.VERBOSE,
)
_TEXT = re.compile(rf"(?:{_PLAIN}|')*")
_OPERATORS = {**{operator.value: operator for operator in Operator}, "<>": Operator.NOT_EQUAL}
_RESERVED = frozenset(
    ("and", "or", "not", "in", "is", "null", "between", "like", "exists", "select", "case", "true", "false", "binary")
)
#: Characters of a condition that an error shows.
_SHOWN = 30


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int


def parse_condition(text: str) -> Condition:
    """Reads a condition.

    Raises:
        WrongConditionError: It is none.
    """
    if len(text) > LONGEST:
        raise WrongConditionError(f"It has {len(text):,} characters; at most {LONGEST:,} are read.")
    return _Parser(text).condition()


def can_be_written(text: str) -> bool:
    """Tells whether a condition can hold a text as a literal."""
    return _TEXT.fullmatch(text) is not None


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise WrongConditionError(
                f"At character {at + 1} stands {_shown(text[at:])}, which cannot be read. A text stands in single "
                "quotation marks, two of them for one inside, without backslashes and control characters; a name of "
                "other characters than letters, digits, _ and $ in backquotes."
            )
        kind = found.lastgroup or ""
        if kind != "space":
            yield _Token(kind, found[kind], at)
        at = found.end()
    yield _Token("end", "", at)


class _Parser:
    """Reads one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = next(self._tokens)

    def condition(self) -> Condition:
        terms = [self._term()]
        while self._next.kind != "end":
            if not self._takes("and"):
                raise self._refused("AND or the end")
            terms.append(self._term())
            if len(terms) > MOST_TERMS:
                raise WrongConditionError(f"It has more than {MOST_TERMS} terms joined by AND.")
        return Condition(tuple(terms))

    def _term(self) -> Term:
        column = self._column()
        if self._takes("in"):
            return AnyOf(column, self._list())
        if self._takes("between"):
            low = self._literal()
            if not self._takes("and"):
                raise self._refused("AND and the second literal of BETWEEN")
            return Between(column, low, self._literal())
        if self._takes("is"):
            is_null = not self._takes("not")
            if not self._takes("null"):
                raise self._refused("NULL")
            return NullTest(column, is_null)
        if self._next.kind == "sign" and self._next.text in _OPERATORS:
            operator = _OPERATORS[self._take().text]
            return Comparison(column, operator, self._literal())
        raise self._refused("=, !=, <, <=, >, >=, IN, BETWEEN, IS NULL or IS NOT NULL")

    def _column(self) -> str:
        token = self._next
        if token.kind == "name" or (token.kind == "word" and token.text.lower() not in _RESERVED):
            name = self._take().text
            name = name.replace("``", "`") if token.kind == "name" else name
            if len(name) <= _LONGEST_NAME:
                return name
        raise self._refused("the name of a column", token)

    def _list(self) -> tuple[Literal, ...]:
        if not self._takes_sign("("):
            raise self._refused("a list of literals in brackets")
        values = [self._literal()]
        while self._takes_sign(","):
            values.append(self._literal())
            if len(values) > MOST_VALUES:
                raise WrongConditionError(f"A list of IN has more than {MOST_VALUES} literals.")
        if not self._takes_sign(")"):
            raise self._refused("a comma or the end of the list")
        return tuple(values)

    def _literal(self) -> Literal:
        token = self._next
        match token.kind:
            case "number":
                digits = token.text.lstrip("+-")
                whole, _, fraction = digits.partition(".")
                if len(whole.lstrip("0")) + len(fraction) <= _MOST_DIGITS and len(fraction) <= _MOST_FRACTION_DIGITS:
                    self._take()
                    number = Decimal(token.text)
                    # There is no negative zero, which DECIMAL does not know.
                    return number if number else abs(number)
            case "text":
                return self._take().text.replace("''", "'")
            case "bytes":
                return bytes.fromhex(self._take().text)
            case _:
                pass
        raise self._refused("a literal: a number, 'text' or x'bytes'", token)

    def _takes(self, word: str) -> bool:
        return self._takes_if(self._next.kind == "word" and self._next.text.lower() == word)

    def _takes_sign(self, sign: str) -> bool:
        return self._takes_if(self._next.kind == "sign" and self._next.text == sign)

    def _takes_if(self, fits: bool) -> bool:
        if fits:
            self._take()
        return fits

    def _take(self) -> _Token:
        token = self._next
        self._next = next(self._tokens, token)
        return token

    def _refused(self, expected: str, token: _Token | None = None) -> WrongConditionError:
        token = token or self._next
        there = "its end" if token.kind == "end" else _shown(self._text[token.start :])
        return WrongConditionError(f"At character {token.start + 1} stands {there} instead of {expected}.")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
