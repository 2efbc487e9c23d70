"""A row, and its key, as JSON text: what the connector's records have, in a form that Spark reads without a loss."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from source_vitess.types.column_type import parse_column_type

from vitess_spark.forms import Kind
from vitess_spark.table import ReadTable

#: Numbers need no value: only where they end is asked.
_VALUES = json.JSONDecoder(parse_int=str, parse_float=str)

#: A number, or a string without an escape.
_ORDINARY = r'(?:-?[0-9][-+.0-9eE]*|"[^"\\]*")'

Member = tuple[str, str, str]


@dataclass(frozen=True)
class RowText:
    """How the rows of a table become text.

    Attributes:
        key: The columns of its key, in their order; none without a key.
        quoted: Columns whose numbers are written as strings: those of more digits than Spark's DECIMAL has. Of such a
            number Spark's JSON functions keep what a DOUBLE holds, even where a string is asked for.
    """

    key: tuple[str, ...]
    quoted: frozenset[str] = frozenset()

    @classmethod
    def of(cls, table: ReadTable) -> RowText:
        """Returns how a table's rows become text."""
        decimals = (
            column.name for column in table.columns() if parse_column_type(column.column_type).name == "decimal"
        )
        return cls(table.table.key, frozenset(name for name in decimals if table.forms[name].kind is Kind.STRING))

    def of_row(self, members: bytes) -> tuple[str | None, str]:
        """Returns the texts of a row's key, None without one, and of the row.

        A value has one text in a copy and in changes, so that rows of one key have one text.

        Args:
            members: The members of the row's object, each followed by a comma, without spaces.
        """
        text = str(members, "utf-8")
        if self.quoted:
            text = "".join(f"{name}:{self._quote(column, value)}," for column, name, value in _members(text))
        row = f"{{{text[:-1]}}}"
        if not self.key:
            return None, row
        found = self._ordinary_key.match(text)
        return f"{{{found[0]}}}" if found else key_text(text, self.key), row

    @cached_property
    def _ordinary_key(self) -> re.Pattern[str]:
        """Finds most keys faster: those that a row begins with, in their order, and whose texts have no escape."""
        return re.compile(
            ",".join(f"{re.escape(json.dumps(name, ensure_ascii=False))}:{_ORDINARY}" for name in self.key) + "(?=,)"
        )

    def _quote(self, column: str, value: str) -> str:
        return f'"{value}"' if column in self.quoted and value != "null" else value


def key_text(members: str, key: Sequence[str]) -> str:
    """Returns an object of the key's columns, in the order of the key.

    What stands behind the last column of the key is not looked at.

    Args:
        members: The members of the row's object, each followed by a comma, without spaces.
        key: The key's columns.
    """
    missing = set(key)
    found: dict[str, str] = {}
    for column, name, value in _members(members):
        if column in missing:
            missing.remove(column)
            found[column] = f"{name}:{value}"
            if not missing:
                break
    return "{" + ",".join(found[column] for column in key) + "}"


def _members(text: str) -> Iterator[Member]:
    """Yields of each member the column, and the texts of its name and its value."""
    at = 0
    while at < len(text):
        column, colon = _VALUES.raw_decode(text, at)
        _, end = _VALUES.raw_decode(text, colon + 1)
        yield column, text[at:colon], text[colon + 1 : end]
        at = end + 1
