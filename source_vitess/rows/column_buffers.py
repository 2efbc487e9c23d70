"""Rows in JSON as columns in Arrow's layout, by compiled code (rows/_columns.c), for who reads columns and not lines.

What a value is, the codecs have decided: here it only changes its form. A column with a value that the compiled code
does not read is left to the caller, as are all of them where it is not installed. Nothing of Arrow is needed for this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import orjson

from source_vitess.rows.compiled import column_layouter


class Layout(IntEnum):
    """What a column's values are in Arrow; the numbers are those of rows/_columns.c."""

    #: None that is known here: the column is left.
    OTHER = 0
    BOOLEAN = 1
    INT8 = 2
    INT16 = 3
    INT32 = 4
    INT64 = 5
    DECIMAL128 = 6
    FLOAT32 = 7
    FLOAT64 = 8
    #: Of a number, too: its digits.
    TEXT = 9
    #: From Base64.
    BINARY = 10
    DATE32 = 11
    #: Without a time zone, and with one.
    LOCAL_MICROSECONDS = 12
    UTC_MICROSECONDS = 13


@dataclass(frozen=True)
class ColumnLayout:
    """A column of the rows.

    Attributes:
        name: Its name, the member's name in JSON.
        layout: What it becomes.
        precision: Digits of a DECIMAL128.
        scale: Of these, digits after the point.
    """

    name: str
    layout: Layout
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True)
class Buffers:
    """A column in Arrow's layout.

    Attributes:
        nulls: How many values are null.
        validity: A bit for each row: whether there is a value.
        ends: Of values of any length: zero, and for each row where its value ends, in 32 bits; else None.
        values: The values.
    """

    nulls: int
    validity: bytes
    ends: bytes | None
    values: bytes


def column_buffers(columns: Sequence[ColumnLayout], members: list[bytes]) -> list[Buffers | bytes] | None:
    """Lays out rows as columns.

    Args:
        columns: The columns, in the order in which the rows have them.
        members: Per row the members of its JSON object, each followed by a comma.

    Returns:
        For each column its buffers, or the JSON array of its values if it is left to the caller; None if all are, since
        the rows have other columns, or nothing is compiled.

    Raises:
        ConfigError: The compiled code is to be used, and cannot.
    """
    described = tuple(
        (orjson.dumps(column.name) + b":", int(column.layout), column.precision, column.scale) for column in columns
    )
    found = column_layouter()(described, members)
    if found is None:
        return None
    return [one if isinstance(one, bytes) else Buffers(*one) for one in found]
