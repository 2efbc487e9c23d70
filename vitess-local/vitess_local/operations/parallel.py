"""Does the same for several servers at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# The servers do the work, the threads only wait for them.
THREADS = 16

_Item = TypeVar("_Item")


def at_once(action: Callable[[_Item], object], items: Iterable[_Item]) -> None:
    """Do something for all items at the same time; raise the first error, after all ended."""
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(action, item) for item in items]
    for future in futures:
        future.result()
