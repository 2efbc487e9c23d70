"""How many generated examples reached what a test is about: a test whose examples all turn back early tests nothing.

    @at_least(0.05)
    @given(st.text())
    def test_…(text: str) -> None:
        try:
            parsed = parse(text)
        except Refused:
            return
        reached()
        assert parse(str(parsed)) == parsed

Shares are well below what is usual, since hypothesis' examples differ much from run to run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any


class _Count:
    """Of the test that runs."""

    def __init__(self) -> None:
        self.tried = 0
        self.reached = 0


_counts: list[_Count] = [_Count()]


def reached() -> None:
    """Says that this example has come to the assertion; once in each."""
    _counts[-1].reached += 1


def at_least(share: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Fails a test of hypothesis if a smaller share of its examples was `reached`. Goes above `given`."""

    def decorate(test: Any) -> Callable[..., None]:
        inner = test.hypothesis.inner_test

        @wraps(inner)
        def counted(*args: Any, **kwargs: Any) -> None:
            _counts[-1].tried += 1
            inner(*args, **kwargs)

        # What hypothesis documents for those who have to wrap each example.
        test.hypothesis.inner_test = counted

        @wraps(test)
        def run(*args: Any, **kwargs: Any) -> None:
            count = _Count()
            _counts.append(count)
            try:
                test(*args, **kwargs)
            finally:
                _counts.pop()
                print(f"{count.reached} of {count.tried} examples reached the assertion")  # noqa: T201 - with -s, or on failure
            assert count.reached >= share * count.tried > 0, "too few examples reached the assertion"

        return run

    return decorate
