"""A real Vitess for all tests of this folder, started once.

`SOURCE_VITESS_TEST_CLUSTER=<name>` uses a cluster that is up already (see vitess-local/README.md) and leaves it so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import HealthCheck, settings
from vitess_local.cluster import Cluster
from vitess_local.install.pair import Pair

from instruments.connector import Connector

# A busy machine is no failure.
settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("SOURCE_VITESS_SEED")),
)
settings.load_profile("patient")

#: Two shards, primaries only: what is written is what is read, without waiting for replication.
KEYSPACES = {"shop": 2, "single": 1}

VSCHEMA = {
    "sharded": True,
    "vindexes": {"hash": {"type": "xxhash"}},
    "tables": {},
}


@cache
def versions() -> dict[str, str]:
    """Returns the versions of the servers that tests get, by `vitess` and `mysql`; of a MySQL that is not chosen, none.

    Asked of the cluster that is named, else what a cluster is started with.
    """
    if running := os.environ.get("SOURCE_VITESS_TEST_CLUSTER"):
        described = Cluster.find(running).describe()
        return {"vitess": str(described["vitess_version"]), "mysql": str(described["mysql_version"])}
    pair = Pair.of()
    return {"vitess": pair.vitess.name} | ({"mysql": pair.mysql} if pair.mysql else {})


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test that the servers are too old for: `needs_vitess("20", reason)`, `needs_mysql("9", reason)`."""
    for server in ("vitess", "mysql"):
        for mark in item.iter_markers(f"needs_{server}"):
            needed, reason = mark.args
            found = versions().get(server)
            if found and _numbers(found) < _numbers(needed):
                pytest.skip(reason)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks every test here as one that needs a Vitess, and leaves out those of old servers: `until_vitess("20")`."""
    for item in items:
        item.add_marker(pytest.mark.cluster)
    ended = [item for item in items if any(_is_past(mark) for mark in item.iter_markers("until_vitess"))]
    if ended:
        config.hook.pytest_deselected(items=ended)
        items[:] = [item for item in items if item not in ended]


def _is_past(mark: pytest.Mark) -> bool:
    return _numbers(versions()["vitess"]) >= _numbers(mark.args[0])


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster."""
    running = os.environ.get("SOURCE_VITESS_TEST_CLUSTER")
    if running:
        yield Cluster.find(running)
        return
    with Cluster.up("tests", keyspaces=KEYSPACES) as started:
        yield started


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Connector]:
    """The connector on the sharded keyspace, which is empty at the start and the end of a test."""
    yield from _keyspace(cluster, "shop")


@pytest.fixture
def single(cluster: Cluster) -> Iterator[Connector]:
    """The connector on the unsharded keyspace, which is empty at the start and the end of a test."""
    yield from _keyspace(cluster, "single")


def _keyspace(cluster: Cluster, keyspace: str) -> Iterator[Connector]:
    _drop_all(cluster, keyspace)
    config = {**cluster.config(keyspace), "tablet_type": "PRIMARY"}
    yield Connector(config, keyspace, cluster.mysql_port)
    _drop_all(cluster, keyspace)


def _drop_all(cluster: Cluster, keyspace: str) -> None:
    for shard in cluster.serving_shards(keyspace):
        # On the shard itself: VTGate cannot drop a view that was not made through it.
        target = f"{keyspace}:{shard}@primary"
        for name, kind in cluster.sql(target, "show full tables"):
            cluster.sql(target, f"drop {'view' if kind == 'VIEW' else 'table'} `{name}`")
