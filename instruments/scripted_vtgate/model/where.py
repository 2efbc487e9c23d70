"""The condition of a VStream's filter, as VTTablet judges a row by it (planbuilder.go, analyzeWhere and shouldFilter).

Texts are compared as they are, not by a collation. Of `in_keyrange` only the key range of everything is known, which
any row is in, and which has each image of a change judged by itself (vstreamer.go, processRowEvent).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from source_vitess.conditions.parser import parse_condition
from source_vitess.conditions.values import AnyOf, Between, Condition, NullTest, Operator, Term

_EVERYWHERE = re.compile(r" and in_keyrange\(`(?:[^`]|``)+`, 'null', '-'\)\Z")
_COMPARE: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}


class UnknownColumnError(Exception):
    """The table has no column of a name that the condition has."""


class Where:
    """A condition.

    Args:
        text: What follows `where`.

    Attributes:
        is_by_image: Whether each image of a change is judged by itself; else both are sent if either fits.
    """

    def __init__(self, text: str) -> None:
        bare, found = _EVERYWHERE.subn("", text)
        self.is_by_image = bool(found)
        self._condition = _parse(bare)

    def fits(self, names: Sequence[str], row: Sequence[object]) -> bool:
        """Returns whether a row fits.

        Raises:
            UnknownColumnError: It lacks a column.
        """
        values = dict(zip((name.lower() for name in names), row, strict=True))
        for term in self._condition.terms:
            if term.column.lower() not in values:
                raise UnknownColumnError(term.column)
        return all(_is_true(term, values[term.column.lower()]) for term in self._condition.terms)


@lru_cache(maxsize=64)
def _parse(text: str) -> Condition:
    return parse_condition(text)


def _is_true(term: Term, value: object) -> bool:
    if isinstance(term, NullTest):
        return (value is None) == term.is_null
    if value is None:
        return False
    if isinstance(term, AnyOf):
        return any(value == _like(value, literal) for literal in term.values)
    if isinstance(term, Between):
        return bool(_like(value, term.low) <= value <= _like(value, term.high))
    return _COMPARE[term.operator](value, _like(value, term.value))


def _like(value: object, literal: object) -> Any:
    """Returns a literal to compare a value with: a negative number comes in quotation marks."""
    return Decimal(literal) if isinstance(value, int) and isinstance(literal, str) else literal
