"""One shard of the model: its rows, its binlog, its GTIDs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce

from unit_tests.scripted_vtgate.model.gtids import Gtids
from unit_tests.scripted_vtgate.model.tables import Row, Table


@dataclass(frozen=True)
class RowsWritten:
    """One row event of the binlog: the rows one statement changed in one table.

    Attributes:
        table: The table as it was.
        changes: Before and after of each row.
    """

    table: Table
    changes: tuple[tuple[Row | None, Row | None], ...]


@dataclass(frozen=True)
class DdlWritten:
    """A statement that changes tables.

    Attributes:
        statement: Its text in the binlog.
        tables: The names it is about.
    """

    statement: str
    tables: tuple[str, ...]


@dataclass(frozen=True)
class JournalWritten:
    """The end of this shard: a reshard.

    Attributes:
        journal_id: The same for all old shards.
        old: The shards that end.
        new: The position of each new shard to go on from.
    """

    journal_id: int
    old: tuple[str, ...]
    new: Mapping[str, Gtids]


@dataclass(frozen=True)
class VersionWritten:
    """A row of `_vt.schema_version`: with `--track-schema-versions` every DDL is followed by one."""


Written = RowsWritten | DdlWritten | JournalWritten | VersionWritten


@dataclass(frozen=True)
class Transaction:
    """A transaction of the binlog.

    Attributes:
        uuid: The server it was committed on.
        number: Its number there.
        timestamp: Seconds since 1970.
        written: What it did; empty for one that does not touch the keyspace, such as Vitess' own writes.
    """

    uuid: str
    number: int
    timestamp: int
    written: tuple[Written, ...]


@dataclass
class Shard:
    """A shard. All access is under the model's lock.

    Attributes:
        keyspace: Its keyspace.
        name: Its name, such as `-80`.
        uuid: The server that is primary.
        serving: False once a reshard replaced it.
        tables: Definitions by name.
        rows: By table, rows by identity (the primary key, or all values with a number for equal ones).
        log: The binlog.
        executed: `gtid_executed`.
        purged: `gtid_purged`.
        tablet_types: The types of tablets it has.
        restarts: How often tablet streams had to start again, by a reparent.
        lag: How many of the last transactions the replicas do not have yet.
    """

    keyspace: str
    name: str
    uuid: str
    serving: bool = True
    tables: dict[str, Table] = field(default_factory=dict)
    rows: dict[str, dict[object, Row]] = field(default_factory=dict)
    log: list[Transaction] = field(default_factory=list)
    executed: Gtids = field(default_factory=Gtids)
    purged: Gtids = field(default_factory=Gtids)
    tablet_types: tuple[str, ...] = ("PRIMARY", "REPLICA")
    restarts: int = 0
    lag: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _duplicates: int = 0

    def commit(self, timestamp: int, written: Iterable[Written]) -> Transaction:
        """Writes a transaction to the binlog."""
        number = self._numbers.get(self.uuid, 0) + 1
        self._numbers[self.uuid] = number
        transaction = Transaction(self.uuid, number, timestamp, tuple(written))
        self.log.append(transaction)
        self.executed = self.executed.with_gtid(self.uuid, number)
        return transaction

    def log_of(self, tablet_type: str) -> list[Transaction]:
        """Returns the binlog of a type of tablet."""
        if tablet_type == "PRIMARY" or not self.lag:
            return self.log
        return self.log[: len(self.log) - self.lag]

    def executed_of(self, tablet_type: str) -> Gtids:
        """Returns `gtid_executed` of a type of tablet."""
        if tablet_type == "PRIMARY" or not self.lag:
            return self.executed
        missing = [Gtids({one.uuid: [(one.number, one.number)]}) for one in self.log[-self.lag :]]
        return reduce(Gtids.minus, missing, self.executed)

    def insert(self, table: Table, row: Row) -> None:
        """Puts a row in.

        Raises:
            ValueError: Its primary key is taken.
        """
        rows = self.rows[table.name]
        identity: object = table.identity(row)
        if not table.key:
            self._duplicates += 1
            identity = (repr(identity), self._duplicates)
        if identity in rows:
            raise ValueError(f"duplicate key {identity} in {self.keyspace}/{self.name} {table.name}")
        rows[identity] = row

    def remove(self, table: Table, row: Row) -> None:
        """Takes a row out."""
        rows = self.rows[table.name]
        if table.key and rows.get(table.identity(row)) is row:
            del rows[table.identity(row)]
            return
        for identity, held in rows.items():
            if held is row:
                del rows[identity]
                return
        raise ValueError(f"no such row in {self.keyspace}/{self.name} {table.name}")

    def sorted_rows(self, table: Table) -> list[Row]:
        """Returns the rows of a table in the order of its key."""
        return sorted(self.rows[table.name].values(), key=table.sort_key)

    def purge(self) -> None:
        """Purges all binlogs; streams that have begun to read them go on, as they do on a real server."""
        self.purged = self.executed

    def forget_last(self, count: int) -> None:
        """Takes the last transactions back, as an emergency reparent to a lagging replica does.

        Raises:
            ValueError: One of them is a DDL.
        """
        for _ in range(count):
            transaction = self.log.pop()
            for written in reversed(transaction.written):
                if not isinstance(written, RowsWritten):
                    raise ValueError("only transactions of rows can be lost")
                for before, after in reversed(written.changes):
                    if after is not None:
                        self.remove(written.table, self._held(written.table, after))
                    if before is not None:
                        self.insert(written.table, before)
            lost = Gtids({transaction.uuid: [(transaction.number, transaction.number)]})
            self.executed = self.executed.minus(lost)

    def _held(self, table: Table, row: Row) -> Row:
        return next(held for held in self.rows[table.name].values() if held == row)
