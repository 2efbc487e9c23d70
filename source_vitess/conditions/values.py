"""A condition as a value: comparisons of columns with literals, joined by AND. Its text is made anew from it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from source_vitess.naming import quote_identifier

#: A number, a text, or bytes.
Literal = Decimal | str | bytes


class Operator(enum.Enum):
    """How a column is compared with one literal."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


@dataclass(frozen=True)
class Comparison:
    """A column beside a literal.

    Attributes:
        column: The column's name.
        operator: How they are compared.
        value: The literal.
    """

    column: str
    operator: Operator
    value: Literal

    def __str__(self) -> str:
        return f"{quote_identifier(self.column)} {self.operator.value} {literal_text(self.value)}"


@dataclass(frozen=True)
class AnyOf:
    """A column that has one of several values: IN.

    Attributes:
        column: The column's name.
        values: The literals, one at least.
    """

    column: str
    values: tuple[Literal, ...]

    def __str__(self) -> str:
        return f"{quote_identifier(self.column)} IN ({', '.join(map(literal_text, self.values))})"


@dataclass(frozen=True)
class Between:
    """A column between two literals, both included.

    Attributes:
        column: The column's name.
        low: The least value.
        high: The greatest value.
    """

    column: str
    low: Literal
    high: Literal

    def __str__(self) -> str:
        return f"{quote_identifier(self.column)} BETWEEN {literal_text(self.low)} AND {literal_text(self.high)}"


@dataclass(frozen=True)
class NullTest:
    """A column that is NULL, or is not.

    Attributes:
        column: The column's name.
        is_null: Whether it has to be NULL.
    """

    column: str
    is_null: bool

    def __str__(self) -> str:
        return f"{quote_identifier(self.column)} IS {'' if self.is_null else 'NOT '}NULL"


Term = Comparison | AnyOf | Between | NullTest


@dataclass(frozen=True)
class Condition:
    """Terms that all have to be true. A NULL makes none of them true but IS NULL.

    Attributes:
        terms: One at least.
    """

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " AND ".join(map(str, self.terms))

    def columns(self) -> Iterator[str]:
        """Yields the columns that it names, each once."""
        yield from dict.fromkeys(term.column for term in self.terms)


def literal_text(value: Literal) -> str:
    """Returns a literal as SQL has it, with nothing in it that could end it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return f"x'{value.hex()}'" if isinstance(value, bytes) else quoted(value)


def quoted(text: str) -> str:
    """Returns a text in quotation marks. The grammar has no backslash, whose meaning a server's SQL mode decides."""
    return "'" + text.replace("'", "''") + "'"
