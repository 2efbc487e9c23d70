"""An upgrade and a downgrade in place, as operators do them: server by server, with syncs on every mixture in between.

States go from one release to the next and back, copies that were interrupted on one are continued on the other, and
each server is restarted in the middle of a sync.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector, Json
from instruments.oracle import Store
from integration_tests.shop import Shop
from tools.installed import obstacle

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data

#: The oldest release whose upgrade to the newest in one step has been tried here, and the MySQL that runs with both.
OLD, NEW, MYSQL = "22.4", "24.4", "8.0"
#: They have keys: what a stream that broke off has sent comes twice.
TABLES = ("customers", "order_items", "codes")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two shards of a primary and a replica each, of the old release."""
    if reason := obstacle(OLD, MYSQL) or obstacle(NEW, "newest"):
        pytest.skip(reason)
    with Cluster.up("upgrade", keyspaces={"shop": 2}, replicas=1, vitess_version=OLD, mysql_version=MYSQL) as started:
        yield started


def servers(cluster: Cluster) -> list[str]:
    """Returns the servers in the order of an upgrade: vtctld, replicas, primaries, VTGate."""
    primaries = [cluster.primary("shop", shard).alias for shard in sorted(cluster.serving_shards("shop"))]
    replicas = [tablet.alias for tablet in cluster.tablets if tablet.alias not in primaries]
    return ["vtctld", *replicas, *primaries, "vtgate"]


def sync(connector: Connector, store: Store, catalog: Json, react: Callable[[], None]) -> None:
    """Runs a sync, letting a test act after the first record."""
    store.new_sync()
    acted = False
    for line in connector.lines(catalog, store.last_state):
        store.apply([line])
        if not acted and line.startswith(b'{"type":"RECORD"'):
            acted = True
            react()
    assert acted
    assert set(store.statuses.values()) == {"COMPLETE"}


def interrupted(connector: Connector, catalog: Json) -> Store:
    """Returns what is left of a first sync that was killed in the middle of a copy."""
    store = Store.of_catalog(catalog)
    store.new_sync()
    for line in connector.lines(catalog):
        store.apply([line])
        if line.startswith(b'{"type":"STATE"') and b'"lastpk"' in line:
            return store
    raise AssertionError("no state in the middle of a copy")


def test_syncs_on_every_mixture_of_two_releases(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost on the way up, nor on the way down again, whichever of the servers is newer.

    Replicas and primaries are read, each by a connection of its own; the syncs of one and the other are disturbed in
    turns.
    """
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    shop = Shop(cluster, "shop", SEED)
    shop.create(*TABLES)
    for table in TABLES:
        shop.insert(table, 2000)
    config = cluster.config("shop")
    replicas, primaries = (
        Connector({**config, "tablet_type": name}, "shop", cluster.mysql_port) for name in ("REPLICA", "PRIMARY")
    )
    catalog = replicas.configured(*TABLES)
    followed = [(connector, Store.of_catalog(catalog)) for connector in (replicas, primaries)]
    for connector, store in followed:
        sync(connector, store, catalog, lambda: None)
    mixtures = 0
    for release, order in ((NEW, servers(cluster)), (OLD, list(reversed(servers(cluster))))):
        with monkeypatch.context() as often:
            often.setattr("source_vitess.replication.checkpoint.Checkpointer.due", lambda self: [self.now()])
            halves = interrupted(replicas, catalog)
        for server in order:
            shop.insert("customers", 50)
            shop.insert("codes", 50)
            followed.reverse()
            (disturbed, its), (other, others) = followed

            def change(server: str = server, release: str = release) -> None:
                cluster.change_vitess(server, release)
                shop.insert("order_items", 50)

            sync(disturbed, its, catalog, change)
            for shard in sorted(cluster.serving_shards("shop")):
                cluster.wait_replicated(f"shop/{shard}")
            shop.insert("customers", 5)
            for connector, store in ((disturbed, its), (other, others)):
                sync(connector, store, catalog, lambda: None)
                connector.expect_all_equal(store, *TABLES)
            mixtures += 1
        assert replicas.sync(halves, catalog) is None
        replicas.expect_all_equal(halves, *TABLES)
    print(f"equal after each of {mixtures} changes of a server")  # noqa: T201 - shown when a test fails
