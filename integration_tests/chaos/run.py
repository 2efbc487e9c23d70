"""A randomised run: what happens, in which order, and the comparison with the database after it.

A run is rounds. In each, a sync runs and ends in a way of its own (`syncs.py`), while a writer changes all tables
(`writer.py`) and faults (`faults.py`) or schema changes (`ddl.py`) happen; between rounds binary logs are purged and
shards are split and merged. Every few rounds the writer pauses, a sync goes to its end, and all tables are compared
with SELECT through VTGate, value by value.

Everything that is chosen comes from the seed, and is written to a log of actions with its time, so a failed run can
be told and tried again: the choices are the same, while the moments depend on the machine.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pymysql
from vitess_local.cluster import Cluster
from vitess_local.errors import VitessLocalError

from instruments.connector import Connector
from instruments.oracle import OracleError, Store, canonical, expect_equal
from instruments.select import select_rows
from integration_tests.chaos import faults
from integration_tests.chaos.ddl import SchemaChanges
from integration_tests.chaos.proxy import Proxy
from integration_tests.chaos.syncs import Plan, Syncs, random_plan
from integration_tests.chaos.tables import TABLES
from integration_tests.chaos.writer import Writer

KEYSPACE = "shop"

#: Rounds between two comparisons.
ROUNDS = 6

#: Syncs that may be needed until one is green while nothing is broken any more.
QUIET_SYNCS = 12

#: A reshard and its way back, one of which is taken at a time.
SPLITS = ((("80-",), ("80-c0", "c0-")), (("80-c0", "c0-"), ("80-",)))

#: Minutes of a run for each reshard; a shorter run has one half the time.
MINUTES_PER_RESHARD = 10

#: What Vitess says when it cannot do something now.
_REFUSED = (VitessLocalError, pymysql.MySQLError, OSError)


class Chaos:
    """One run.

    Args:
        cluster: A fresh cluster with the keyspace, and a replica for each primary.
        seed: Of every choice.
        minutes: How long rounds are begun; the last comparison comes on top.
        log: Where actions are written.
    """

    def __init__(self, cluster: Cluster, seed: int, minutes: float, log: TextIO) -> None:
        self._cluster = cluster
        self._random = random.Random(seed)  # noqa: S311 - test data
        self._minutes = minutes
        self._log = log
        self._began = time.monotonic()
        self._stack = ExitStack()
        self._proxy = self._stack.enter_context(Proxy(cluster.grpc_port))
        self._writer = Writer(cluster, KEYSPACE, seed)
        self._place = faults.Place(cluster, KEYSPACE, self._writer, self._proxy, self._random)
        self._changes = SchemaChanges(self._place)
        url = f"vitess://127.0.0.1:{self._proxy.port}/{KEYSPACE}?mysql_port={cluster.mysql_port}"
        connector = Connector({"url": url, "no_progress_timeout_seconds": 120}, KEYSPACE, cluster.mysql_port)
        self._syncs = Syncs(connector, self._changes)
        self._survived: Counter[str] = Counter()
        self._compared: Counter[str] = Counter()
        self._split = 0

    def run(self) -> str:
        """Runs; returns the report.

        Raises:
            OracleError: The connector broke a promise.
        """
        self._tell("filling the tables")
        self._writer.fill()
        self._syncs.select_all()
        deadline = time.monotonic() + self._minutes * 60
        resharding = self._reshard_times(deadline)
        try:
            self._writer.start()
            while time.monotonic() < deadline:
                for _ in range(ROUNDS):
                    self._round()
                    if time.monotonic() > deadline:
                        break
                # Binary logs purged on shards that are switched away are only noticed after minutes, by VStream: their
                # primaries answer no questions (docs/operations.md).
                if resharding and time.monotonic() > resharding[0] and not self._syncs.may_lose_position:
                    resharding.pop(0)
                    self._attempt("reshard", self._reshard)
                self._compare()
        except BaseException as error:
            self._tell(f"FAILED {type(error).__name__}: {error}")
            raise
        finally:
            self._writer.stop()
            self._stack.close()
        return self._report()

    def _reshard_times(self, deadline: float) -> list[float]:
        count = int(self._minutes // MINUTES_PER_RESHARD) or self._random.randrange(2)
        now = time.monotonic()
        return sorted(now + self._random.uniform(0.1, 0.9) * (deadline - now) for _ in range(count))

    def _round(self) -> None:
        rnd = self._random
        plan = random_plan(rnd)
        if rnd.random() < 0.1 and self._syncs.go_back(rnd):
            self._tell("the platform goes back to an earlier state")
        if rnd.random() < 0.4:
            # So that there is something to copy.
            table = rnd.choice([*TABLES, "customers", "customers"])
            self._syncs.refresh(table)
            self._tell(f"refreshed at will: {table}")
        disturbances = [self._random_disturbance() for _ in range(rnd.choice([0, 1, 1, 2]))]
        with ThreadPoolExecutor(1) as pool:
            sync = self._start(pool, plan)
            for name, disturb in disturbances:
                if not sync.done():
                    # The sync's own start takes a while; what happens after that meets its stream.
                    _wait(sync, rnd.uniform(0.3, 4))
                self._attempt(name, disturb)
            sync.result()
        if rnd.random() < 0.7:
            self._tell_refreshed(self._syncs.refresh_failed())
        if rnd.random() < 0.08:
            self._attempt("purged binary logs", self._purge)

    def _start(self, pool: ThreadPoolExecutor, plan: Plan) -> Future[None]:
        self._tell(f"sync {plan}")

        def run() -> None:
            self._tell(f"sync ended: {self._syncs.run(plan)}")

        return pool.submit(run)

    def _random_disturbance(self) -> tuple[str, Callable[[], str]]:
        rnd = self._random
        if rnd.random() < 0.35:
            return "schema change", lambda: self._changes.change(rnd)
        names = list(faults.FAULTS)
        name = rnd.choices(names, [weight for _, weight in faults.FAULTS.values()])[0]
        return name, lambda: faults.FAULTS[name][0](self._place)

    def _attempt(self, name: str, disturb: Callable[[], str]) -> None:
        """Does something to the cluster; puts the cluster in order if it cannot be done now."""
        self._tell(f"{name} …")
        try:
            done = disturb()
        except _REFUSED as error:
            self._tell(f"{name} could not be done: {error}")
            faults.repair(self._place)
            self._tell(f"in order again; created again: {self._changes.reconcile()}")
            return
        self._survived[done.partition(":")[0] if name == "schema change" else name] += 1
        self._tell(f"{name} done: {done}")

    def _purge(self) -> str:
        self._syncs.may_lose_position = "binary logs were purged"
        shard = self._place.shard()
        self._cluster.purge_binlogs(f"{KEYSPACE}/{shard}")
        return shard

    def _reshard(self) -> str:
        """Splits a shard, or merges it again, while syncs run; then deletes the old shards."""
        sources, targets = SPLITS[self._split]
        with ThreadPoolExecutor(2) as pool:
            switched = pool.submit(lambda: self._cluster.reshard(KEYSPACE, sources, targets, stop_before="complete"))
            while not switched.done():
                self._start(pool, random_plan(self._random)).result()
            switched.result()
        self._split = 1 - self._split
        self._start_and_wait(random_plan(self._random))
        self._syncs.may_lose_position = "old shards were deleted"
        self._cluster.reshard(KEYSPACE, sources, targets)
        return f"{sources} to {targets}"

    def _start_and_wait(self, plan: Plan) -> None:
        with ThreadPoolExecutor(1) as pool:
            self._start(pool, plan).result()

    def _compare(self) -> None:
        """Lets everything come to rest, and compares: first what was read, then every column after a refresh."""
        with self._writer.paused():
            self._cluster.wait_ready(timeout=180)
            self._place.wait_for_replicas()
            self._sync_to_the_end()
            self._compare_tables("with old catalogs")
            self._syncs.refresh(*self._syncs.repeated)
            self._sync_to_the_end()
            self._compare_tables("after a refresh of the schema")

    def _sync_to_the_end(self) -> None:
        for _ in range(QUIET_SYNCS):
            self._start_and_wait(Plan("while nothing happens"))
            failed = self._syncs.refresh_failed()
            self._tell_refreshed(failed)
            if self._syncs.is_green and not failed:
                return
        raise OracleError(f"no sync was green in {QUIET_SYNCS} attempts while nothing happened")

    def _compare_tables(self, when: str) -> None:
        for table in TABLES:
            if table in self._syncs.repeated:
                continue
            columns = self._syncs.columns(table)
            rows = [
                {name: value for name, value in row.items() if name in columns}
                for row in select_rows(self._cluster.mysql_port, KEYSPACE, table)
            ]
            expect_equal(_Part(self._syncs.store, columns), table, rows)
            self._compared["tables"] += 1
            self._compared["rows"] += len(rows)
        self._tell(f"equal {when}: {', '.join(t for t in TABLES if t not in self._syncs.repeated)}")

    def _tell_refreshed(self, tables: list[str]) -> None:
        if tables:
            self._tell(f"refreshed: {', '.join(tables)}")

    def _tell(self, text: str) -> None:
        self._log.write(f"{time.monotonic() - self._began:8.1f} {text}\n")
        self._log.flush()

    def _report(self) -> str:
        store = self._syncs.store
        emitted = f"{store.records.total():,} records, {store.deletes.total():,} of them deletes"
        compared = f"{self._compared['tables']} times a table was equal to SELECT, {self._compared['rows']:,} rows"
        parts = [
            f"ran {(time.monotonic() - self._began) / 60:.1f} minutes; {emitted}; {compared}",
            _counted("syncs", self._syncs.ended),
            f"streams opened again within a sync: {self._syncs.rode_out}",
            _counted("survived", self._survived),
            _counted("written", self._writer.statements),
        ]
        return "\n".join(parts)


@dataclass(frozen=True)
class _Part:
    """Some columns of what was read."""

    store: Store
    columns: Collection[str]

    def rows(self, stream: str) -> list[str]:
        """Returns a stream's rows in a form that can be compared."""
        whole = map(json.loads, self.store.rows(stream))
        return sorted(canonical({name: value for name, value in row.items() if name in self.columns}) for row in whole)


def _wait(sync: Future[None], seconds: float) -> None:
    """Waits for some time, or until a sync ends."""
    done = threading.Event()
    sync.add_done_callback(lambda _: done.set())
    done.wait(seconds)


def _counted(title: str, counter: Counter[str]) -> str:
    lines = [f"  {count:>6}  {name}" for name, count in sorted(counter.items())]
    return "\n".join([f"{title}: {counter.total()}", *lines])


def run_chaos(cluster: Cluster, seed: int, minutes: float, log: Path) -> str:
    """Runs on a cluster and returns the report; the log of actions is a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"chaos: seed {seed}, {minutes:g} minutes, actions in {log}", file=sys.stderr)  # noqa: T201 - for people
    with log.open("w") as file:
        return Chaos(cluster, seed, minutes, file).run()
