"""Dates beside a literal in January, which VTTablet cannot tell from dates without a month.

MySQL may store `2026-00-15` (without NO_ZERO_IN_DATE), and sorts it before January. VTTablet takes its month for
January (go/mysql/datetime/timeparts.go, toDateTime). So beside a literal in January it is asked to compare the values'
bytes as well: `in_keyrange` with the vindex `binary` is true of the values in a range of bytes, and MySQL writes
moments so that their bytes are in their order. A comparison stands before it, which MySQL uses in a copy, and which
lets no NULL through to a vindex that has no place for it.
"""

from __future__ import annotations

from source_vitess.conditions.values import Operator, quoted

#: Less than any character, so that no value is between one and it with this behind. A zero would not count: key ranges
#: are compared without zeros at their end (go/vt/key/key.go).
_NEXT = "01"
_LESS = (Operator.LESS, Operator.LESS_OR_EQUAL)


def terms(name: str, operator: Operator, moment: str, fraction_digits: int) -> list[str] | None:
    """Returns a comparison with a moment as VTTablet takes it; None if it cannot be made exact.

    Args:
        name: The column, quoted.
        operator: How it is compared.
        moment: The literal: a date, or a date and a time.
        fraction_digits: The column's digits of a second's fraction.
    """
    if not needs_bytes(moment):
        return [f"{name} {operator.value} {quoted(moment)}"]
    at = _as_stored(moment, fraction_digits).encode().hex()
    match operator:
        case Operator.GREATER_OR_EQUAL:
            key_range = f"{at}-"
        case Operator.GREATER:
            key_range = f"{at}{_NEXT}-"
        case Operator.LESS:
            key_range = f"-{at}"
        case Operator.LESS_OR_EQUAL:
            key_range = f"-{at}{_NEXT}"
        case Operator.EQUAL:
            key_range = f"{at}-{at}{_NEXT}"
        case _:
            return None
    # What VTTablet takes for January is before February all the same.
    february = quoted(f"{moment[:4]}-02-01{' 00:00:00' if ' ' in moment else ''}")
    first = f"{name} < {february}" if operator in _LESS else f"{name} {operator.value} {quoted(moment)}"
    return [first, f"in_keyrange({name}, 'binary', '{key_range}')"]


def needs_bytes(moment: str) -> bool:
    """Tells whether a moment is one of those that cannot be compared without their bytes."""
    return moment[5:7] == "01"


def _as_stored(moment: str, fraction_digits: int) -> str:
    if " " not in moment or not fraction_digits:
        return moment
    whole, _, fraction = moment.partition(".")
    return f"{whole}.{fraction.ljust(fraction_digits, '0')}"
