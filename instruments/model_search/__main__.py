"""Searches for a schedule under which the connector loses something; see `adversary`.

python -m instruments.model_search --minutes 1 --seed 1
"""

from __future__ import annotations

import argparse
import os
import random
import sys

from instruments.model_search.play import Outcome, play
from instruments.model_search.search import Schedule, description, search

#: The least share of schedules that must reach the comparison.
LEAST_SHARE = 0.9


def main() -> int:
    """Runs the search and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    minutes = float(os.environ.get("SOURCE_VITESS_MODEL_MINUTES") or 2)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument(
        "--seed", type=int, default=int(os.environ.get("SOURCE_VITESS_SEED") or random.randrange(10**6))
    )
    parser.add_argument("--faults", type=int, default=1, help="how many faults end the search; 0 only counts them")
    parser.add_argument("--only", nargs="*", default=[], help="the outcomes that count: differs, broke, …")
    parser.add_argument("--without", nargs="*", default=[], help="kinds of steps and letters of tables to leave out")
    parser.add_argument("--play", type=int, nargs="+", help="the numbers of one schedule")
    given = parser.parse_args()
    if given.play:
        outcome = play(tuple(given.play))
        print(description(tuple(given.play), outcome))
        return int(outcome.is_wrong)

    def show(number: int, schedule: Schedule, outcome: Outcome) -> None:
        print(f"schedule {number} of seed {given.seed}, made shorter:")
        print(description(schedule, outcome), end="\n\n", flush=True)

    report = search(
        given.seed,
        given.minutes * 60,
        stop_after=given.faults,
        kinds=given.only,
        without=given.without,
        found=show,
    )
    for line in report.lines():
        print(line)
    if report.share < LEAST_SHARE:
        print(f"too few schedules reached the comparison: {report.share:.0%} instead of {LEAST_SHARE:.0%}")
    return int(report.wrong > 0 or report.share < LEAST_SHARE)


if __name__ == "__main__":
    # The order of sets of texts decides over some of the connector's steps.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "instruments.model_search", *sys.argv[1:]])
    sys.exit(main())
