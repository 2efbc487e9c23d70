"""Whether the tablets that are read have what their primaries have: a replica whose replication has stopped has not.

Nothing else would tell. It serves on, and its position is all that there is to read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from source_vitess.clock import SystemClock
from source_vitess.errors import TransientError
from source_vitess.keyspace import LiveVitess
from source_vitess.position.lag import Lag, lag_warnings, stopped_message
from source_vitess.shard_reading.questions import LOG, answer_of

#: A tablet, and whether its replication is stopped.
Behind = tuple[str, bool]


def expect_replication(vitess: LiveVitess, clock: SystemClock) -> None:
    """Says which tablets are far behind.

    Raises:
        TransientError: In a shard no tablet that is read from replicates, however often that was asked.
    """

    def replicating() -> Sequence[Lag]:
        lags = vitess.lags()
        if stopped := stopped_message(lags):
            raise TransientError(stopped)
        return lags

    warn_of_lags(answer_of(replicating, clock))


def warn_of_lags(lags: Sequence[Lag], told: Collection[Behind] = ()) -> frozenset[Behind]:
    """Says which tablets are far behind, or do not replicate; returns them.

    Args:
        lags: How far they are behind.
        told: Those of which it was said already.
    """
    behind = {(lag.tablet, lag.stopped): lag for lag in lags if lag_warnings((lag,))}
    for warning in lag_warnings([lag for known, lag in behind.items() if known not in told]):
        LOG.warning(warning)
    return frozenset(behind)
