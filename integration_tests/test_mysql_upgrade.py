"""MySQL is upgraded below Vitess, as operators do it: replicas first, a reparent, the old primaries last.

In between a shard's tablets run on two versions of MySQL, and what one of them wrote is copied and followed from the
other. That needs a Vitess that can have replicas on both: v23 or later.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from instruments.type_matrix import TABLES as MATRIX
from instruments.type_matrix import MatrixTable, quote
from integration_tests.shop import Shop
from integration_tests.test_upgrade import interrupted, sync
from integration_tests.test_values import check as check_values
from integration_tests.test_values import write
from source_vitess.check import check
from source_vitess.settings.config import Config
from tools.installed import obstacle

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data

VITESS = "24.4"
#: As vitess-local is asked for them.
OLD, NEW = "8.0", "newest"
KEYSPACE, SHARD = "mysqls", "mysqls/0"
TARGET = f"{KEYSPACE}:0@primary"
#: They have keys: what a stream that broke off has sent comes twice. One key is text, which is compared by a collation.
TABLES = ("customers", "order_items", "codes")


def start(name: str, replicas: int) -> Cluster:
    """Starts a shard on the old MySQL."""
    if reason := obstacle(VITESS, OLD) or obstacle(VITESS, NEW):
        pytest.skip(reason)
    return Cluster.up(name, keyspaces={KEYSPACE: 1}, replicas=replicas, vitess_version=VITESS, mysql_version=OLD)


def mysql_of(cluster: Cluster, alias: str) -> str:
    """Returns the version of a tablet's MySQL."""
    with cluster.connect_tablet(alias) as connection, connection.cursor() as cursor:
        cursor.execute("select @@version")
        [(version,)] = cursor.fetchall()
    return str(version)


def replicas_of(cluster: Cluster) -> list[str]:
    """Returns the aliases of the tablets that are not the primary."""
    primary = cluster.primary(KEYSPACE, "0").alias
    return [tablet.alias for tablet in cluster.tablets if tablet.alias != primary]


def readers(cluster: Cluster) -> tuple[Connector, Connector]:
    """Returns the connector on the replicas, and on the primary."""
    config = cluster.config(KEYSPACE)
    replicas, primary = (
        Connector({**config, "tablet_type": name}, KEYSPACE, cluster.mysql_port) for name in ("REPLICA", "PRIMARY")
    )
    return replicas, primary


@pytest.fixture(scope="module")
def two() -> Iterator[Cluster]:
    """A primary and a replica, of which one runs on the old MySQL and the other on the new one."""
    with start("two-mysqls", 1) as cluster:
        [replica] = replicas_of(cluster)
        cluster.change_mysql(replica, NEW)
        yield cluster


def have_written_on(two: Cluster, which: str) -> None:
    """Makes the tablet on the old MySQL, or that on the new one, the primary."""
    if mysql_of(two, two.primary(KEYSPACE, "0").alias).startswith("8.0") != (which == "old"):
        two.reparent(SHARD)
    [replica] = replicas_of(two)
    assert mysql_of(two, replica).startswith("8.0") == (which == "new")


@pytest.mark.parametrize("wrote_on", ["old", "new"])
@pytest.mark.parametrize("table", MATRIX, ids=lambda table: table.name)
def test_every_value_is_read_from_another_mysql(two: Cluster, table: MatrixTable, wrote_on: str) -> None:
    """A copy from the replica, and changes there, have the values that docs/types.md promises, whichever is older."""
    have_written_on(two, wrote_on)
    connector, _ = readers(two)
    table = table.on(str(two.describe()["vitess_version"]))
    with two.connect(TARGET) as connection, connection.cursor() as cursor:
        cursor.execute(f"set sql_mode = '{table.sql_mode}'")
        cursor.execute(table.create())
    write(two, TARGET, table, 1)
    two.wait_replicated(SHARD)
    two.reload_schema(KEYSPACE)
    try:
        catalog = connector.configured(table.name)
        schema = catalog["streams"][0]["stream"]["json_schema"]
        for column in table.columns:
            assert column.schema == schema["properties"][column.name]

        copied = list(connector.lines(catalog))
        check_values(table, copied, 1, changed=False)

        write(two, TARGET, table, 1001)
        two.wait_replicated(SHARD)
        state = json.loads([line for line in copied if line.startswith(b'{"type":"STATE"')][-1])["state"]
        check_values(table, list(connector.lines(catalog, [state])), 1001, changed=True)
    finally:
        two.sql(TARGET, f"drop table {quote(table.name)}")


@pytest.mark.parametrize("wrote_on", ["old", "new"])
def test_what_a_foreign_key_deletes_is_written_by_the_primary(two: Cluster, wrote_on: str) -> None:
    """Also if the replica of another MySQL is read. `check` warns where the primary, or who may be next, is old."""
    have_written_on(two, wrote_on)
    child = "create table line (id bigint not null, parent bigint, primary key (id), foreign key (parent)"
    for statement in (
        "create table invoice (id bigint not null, primary key (id))",
        f"{child} references invoice (id) on delete cascade)",
        "insert into invoice (id) values (1), (2)",
        "insert into line (id, parent) values (1, 1), (2, 2)",
    ):
        two.sql(TARGET, statement)
    two.wait_replicated(SHARD)
    two.reload_schema(KEYSPACE)
    try:
        for connector in readers(two):
            lines = check(Config.from_json(connector.config))
            warnings = [line.text for line in lines if line.warning and "foreign key" in line.text]
            is_warned = wrote_on == "old" or connector.config["tablet_type"] == "REPLICA"
            assert ["'line'. MySQL 8.0." in text for text in warnings] == [True] * is_warned
        stores = []
        for connector in readers(two):
            store = Store.of_catalog(connector.configured("invoice", "line"))
            assert connector.sync(store, connector.configured("invoice", "line")) is None
            stores.append((connector, store))
        two.sql(TARGET, "delete from invoice where id = 1")
        two.wait_replicated(SHARD)

        for connector, store in stores:
            assert connector.sync(store, connector.configured("invoice", "line")) is None

            connector.expect_all_equal(store, "invoice")
            assert len(store.rows("line")) == {"old": 2, "new": 1}[wrote_on]
    finally:
        two.sql(TARGET, "drop table line")
        two.sql(TARGET, "drop table invoice")


@pytest.fixture
def three() -> Iterator[Cluster]:
    """A primary and two replicas on the old MySQL."""
    with start("mysqls", 2) as cluster:
        yield cluster


def test_syncs_on_every_mixture_of_two_mysqls(three: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost while tablets are replaced one by one, in the middle of syncs, and a reparent takes a new one.

    Replicas and the primary are read, each by a connection of its own. Copies that were interrupted on the old MySQL
    are continued on each mixture, and on the new one alone.
    """
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    shop = Shop(three, KEYSPACE, SEED)
    shop.create()
    for table in TABLES:
        shop.insert(table, 2000)
    three.wait_replicated(SHARD)
    replicas, primary = readers(three)
    catalog = replicas.configured(*TABLES)
    followed = [(connector, Store.of_catalog(catalog)) for connector in (replicas, primary)]
    for connector, store in followed:
        sync(connector, store, catalog, lambda: None)
    old, (first, second) = three.primary(KEYSPACE, "0").alias, replicas_of(three)
    steps: list[tuple[Callable[[], object], set[str]]] = [
        (lambda: three.change_mysql(first, NEW), {old, second}),
        (lambda: three.reparent(SHARD, to=first), {old, second}),
        (lambda: three.change_mysql(second, NEW), {old}),
        (lambda: three.change_mysql(old, NEW), set()),
    ]
    with monkeypatch.context() as often:
        often.setattr("source_vitess.replication.checkpoint.Checkpointer.due", lambda self: [self.now()])
        halves = [interrupted(replicas, catalog) for _ in steps]

    for step, on_old in steps:
        shop.insert("customers", 50)
        shop.insert("codes", 50)
        followed.reverse()
        (disturbed, its), (other, others) = followed

        def change(step: Callable[[], object] = step) -> None:
            step()
            shop.insert("order_items", 50)

        sync(disturbed, its, catalog, change)
        assert {tablet.alias for tablet in three.tablets if mysql_of(three, tablet.alias).startswith("8.0")} == on_old
        shop.change(20)
        three.wait_replicated(SHARD)
        shop.insert("customers", 5)
        three.wait_replicated(SHARD)
        for connector, store in ((disturbed, its), (other, others)):
            sync(connector, store, catalog, lambda: None)
            connector.expect_all_equal(store, *TABLES)
        half = halves.pop()
        assert replicas.sync(half, catalog) is None
        replicas.expect_all_equal(half, *TABLES)
    assert not halves
