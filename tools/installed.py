"""Whether a pair of Vitess and MySQL is in vitess-local's cache: what tests that must not build it ask first.

    python -m tools.installed 19 8.0

The exit code is 1 if it is not; the reason, with what to do, is the last line of stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install.pair import Pair
from vitess_local.install.steps import find_installed


def obstacle(vitess: str, mysql: str) -> str | None:
    """Returns why tests cannot run on a pair at once; None if they can."""
    try:
        pair = Pair.of(vitess, mysql)
        if find_installed(Cache.default(), pair) is not None:
            return None
    except VitessLocalError as error:
        return error.message
    name = pair.vitess.name
    return (
        f"Vitess {name} with MySQL {mysql} is not in the cache, and takes too long to build here; "
        f"`vitess-local install --vitess-version {name} --mysql-version {mysql}` does it once"
    )


def main(arguments: Sequence[str]) -> int:
    """Runs it; returns the exit code."""
    reason = obstacle(*arguments)
    if reason:
        print(reason, file=sys.stderr)
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
