"""How a sync runs and ends, at random."""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from instruments.connector import Json


@dataclass(frozen=True)
class Plan:
    """How a sync runs and ends.

    Attributes:
        kind: Its name in the report.
        process: Whether it is a process of its own.
        lines: Lines after which it is killed, or its reader pauses; 0 for never.
        seconds: Seconds after which the process is killed or signalled; 0 for never.
        pause: Seconds for which its reader pauses.
        number: The signal.
        forget: Whether a destination loses what came after the last state, as one that commits with states does.
        checkpoint_records: How often a state is due, in records.
        slow: Whether the reader takes its time, so that faults meet a copy rather than its end.
        config: Other settings.
    """

    kind: str
    process: bool = False
    lines: int = 0
    seconds: float = 0
    pause: float = 0
    number: signal.Signals = signal.SIGKILL
    forget: bool = False
    checkpoint_records: int = 100_000
    slow: bool = False
    config: Json = field(default_factory=dict)

    def __str__(self) -> str:
        """Writes what is not as usual."""
        usual = Plan("")
        given = [f"{name}={value}" for name, value in vars(self).items() if value != getattr(usual, name)]
        return ", ".join(given)


def random_plan(rnd: random.Random, tablet_types: Sequence[str]) -> Plan:
    """Chooses how the next sync goes, and from which type of tablet it reads; an empty one leaves that to it."""
    tablet_type = rnd.choice(tablet_types)
    lines = int(10 ** rnd.uniform(0.5, 4.6))
    plan = Plan(
        "to its end",
        forget=rnd.random() < 0.4,
        checkpoint_records=rnd.choice([1, 50, 1000, 100_000]),
        slow=rnd.random() < 0.5,
        config={"tablet_type": tablet_type} if tablet_type else {},
    )
    streaming = {**plan.config, "keep_streaming_minutes": 1}
    match rnd.choices(range(9), [4, 5, 2, 2, 1, 1, 1, 2, 2])[0]:
        case 0:
            return plan
        case 1:
            return replace(plan, kind="dropped at a message", lines=lines)
        case 2:
            return replace(plan, kind="process, kill -9 at a line", process=True, lines=lines)
        case 3:
            return replace(plan, kind="process, kill -9 at a moment", process=True, seconds=rnd.uniform(1, 8))
        case 4:
            number = rnd.choice([signal.SIGTERM, signal.SIGINT])
            return replace(plan, kind=f"process, {number.name}", process=True, seconds=rnd.uniform(2, 8), number=number)
        case 5:
            pause = rnd.uniform(1, 15)
            return replace(plan, kind="process, its reader pauses", process=True, lines=lines, pause=pause)
        case 6:
            return replace(plan, kind="process, to its end", process=True)
        case 7:
            seconds = rnd.uniform(5, 30)
            return replace(plan, kind="process, streaming, kill -9", process=True, seconds=seconds, config=streaming)
        case _:
            return replace(plan, kind="streaming, dropped at a message", lines=lines, config=streaming)
