"""How old the data of a sync is: how far tablets are behind, and up to which time the sync is complete.

And whether syncs are so far apart that MySQL may soon purge what the next one needs, and whether a restart of MySQL has
left holes in what was read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timezone

from source_vitess.errors import TransientError
from source_vitess.position.lag import Lag, lag_warnings, stopped_message
from source_vitess.position.vgtid import contains
from source_vitess.replication.context import SyncContext
from source_vitess.replication.messages import Log, Message
from source_vitess.replication.table_state import FOLLOWED

#: Seconds by which shards may differ before the log reports for each how complete it is.
SAME_SECONDS = 5.0
#: Of the time for which binary logs are kept: as much as may pass between two syncs without a warning.
SHARE_OF_RETENTION = 0.5
#: Shards that a line names.
_LISTED = 20


class Freshness:
    """Reports how old the data of one sync is.

    Args:
        context: The sync.
    """

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._lags: Sequence[Lag] = ()
        before = context.state.caught_up_at
        #: What this sync reads was written after that, in seconds since 1970, but for what was under way.
        self._reads_since = context.clock.now() if before is None else before

    def report_lags(self) -> Iterator[Message]:
        """Reports which tablets are far behind.

        Raises:
            TransientError: In a shard no tablet that could be streamed from replicates.
        """

        def replicating() -> Sequence[Lag]:
            return _replicating(self._context.vitess.lags(), ())

        self._lags = yield from self._context.ask(replicating)
        for warning in lag_warnings(self._lags):
            yield Log(warning, warning=True)

    def report_interval(self) -> Iterator[Message]:
        """Reports that MySQL may purge what syncs have to read, if they are so far apart."""
        state, kept = self._context.state, self._context.vitess.retention
        before = state.caught_up_at
        if before is None or not kept or not any(isinstance(table, FOLLOWED) for table in state.tables.values()):
            return
        passed, shortest = self._context.clock.now() - before, min(kept.values())
        if passed <= shortest * SHARE_OF_RETENTION:
            return
        shards = [shard for shard, seconds in kept.items() if seconds == shortest]
        named = ", ".join(shards[:_LISTED]) + (f" and {len(shards) - _LISTED} more" if len(shards) > _LISTED else "")
        yield Log(
            f"The last sync that caught up did so {duration(passed)} ago ({_time(before)}), and MySQL keeps binary "
            f"logs for {duration(shortest)} (shard {named}). If they are purged before a sync has read them, changes "
            "are lost, and everything has to be copied again. Sync more often, or keep binary logs for longer "
            "(binlog_expire_logs_seconds).",
            warning=True,
        )

    def report_starts(self) -> Iterator[Message]:
        """Reports that changes may be missing, where a stream cannot be ended at a start of MySQL."""
        state, vitess = self._context.state, self._context.vitess
        followed = any(isinstance(table, FOLLOWED) for table in state.tables.values())
        if vitess.numbers_transactions or state.vgtid is None or not followed:
            return
        for shard, started in vitess.last_starts(state.vgtid.shards.keys(), all_told=False).items():
            if started >= self._reads_since:
                yield Log(
                    f"MySQL of a tablet of shard {shard} was started at {_time(started)}, and this sync may have read "
                    "changes from before and after that in one stream: Vitess before 23 can mix up tables then, and "
                    "leave changes out without a sign. Refresh the streams whose changes matter.",
                    warning=True,
                )

    def report_completeness(self, lineage: Mapping[str, str], now: float, asked_at: float) -> Iterator[Message]:
        """Reports up to which time the sync is complete.

        Args:
            lineage: By shard, what its primary had executed at the end.
            now: When that was asked for, in seconds since 1970.
            asked_at: When the end position that was reached was asked for.

        Raises:
            TransientError: In a shard that has come by a reshard since the start no tablet replicates.
        """
        reached = self._context.state.vgtid
        if reached is None:
            return
        judged = {lag.shard for lag in self._lags}
        ended = yield from self._context.ask(lambda: _replicating(self._context.vitess.lags(), judged))
        lags: dict[str, float] = {}
        for lag in (*self._lags, *ended):
            lags[lag.shard] = max(lags.get(lag.shard, 0.0), lag.seconds or 0)
        until = {
            shard: now if shard in lineage and contains(gtid, lineage[shard]) else asked_at - lags.get(shard, 0.0)
            for shard, gtid in reached.shards.items()
        }
        first = min(until.values())
        if max(until.values()) - first <= SAME_SECONDS:
            yield Log(f"The data is complete up to {_time(first)}.")
        else:
            yield Log(
                "The data is complete up to "
                + ", ".join(f"{_time(at)} in shard {shard}" for shard, at in until.items())
            )


def _replicating(lags: Sequence[Lag], judged: Collection[str]) -> Sequence[Lag]:
    """Returns lags if in each shard that is not judged yet a tablet replicates.

    Raises:
        TransientError: In one none does.
    """
    if stopped := stopped_message([lag for lag in lags if lag.shard not in judged]):
        raise TransientError(stopped)
    return lags


def duration(seconds: float) -> str:
    """Returns a time for people, such as `1.5 h` or `20 min`."""
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f}".removesuffix(".0") + " h"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
