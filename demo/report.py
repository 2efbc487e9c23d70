"""Prints for a person: steps as they happen, and tables."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_WIDTH = 100


@dataclass
class Step:
    """A step that is under way; `result` is what is printed at its end."""

    result: str = ""


@contextmanager
def step(name: str) -> Iterator[Step]:
    """Prints a step's name at its start, its result and its time at its end."""
    started = time.monotonic()
    print(f"  {name:<10} ", end="", flush=True)
    under_way = Step()
    try:
        yield under_way
    except BaseException:
        print("failed", flush=True)
        raise
    seconds = f"{time.monotonic() - started:.1f} s"
    print(f"{under_way.result:<{_WIDTH - 13 - len(seconds)}}{seconds}", flush=True)


def title(text: str) -> None:
    """Prints a heading."""
    print(f"\n{text}\n")


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns a table with a frame; numbers stand on the right.

    Args:
        heads: The columns' heads.
        rows: The rows; None is an empty cell.
    """
    cells = [[_text(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    right = [all(isinstance(row[column], int | None) for row in rows) for column in range(len(heads))]

    def line(texts: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if on_the_right else text.ljust(width)
            for text, width, on_the_right in zip(texts, widths, right, strict=True)
        )
        return f"│ {' │ '.join(padded)} │"

    def rule(left: str, middle: str, end: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + end

    lines = [rule("┌", "┬", "┐"), line(heads), rule("├", "┼", "┤"), *map(line, cells), rule("└", "┴", "┘")]
    text = "\n".join(f"  {each}" for each in lines)
    return text if _can_print("─│┌") else text.translate(_ASCII)


def gtid(position: str) -> str:
    """Shortens a GTID set for the eye: of every server's id, the first eight characters are enough."""
    return re.sub(r"([0-9a-f]{8})-[0-9a-f-]{27}", r"\1…" if _can_print("…") else r"\1..", position)


_ASCII = str.maketrans("─│┌┬┐├┼┤└┴┘", "-|+++++++++")


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
