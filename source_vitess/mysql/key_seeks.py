"""Keys of a table that stand a number of rows apart in one shard, each one sought from the one before.

Each question has MySQL pass over so many entries of the primary key's index; its answer is the last of them. Together
they read the index once, or twice where not all of the key's columns are looked at. MySQL compares and sorts; the
answer's values are literals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from source_vitess.conditions.values import Comparison, Literal, Operator
from source_vitess.mysql.session import VtgateSession
from source_vitess.naming import quote_identifier

_SEEK = "select {} from {}{} order by {} limit 1 offset {}"
_COUNT = "select count(*) from (select 1 from {}{} limit {}) as counted"

#: Rows with one key that are counted at most: VTTablet ends a statement after half a minute
#: (--queryserver-config-query-timeout, go/vt/vttablet/tabletserver/tabletenv/config.go).
_MOST_COUNTED = 2_000_000


@dataclass(frozen=True)
class SoughtColumn:
    """A column of the primary key.

    Attributes:
        name: Its name.
        as_text: Whether its values are asked for as MySQL writes them: dates.
        may_be_written_otherwise: Whether values may be equal that are not written alike: texts.
    """

    name: str
    as_text: bool = False
    may_be_written_otherwise: bool = False


class KeySeeks:
    """Looks for keys in the shard that is a session's target.

    Args:
        session: The session.
        table: The table.
        columns: The first columns of its primary key.
        unique: Whether they are all of them.
        where: A condition on the rows that count; empty for all rows.
    """

    def __init__(
        self, session: VtgateSession, table: str, columns: Sequence[SoughtColumn], *, unique: bool, where: str = ""
    ) -> None:
        self._session = session
        self._table = f"{quote_identifier(table)} force index (`PRIMARY`)"
        self._columns = columns
        self._unique = unique
        self._where = where

    def seek(self, after: Sequence[Literal] | None, rows: int) -> tuple[tuple[Literal, ...], int] | None:
        """Returns the key of the row that stands so many rows behind those of another key, and how many rows have it.

        These are counted up to two million.

        Args:
            after: The other key; None for the beginning. A value that MySQL takes for equal to its is returned as its.
            rows: How many rows, at least one.

        Raises:
            TransientError: The connection was lost.
        """
        asked = [self._asked(column) for column in self._columns]
        if after is not None:
            asked += [
                str(Comparison(column.name, Operator.EQUAL, value))
                for column, value in zip(self._columns, after, strict=True)
                if column.may_be_written_otherwise
            ]
        order = ", ".join(quote_identifier(column.name) for column in self._columns)
        behind = self._behind(after) if after is not None else ""
        found = self._session.query(
            _SEEK.format(", ".join(asked), self._table, self._conditions(behind), order, rows - 1)
        )
        if not found:
            return None
        values = [_literal(value) for value in found[0][: len(self._columns)]]
        if after is not None:
            same = iter(found[0][len(self._columns) :])
            for index, column in enumerate(self._columns):
                if column.may_be_written_otherwise and next(same):
                    values[index] = after[index]
        key = tuple(values)
        return key, 1 if self._unique else self._count(key)

    def _count(self, key: Sequence[Literal]) -> int:
        [(count,)] = self._session.query(_COUNT.format(self._table, self._conditions(self._equal(key)), _MOST_COUNTED))
        return int(count)

    def _conditions(self, *conditions: str) -> str:
        given = [condition for condition in (self._where, *conditions) if condition]
        return f" where {' and '.join(given)}" if given else ""

    def _behind(self, key: Sequence[Literal]) -> str:
        """Returns the condition on keys that are greater; MySQL finds no range in `(a, b) > (1, 2)`."""
        greater = []
        for index, value in enumerate(key):
            one = str(Comparison(self._columns[index].name, Operator.GREATER, value))
            greater.append(f"({' and '.join([self._equal(key[:index]), one] if index else [one])})")
        return f"({' or '.join(greater)})"

    def _equal(self, values: Sequence[Literal]) -> str:
        return " and ".join(
            str(Comparison(column.name, Operator.EQUAL, value))
            for column, value in zip(self._columns, values, strict=False)
        )

    @staticmethod
    def _asked(column: SoughtColumn) -> str:
        name = quote_identifier(column.name)
        return f"cast({name} as char)" if column.as_text else name


def _literal(value: object) -> Literal:
    return value if isinstance(value, str | bytes) else Decimal(str(value))
