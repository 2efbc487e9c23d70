"""Spark's protocol in small on a real Vitess, with a failover and a reshard; the sink is compared with SELECT."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pymysql
import pytest
from instruments.select import select_rows
from vitess_local.cluster import Cluster

from tests.engine import Engine, KilledError

pytestmark = pytest.mark.cluster

KEYSPACE = "shop"
TABLES = ("t", "u")

#: So many kills of a query are few enough for one failover and one reshard.
QUICK = 10

#: Kills after which the test ends: more take failovers and reshards, there and back, until they are reached.
KILLS = int(os.environ.get("SOURCE_VITESS_KILLS", str(QUICK)))
OLD, NEW = ["-80"], ["-40", "40-80"]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of its own: its shards are not what they were afterwards."""
    with Cluster.up("spark-protocol", keyspaces={KEYSPACE: 2}, replicas=1) as started:
        yield started


class Writer:
    """Writes to tables `t` and `u` at random.

    Args:
        cluster: Where.
        chance: Everything that is random.
    """

    def __init__(self, cluster: Cluster, chance: random.Random) -> None:
        self._cluster = cluster
        self._chance = chance
        self._next = 1
        for table in TABLES:
            cluster.sql(
                KEYSPACE,
                f"create table {table} (id bigint not null, name varchar(40), price decimal(12,2), primary key (id))",
            )
            cluster.sql(KEYSPACE, f"alter vschema on {KEYSPACE}.{table} add vindex xxh_{table}(id) using xxhash")
        for shard in cluster.shards(KEYSPACE):
            # Where VTGate finds a primary unfit for a moment, a replica is asked for the schema.
            cluster.wait_replicated(f"{KEYSPACE}/{shard}")

    def write(self, count: int) -> None:
        """Writes so many transactions; fewer while VTGate refuses them."""
        with suppress(pymysql.MySQLError):
            for _ in range(count):
                chance, top = self._chance, self._next
                table = chance.choice(TABLES)
                match chance.randint(0, 5):
                    case 0 | 1 | 2:
                        rows = ", ".join(f"({top + n}, 'n{n}', -{n}.50)" for n in range(5))
                        self._next += 5
                        self._cluster.sql(KEYSPACE, f"insert into {table} (id, name, price) values {rows}")
                    case 3 | 4:
                        name, key = f"u{chance.randint(1, 999)}", chance.randint(1, top)
                        self._cluster.sql(KEYSPACE, f"update {table} set name = '{name}' where id = {key}")
                    case _:
                        self._cluster.sql(KEYSPACE, f"delete from {table} where id = {chance.randint(1, top)}")

    def rows(self, table: str) -> dict[int, dict[str, Any]]:
        """Returns what SELECT gives, by key."""
        found = select_rows(self._cluster.mysql_port, KEYSPACE, table)
        return {row["id"]: {**row, "price": float(row["price"])} for row in found}


class Queries:
    """Queries that are killed at random while a writer writes: on one table, and on two.

    Args:
        cluster: Where.
        chance: Everything that is random.
    """

    def __init__(self, cluster: Cluster, chance: random.Random) -> None:
        self._writer = Writer(cluster, chance)
        self._chance = chance
        self._writer.write(40)
        options = {**cluster.config(KEYSPACE), "tablet_type": "PRIMARY", "maxTransactionsPerShard": "7"}
        self._one = Engine({**options, "table": "t"}, chance, death=0.1)
        self._two = Engine({**options, "tables": "t,u"}, chance, death=0.1)
        self._rows_compared = 0

    @property
    def kills(self) -> int:
        """How often a query was killed."""
        return self._one.counts["kills"] + self._two.counts["kills"]

    def run(self, rounds: int) -> None:
        """Runs for some batches, each time after writes, or until it is killed."""
        for _ in range(rounds):
            self._writer.write(self._chance.randint(1, 15))
            for engine in (self._one, self._two):
                with suppress(KilledError):
                    engine.run(batches=self._chance.randint(1, 4))

    def compare(self) -> None:
        """Runs to the end, and compares both sinks with SELECT."""
        rows = {table: self._writer.rows(table) for table in TABLES}
        expected = {(table, f'{{"id":{key}}}'): row for table in TABLES for key, row in rows[table].items()}
        for engine in (self._one, self._two):
            engine.run_to_the_end()
            engine.expect_growing()
        self._one.expect_equal({(key,): row for key, row in rows["t"].items()})
        self._two.expect_equal(expected)
        self._rows_compared += len(rows["t"]) + len(expected)

    def reread(self) -> None:
        """Reads batches that are long over once more, perhaps from a shard that has ended: they are the same."""
        self._one.reread()
        self._two.reread()

    def summary(self) -> str:
        """Says what happened."""
        return f"{self._rows_compared} rows compared; table: {dict(self._one.counts)}; tables: {dict(self._two.counts)}"


@pytest.mark.timeout(600 + 10 * KILLS)
def test_kills_failovers_and_reshards(cluster: Cluster, seed: int) -> None:
    """Writes go on all the while; each time they stop, a run to the end gives what SELECT gives."""
    queries = Queries(cluster, random.Random(seed))
    events: Counter[str] = Counter()
    old, new = OLD, NEW
    queries.run(6)
    queries.compare()
    while not events["reshards"] or queries.kills < KILLS:
        cluster.reparent(f"{KEYSPACE}/80-")
        events["failovers"] += 1
        queries.run(4 if KILLS <= QUICK else 40)
        queries.compare()
        with ThreadPoolExecutor(1) as pool:
            switched = pool.submit(cluster.reshard, KEYSPACE, old, new, stop_before="complete")
            while not switched.done():
                queries.run(1)
            switched.result()
        queries.run(4)
        queries.compare()
        if not events["reshards"]:
            queries.reread()
        cluster.reshard(KEYSPACE, old, new)
        events["reshards"] += 1
        queries.run(2)
        queries.compare()
        old, new = new, old
    print(f"{queries.kills} kills, 0 differences; {dict(events)}; {queries.summary()}")
    assert queries.kills >= KILLS
