"""From a real Vitess through source-vitess into the served tables: every value, and changes as they happen."""

from __future__ import annotations

import pytest
from vitess_local.cluster import Cluster

from tests.matrix import differences, fill, select, types_of
from tests.pipeline import Pipeline
from tests.served import Served

pytestmark = pytest.mark.cluster


@pytest.fixture
def pipeline(served: Served, keyspaces: Cluster) -> Pipeline:
    """From the unsharded keyspace."""
    return Pipeline(served, keyspaces, "single")


@pytest.mark.parametrize("exact", [False, True], ids=["for ReadySet", "exact types"])
def test_every_value_is_served(pipeline: Pipeline, keyspaces: Cluster, exact: bool) -> None:
    """Each row of the type matrix, copied and changed, is in the served table what it is in the keyspace.

    But for values that the source itself cannot send: those are null there, and the source reports it.
    """
    pipeline.served.config["exact_types"] = exact
    with keyspaces.connect("single:0@primary", conv={}) as vitess, pipeline.served.mysql.connect(conv={}) as mysql:
        matrix = fill(vitess, keyspaces, pipeline)
        found: list[str] = []
        for table in matrix:
            types = types_of(vitess, table)
            sides = select(vitess, "", table, types), select(mysql, "single.", table, types)
            found += differences(table, types, *sides)

    assert found == []


def test_a_sharded_keyspace_is_followed(served: Served, keyspaces: Cluster) -> None:
    """Inserts, updates, changed keys, deletes and a new column of two shards arrive, with the keyspace's own types."""
    for shard in keyspaces.serving_shards("shop"):
        keyspaces.sql(
            f"shop:{shard}@primary",
            "create table customer (id bigint not null auto_increment primary key, email varchar(100) not null, "
            "plan enum('free','paid') not null default 'free', unique key (email))",
        )
    keyspaces.reload_schema("shop")
    pipeline = Pipeline(served, keyspaces, "shop")
    low, high = sorted(keyspaces.serving_shards("shop"))
    keyspaces.sql(f"shop:{low}@primary", "insert into customer values (1, 'a', 'free'), (3, 'c', 'paid')")
    keyspaces.sql(f"shop:{high}@primary", "insert into customer values (2, 'b', 'free')")
    pipeline.sync()
    assert served.mysql.sql("select * from shop.customer order by id") == [
        (1, "a", "free"),
        (2, "b", "free"),
        (3, "c", "paid"),
    ]

    keyspaces.sql(f"shop:{low}@primary", "update customer set id = 5, email = 'e' where id = 1")
    keyspaces.sql(f"shop:{low}@primary", "delete from customer where id = 3")
    keyspaces.sql(f"shop:{high}@primary", "update customer set plan = 'paid' where id = 2")
    pipeline.sync()
    assert served.mysql.sql("select * from shop.customer order by id") == [(2, "b", "paid"), (5, "e", "free")]

    for shard in (low, high):
        keyspaces.sql(f"shop:{shard}@primary", "alter table customer add column born date")
    keyspaces.reload_schema("shop")
    keyspaces.sql(f"shop:{high}@primary", "insert into customer values (7, 'g', 'free', '2026-01-02')")
    pipeline.sync()
    assert served.mysql.sql("select id, plan, cast(born as char) from shop.customer order by id") == [
        (2, "paid", None),
        (5, "free", None),
        (7, "free", "2026-01-02"),
    ]
    ((_, create),) = served.mysql.sql("show create table shop.customer")
    assert "enum('free','paid')" in create
    assert "varchar(100)" in create
    assert "KEY `email`" not in create
