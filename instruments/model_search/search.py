"""Draws schedules at random, and makes those that show a fault as short and simple as they can be.

Not hypothesis: its shrinking is better, its bookkeeping costs more than a schedule here, and a schedule shall be a line
that can be played again without it.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from instruments.model_search.adversary import NAMES, PER_STEP, SETUP, WEIGHTS
from instruments.model_search.play import Outcome, play
from instruments.model_search.tables import SETS

#: How many moments pass before a step: mostly few, so that steps meet.
_GAPS = (0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 7, 10, 14)
_STEPS = (5, 30)
_NUMBERS = 24

#: Steps that are worth little alone are drawn together, too, with few moments between them.
_TOGETHER = (
    ("kill", "alter"),
    ("cut", "alter"),
    ("restart", "alter"),
    ("planned", "alter"),
    ("alter", "kill"),
    ("hold", "write", "turns"),
    ("hold", "write", "emergency"),
    ("turns", "hold", "write"),
    ("errant", "turns"),
    ("reshard", "reshard", "write", "reshard", "write"),
    ("reshard", "reshard", "kill", "reshard", "write"),
    ("schema", "alter", "discover", "refresh"),
    ("write", "refresh"),
    ("kill", "write"),
)
_SHARE_TOGETHER = 0.25
_CLOSE = (0, 0, 0, 1, 1, 2, 3)

#: Plays, and seconds, that the shrinking of one schedule may take.
SHRINKS, SHRINK_SECONDS = 600, 30.0

Schedule = tuple[int, ...]


def draw(rnd: random.Random, without: Collection[str] = ()) -> Schedule:
    """Draws a schedule.

    Args:
        rnd: Chance.
        without: Kinds of steps, and letters of tables, that do not come.
    """
    numbers = [rnd.randrange(values) for values in SETUP.values()]
    numbers[0] = rnd.choice([number for number, tables in enumerate(SETS) if not set(tables) & set(without)])
    weights = [0 if name in without else weight for name, weight in zip(NAMES, WEIGHTS, strict=True)]
    together = [steps for steps in _TOGETHER if not set(steps) & set(without)]
    left = rnd.randint(*_STEPS)
    while left > 0:
        if together and rnd.random() < _SHARE_TOGETHER:
            kinds = [NAMES.index(name) for name in rnd.choice(together)]
        else:
            kinds = rnd.choices(range(len(NAMES)), weights)
        for number, kind in enumerate(kinds):
            gap = rnd.choice(_CLOSE if number else _GAPS)
            numbers += [gap, kind, rnd.randrange(_NUMBERS), rnd.randrange(_NUMBERS)]
        left -= len(kinds)
    return tuple(numbers)


class Shrinking:
    """Makes a schedule shorter and simpler as long as it stays wrong: fewer steps first, then lower numbers.

    Attributes:
        schedule: The best so far.
    """

    def __init__(self, schedule: Schedule, is_wrong: Callable[[Schedule], bool], plays: int = SHRINKS) -> None:
        self.schedule = schedule
        self._is_wrong = is_wrong
        self._plays = plays
        self._until = time.monotonic() + SHRINK_SECONDS

    def run(self) -> Schedule:
        """Returns the simplest that was found."""
        while self._shorten() | self._lower() and not self._is_over:
            pass
        return self.schedule

    @property
    def _is_over(self) -> bool:
        return self._plays <= 0 or time.monotonic() > self._until

    def _try(self, candidate: Schedule) -> bool:
        if self._is_over or candidate == self.schedule:
            return False
        self._plays -= 1
        if not self._is_wrong(candidate):
            return False
        self.schedule = candidate
        return True

    def _shorten(self) -> bool:
        """Leaves steps out, many at a time at first; the moments before them are left out, too, or stay."""
        before = self.schedule
        size = len(_steps(before))
        while size:
            at = 0
            while at < len(steps := _steps(self.schedule)):
                head, rest = self.schedule[: len(SETUP)], steps[at + size :]
                passed = sum(step[0] for step in steps[at : at + size])
                later = [(rest[0][0] + passed, *rest[0][1:]), *rest[1:]] if rest else []
                if not self._try(head + _flat(steps[:at] + rest)) and not (
                    passed and self._try(head + _flat(steps[:at] + later))
                ):
                    at += size
            size //= 2
        return self.schedule != before

    def _lower(self) -> bool:
        before = self.schedule
        for at in range(len(before)):
            if at >= len(SETUP) and (at - len(SETUP)) % PER_STEP == 1:
                continue  # the kind of a step
            number = self.schedule[at]
            for value in sorted({0, number // 2, number - 1}):
                if 0 <= value < number and self._try((*self.schedule[:at], value, *self.schedule[at + 1 :])):
                    break
        return self.schedule != before


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
    seed: int,
    seconds: float | None = None,
    *,
    stop_after: int = 1,
    schedules: int | None = None,
    stopped: threading.Event | None = None,
    kinds: Sequence[str] = (),
    without: Collection[str] = (),
    found: Callable[[int, Schedule, Outcome], None] | None = None,
) -> Report:
    """Plays schedules for some time, or so many.

    Args:
        seed: What they are drawn from.
        seconds: How long, at most.
        stop_after: So many different faults end it early; 0 for never.
        schedules: How many, at most.
        stopped: Ends it early, after a schedule, once it is set.
        kinds: The outcomes that count as wrong; all of them unless named.
        without: As in `draw`.
        found: Called with each fault as it is found.
    """
    report = Report(seed)
    known: set[tuple[object, ...]] = set()
    began = time.monotonic()

    def is_over() -> bool:
        return (
            (seconds is not None and time.monotonic() - began >= seconds)
            or (schedules is not None and report.schedules >= schedules)
            or (stopped is not None and stopped.is_set())
        )

    while not is_over():
        number = report.schedules
        schedule = draw(random.Random(f"{seed}/{number}"), without)
        outcome = play(schedule)
        report.add(outcome)
        if not outcome.is_wrong or (kinds and outcome.kind not in kinds):
            continue
        if stop_after:
            kind = outcome.kind
            shrunk = Shrinking(schedule, partial(_ends, kind)).run()
            outcome = play(shrunk)
            # The same steps are most often the same fault.
            seen = (kind, shrunk[0] % SETUP["tables"], *sorted(outcome.steps))
            if seen not in known:
                known.add(seen)
                report.found.append((number, shrunk, outcome))
                if found is not None:
                    found(number, shrunk, outcome)
            if len(report.found) >= stop_after:
                break
    report.seconds = time.monotonic() - began
    return report


def _ends(kind: str, schedule: Schedule) -> bool:
    return play(schedule).kind == kind


def description(schedule: Schedule, outcome: Outcome) -> str:
    """Returns a schedule as readable steps, and how to play it again."""
    setup = ", ".join(f"{name} {number}" for name, number in zip(SETUP, schedule, strict=False))
    numbers = " ".join(map(str, schedule))
    return "\n".join(
        [
            f"{outcome.kind}: {outcome.text}",
            f"  setup: {setup}",
            *outcome.trace,
            f"play it again: python -m instruments.model_search --play {numbers}",
        ]
    )
