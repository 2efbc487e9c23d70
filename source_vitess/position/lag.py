"""How far the tablets that are streamed from are behind their primaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Seconds from which on a tablet's lag is worth a warning.
LAG_SECONDS = 60


@dataclass(frozen=True)
class Lag:
    """How far a tablet is behind.

    Attributes:
        shard: Its shard.
        tablet: Its alias, such as `zone1-0000000101`.
        seconds: How old its data is at most; None if that is not known.
        stopped: Whether its replication does not run.
    """

    shard: str
    tablet: str
    seconds: int | None
    stopped: bool

    def describe(self) -> str:
        """Returns a clause for people."""
        behind = "an unknown time" if self.seconds is None else f"{self.seconds:,} s"
        what = "does not replicate, and is" if self.stopped else "is"
        return f"tablet {self.tablet} of shard {self.shard} {what} {behind} behind its primary"


def lag_warnings(lags: Sequence[Lag]) -> tuple[str, ...]:
    """Returns a sentence for each tablet that is far behind or does not replicate."""
    return tuple(
        f"T{lag.describe()[1:]}. What is read from it is as old as that."
        for lag in lags
        if lag.stopped or (lag.seconds or 0) > LAG_SECONDS
    )


def stopped_message(lags: Sequence[Lag]) -> str | None:
    """Returns what to report if in a shard no tablet replicates; None if there is none."""
    stopped = stopped_shards(lags)
    if not stopped:
        return None
    return (
        "; ".join(f"T{lag.describe()[1:]}" for lag in stopped)
        + ". Start its replication, or choose another tablet type: nothing new can be read from it."
    )


def stopped_shards(lags: Sequence[Lag]) -> tuple[Lag, ...]:
    """Returns the tablets of the shards in which none replicates."""
    running = {lag.shard for lag in lags if not lag.stopped}
    return tuple(lag for lag in lags if lag.shard not in running)
