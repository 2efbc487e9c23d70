"""Spark's filters as conditions that VTTablet takes: on columns of the primary key, as far as those who compare agree.

A row that Spark wants is never left out; one that it does not want may come. So Spark evaluates all filters again, and
this need not know what is the same to Spark and to MySQL: a text that is equal to Spark is equal by every collation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from source_vitess.conditions.parser import MOST_TERMS, MOST_VALUES, can_be_written
from source_vitess.conditions.values import AnyOf, Comparison, Condition, Literal, Operator, Term
from source_vitess.row_filters.comparable import NotComparableError
from source_vitess.row_filters.row_filter import copied_rows
from source_vitess.schema import Table
from source_vitess.types.column_type import parse_column_type

from vitess_spark.ranges import Details

#: By the name of Spark's class. What is not here is left to Spark.
_OPERATORS = {
    "EqualTo": Operator.EQUAL,
    "EqualNullSafe": Operator.EQUAL,
    "GreaterThan": Operator.GREATER,
    "GreaterThanOrEqual": Operator.GREATER_OR_EQUAL,
    "LessThan": Operator.LESS,
    "LessThanOrEqual": Operator.LESS_OR_EQUAL,
}
#: Its order is that of the characters' numbers, as Spark's.
_ORDERED_AS_IN_SPARK = "utf8mb4_0900_bin"


def pushed_terms(filters: Sequence[object], table: Table, details: Details) -> tuple[Term, ...]:
    """Returns terms that are true of each row of which all filters are.

    Args:
        filters: Spark's; they are told apart by the names of their classes, since Spark is not imported here.
        table: The table.
        details: By column, what a condition depends on beside its type.
    """
    if not table.has_primary_key:
        return ()
    return tuple(term for one in filters for term in _terms(one, table, details))[:MOST_TERMS]


def _terms(one: object, table: Table, details: Details) -> Iterator[Term]:
    attribute: Sequence[str] = getattr(one, "attribute", ())
    if len(attribute) != 1 or (name := attribute[0]) not in table.key:
        return
    kind = type(one).__name__
    value = getattr(one, "value", None)
    term: Term
    if kind == "In" and isinstance(value, tuple | list):
        values = tuple(_literal(each, table, name) for each in value if each is not None)
        known = tuple(each for each in values if each is not None)
        if not known or len(known) < len(values) or len(known) > MOST_VALUES:
            return
        term = AnyOf(name, known)
    else:
        operator, literal = _OPERATORS.get(kind), _literal(value, table, name)
        if operator is None or literal is None:
            return
        column = details.get(name)
        collation = column.collation if column is not None else None
        if (
            isinstance(literal, str)
            and collation not in (None, _ORDERED_AS_IN_SPARK)
            and operator is not Operator.EQUAL
        ):
            return
        term = Comparison(name, operator, literal)
    try:
        copied_rows(Condition((term,)), table, details)
    except NotComparableError:
        return
    yield term


def _literal(value: object, table: Table, name: str) -> Literal | None:
    """Returns a value of Spark's as a condition has it; None if a condition cannot hold it, or means another by it."""
    column = parse_column_type(table.columns_by_name[name].column_type).name
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        number = Decimal(value)
        return number if number.is_finite() else None
    if isinstance(value, datetime):
        # DATETIME has no time zone; what has one is a TIMESTAMP, or was made of one by Spark.
        if column != "datetime" or value.tzinfo is not None:
            return None
        text = value.isoformat(" ")
        return text.rstrip("0") if value.microsecond else text
    if isinstance(value, date):
        return value.isoformat() if column in ("date", "datetime") else None
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    return value if isinstance(value, str) and column in ("char", "varchar") and can_be_written(value) else None
