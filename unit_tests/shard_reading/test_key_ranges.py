"""Ranges of a key: whatever the cuts are, a row is in exactly one; and cuts that make even parts of uneven keys."""

from __future__ import annotations

import operator
import random
from bisect import bisect_right
from decimal import Decimal

import pytest

from source_vitess.conditions.values import Comparison, Operator, Term
from source_vitess.shard_reading.key_ranges import MOST_UNFIT, Key, choose_cuts, in_ranges, seek_keys

NAMES = ("a", "b", "c")
COMPARE = {
    Operator.EQUAL: operator.eq,
    Operator.LESS: operator.lt,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}


def key(*values: int) -> Key:
    """Returns a key of numbers."""
    return tuple(map(Decimal, values))


def is_in(row: Key, terms: tuple[Term, ...]) -> bool:
    """Tells whether all terms are true of a row."""
    row_by_name = dict(zip(NAMES, row, strict=False))
    return all(
        isinstance(term, Comparison) and COMPARE[term.operator](row_by_name[term.column], term.value) for term in terms
    )


@pytest.mark.parametrize("seed", range(5))
def test_each_row_is_in_one_range_of_the_part_between_its_cuts(seed: int) -> None:
    """At random: keys of one to three columns, cuts of fewer values among them, rows at and beside the cuts."""
    chance = random.Random(seed)  # noqa: S311 - test data
    compared = 0
    for _ in range(200):
        width = chance.randint(1, 3)
        made = {key(*(chance.randint(0, 3) for _ in range(chance.randint(1, width)))) for _ in range(4)}
        cuts = sorted(made)
        parts = list(in_ranges(NAMES[:width], cuts))
        assert len(parts) == len(cuts) + 1
        for _ in range(30):
            row = key(*(chance.randint(-1, 4) for _ in range(width)))
            found = [number for number, part in enumerate(parts) for terms in part if is_in(row, terms)]
            # A cut of first values is before all rows that have them.
            assert found == [sum(cut <= row for cut in cuts)], (cuts, row)
            compared += 1
    assert compared == 200 * 30


def test_without_cuts_there_is_one_range_of_all_rows() -> None:
    """Which has no condition."""
    assert list(in_ranges(NAMES, [])) == [[()]]


class Rows:
    """A table's rows in their order; counts how many a search has passed over."""

    def __init__(self, rows: list[Key], columns: int) -> None:
        self._rows = rows
        self._columns = columns
        self._keys = [row[:columns] for row in rows]
        self.passed = 0

    def seek(self, after: Key | None, rows: int) -> tuple[Key, int] | None:
        """Returns the key so many rows behind another one, and how many rows have it."""
        first = bisect_right(self._keys, after) if after is not None else 0
        self.passed += min(rows, len(self._rows) - first)
        if first + rows > len(self._rows):
            return None
        found = self._keys[first + rows - 1]
        return found, self._keys.count(found)

    def sizes(self, parts: int, step: int = 1) -> list[int]:
        """Returns how many rows are in each of the parts that the table is cut into."""
        found = seek_keys(self.seek, lambda _: True, step, parts * 32)
        cut = list(in_ranges(NAMES[: self._columns], choose_cuts(found, parts)))
        return [sum(is_in(row, terms) for row in self._rows for terms in part) for part in cut]


def test_parts_are_even_whatever_the_keys_are() -> None:
    """Keys in two heaps with nothing between them; one first column that nearly all rows share."""
    heaps = Rows([key(number) for number in (*range(600), *range(10_000_000, 10_000_400))], 1)
    shared = Rows([key(1, 1), *(key(2, number) for number in range(998)), key(3, 1)], 2)

    assert all(200 <= size <= 300 for size in heaps.sizes(4))
    assert all(200 <= size <= 300 for size in shared.sizes(4))
    # Each row was passed over once, though there were twice as many keys as were to be kept.
    assert heaps.passed <= 1000


def test_a_first_column_that_alone_can_be_cut() -> None:
    """Rows that share its values stay together; what is behind them is cut all the same."""
    heap = Rows([*(key(1, number) for number in range(500)), *(key(number, 0) for number in range(2, 502))], 1)

    sizes = heap.sizes(4)

    assert sum(sizes) == 1000
    assert 500 <= sizes[0] < 510
    assert len(sizes) == 3


def test_fewer_rows_than_parts() -> None:
    """Each row is a part, and an empty table is one."""
    assert Rows([key(1), key(2), key(3)], 1).sizes(8) == [0, 1, 1, 1]
    assert Rows([], 1).sizes(8) == [0]


def test_steps_that_are_larger_than_the_table() -> None:
    """Statistics that are far off leave one part."""
    assert Rows([key(1), key(2)], 1).sizes(2, step=1000) == [2]


def test_keys_that_no_condition_can_hold_are_passed_over() -> None:
    """The next one is sought further from the last that one can hold; after many in a row that is given up."""
    some = Rows([key(number) for number in range(100)], 1)
    none = Rows([key(number) for number in range(100)], 1)

    found = seek_keys(some.seek, lambda one: int(one[0]) % 20 == 9, 10, 64)

    assert found == [key(9), None, key(29), None, key(49), None, key(69), None, key(89), None]
    assert choose_cuts(found, 5) == [key(29), key(49), key(69), key(89)]
    assert seek_keys(none.seek, lambda _: False, 1, 64) == [None] * MOST_UNFIT
