"""What one MySQL server holds: tables, rows, its binlog and its GTIDs. Replication is applying a transaction to it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from instruments.scripted_vtgate.model.gtids import Gtids
from instruments.scripted_vtgate.model.tables import Row, Table


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
        effect: What it does to a server that runs it.
    """

    statement: str
    tables: tuple[str, ...]
    effect: Callable[[Storage], None] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class JournalWritten:
    """The end of this shard: a reshard (go/vt/vtctl/workflow/traffic_switcher.go, createJournals).

    Attributes:
        journal_id: The same for all old shards.
        old: The shards that end.
        new: The position of each new shard to go on from.
        local: The position of the old shard after writes were stopped, before the journal.
    """

    journal_id: int
    old: tuple[str, ...]
    new: Mapping[str, Gtids]
    local: Gtids = field(default_factory=Gtids)


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
class Storage:
    """A MySQL server's data. All access is under the model's lock.

    Attributes:
        where: Names it in errors.
        tables: Definitions by name.
        rows: By table, rows by identity (the primary key, or all values with a number for equal ones).
        log: The binlog.
        executed: `gtid_executed`.
        purged: `gtid_purged`.
        journals: The rows of `_vt.resharding_journal`.
        files: Where in the log another file of it begins.
        starts: Those of them that begin because its MySQL was started again.
        started_at: When that was last, in seconds since 1970.
    """

    where: str
    tables: dict[str, Table] = field(default_factory=dict)
    rows: dict[str, dict[object, Row]] = field(default_factory=dict)
    log: list[Transaction] = field(default_factory=list)
    executed: Gtids = field(default_factory=Gtids)
    purged: Gtids = field(default_factory=Gtids)
    journals: list[JournalWritten] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    started_at: int = 0
    _duplicates: int = 0

    def copy(self) -> Storage:
        """Returns a server with the same data, as one that was made from a backup."""
        return Storage(
            self.where,
            dict(self.tables),
            {name: dict(rows) for name, rows in self.rows.items()},
            list(self.log),
            self.executed,
            self.purged,
            list(self.journals),
            list(self.files),
            list(self.starts),
            self.started_at,
            self._duplicates,
        )

    def start_again(self, now: int) -> None:
        """Has MySQL end and start again."""
        self.begin_file()
        self.starts.append(len(self.log))
        self.started_at = now

    def begin_file(self) -> None:
        """Begins another file of the log, as where the last one is full."""
        self.files.append(len(self.log))

    def place_of(self, index: int) -> tuple[int, int]:
        """Returns how often MySQL was started before a transaction of the log, and its number in its file."""
        file = bisect_right(self.files, index)
        return bisect_right(self.starts, index), index - (self.files[file - 1] if file else 0) + 1

    def record(self, transaction: Transaction) -> None:
        """Writes a transaction to the binlog whose effects are there already."""
        self.log.append(transaction)
        self.executed = self.executed.with_gtid(transaction.uuid, transaction.number)
        self.journals += [written for written in transaction.written if isinstance(written, JournalWritten)]

    def replicate(self, transaction: Transaction) -> None:
        """Applies a transaction of another server."""
        for written in transaction.written:
            if isinstance(written, RowsWritten):
                for before, after in written.changes:
                    self.change(self.tables.get(written.table.name, written.table), before, after)
            elif isinstance(written, DdlWritten) and written.effect is not None:
                written.effect(self)
        self.record(transaction)

    def change(self, table: Table, before: Row | None, after: Row | None) -> None:
        """Changes a row."""
        if before is not None:
            self.remove(table, before)
        if after is not None:
            self.insert(table, after)

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
            raise ValueError(f"duplicate key {identity} in {self.where} {table.name}")
        rows[identity] = row

    def remove(self, table: Table, row: Row) -> None:
        """Takes a row out, one of them if several are equal.

        Raises:
            ValueError: There is none.
        """
        rows = self.rows[table.name]
        if table.key:
            identity = table.identity(row)
            if rows.get(identity) == row:
                del rows[identity]
                return
        else:
            there = [key for key, held in rows.items() if held is row] or [
                key for key, held in rows.items() if held == row
            ]
            if there:
                del rows[there[0]]
                return
        raise ValueError(f"no such row in {self.where} {table.name}")

    def redefine(self, table: Table, convert: Callable[[Row], Row]) -> None:
        """Gives a table another definition, and its rows another form."""
        rows = [convert(row) for row in self.rows[table.name].values()]
        self.tables[table.name] = table
        self.rows[table.name] = {}
        for row in rows:
            self.insert(table, row)

    def sorted_rows(self, table: Table) -> list[Row]:
        """Returns the rows of a table in the order of its key."""
        return sorted(self.rows[table.name].values(), key=table.sort_key)

    def forget_last(self, count: int) -> None:
        """Takes the last transactions back, as if they had never come.

        Raises:
            ValueError: One of them is a DDL.
        """
        left = len(self.log) - count
        self.files, self.starts = ([at for at in places if at <= left] for places in (self.files, self.starts))
        for _ in range(count):
            transaction = self.log.pop()
            for written in reversed(transaction.written):
                if not isinstance(written, RowsWritten):
                    raise ValueError("only transactions of rows can be lost")
                for before, after in reversed(written.changes):
                    self.change(written.table, after, before)
            lost = Gtids({transaction.uuid: [(transaction.number, transaction.number)]})
            self.executed = self.executed.minus(lost)

    @classmethod
    def replayed(cls, where: str, tables: Iterable[Table], log: Iterable[Transaction], purged: Gtids) -> Storage:
        """Returns a server that has replicated so much since it had these tables and no rows."""
        made = cls(where)
        for table in tables:
            made.tables[table.name], made.rows[table.name] = table, {}
        for transaction in log:
            made.replicate(transaction)
        made.purged = purged
        return made
