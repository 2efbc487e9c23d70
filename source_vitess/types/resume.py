"""Values of a key's columns that a copy can be continued after.

VTTablet sorts a table by its key and goes on with `key > lastpk`, in which the last row's values stand as MySQL wrote
them (go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go, buildSelect). Rows are left out in silence where MySQL
compares that text in another way than it sorts the column, or where it reads back as another value:

- ENUM and SET are sorted by number and compared by label. VTTablet takes a number as well, and MySQL then compares by
  number.
- FLOAT has six digits in MySQL's text. With declared digits, FLOAT(10,3) and DOUBLE(10,3), the text is rounded to
  them, and the number that the column holds may lie beside it.
- A zero date, or a day that no month has, is refused in a comparison under MySQL's default sql_mode: the copy fails
  there, each time.
- Where no index has the key's order, MySQL sorts strings of most collations by their first bytes (max_sort_length,
  1,024 of them), and compares them to the last.

docs/vstream-observations.md lists what was tried on a real server. Of a type that is not known here, nothing is.
"""

from __future__ import annotations

import datetime

from source_vitess.types.charset import decoder_of
from source_vitess.types.column_type import ColumnType

_NUMBERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint", "bit", "decimal", "year", "time"))
_STRINGS = frozenset(("char", "varchar", "binary", "varbinary"))
_DATES = frozenset(("date", "datetime", "timestamp"))
_DATE = len("2024-02-29")


def after(column: ColumnType, charset: str, value: bytes, *, presorted: bool) -> bytes | int | None:
    """Returns what to have a copy go on after, in place of a value of a key's column.

    Args:
        column: The column's type.
        charset: MySQL's name of the column's character set.
        value: As a copy has it.
        presorted: As `Table.presorted`.

    Returns:
        The value as it is, or the number to send instead; None if no value is sure to lose no row.
    """
    if column.name in ("enum", "set"):
        return _number(column, charset, value)
    if column.name in _DATES and not _is_date(value[:_DATE]):
        return None
    if (
        column.name in _NUMBERS
        or column.name in _DATES
        or (column.name in _STRINGS and presorted)
        or (column.name == "double" and len(column.arguments) != 2)
    ):
        return value
    return None


def _number(column: ColumnType, charset: str, value: bytes) -> int | None:
    """Returns the number of a label, or of a set of labels; None if it is not certain."""
    labels = column.members
    if "" in labels:
        return None  # '' may be this label, or no label at all
    if not value:
        return 0
    decode = decoder_of(charset)
    try:
        text = value.decode() if decode is None else decode(value, "strict")
        if column.name == "enum":
            return labels.index(text) + 1
        return sum(1 << labels.index(label) for label in text.split(","))
    except ValueError:
        return None  # of a definition that is not the one known here, or not sent in full


def _is_date(value: bytes) -> bool:
    try:
        datetime.date.fromisoformat(value.decode("ascii"))
    except ValueError:
        return False
    return True
