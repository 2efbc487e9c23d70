"""Searches for a schedule under which the connector loses something; see `adversary`.

python -m instruments.model_search --minutes 1 --seed 1
python -m instruments.model_search --schedules 100000 --seed 1

SIGINT and SIGTERM end it after the schedule that is being played, with its figures so far.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import threading

from instruments.model_search.play import Outcome, play
from instruments.model_search.search import Schedule, description, search

#: The least share of schedules that must reach the comparison.
LEAST_SHARE = 0.9


def main() -> int:
    """Runs the search and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, help="how long; 2 unless the number of schedules is given")
    parser.add_argument("--schedules", type=int, help="how many")
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

    stopped = _stopped()
    print(f"schedules of seed {given.seed}", flush=True)
    minutes = 2 if given.minutes is None and given.schedules is None else given.minutes
    report = search(
        given.seed,
        None if minutes is None else minutes * 60,
        schedules=given.schedules,
        stopped=stopped,
        stop_after=given.faults,
        kinds=given.only,
        without=given.without,
        found=show,
    )
    for line in report.lines():
        print(line)
    too_few = report.share < LEAST_SHARE and not stopped.is_set()
    if too_few:
        print(f"too few schedules reached the comparison: {report.share:.0%} instead of {LEAST_SHARE:.0%}")
    return int(report.wrong > 0 or too_few)


def _stopped() -> threading.Event:
    """Returns what the first SIGINT or SIGTERM sets; the next one ends the process at once."""
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return stopped


if __name__ == "__main__":
    # The order of sets of texts decides over some of the connector's steps.
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "instruments.model_search", *sys.argv[1:]])
    sys.exit(main())
