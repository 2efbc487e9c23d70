"""A writer on all tables, in a thread of its own; what a fault makes fail is left out, as by an application."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
from vitess_local.cluster import Cluster

from instruments.type_matrix import quote
from integration_tests.chaos.schema import Schema, literal
from integration_tests.chaos.tables import Table

#: Seconds between two statements: the machine has other things to do.
PAUSE_SECONDS = 0.03

#: Seconds after which a statement is given up, for example at a tablet that hangs.
STATEMENT_SECONDS = 20


class Writer:
    """Changes the tables at random until it is stopped.

    Args:
        cluster: The cluster.
        keyspace: The keyspace.
        schema: The tables and their present columns.
        seed: Of what is written; the order of the statements does not depend on how they fare.

    Attributes:
        statements: How many statements of each kind were carried out, and how many failed.
    """

    def __init__(self, cluster: Cluster, keyspace: str, schema: Schema, seed: int) -> None:
        self._cluster = cluster
        self._keyspace = keyspace
        self._schema = schema
        self._tables = list(schema.tables.values())
        self._random = random.Random(seed)  # noqa: S311 - test data
        self._numbers = itertools.count(1)
        self._last = 0
        self._connections: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="writer")
        self.statements: Counter[str] = Counter()

    def fill(self) -> None:
        """Creates the tables with their first rows."""
        for number, table in enumerate(self._tables):
            self._cluster.sql(self._keyspace, table.create)
            self._cluster.sql(
                self._keyspace,
                f"alter vschema on {self._keyspace}.{quote(table.name)} "
                f"add vindex chaos_{number}({quote(table.vindex)}) using xxhash",
            )
        for table in self._tables:
            # MySQL takes no statement of several shards, which VTGate makes a transaction, without transactions.
            size = 100 if table.is_transactional else 1
            for _ in range(0, table.rows, size):
                self._execute(self._keyspace, self._insert(table, size))

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def stop(self) -> None:
        """Ends writing for good."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._disconnect()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Lets nothing be written while the context lasts."""
        with self._lock:
            yield

    def _run(self) -> None:
        while not self._stopped.wait(PAUSE_SECONDS):
            with self._lock:
                kind, target, statements = self._choose()
                try:
                    for statement in statements:
                        self._execute(target, statement)
                    self.statements[kind] += 1
                except (pymysql.MySQLError, OSError):
                    # A failover, a schema change, or a key that is there already.
                    self.statements["failed"] += 1
                    self._disconnect()

    def _choose(self) -> tuple[str, str, list[str]]:
        rnd = self._random
        table = rnd.choice(self._tables)
        # VTGate plans no UPDATE or DELETE with LIMIT over several shards; one shard takes it as it is.
        shards = sorted(self._cluster.serving_shards(self._keyspace)) or ["0"]
        shard = f"{self._keyspace}:{shards[rnd.randrange(1000) % len(shards)]}@primary"
        start = rnd.randrange(self._last + 1)
        match rnd.choices(
            ["insert", "update", "rekey", "delete", "transaction", "large transaction"], [30, 30, 15, 20, 8, 1]
        )[0]:
            case "update" if rnd.random() < 0.3 and (clause := self._extra(table, rnd)):
                sql = f"update {quote(table.name)} set {clause} where n >= {start} limit {rnd.randint(1, 30)}"
                return "update of an extra column", shard, [sql]
            case "update":
                return "update", shard, [self._update(table, start, rnd.randint(1, 8))]
            case "rekey" if table.rekey:
                clause = table.rekey(rnd, start)
                return (
                    "rekey",
                    shard,
                    [f"update {quote(table.name)} set {clause} where n >= {start} limit {rnd.randint(1, 3)}"],
                )
            case "delete":
                return (
                    "delete",
                    shard,
                    [f"delete from {quote(table.name)} where n >= {start} limit {rnd.randint(1, 12)}"],
                )
            case "transaction":
                other = rnd.choice(self._tables)
                inserts = [self._insert(table, 3), self._insert(other, 2)]
                return "transaction", self._keyspace, ["begin", *inserts, rnd.choice(["commit", "commit", "rollback"])]
            case "large transaction":
                return "large transaction", shard, [self._update(table, start // 2, 4000)]
            case _:
                return (
                    "insert",
                    self._keyspace,
                    [self._insert(table, rnd.randint(1, 10) if table.is_transactional else 1)],
                )

    def _insert(self, table: Table, count: int) -> str:
        rows = []
        for _ in range(count):
            self._last = next(self._numbers)
            rows.append(f"({', '.join(table.literals(self._random, self._last))})")
        return f"insert into {quote(table.name)} ({', '.join(map(quote, table.written))}) values {', '.join(rows)}"

    def _extra(self, table: Table, rnd: random.Random) -> str:
        """Makes the SET clause of an extra column, as it is in this moment."""
        columns = {name: literal(how, rnd) for name, how in self._schema.extras[table.name].copy().items()}
        written = [f"{quote(name)} = {value}" for name, value in columns.items() if value]
        return rnd.choice(written) if written else ""

    def _update(self, table: Table, start: int, limit: int) -> str:
        return f"update {quote(table.name)} set {table.update(self._random, start)} where n >= {start} limit {limit}"

    def _execute(self, target: str, statement: str) -> None:
        connection = self._connections.get(target)
        if connection is None:
            connection = self._connections[target] = self._cluster.connect(target, read_timeout=STATEMENT_SECONDS)
        with connection.cursor() as cursor:
            cursor.execute(statement)

    def _disconnect(self) -> None:
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
