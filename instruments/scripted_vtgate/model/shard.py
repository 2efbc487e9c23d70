"""One shard of the model: a primary, and tablets that replicate from it, each with a server of its own or the same.

As a rule all tablets of a shard share one server's data: replicas that are never behind. Those of an uneven shard have
their own, and replicate when `Cluster` has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from instruments.scripted_vtgate.model.gtids import Gtids
from instruments.scripted_vtgate.model.storage import Storage, Transaction, Written
from instruments.scripted_vtgate.model.tables import Row, Table


@dataclass
class Tablet:
    """A vttablet with its MySQL. All access is under the model's lock.

    Attributes:
        alias: Its name, such as `zone1-0000000100`.
        tablet_type: PRIMARY, REPLICA or RDONLY.
        uuid: Its server.
        data: What the server holds; the other tablets' too, unless the shard is uneven.
        running: Whether it answers at all.
        follows: Whether it replicates at once what its primary commits.
        stopped: Whether its replication reports that it is stopped; one that only lags reports that it runs.
        delay: How many of the last transactions it holds back while it follows.
        restarts: How often streams from it had to start again.
        known: Tables as its schema engine still knows them; what is not here it knows as it is. A tablet learns of
            others' DDL every --queryserver-config-schema-reload-time, 30 minutes
            (go/vt/vttablet/tabletserver/schema/engine.go).
        keeps_known: Whether the next DDL leaves the schema engine with what it knew.
        drained: Whether it has transactions that a failover lost, so that it has to be made anew.
    """

    alias: str
    tablet_type: str
    uuid: str
    data: Storage
    running: bool = True
    follows: bool = True
    stopped: bool = False
    delay: int = 0
    restarts: int = 0
    known: dict[str, Table | None] = field(default_factory=dict)
    keeps_known: bool = False
    drained: bool = False

    def table(self, name: str) -> Table | None:
        """Returns a table as the schema engine knows it, None if it knows none."""
        return self.known[name] if name in self.known else self.data.tables.get(name)

    def table_names(self) -> list[str]:
        """Returns the names of the tables that the schema engine knows, sorted."""
        return sorted(name for name in {*self.data.tables, *self.known} if self.table(name) is not None)


class Shard:
    """A shard. All access is under the model's lock.

    Attributes:
        keyspace: Its keyspace.
        name: Its name, such as `-80`.
        serving: Whether VTGate routes queries to it; False before and after its time.
        writable: Whether its primary takes writes; a reshard stops them before it writes its journal.
        tablets: Its tablets, the primary first unless there is none.
        lag: How many of the last transactions the replicas do not have yet.
    """

    def __init__(
        self,
        keyspace: str,
        name: str,
        uuid: str,
        *,
        first_alias: int = 100,
        tables: Iterable[Table] = (),
        serving: bool = True,
    ) -> None:
        self.keyspace = keyspace
        self.name = name
        self.serving = serving
        self.writable = True
        self.lag = 0
        self._first_alias = first_alias
        self._numbers: dict[str, int] = {}
        self._base = tuple(tables)
        self.data = Storage.replayed(f"{keyspace}/{name}", self._base, (), Gtids())
        self.uuid = uuid
        self.tablets = [self._tablet(number, kind) for number, kind in enumerate(("PRIMARY", "REPLICA"))]

    def _tablet(self, number: int, tablet_type: str) -> Tablet:
        return Tablet(f"zone1-{self._first_alias + number:010d}", tablet_type, self.uuid, self.data)

    @property
    def primary(self) -> Tablet | None:
        """The primary, None if there is none now."""
        return next((tablet for tablet in self.tablets if tablet.tablet_type == "PRIMARY"), None)

    @property
    def tables(self) -> dict[str, Table]:
        """The primary's tables."""
        return self.data.tables

    @property
    def rows(self) -> dict[str, dict[object, Row]]:
        """The primary's rows."""
        return self.data.rows

    @property
    def log(self) -> list[Transaction]:
        """The primary's binlog."""
        return self.data.log

    @property
    def executed(self) -> Gtids:
        """The primary's `gtid_executed`."""
        return self.data.executed

    def set_types(self, tablet_types: Iterable[str]) -> None:
        """Gives it other tablets."""
        self.tablets = [self._tablet(number, kind) for number, kind in enumerate(tablet_types)]
        self.set_lag(self.lag)

    def make_uneven(self, uuids: Iterable[str], tablet_types: Iterable[str]) -> None:
        """Gives each tablet a server of its own."""
        self.tablets = []
        for number, (uuid, kind) in enumerate(zip(uuids, tablet_types, strict=True)):
            tablet = self._tablet(number, kind)
            if kind != "PRIMARY":
                tablet.uuid, tablet.data = uuid, self.data.copy()
            self.tablets.append(tablet)

    def set_lag(self, transactions: int) -> None:
        """Holds the last transactions back from its replicas."""
        self.lag = transactions
        for tablet in self.tablets:
            if tablet.tablet_type == "PRIMARY":
                continue
            tablet.delay = transactions
            if transactions and tablet.data is self.data:
                tablet.data = Storage.replayed(
                    self.data.where, self._base, self.log[: max(len(self.log) - transactions, 0)], self.data.purged
                )
            self.catch_up(tablet)

    def commit(self, timestamp: int, written: Iterable[Written]) -> Transaction:
        """Writes a transaction, whose effects are there already, to the binlog; who follows has it at once."""
        transaction = Transaction(self.uuid, self._next_number(self.uuid), timestamp, tuple(written))
        self.data.record(transaction)
        self.replicate()
        return transaction

    def commit_errant(self, tablet: Tablet, timestamp: int, written: Iterable[Written] = ()) -> None:
        """Writes a transaction on a replica, that no other tablet will have."""
        tablet.data.replicate(Transaction(tablet.uuid, self._next_number(tablet.uuid), timestamp, tuple(written)))

    def replicate(self) -> None:
        """Gives the tablets that follow what they lack."""
        for tablet in self.tablets:
            if tablet.follows and tablet.data is not self.data:
                self.catch_up(tablet)

    def missing(self, tablet: Tablet) -> list[Transaction]:
        """Returns what a tablet has yet to replicate from the primary, in order."""
        if tablet.data is self.data:
            return []
        if tablet.data.executed == self.executed:
            return []
        return [one for one in self.log if not tablet.data.executed.contains(one.uuid, one.number)]

    def catch_up(self, tablet: Tablet, transactions: int | None = None) -> int:
        """Replicates so many transactions, by default all but those it holds back; returns how many there were."""
        missing = self.missing(tablet)
        chosen = missing[: max(len(missing) - tablet.delay, 0)] if transactions is None else missing[:transactions]
        for transaction in chosen:
            for one in transaction.written:
                self._keep_known(tablet, one)
            tablet.data.replicate(transaction)
        return len(chosen)

    def promote(self, tablet: Tablet, *, dead: bool) -> int:
        """Makes a tablet primary, with what it has; returns how many transactions are lost.

        Args:
            tablet: The new primary.
            dead: Whether the old primary is gone until it is rebuilt; else it has given all it had, and replicates.

        Tablets that have some of what is lost are stopped like the old primary: Vitess' own watchman drains them
        (go/vt/vtorc/logic/topology_recovery.go, recoverErrantGTIDDetected).
        """
        old = self.primary
        if old is not None and not dead:
            tablet.follows, tablet.stopped = True, False
            self.catch_up(tablet, len(self.log))
        lost = self.data.executed.minus(tablet.data.executed)
        if old is not None:
            old.tablet_type = "REPLICA"
            old.restarts += 1
            old.running = old.running and not dead
        tablet.tablet_type = "PRIMARY"
        tablet.restarts += 1
        tablet.known.clear()  # a tablet that becomes primary reloads its schema
        tablet.keeps_known = False
        tablet.delay = 0
        tablet.stopped = False
        self.data, self.uuid = tablet.data, tablet.uuid
        self.tablets.sort(key=lambda one: (one.tablet_type != "PRIMARY", one.alias))
        for other in self.tablets:
            if lost.intersection(other.data.executed):
                other.running = False
                other.drained = True
                other.follows = False
                other.restarts += 1
        self.replicate()
        return len(lost)

    def rebuild(self, tablet: Tablet, uuid: str) -> None:
        """Makes a tablet anew from a backup of the primary."""
        tablet.data, tablet.uuid = self.data.copy(), uuid
        tablet.running = tablet.follows = True
        tablet.drained = tablet.stopped = False
        tablet.restarts += 1
        tablet.known.clear()

    def insert(self, table: Table, row: Row) -> None:
        """Puts a row in.

        Raises:
            ValueError: Its primary key is taken.
        """
        self.data.insert(table, row)

    def remove(self, table: Table, row: Row) -> None:
        """Takes a row out."""
        self.data.remove(table, row)

    def sorted_rows(self, table: Table) -> list[Row]:
        """Returns the rows of a table in the order of its key."""
        return self.data.sorted_rows(table)

    def purge(self) -> None:
        """Purges all binlogs; streams that have begun to read them go on, as they do on a real server."""
        for tablet in self.tablets:
            tablet.data.purged = tablet.data.executed
        self.data.purged = self.data.executed

    def restart_streams(self) -> None:
        """Has all streams start again inside VTGate."""
        for tablet in self.tablets:
            tablet.restarts += 1

    def forget_last(self, count: int) -> None:
        """Takes the last transactions back, as an emergency reparent to a lagging replica does.

        Raises:
            ValueError: One of them is a DDL.
        """
        self.data.forget_last(count)

    def tables_changed(self, names: Iterable[str], before: dict[str, Table]) -> None:
        """Has the tablets that share the primary's server notice a DDL, or not yet."""
        for tablet in self.tablets:
            if tablet.data is self.data and tablet.tablet_type != "PRIMARY" and tablet.keeps_known:
                for name in names:
                    tablet.known.setdefault(name, before.get(name))

    def _keep_known(self, tablet: Tablet, written: Written) -> None:
        if tablet.keeps_known:
            for name in getattr(written, "tables", ()):
                tablet.known.setdefault(name, tablet.data.tables.get(name))

    def _next_number(self, uuid: str) -> int:
        number = self._numbers.get(uuid, 0) + 1
        self._numbers[uuid] = number
        return number
