"""One MySQL for all tests, empty for each; one Vitess for those that need it.

`SOURCE_VITESS_TEST_CLUSTER=<name>` uses a cluster that is up already (see vitess-local/README.md) and leaves it so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from instruments.scripted_readyset import ScriptedReadyset
from instruments.scripted_vtgate.mysql_server import VtgateMysqlServer
from vitess_local.cluster import Cluster
from vitess_local.plain_mysql import PlainMysql

from destination_readyset.config import Address
from tests.served import Served

# A busy machine is no failure.
settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("SOURCE_VITESS_SEED")),
)
settings.load_profile("patient")

SYSTEM = {"mysql", "information_schema", "performance_schema", "sys"}


@pytest.fixture(scope="session")
def mysql() -> Iterator[PlainMysql]:
    """The MySQL that is written to."""
    with PlainMysql.start() as server:
        yield server


@pytest.fixture
def served(mysql: PlainMysql) -> Served:
    """The destination on that MySQL, without a table of anybody's."""
    for (name,) in mysql.sql("SHOW DATABASES"):
        if name not in SYSTEM:
            mysql.sql(f"DROP DATABASE `{name}`")
    return Served(mysql, {"host": "127.0.0.1", "port": mysql.port, "username": "local"})


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A Vitess."""
    running = os.environ.get("SOURCE_VITESS_TEST_CLUSTER")
    if running:
        yield Cluster.find(running)
        return
    # Two runs at once have a cluster each.
    with Cluster.up(f"readyset-{os.getpid()}", keyspaces={"shop": 2, "single": 1}) as started:
        yield started


@pytest.fixture
def keyspaces(cluster: Cluster) -> Iterator[Cluster]:
    """That Vitess without a table at the start and the end of a test."""
    _drop_all(cluster)
    yield cluster
    _drop_all(cluster)


def _drop_all(cluster: Cluster) -> None:
    for keyspace in ("shop", "single"):
        for shard in cluster.serving_shards(keyspace):
            target = f"{keyspace}:{shard}@primary"
            for name, kind in cluster.sql(target, "show full tables"):
                cluster.sql(target, f"drop {'view' if kind == 'VIEW' else 'table'} `{name}`")


@pytest.fixture
def fake() -> ScriptedReadyset:
    """What a ReadySet that is played answers."""
    return ScriptedReadyset()


@pytest.fixture
def server(fake: ScriptedReadyset) -> Iterator[VtgateMysqlServer]:
    """What it answers with."""
    server = VtgateMysqlServer(fake)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def address(server: VtgateMysqlServer) -> Address:
    """Where it answers."""
    return Address("127.0.0.1", server.port, "app", tls="disabled")
