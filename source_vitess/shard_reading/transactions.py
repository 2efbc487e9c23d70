"""Which transactions of a shard's stream are of a span, by the arithmetic of GTID sets alone.

A tablet sends the transactions of its binary log in its own order, with some that nobody else has (errant ones) and
some that came after the end that is wanted. What a span is made of does not depend on it: the transactions of its end
that are not in its start. So whichever tablet answers, and however often, the same transactions are taken.
"""

from __future__ import annotations

from source_vitess.errors import InternalError
from source_vitess.position.gtid import FLAVOR, GtidSet

_NOTHING = GtidSet({})


class SpanTransactions:
    """The transactions of a span, and which of them have been read.

    Args:
        start: The position that they come after.
        end: The position that they belong to; None for all that the shard has after `start`.
    """

    def __init__(self, start: GtidSet, end: GtidSet | None) -> None:
        self._end = end
        self._errant = _NOTHING
        self._done = start
        self._passed = start
        self._ended = _NOTHING

    @property
    def position(self) -> str:
        """The position from which the others are read: what was read, and nothing that is not of the span."""
        return f"{FLAVOR}/{self._done}"

    @property
    def are_complete(self) -> bool:
        """Whether all have been read. Never, if the span has no end of its own."""
        return self._end is not None and self._end <= self._done

    def opened(self, position: str, errant: GtidSet) -> None:
        """Notes the position from which a stream was opened, and transactions that are none of the shard's own."""
        self._passed = GtidSet.parse(position)
        self._errant = self._errant | errant

    def take(self, position: str) -> GtidSet | None:
        """Takes the transaction that has just ended.

        VTGate gives no position to a transaction of an engine that has none (see `Unpositioned`): the next position
        then contains both, and the rows that are read are of the last one, since a table of such an engine is not read.

        Args:
            position: The stream's position at its end.

        Returns:
            The transaction, if it is of the span and was not taken before.

        Raises:
            InternalError: It cannot be told which transaction it was.
        """
        now = GtidSet.parse(position)
        self._ended = ended = now - self._passed
        self._passed = now
        fresh = ended - self._done
        wanted = fresh - self._errant if self._end is None else fresh & self._end
        if not wanted:
            return None
        self._done = self._done | wanted
        if wanted == ended:
            return wanted
        if len(ended.intervals) > 1:
            raise InternalError(f"VTGate gave one position to transactions of several servers: {ended}.")
        [(uuid, intervals)] = ended.intervals.items()
        last = GtidSet({uuid: ((intervals[-1][1] - 1, intervals[-1][1]),)})
        return last if last <= wanted else None

    def pass_by(self, gtid: str) -> None:
        """Takes a transaction without a position for read, if it is of the span: it holds nothing that is read."""
        passed = GtidSet.parse(f"{FLAVOR}/{gtid}")
        self._done = self._done | (passed - self._errant if self._end is None else passed & self._end)

    def pass_journal(self) -> None:
        """Takes the transaction that has just ended for read, of the span or not: it holds nothing but a journal."""
        self._done = self._done | self._ended
