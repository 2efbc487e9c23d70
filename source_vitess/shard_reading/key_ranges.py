"""A table's rows in several parts, by ranges of its key: each row is in one of them, whatever is written meanwhile.

- Where a part ends and the next one begins is a cut: first values of a key. The rows before it are those whose key is
  less, the others are behind it.
- A range is a condition that VTTablet takes, so MySQL and VTTablet alone decide what is in it. VTTablet knows no OR: of
  a key of several columns, what is between two cuts takes several conditions, no two of which fit one row.
- Cuts are found by seeking: keys that stand a number of rows apart, each one looked for from the one before. So the
  parts are even whatever the keys are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from source_vitess.conditions.values import Comparison, Literal, Operator, Term

#: The first values of a key.
Key = tuple[Literal, ...]

#: Keys that are sought for each part, and half as many at least: what a part may have too many or too few is a share of
#: that.
SOUGHT = 32
#: Keys in a row that no condition can hold, after which no further one is sought.
MOST_UNFIT = 8

Item = TypeVar("Item")


def seek_keys(
    seek: Callable[[Key | None, int], tuple[Key, int] | None], fits: Callable[[Key], bool], step: int, most: int
) -> list[Key | None]:
    """Returns keys that stand the same number of rows apart, in their order; None for one that no condition can hold.

    A key that several rows share, as its last columns are left out, stands there once for each step within it.

    Args:
        seek: Returns the key of the row that stands so many rows behind those of another key, or behind the beginning,
            and how many rows have it; None behind the end.
        fits: Whether a condition can hold a key.
        step: Rows between two keys to begin with. It is doubled when there are too many keys.
        most: So many keys are too many.
    """
    found: list[Key | None] = []
    last: Key | None = None
    unfit = 0
    while unfit < MOST_UNFIT and (there := seek(last, step * (unfit + 1))) is not None:
        key, rows = there
        if not fits(key):
            unfit += 1
            found.append(None)
            continue
        unfit, last = 0, key
        found += [key] * max(1, rows // step)
        while len(found) >= most:
            # The last one stays.
            found = found[::-1][::2][::-1]
            step *= 2
    return found


def choose_cuts(found: Sequence[Key | None], parts: int) -> list[Key]:
    """Returns cuts that make so many parts of about the same size; fewer if there are not as many keys.

    A cut has as few values as keep it behind the key before: each value more makes two ranges more.

    Args:
        found: Keys that stand the same number of rows apart.
        parts: How many parts there should be.
    """
    cuts: list[Key] = []
    place = -1
    for number in range(1, parts):
        target = number * len(found) // parts
        if target <= place:
            continue  # many rows share a key, and the cut before is behind them
        for index in range(target, len(found)):
            key = found[index]
            before = next((one for one in reversed(found[:index]) if one is not None), None)
            if key is None or key == before:
                continue
            cuts.append(key[: 1 + _alike(before or (), key)])
            place = index
            break
        else:
            break
    return cuts


def in_ranges(columns: Sequence[str], cuts: Sequence[Key]) -> Iterator[list[tuple[Term, ...]]]:
    """Yields for each part its ranges: terms that are all true of a row in it. One without terms has all rows.

    Args:
        columns: The key's columns.
        cuts: The cuts, in the order of the key.
    """
    for low, high in pairwise([(), *cuts, None]):
        yield list(_between(columns, low or (), high))


def _between(columns: Sequence[str], low: Key, high: Key | None) -> Iterator[tuple[Term, ...]]:
    """Yields ranges from a cut on and up to the next one, which is none for all rows that follow."""
    alike = _alike(low, high) if high is not None else 0
    same = _equal(columns, low[:alike], 0)
    for length in range(len(low), alike + 1, -1):
        yield (*same, *_equal(columns, low[alike : length - 1], alike), _from(columns, low, length))
    first: list[Term] = [_from(columns, low, alike + 1)] if len(low) > alike else []
    if high is None:
        yield (*same, *first)
        return
    yield (*same, *first, Comparison(columns[alike], Operator.LESS, high[alike]))
    for length in range(alike + 2, len(high) + 1):
        less = Comparison(columns[length - 1], Operator.LESS, high[length - 1])
        yield (*same, *_equal(columns, high[alike : length - 1], alike), less)


def _from(columns: Sequence[str], low: Key, length: int) -> Term:
    """Returns the lower bound by the last of some first values; they themselves belong to the last range of them."""
    sign = Operator.GREATER_OR_EQUAL if length == len(low) else Operator.GREATER
    return Comparison(columns[length - 1], sign, low[length - 1])


def _equal(columns: Sequence[str], values: Key, first: int) -> list[Term]:
    return [Comparison(columns[first + index], Operator.EQUAL, value) for index, value in enumerate(values)]


def _alike(one: Sequence[Item], other: Sequence[Item]) -> int:
    """Returns how many first values are the same."""
    for index, (mine, its) in enumerate(zip(one, other, strict=False)):
        if mine != its:
            return index
    return min(len(one), len(other))
