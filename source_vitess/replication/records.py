"""From rows to records: the `_ab_cdc_*` members, and the cursor that orders all records of a connection."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from itertools import count

from source_vitess.replication.messages import Records
from source_vitess.rows.columns import Rows

UPDATED_AT = "_ab_cdc_updated_at"
DELETED_AT = "_ab_cdc_deleted_at"
CURSOR = "_ab_cdc_cursor"

#: Cursors a second can hold: seconds since 1970 are multiplied by this, as in Airbyte's Java sources. With their
#: fraction, so that a sync that follows a killed one within the same second starts above what that one gave out.
CURSORS_PER_SECOND = 100_000_000


class Cursor:
    """Gives out `_ab_cdc_cursor`: strictly increasing across syncs, even when the clock goes back.

    Destinations keep the row with the highest cursor, and positions of several shards have no order.

    Attributes:
        last: The last one given out.
    """

    def __init__(self, last: int, now: float) -> None:
        self.last = max(last, int(now * CURSORS_PER_SECOND))

    def take(self, count: int) -> int:
        """Returns the first of `count` consecutive cursors."""
        first = self.last + 1
        self.last += count
        return first


_LIVE = b'{%%b"_ab_cdc_updated_at":%b,"_ab_cdc_deleted_at":null,"_ab_cdc_cursor":%%d}'
_GONE = b'{%b"_ab_cdc_updated_at":%b,"_ab_cdc_deleted_at":%b,"_ab_cdc_cursor":%d}'


_EPOCH = date(1970, 1, 1).toordinal()


@lru_cache(maxsize=64)
def _utc(timestamp: int) -> bytes:
    """Returns seconds since 1970 as JSON: a change stream may have another second with each transaction."""
    days, seconds = divmod(timestamp, 86_400)
    return b'"%bT%02d:%02d:%02dZ"' % (_date(days), seconds // 3600, seconds // 60 % 60, seconds % 60)


@lru_cache(maxsize=64)
def _live(timestamp: int) -> Callable[[tuple[bytes, int]], bytes]:
    """Returns what makes a row's members and its cursor a record."""
    return (_LIVE % _utc(timestamp)).__mod__


@lru_cache(maxsize=64)
def _date(days: int) -> bytes:
    return date.fromordinal(_EPOCH + days).isoformat().encode()


class RecordMaker:
    """Completes the rows of one stream to records.

    Args:
        stream: The table.
        with_meta: Whether records carry the `_ab_cdc_*` members; all three or none.
        cursor: The connection's cursor.
        now: Seconds since 1970 at the sync's start: when copied rows were seen.
    """

    def __init__(self, stream: str, cursor: Cursor, now: float, *, with_meta: bool) -> None:
        self._stream = stream
        self._with_meta = with_meta
        self._cursor = cursor
        self._now = int(now)

    def make(self, rows: Rows) -> Records:
        """Returns the rows as records, with cursors in their order."""
        members = rows.members
        if not self._with_meta:
            return Records(self._stream, [b"{%b}" % row[:-1] for row in members], rows.altered, rows.large_integers)
        timestamp = rows.timestamp or self._now
        first = self._cursor.take(len(members))
        data = list(map(_live(timestamp), zip(members, count(first), strict=False)))
        for index in rows.deleted:
            time = _utc(timestamp)
            data[index] = _GONE % (members[index], time, time, first + index)
        return Records(self._stream, data, rows.altered, rows.large_integers)
