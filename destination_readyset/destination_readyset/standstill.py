"""Notices that a ReadySet does not go on, though it answers: in a snapshot, or in the binlog.

Two faults of stable-260528 that were seen on a real server, after which caches answer with old rows, or without some,
and no error:

- The served MySQL was away during a snapshot: its table stays at a percentage, without the rows that are lacking.
- The connection to the served MySQL broke within a transaction. ReadySet keeps places within one
  (`flush_pending_actions` in replicators/src/mysql_connector/connector.rs), and goes on there without the event that
  names the transaction's table: it fails once a second ("TME not found for table ID"), and stays where it is.

ReadySet tells of neither. A change of a row that it replicates moves `Maximum Replication Offset` of `SHOW READYSET
STATUS`; so rows that were committed after it was read have to move it. A transaction without such a change may not: of
those, ReadySet notes one in ten seconds (`report_position_elapsed` there).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from destination_readyset.readyset import list_statuses, read_offset
from destination_readyset.served import Connection

Log = Callable[[str, str], None]

#: How a status begins of a table whose rows are read from the served MySQL, with a percentage after it.
_SNAPSHOTTING = "snapshotting"
#: How one begins for which the binlog may have to wait.
_BUSY = (_SNAPSHOTTING, "initializing", "compacting", "creating index")
_REPAIR = (
    "Stop ReadySet, empty its storage directory and start it again: it makes everything anew from the served MySQL."
)


class StandstillWatch:
    """Looks at what has to move, and warns once of what does not.

    Args:
        log: Takes a level and a text.
        changes: Returns how many transactions that change rows have been sent to the served MySQL.
        seconds: For how long something may stay where it is.
    """

    def __init__(self, log: Log, changes: Callable[[], int], *, seconds: float) -> None:
        self._log = log
        self._changes = changes
        self._seconds = seconds
        #: Of tables of which a snapshot is taken: how far it is, and since when.
        self._snapshots: dict[tuple[str, ...], tuple[str, float]] = {}
        self._told: set[tuple[str, ...]] = set()
        #: ReadySet's place in the binlog, and the changes that had been sent when it was read for the first time.
        self._offset = ""
        self._changes_then = 0
        #: When it was found for the first time not to have moved though rows had changed.
        self._awaited_since: float | None = None
        self._told_offset = ""

    def look(self, connection: Connection) -> None:
        """Asks ReadySet.

        Raises:
            pymysql.MySQLError: It does not answer.
        """
        statuses = list_statuses(connection)
        self._look_at_snapshots(
            {table: status for table, status in statuses.items() if status.lower().startswith(_SNAPSHOTTING)}
        )
        is_busy = any(status.lower().startswith(_BUSY) for status in statuses.values())
        self._look_at_offset("" if is_busy else read_offset(connection))

    def is_awaited(self) -> bool:
        """Whether rows have changed since ReadySet's place in the binlog was read."""
        return bool(self._offset) and self._changes() > self._changes_then

    def tell(self, seconds: float) -> None:
        """Warns that ReadySet's place in the binlog has been the same for so many seconds."""
        if self._offset == self._told_offset:
            return
        self._told_offset = self._offset
        self._log(
            "WARN",
            f"ReadySet has been at {self._offset} of the served MySQL's binlog for {seconds:.0f} s, though rows have "
            "changed since. If that stays so, it does not follow any more (its log may say 'TME not found for table "
            f"ID' again and again), and its caches answer as of then. {_REPAIR}",
        )

    def _look_at_offset(self, offset: str) -> None:
        # After the question: what was sent by now can be in the answer already, and would not move it again.
        changes = self._changes()
        if offset != self._offset:
            self._offset, self._changes_then, self._awaited_since = offset, changes, None
        elif offset and changes > self._changes_then:
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
                f"ReadySet has said {status!r} of the table {'.'.join(table)} for {seconds:.0f} s. If that stays so, "
                "its snapshot has broken off (as when the served MySQL was away for a moment), and caches answer "
                f"without the rows that are lacking. {_REPAIR}",
            )
