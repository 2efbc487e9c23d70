"""How far the served tables are behind the keyspace, said now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone

#: Of a record: when its transaction was committed in Vitess, to the second.
UPDATED_AT = "_ab_cdc_updated_at"
#: Seconds between two reports.
EVERY = 60.0


class LagReport:
    """Counts what was committed, and reports once a minute.

    Args:
        now: The time.
        every: Seconds between two reports.
    """

    def __init__(self, now: Callable[[], float] = time.time, every: float = EVERY) -> None:
        self._now = now
        self._every = every
        self._since = now()
        self._records = 0
        self._lags: list[float] = []

    def committed(self, records: int, changed_at: object) -> str:
        """Notes a commit, and returns the report if it is time for one, else an empty text.

        Args:
            records: How many records it had.
            changed_at: When the last of them was changed in Vitess.
        """
        now = self._now()
        self._records += records
        if (lag := _seconds_since(changed_at, now)) is not None:
            self._lags.append(lag)
        if now - self._since < self._every:
            return ""
        seconds, records, lags = now - self._since, self._records, self._lags
        self._since, self._records, self._lags = now, 0, []
        if not lags:
            return f"Nothing has changed in the last {seconds:.0f} s: the served tables are up to date."
        lags.sort()
        return (
            f"{records:,} records were committed in the last {seconds:.0f} s. Their changes were "
            f"{lags[len(lags) // 2]:.0f} s old then (median; at most {lags[-1]:.0f} s)."
        )


def _seconds_since(moment: object, now: float) -> float | None:
    if not isinstance(moment, str):
        return None
    try:
        then = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max(0.0, now - then.timestamp())
