"""Draws schedules at random, and makes those that show a fault as short and simple as they can be.

Not hypothesis: its shrinking is better, its bookkeeping costs more than a schedule here, and a schedule shall be a line
that can be played again without it.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from unit_tests.model_search.adversary import NAMES, PER_STEP, SETUP, WEIGHTS
from unit_tests.model_search.play import Outcome, play

#: How many moments pass before a step: mostly few, so that steps meet.
_GAPS = (0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 7, 10, 14, 20)
_STEPS = (4, 24)
_NUMBERS = 24

#: Plays that the shrinking of one schedule may take.
SHRINKS = 1500

Schedule = tuple[int, ...]


def draw(rnd: random.Random) -> Schedule:
    """Draws a schedule."""
    numbers = [rnd.randrange(values) for values in SETUP.values()]
    kinds = range(len(NAMES))
    for kind in rnd.choices(kinds, WEIGHTS, k=rnd.randint(*_STEPS)):
        numbers += [rnd.choice(_GAPS), kind, rnd.randrange(_NUMBERS), rnd.randrange(_NUMBERS)]
    return tuple(numbers)


def shrink(schedule: Schedule, is_wrong: Callable[[Schedule], bool], plays: int = SHRINKS) -> Schedule:
    """Returns a shorter and simpler schedule that is wrong, too: fewer steps first, then lower numbers."""
    left = plays

    def tried(candidate: Schedule) -> bool:
        nonlocal left
        if left <= 0 or candidate == schedule:
            return False
        left -= 1
        return is_wrong(candidate)

    changed = True
    while changed and left > 0:
        changed = False
        for candidate in _shorter(lambda: schedule):
            if tried(candidate):
                schedule, changed = candidate, True
        for candidate in _lower(lambda: schedule):
            if tried(candidate):
                schedule, changed = candidate, True
    return schedule


def _shorter(current: Callable[[], Schedule]) -> Iterator[Schedule]:
    """Yields the schedule without some of its steps; the moments before them are kept or not."""
    size = len(current()) // PER_STEP
    while size:
        at = 0
        while True:
            schedule = current()
            head, steps = schedule[: len(SETUP)], _steps(schedule)
            if at >= len(steps):
                break
            rest = steps[at + size :]
            passed = sum(step[0] for step in steps[at : at + size])
            yield head + _flat(steps[:at] + rest)
            if current() is schedule and rest and passed:
                first = (rest[0][0] + passed, *rest[0][1:])
                yield head + _flat([*steps[:at], first, *rest[1:]])
            if current() is schedule:
                at += size
        size //= 2


def _lower(current: Callable[[], Schedule]) -> Iterator[Schedule]:
    for at in range(len(current())):
        if at >= len(SETUP) and (at - len(SETUP)) % PER_STEP == 1:
            continue  # the kind of a step
        for value in (0, current()[at] // 2, current()[at] - 1):
            schedule = current()
            if 0 <= value < schedule[at]:
                yield (*schedule[:at], value, *schedule[at + 1 :])


def _steps(schedule: Schedule) -> list[tuple[int, ...]]:
    rest = schedule[len(SETUP) :]
    return [rest[at : at + PER_STEP] for at in range(0, len(rest) - PER_STEP + 1, PER_STEP)]


def _flat(steps: Sequence[tuple[int, ...]]) -> Schedule:
    return tuple(number for step in steps for number in step)


@dataclass
class Report:
    """What a search came to.

    Attributes:
        seed: Where it began.
        seconds: How long it took.
        schedules: How many were played.
        outcomes: How many ended how.
        steps: How many steps were taken, by kind.
        syncs: How many syncs there were.
        moments: How many moments.
        compared: How many schedules reached the comparison.
        found: The first schedules that were wrong, shrunk, and what became of them.
        wrong: How many were wrong.
    """

    seed: int
    seconds: float = 0
    schedules: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    syncs: int = 0
    moments: int = 0
    compared: int = 0
    found: list[tuple[int, Schedule, Outcome]] = field(default_factory=list)
    wrong: int = 0

    def add(self, outcome: Outcome) -> None:
        """Counts a schedule."""
        self.schedules += 1
        self.outcomes[outcome.kind] += 1
        self.steps.update(outcome.steps)
        self.syncs += outcome.syncs
        self.moments += outcome.moments
        self.compared += outcome.compared > 0
        self.wrong += outcome.is_wrong

    @property
    def share(self) -> float:
        """The share of schedules in which at least one table was compared."""
        return self.compared / max(self.schedules, 1)

    def lines(self) -> Iterator[str]:
        """Yields the figures."""
        rate = self.schedules / max(self.seconds, 0.001)
        yield (
            f"seed {self.seed}: {self.schedules:,} schedules in {self.seconds:.0f} s ({rate:.0f} a second), "
            f"{sum(self.steps.values()):,} steps at {self.moments:,} moments of {self.syncs:,} syncs"
        )
        yield "steps: " + ", ".join(f"{count:,} {name}" for name, count in self.steps.most_common())
        yield (
            f"outcomes: {', '.join(f'{count:,} {kind}' for kind, count in self.outcomes.most_common())}; "
            f"{self.compared:,} ({self.share:.0%}) reached the comparison"
        )


def search(
    seed: int, seconds: float, *, stop_after: int = 1, schedules: int | None = None, kinds: Sequence[str] = ()
) -> Report:
    """Plays schedules for some time.

    Args:
        seed: What they are drawn from.
        seconds: How long.
        stop_after: So many different faults end it early; 0 for never.
        schedules: At most so many.
        kinds: The outcomes that count as wrong; all of them unless named.
    """
    report = Report(seed)
    began = time.monotonic()
    while time.monotonic() - began < seconds and (schedules is None or report.schedules < schedules):
        number = report.schedules
        schedule = draw(random.Random(f"{seed}/{number}"))  # noqa: S311 # not a secret
        outcome = play(schedule)
        report.add(outcome)
        if not outcome.is_wrong or (kinds and outcome.kind not in kinds):
            continue
        if stop_after:
            kind = outcome.kind
            shrunk = shrink(schedule, lambda one: play(one).kind == kind)  # noqa: B023 # called before the next
            report.found.append((number, shrunk, play(shrunk)))
            if len(report.found) >= stop_after:
                break
    report.seconds = time.monotonic() - began
    return report


def told(schedule: Schedule, outcome: Outcome) -> str:
    """Returns a schedule as readable steps, and how to play it again."""
    setup = ", ".join(f"{name} {number}" for name, number in zip(SETUP, schedule, strict=False))
    numbers = " ".join(map(str, schedule))
    return "\n".join(
        [
            f"{outcome.kind}: {outcome.text}",
            f"  setup: {setup}",
            *outcome.trace,
            f"play it again: python -m unit_tests.model_search --play {numbers}",
        ]
    )
