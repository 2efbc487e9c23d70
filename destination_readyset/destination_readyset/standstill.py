"""Notices that a ReadySet does not go on, though it answers: in a snapshot, or in the binlog.

Two faults of stable-260528, both made to happen with a real server:

- The served MySQL was away during a snapshot: its table stays at a percentage, without the rows that are lacking.
- ReadySet, or its connection to the served MySQL, broke off within a transaction. Without `--require-gtid`, it keeps
  places within one (`flush_pending_actions` in replicators/src/mysql_connector/connector.rs), and goes on there without
  the event that names the transaction's table: it fails at that place once a second.

Then caches answer with old rows, or without some, and ReadySet says so nowhere but in answers to two statements. In the
second case either its places stay where they are though rows change, or the last error does: a change of a row that it
replicates moves `Maximum Replication Offset`. A transaction without such a change may not: of those, ReadySet notes one
in ten seconds (`report_position_elapsed` there). So tables that it leaves out (`--replication-tables`) do not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from destination_readyset.readyset import Replication, list_statuses, read_replication
from destination_readyset.served import Connection

Log = Callable[[str, str], None]

#: How a status begins of a table whose rows are read from the served MySQL, with a percentage after it.
_SNAPSHOTTING = "snapshotting"
#: How the status begins of any table for which the binlog may have to wait; most can have a percentage, too.
_BUSY = (_SNAPSHOTTING, "initializing", "compacting", "creating index")
#: Seconds in which one of these has to change: a percentage may be lacking, and one table can wait for another.
_BUSY_SECONDS = 1800.0
#: How one begins that is left out.
_LEFT_OUT = "not replicated"
#: In the error of a place within a transaction.
_WITHIN_TRANSACTION = "TME not found"
_ERROR_LENGTH = 300


def _as_sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


_REPAIR = (
    "stop ReadySet, empty its storage directory and start it again: it makes everything anew from the served MySQL."
)
_BROKEN_OFF = (
    "If that stays so, its snapshot has broken off (as when the served MySQL was away for a moment), and caches answer "
    f"without the rows that are lacking. {_as_sentence(_REPAIR)}"
)


class Sent(Protocol):
    """What was written to the served MySQL, by another thread.

    Attributes:
        changes: How many transactions that change rows have been sent.
        committed: How many of these it has committed. A COMMIT can take minutes, and ReadySet sees nothing of it until
            then.
        unreplicated: Tables that ReadySet leaves out, which do not count; set here, at each look.
    """

    unreplicated: frozenset[str]

    @property
    def changes(self) -> int:
        """How many were sent."""

    @property
    def committed(self) -> int:
        """How many were committed."""


class StandstillWatch:
    """Looks at what has to move, and warns once of what does not.

    Args:
        log: Takes a level and a text.
        sent: What was written to the served MySQL.
        seconds: For how long something may stay where it is.
        busy_seconds: For how long nothing may change in what ReadySet says of tables that it compacts or indexes.
    """

    def __init__(self, log: Log, sent: Sent, *, seconds: float, busy_seconds: float = _BUSY_SECONDS) -> None:
        self._log = log
        self._sent = sent
        self._seconds = seconds
        self._busy_seconds = busy_seconds
        #: Of tables of which a snapshot is taken: how far it is, and since when.
        self._snapshots: dict[tuple[str, ...], tuple[str, float]] = {}
        self._told: set[tuple[str, ...]] = set()
        #: The status of all tables that are not online yet, since when none has changed, and whether that was told.
        self._busy: Mapping[tuple[str, ...], str] = {}
        self._busy_since = 0.0
        self._is_busy_told = False
        #: What was read last, and the changes that had been sent when its place was read for the first time.
        self._last = Replication()
        self._changes_then = 0
        #: Whether it had an error at two looks without having moved between them.
        self._has_failed = False
        #: When it was found for the first time that the place has to move.
        self._awaited_since: float | None = None
        self._told_place = ""

    def look(self, connection: Connection) -> None:
        """Asks ReadySet.

        Raises:
            pymysql.MySQLError: It does not answer.
        """
        statuses = list_statuses(connection)
        is_left_out = {table: status.lower().startswith(_LEFT_OUT) for table, status in statuses.items()}
        replicated = {table[-1] for table, is_out in is_left_out.items() if table and not is_out}
        self._sent.unreplicated = frozenset(table[-1] for table in is_left_out if table) - replicated
        busy = {table: status for table, status in statuses.items() if status.lower().startswith(_BUSY)}
        self._look_at_snapshots(
            {table: status for table, status in busy.items() if status.lower().startswith(_SNAPSHOTTING)}
        )
        self._look_at_work(busy)
        self._look_at_place(Replication() if busy else read_replication(connection))

    def is_awaited(self) -> bool:
        """Whether ReadySet has to move: rows have changed since its place was read, or it has failed there."""
        return bool(self._last.place) and (self._have_rows_changed() or self._has_failed)

    def tell(self, seconds: float) -> None:
        """Warns, once of each place, that ReadySet has had to move for so many seconds."""
        place, error = self._last.place, self._last.error.strip().rstrip(".")
        if place == self._told_place:
            return
        self._told_place = place
        text = f"ReadySet has been at {place} of the served MySQL's binlog for {seconds:.0f} s"
        text += ", though rows have changed since. " if self._have_rows_changed() else ". "
        if error:
            text += f"Its replicator says: {error[:_ERROR_LENGTH]}{'…' if len(error) > _ERROR_LENGTH else ''}. "
        text += "If that stays so, its caches answer with old rows, or VTGate answers in their place. "
        can_be_mended = error and _WITHIN_TRANSACTION not in error
        self._log(
            "WARN",
            text + (f"Mend that; if that is not possible, {_REPAIR}" if can_be_mended else _as_sentence(_REPAIR)),
        )

    def _have_rows_changed(self) -> bool:
        return self._sent.committed > self._changes_then

    def _look_at_place(self, found: Replication) -> None:
        # After the question: what was sent by now can be in the answer already, and would not move it again.
        changes = self._sent.changes
        has_moved = found.place != self._last.place
        if has_moved:
            self._changes_then = changes
            # Another change may have come by the question below.
            self._awaited_since = None
        self._last, self._has_failed = found, bool(found.error) and not has_moved
        if not self.is_awaited():
            self._awaited_since = None
            return
        now = time.monotonic()
        self._awaited_since = self._awaited_since or now
        if now - self._awaited_since >= self._seconds:
            self.tell(now - self._awaited_since)

    def _look_at_snapshots(self, found: Mapping[tuple[str, ...], str]) -> None:
        now = time.monotonic()
        before, self._snapshots = self._snapshots, {}
        self._told &= found.keys()
        for table, status in found.items():
            last, since = before.get(table, ("", now))
            self._snapshots[table] = (status, since if status == last else now)
            seconds = now - self._snapshots[table][1]
            if seconds < self._seconds or table in self._told:
                continue
            self._told.add(table)
            self._log(
                "WARN",
                f"ReadySet has said {status!r} of the table {'.'.join(table)} for {seconds:.0f} s. {_BROKEN_OFF}",
            )

    def _look_at_work(self, found: Mapping[tuple[str, ...], str]) -> None:
        now = time.monotonic()
        if found != self._busy:
            self._busy, self._busy_since, self._is_busy_told = found, now, False
        tables = [table for table, status in found.items() if not status.lower().startswith(_SNAPSHOTTING)]
        seconds = now - self._busy_since
        if not tables or self._is_busy_told or seconds < self._busy_seconds:
            return
        self._is_busy_told = True
        more = f" and of {len(tables) - 1} more" if len(tables) > 1 else ""
        self._log(
            "WARN",
            f"ReadySet has said {found[tables[0]]!r} of the table {'.'.join(tables[0])}{more} for {seconds:.0f} s. "
            "Until that is done it may follow no changes of any table. Its own log says what it is doing.",
        )
