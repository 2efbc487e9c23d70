"""Which columns can be compared with which literals, so that all who compare come to the same.

A copy's rows are chosen by MySQL and then by VTTablet, changes by VTTablet alone, in Go. Only what was seen to be equal
in a copy, in changes and in a SELECT is taken (docs/vstream-observations.md, "A condition in a filter").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from source_vitess.conditions.values import Literal, Operator, literal_text, quoted
from source_vitess.row_filters import january
from source_vitess.types.column_type import ColumnType

#: Of what a NULL test can be made only.
NULL_TEST = "only whether it is NULL"

#: Collations, by MySQL's ids, that do not pad with blanks and that VTTablet compares as MySQL does.
COLLATIONS: Mapping[int, str] = {
    255: "utf8mb4_0900_ai_ci",
    278: "utf8mb4_0900_as_cs",
    305: "utf8mb4_0900_as_ci",
    309: "utf8mb4_0900_bin",
}

_INTEGERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint"))
_TEMPORAL = frozenset(("date", "datetime", "timestamp"))
#: Left out of a change that does not touch them, with binlog_row_image=NOBLOB or PARTIAL_JSON: NULL to VTTablet.
_LEFT_OUT = frozenset(("json", "vector", "geometry", "point", "linestring", "polygon", "geomcollection"))
_BLOB = re.compile(r"(tiny|medium|long)?(text|blob)|multi\w+|geometrycollection")
#: Whose labels VTTablet compares as bytes that are the same in UTF-8.
_ENUM_CHARSETS = frozenset(("utf8mb4", "utf8mb3", "utf8", "latin1", "ascii"))
_LABEL = re.compile(r"[\x20-\x7e]*[\x21-\x7e]|")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_DATE = re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(r"([1-9][0-9]{3}-[0-9]{2}-[0-9]{2})(?: ([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?)?")
_IN_JANUARY = (
    "A DATE or DATETIME is compared with a literal in January by =, <, <=, >, >= and BETWEEN, not by != and IN: Vitess "
    "takes a date whose month is zero for one in January."
)
#: Numbers that are sent as text, as negative ones have to be, are compared as DOUBLE: up to here one is exact.
_EXACT_INTEGER = 2**53
_EXACT_DIGITS = 15
_YEARS = range(1901, 2156)
#: MySQL takes DECIMAL for DECIMAL(10).
_PRECISION = 10


class NotComparableError(ValueError):
    """A column cannot be compared so; its message says what can."""


def kind_of(column_type: ColumnType, charset: str | None, collation: str | None) -> str | None:
    """Returns what a column is to a condition. None if not even a NULL test is certain.

    Two columns of the same kind are compared in the same way. A condition is exact for as long as its columns' kinds
    are those that it was made for.

    Args:
        column_type: The column's type.
        charset: Of a column of text, MySQL's name; None if it is not known, which it need not be a second time.
        collation: Likewise its collation.
    """
    name = column_type.name
    if name in _INTEGERS:
        return "integer"
    if name in _TEMPORAL or name == "year":
        return name
    if name == "decimal":
        is_exact = column_type.argument(0, _PRECISION) <= _EXACT_DIGITS
        return f"decimal of up to {_EXACT_DIGITS} digits" if is_exact else "decimal"
    if name in ("binary", "varbinary"):
        return "binary"
    if name in ("char", "varchar") and collation in COLLATIONS.values():
        return f"text in {collation}"
    if name == "enum" and _has_plain_labels(column_type) and (charset is None or charset in _ENUM_CHARSETS):
        return "enum"
    if name in _LEFT_OUT or _BLOB.fullmatch(name):
        return None
    return NULL_TEST


def compared(name: str, column_type: ColumnType, kind: str, operator: Operator, value: Literal) -> list[str]:
    """Returns the comparison of a column with a literal, as VTTablet takes it: one or several terms.

    Args:
        name: The column's name, quoted.
        column_type: Its type.
        kind: What it is to a condition.
        operator: How it is compared.
        value: The literal.

    Raises:
        NotComparableError: The outcome would not be certain.
    """
    if kind in ("date", "datetime"):
        made = january.terms(name, operator, _moment(column_type, value), column_type.argument(0, 0))
        if made is None:
            raise NotComparableError(_IN_JANUARY)
        return made
    return [f"{name} {operator.value} {written(column_type, kind, operator, value)}"]


def written(column_type: ColumnType, kind: str, operator: Operator | None, value: Literal) -> str:
    """Returns a literal as it is sent, for a comparison with a column.

    Args:
        column_type: The column's type.
        kind: What it is to a condition.
        operator: How it is compared; None for IN.
        value: The literal.

    Raises:
        NotComparableError: The outcome would not be certain.
    """
    match kind:
        case _ if kind in ("integer", "year") or kind.startswith("decimal"):
            if not isinstance(value, Decimal):
                raise NotComparableError(f"{_article(column_type)} is compared with numbers, without quotation marks.")
            return _number(column_type, kind, value)
        case "date" | "datetime" | "timestamp":
            moment = _moment(column_type, value)
            if kind != "timestamp" and january.needs_bytes(moment):
                raise NotComparableError(_IN_JANUARY)
            return quoted(moment)
        case "enum":
            if operator not in (Operator.EQUAL, Operator.NOT_EQUAL, None):
                raise NotComparableError("An ENUM is compared by =, != and IN.")
            if value not in column_type.members:
                raise NotComparableError(f"An ENUM is compared with one of its labels, and {_named(value)} is none.")
            return literal_text(value)
        case "binary":
            if not isinstance(value, bytes) and not (isinstance(value, str) and _PRINTABLE.fullmatch(value)):
                raise NotComparableError(
                    f"{_article(column_type)} is compared with x'bytes', or with a text of ASCII in quotation marks."
                )
            return literal_text(value)
        case _ if kind != NULL_TEST:
            if not isinstance(value, str):
                raise NotComparableError(f"{_article(column_type)} is compared with texts in quotation marks.")
            return literal_text(value)
    raise NotComparableError(
        f"{_article(column_type)} like this one is not compared in the same way by MySQL, which chooses the rows of a "
        "copy, and by Vitess, which chooses changes: only IS NULL and IS NOT NULL can be asked of it. Compared are "
        "integers, DECIMAL, YEAR, DATE, DATETIME, TIMESTAMP, BINARY, VARBINARY, ENUM with labels of ASCII, and CHAR "
        f"and VARCHAR with a collation of {', '.join(COLLATIONS.values())}."
    )


def _number(column_type: ColumnType, kind: str, value: Decimal) -> str:
    if kind == "year":
        if value not in _YEARS:
            raise NotComparableError("A YEAR is compared with a year of four digits, from 1901 to 2155.")
        return str(int(value))
    if kind == "integer":
        if value != value.to_integral_value() or not -_EXACT_INTEGER < value < 2**64:
            raise NotComparableError(
                f"An integer is compared with a whole number from {1 - _EXACT_INTEGER} to {2**64 - 1}."
            )
        return str(int(value)) if value >= 0 else quoted(str(int(value)))
    if value >= 0:
        return f"{value:f}"
    # VTTablet knows no negative number, but a text of one, and then both compare as DOUBLE.
    if kind == "decimal" or len(value.as_tuple().digits) > _EXACT_DIGITS:
        raise NotComparableError(
            f"A negative number is compared with a DECIMAL of at most {_EXACT_DIGITS} digits, and has as many at most."
        )
    return quoted(f"{value:f}")


def _moment(column_type: ColumnType, value: Literal) -> str:
    form = _DATE if column_type.name == "date" else _MOMENT
    match = form.fullmatch(value) if isinstance(value, str) else None
    try:
        if match is None:
            raise ValueError
        if column_type.name == "date":
            date.fromisoformat(match[0])
            return match[0]
        day, time, fraction = match[1], match[2] or "00:00:00", match[3] or ""
        if len(fraction) > column_type.argument(0, 0):
            raise NotComparableError(f"The column has {column_type.argument(0, 0)} digits of a second's fraction.")
        datetime.fromisoformat(f"{day} {time}")
        return f"{day} {time}{'.' if fraction else ''}{fraction}"
    except NotComparableError:
        raise
    except ValueError:
        if column_type.name == "date":
            raise NotComparableError("A DATE is compared with a date such as '2026-01-31'.") from None
        what = f"A {column_type.name.upper()} is compared with a moment such as '2026-01-31' or '2026-01-31 12:00:00'"
        raise NotComparableError(f"{what}{', in UTC' if column_type.name == 'timestamp' else ''}.") from None


def _has_plain_labels(column_type: ColumnType) -> bool:
    """Tells whether an ENUM's labels differ by every collation."""
    members = column_type.members
    return bool(members) and all(map(_LABEL.fullmatch, members)) and len({m.lower() for m in members}) == len(members)


def _article(column_type: ColumnType) -> str:
    name = column_type.name.upper()
    return f"{'An' if name[:1] in 'AEIOU' else 'A'} {name}"


def _named(value: Literal) -> str:
    return literal_text(value)[:80]
