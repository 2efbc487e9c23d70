"""Spark's protocol in small on a real Vitess, with a failover and a reshard; the sink is compared with SELECT."""

from __future__ import annotations

import os
import random
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
OLD, NEW = ["-80"], ["-40", "40-80"]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of its own: its shards are not what they were afterwards."""
    with Cluster.up("spark-protocol", keyspaces={KEYSPACE: 2}, replicas=1) as started:
        yield started


class Writer:
    """Writes to a table at random.

    Args:
        cluster: Where.
        chance: Everything that is random.
    """

    def __init__(self, cluster: Cluster, chance: random.Random) -> None:
        self._cluster = cluster
        self._chance = chance
        self._next = 1
        cluster.sql(
            KEYSPACE, "create table t (id bigint not null, name varchar(40), price decimal(12,2), primary key (id))"
        )
        cluster.sql(KEYSPACE, f"alter vschema on {KEYSPACE}.t add vindex xxh_t(id) using xxhash")
        for shard in cluster.shards(KEYSPACE):
            # Where VTGate finds a primary unfit for a moment, a replica is asked for the schema.
            cluster.wait_replicated(f"{KEYSPACE}/{shard}")

    def write(self, count: int) -> None:
        """Writes so many transactions; fewer while VTGate refuses them."""
        with suppress(pymysql.MySQLError):
            for _ in range(count):
                chance, top = self._chance, self._next
                match chance.randint(0, 5):
                    case 0 | 1 | 2:
                        rows = ", ".join(f"({top + n}, 'n{n}', -{n}.50)" for n in range(5))
                        self._next += 5
                        self._cluster.sql(KEYSPACE, f"insert into t (id, name, price) values {rows}")
                    case 3 | 4:
                        self._cluster.sql(
                            KEYSPACE,
                            f"update t set name = 'u{chance.randint(1, 999)}' where id = {chance.randint(1, top)}",
                        )
                    case _:
                        self._cluster.sql(KEYSPACE, f"delete from t where id = {chance.randint(1, top)}")

    def rows(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        """Returns what SELECT gives, by key."""
        found = select_rows(self._cluster.mysql_port, KEYSPACE, "t")
        return {(row["id"],): {**row, "price": float(row["price"])} for row in found}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("tablet_type", ["PRIMARY"])
def test_kills_a_failover_and_a_reshard(cluster: Cluster, seed: int, tablet_type: str) -> None:
    """Writes go on all the while; each time they stop, a run to the end gives what SELECT gives."""
    chance = random.Random(seed)
    writer = Writer(cluster, chance)
    writer.write(40)
    options = {**cluster.config(KEYSPACE), "table": "t", "tablet_type": tablet_type, "maxTransactionsPerShard": "7"}
    engine = Engine(options, chance, death=0.1)

    def run(rounds: int) -> None:
        for _ in range(rounds):
            writer.write(chance.randint(1, 15))
            with suppress(KilledError):
                engine.run(batches=chance.randint(1, 4))

    def compare() -> None:
        engine.run_to_the_end()
        engine.expect_equal(writer.rows())
        engine.expect_growing()

    run(6)
    compare()
    cluster.reparent(f"{KEYSPACE}/80-")
    run(4)
    compare()
    with ThreadPoolExecutor(1) as pool:
        switched = pool.submit(cluster.reshard, KEYSPACE, OLD, NEW, stop_before="complete")
        while not switched.done():
            run(1)
        switched.result()
    run(4)
    compare()
    # Batches of before the reshard are the same still, read from the shard that has ended.
    engine.reread()
    cluster.reshard(KEYSPACE, OLD, NEW)
    run(2)
    compare()
    print(dict(engine.counts))
    assert engine.counts["kills"] >= int(os.environ.get("SOURCE_VITESS_LEAST_KILLS", "5"))
