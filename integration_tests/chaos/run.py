"""A randomised run: what happens, in which order, and the comparison with the database after it.

A run is rounds. In each, a sync runs and ends in a way of its own (`plans.py`), while a writer changes all tables
(`writer.py`) and faults (`faults.py`) or schema changes (`ddl.py`) happen; between rounds binary logs are purged and
shards are split and merged. Every few rounds the writer pauses, replicas may catch up, a sync goes to its end, and all
tables are compared with SELECT through VTGate, value by value: first as they are read, without what the log says may be
old; then, its advice followed (`advice.py`), every value of every column.

Everything that is chosen comes from the seed, and is written to a log of actions with its time, so a failed run can
be told and tried again: the choices are the same, while the moments depend on the machine.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import pymysql
from vitess_local.cluster import Cluster
from vitess_local.errors import VitessLocalError

from instruments.connector import Connector
from instruments.oracle import OracleError
from integration_tests.chaos import faults
from integration_tests.chaos.comparison import compare
from integration_tests.chaos.ddl import SchemaChanges
from integration_tests.chaos.filters import choose_filters, to_config
from integration_tests.chaos.plans import Plan, random_plan
from integration_tests.chaos.proxy import Proxy
from integration_tests.chaos.report import Report
from integration_tests.chaos.schema import Schema
from integration_tests.chaos.shape import Shape
from integration_tests.chaos.syncs import Syncs
from integration_tests.chaos.writer import Writer
from source_vitess.vitess_release import VitessRelease

KEYSPACE = "shop"

#: Rounds between two comparisons.
ROUNDS = 6

#: Syncs that may be needed until one is green while nothing is broken any more.
QUIET_SYNCS = 12

#: A reshard and its way back, one of which is taken at a time.
SPLITS = ((("80-",), ("80-c0", "c0-")), (("80-c0", "c0-"), ("80-",)))

#: Minutes of a run for each reshard; a shorter run has one half the time.
MINUTES_PER_RESHARD = 10

#: Lines of the connector's log that are written down when a run fails.
LAST_WORDS = 120

#: What Vitess says when it cannot do something now.
_REFUSED = (VitessLocalError, pymysql.MySQLError, OSError)

#: Faults that leave replicas standing still: VTGate may stream from one of these all the same.
_STOPPING = ("stopped replica", "emergency reparent")


class Chaos:
    """One run.

    Args:
        cluster: A fresh cluster with the keyspace.
        shape: What it is like.
        seed: Of every choice.
        minutes: How long rounds are begun; the last comparison comes on top.
        log: Where actions are written.
    """

    def __init__(self, cluster: Cluster, shape: Shape, seed: int, minutes: float, log: TextIO) -> None:
        self._cluster = cluster
        self._shape = shape
        self._random = random.Random(seed)  # noqa: S311 - test data
        self._minutes = minutes
        self._log = log
        self._began = time.monotonic()
        self._stack = ExitStack()
        self._proxy = self._stack.enter_context(Proxy(cluster.grpc_port))
        self._schema = Schema(shape.tables(seed))
        self._writer = Writer(cluster, KEYSPACE, self._schema, seed)
        self._place = faults.Place(
            cluster, KEYSPACE, self._writer, self._proxy, self._random, kills_mysqld=not shape.myisam
        )
        self._changes = SchemaChanges(self._place, self._schema, seed)
        url = f"vitess://127.0.0.1:{self._proxy.port}/{KEYSPACE}?mysql_port={cluster.mysql_port}"
        can_filter = VitessRelease(str(cluster.describe()["vitess_version"])).filters_rows
        self._filters = choose_filters(self._schema.tables, seed) if can_filter else {}
        config = {"url": url, "no_progress_timeout_seconds": 120, **to_config(self._filters)}
        self._syncs = Syncs(Connector(config, KEYSPACE, cluster.mysql_port), self._changes)
        self._split = 0
        described = f"{shape}, {len(self._filters)} filtered tables" if self._filters else str(shape)
        self.report = Report(seed, minutes, described, filters=self._filters)

    def run(self) -> None:
        """Runs; what it came to is in the report, also of a run that fails.

        Raises:
            OracleError: The connector broke a promise, or the run proves nothing.
        """
        self._tell(f"filling the tables {self._schema.tables}")
        self._tell(f"conditions on rows: {self._filters}")
        try:
            self._writer.fill()
            self._syncs.select_all()
            self._rounds()
        except BaseException as error:
            self.report.difference = f"{type(error).__name__}: {error}"
            for line in self._syncs.store.logs[-LAST_WORDS:]:
                self._tell(f"the connector said: {line}")
            self._tell(f"FAILED {self.report.difference}")
            raise
        finally:
            self._writer.stop()
            self._stack.close()
            self._complete_report()
        if self.report.shortcoming:
            self.report.difference = self.report.shortcoming
            raise OracleError(self.report.shortcoming)

    def _rounds(self) -> None:
        deadline = time.monotonic() + self._minutes * 60
        resharding = self._reshard_times(deadline)
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

    def _reshard_times(self, deadline: float) -> list[float]:
        if not self._shape.reshards:
            return []
        count = int(self._minutes // MINUTES_PER_RESHARD) or self._random.randrange(2)
        now = time.monotonic()
        return sorted(now + self._random.uniform(0.1, 0.9) * (deadline - now) for _ in range(count))

    def _round(self) -> None:
        rnd = self._random
        plan = random_plan(rnd, self._shape.tablet_types)
        if rnd.random() < 0.1 and self._syncs.go_back(rnd):
            self._tell("the platform goes back to an earlier state")
        if rnd.random() < 0.4:
            # So that there is something to copy.
            table = rnd.choice([*self._schema.tables, "customers", "customers"])
            self._syncs.refresh(table)
            self._tell(f"refreshed at will: {table}")
        disturbances = [self._random_disturbance() for _ in range(rnd.choice([0, 1, 1, 2, 2, 3]))]
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
        if rnd.random() < 0.03:
            self._attempt("purged binary logs", self._purge)

    def _start(self, pool: ThreadPoolExecutor, plan: Plan) -> Future[None]:
        self._tell(f"sync {plan}")

        def run() -> None:
            self._tell(f"sync ended: {self._syncs.run(plan)}")

        return pool.submit(run)

    def _random_disturbance(self) -> tuple[str, Callable[[], str]]:
        rnd = self._random
        if rnd.random() < 0.45:
            return "schema change", lambda: self._changes.change(rnd)
        names = list(faults.FAULTS)
        name = rnd.choices(names, [weight for _, weight in faults.FAULTS.values()])[0]
        return name, lambda: faults.FAULTS[name][0](self._place)

    def _attempt(self, name: str, disturb: Callable[[], str]) -> None:
        """Does something to the cluster; puts the cluster in order if it cannot be done now."""
        self._tell(f"{name} …")
        if name in _STOPPING:
            self._syncs.may_stall = name
        try:
            done = disturb()
        except _REFUSED as error:
            self._tell(f"{name} could not be done: {error}")
            self.report.refused[name] += 1
            faults.repair(self._place)
            self._tell(f"in order again; created again: {self._changes.reconcile()}")
            return
        if name == "schema change":
            self.report.changes[done.partition(":")[0]] += 1
        else:
            self.report.faults[name] += 1
        self._tell(f"{name} done: {done}")

    def _purge(self) -> str:
        faults.heal(self._place)
        self._syncs.may_lose_position = "binary logs were purged"
        shard = self._place.shard()
        self._cluster.purge_binlogs(f"{KEYSPACE}/{shard}")
        return shard

    def _reshard(self) -> str:
        """Splits a shard, or merges it again, while syncs run; perhaps back and forth; then deletes the old shards."""
        sources, targets = SPLITS[self._split]
        # VReplication reads from replicas, and Vitess does not switch while they lag.
        faults.heal(self._place)

        def switch() -> None:
            self._cluster.reshard(KEYSPACE, sources, targets, stop_before="complete")

        self._meanwhile(switch)
        back = self._random.random() < 0.5
        if back:
            self._start_and_wait(random_plan(self._random, self._shape.tablet_types))
            self._meanwhile(lambda: self._cluster.reverse_reshard(KEYSPACE, sources, targets))
            self.report.faults["reshard taken back"] += 1
            self._tell(f"back on {sources}")
            self._start_and_wait(random_plan(self._random, self._shape.tablet_types))
            self._meanwhile(switch)
        self._split = 1 - self._split
        self._start_and_wait(random_plan(self._random, self._shape.tablet_types))
        self._syncs.may_lose_position = "old shards were deleted"
        self._cluster.reshard(KEYSPACE, sources, targets)
        return f"{sources} to {targets}{', back, and there again' if back else ''}"

    def _meanwhile(self, action: Callable[[], object]) -> None:
        """Runs syncs while something is done."""
        with ThreadPoolExecutor(2) as pool:
            done = pool.submit(action)
            while not done.done():
                self._start(pool, random_plan(self._random, self._shape.tablet_types)).result()
                self._tell_refreshed(self._syncs.refresh_failed())
            done.result()

    def _start_and_wait(self, plan: Plan) -> None:
        with ThreadPoolExecutor(1) as pool:
            self._start(pool, plan).result()

    def _compare(self) -> None:
        """Lets everything come to rest, and compares: first what was read, then every column after a refresh."""
        with self._writer.paused():
            self._cluster.wait_ready(timeout=180)
            faults.heal(self._place)
            self._place.wait_for_replicas()
            self._syncs.may_stall = ""
            self._sync_to_the_end()
            self._syncs.passed_all()
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
        compared = [table for table in self._schema.tables if table not in self._syncs.repeated]
        for table in compared:
            where, columns = self._filters.get(table, ""), self._syncs.columns(table)
            rows = compare(self._cluster, KEYSPACE, self._syncs.store, table, columns, where)
            self.report.rows += rows
            self.report.filtered_rows += rows if where else 0
            self.report.tables += 1
        self._tell(f"equal {when}: {', '.join(compared)}")

    def _tell_refreshed(self, tables: list[str]) -> None:
        if tables:
            self._tell(f"refreshed: {', '.join(tables)}")

    def _tell(self, text: str) -> None:
        self._log.write(f"{time.monotonic() - self._began:8.1f} {text}\n")
        self._log.flush()

    def _complete_report(self) -> None:
        report, store = self.report, self._syncs.store
        report.minutes = (time.monotonic() - self._began) / 60
        report.syncs, report.reopened = self._syncs.ended, self._syncs.rode_out
        report.told, report.written = self._syncs.advice.told, self._writer.statements
        report.records, report.deletes = store.records.total(), store.deletes.total()


def _wait(sync: Future[None], seconds: float) -> None:
    """Waits for some time, or until a sync ends."""
    done = threading.Event()
    sync.add_done_callback(lambda _: done.set())
    done.wait(seconds)


def run_chaos(cluster: Cluster, shape: Shape, seed: int, minutes: float, log: Path) -> Report:
    """Runs on a cluster and returns the report; the log of actions is a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"chaos: seed {seed}, {minutes:g} minutes, actions in {log}", file=sys.stderr)  # noqa: T201 - for people
    with log.open("w") as file:
        chaos = Chaos(cluster, shape, seed, minutes, file)
        try:
            chaos.run()
        finally:
            print(f"\nchaos: seed {seed}, {chaos.report}", flush=True)  # noqa: T201 - what the run came to
        return chaos.report
