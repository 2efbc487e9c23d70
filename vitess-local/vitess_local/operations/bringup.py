"""Starts a cluster, as much as possible at the same time.

The order that matters: etcd before everything; keyspaces before tablets; a tablet's
mysqld before its vttablet; all tablets of a shard before its primary is chosen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vitess_local.operations.routing import Routing
from vitess_local.operations.schema import apply_sharded_vschema, load_schema_dir
from vitess_local.operations.serving import (
    etcd_is_healthy,
    wait_for_mysqld,
    wait_for_service,
    wait_for_vttablet,
)
from vitess_local.operations.tablets import primary_in_topology
from vitess_local.progress import Tell, format_seconds
from vitess_local.servers.command_lines import CELL_ROOT
from vitess_local.servers.connections import connect_mysqld, query, query_dicts
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import CELL, Tablet
from vitess_local.servers.ports import LOOPBACK, accepts_connections
from vitess_local.servers.vtctl import topo_command, vtctl
from vitess_local.servers.waiting import wait_until

# The servers do the work, the threads only wait for them.
_THREADS = 16

_Item = TypeVar("_Item")


def at_once(action: Callable[[_Item], object], items: Iterable[_Item]) -> None:
    """Do something for all items at the same time; raise the first error, after all ended."""
    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(action, item) for item in items]
    for future in futures:
        future.result()


def bring_up(deployment: Deployment, *, new: bool, timeout: float, tell: Tell) -> None:
    """Start every server that is not running, and wait until all shards serve.

    `new` tells that the cluster has never run: keyspaces and schemas are created.
    """
    started = time.monotonic()
    tablets = deployment.topology.tablets
    tell(f"starting {deployment.topology.spec.name}: {len(tablets)} tablets in {deployment.data_dir}")
    with ThreadPoolExecutor(_THREADS) as pool:
        servers = [pool.submit(start_mysqld, deployment, tablet, tell) for tablet in tablets]
        _start_topology(deployment, new=new, tell=tell)
        for server in servers:
            server.result()
    start_tablets(deployment, tablets, tell)
    deployment.start_vtgate()
    give_primaries(deployment, deployment.topology.shards(), tell)
    # A vttablet that was started again before its primary was known does not replicate by itself.
    at_once(lambda tablet: make_replicate(deployment, tablet), deployment.topology.tablets)
    # A new cluster's routing may still be incomplete; nothing overlaps in it.
    routing = Routing.everything(deployment.topology) if new else None
    wait_for_service(deployment, tell, timeout=timeout, routing=routing)
    if new:
        _load_schemas(deployment, tell)
    tell(f"{deployment.topology.spec.name} serves after {format_seconds(time.monotonic() - started)}")


def _start_topology(deployment: Deployment, *, new: bool, tell: Tell) -> None:
    """Start etcd and vtctld; in a new cluster, create the cell and the keyspaces."""
    deployment.start_etcd()
    wait_until(
        lambda: None if etcd_is_healthy(deployment) else "it is not healthy yet",
        what="etcd",
        timeout=60,
        tell=tell,
        servers=[deployment.etcd],
    )
    if new:
        etcd = f"{LOOPBACK}:{deployment.topology.ports.etcd_client}"
        topo_command(deployment, "AddCellInfo", f"--root={CELL_ROOT}", f"--server-address={etcd}", CELL)
    deployment.start_vtctld()
    wait_for_vtctld(deployment, tell)
    if new:
        policy = f"--durability-policy={deployment.topology.spec.durability_policy}"
        at_once(
            lambda keyspace: vtctl(deployment, "CreateKeyspace", policy, keyspace.name),
            deployment.topology.spec.keyspaces,
        )


def wait_for_vtctld(deployment: Deployment, tell: Tell) -> None:
    """Wait until vtctld takes commands."""
    port = deployment.topology.ports.vtctld_grpc
    wait_until(
        lambda: None if accepts_connections(port) else "it does not listen yet",
        what="vtctld",
        timeout=60,
        tell=tell,
        servers=[deployment.vtctld, deployment.etcd],
    )


def start_mysqld(deployment: Deployment, tablet: Tablet, tell: Tell) -> None:
    """Start one MySQL server and wait until it answers."""
    deployment.start_mysqld(tablet)
    wait_for_mysqld(deployment, tablet, tell)


def start_tablets(deployment: Deployment, tablets: Collection[Tablet], tell: Tell) -> None:
    """Start tablets, mysqld included, and wait until they take orders."""

    def start(tablet: Tablet) -> None:
        start_mysqld(deployment, tablet, tell)
        deployment.start_vttablet(tablet)
        wait_for_vttablet(deployment, tablet, tell)

    at_once(start, tablets)


def give_primaries(deployment: Deployment, shards: Collection[tuple[str, str]], tell: Tell) -> None:
    """Give each shard a primary that takes writes: the one it had, else its first tablet."""

    def choose(pair: tuple[str, str]) -> None:
        keyspace, shard = pair
        known = primary_in_topology(deployment, keyspace, shard)
        if known is not None:
            make_writable(deployment, known)
            return
        first = deployment.topology.of_shard(keyspace, shard)[0]
        tell(f"{keyspace}/{shard}: {first.alias} becomes primary")
        vtctl(deployment, "PlannedReparentShard", f"{keyspace}/{shard}", f"--new-primary={first.alias}")

    at_once(choose, shards)


def make_writable(deployment: Deployment, primary: Tablet) -> None:
    """Let a primary whose MySQL server was restarted take writes again.

    MySQL starts read-only (`my.cnf`); in a larger installation VTOrc does this.
    """
    with connect_mysqld(deployment, primary) as connection:
        is_read_only = query(connection, "SELECT @@global.super_read_only")[0][0]
    if is_read_only:
        vtctl(deployment, "SetWritable", primary.alias, "true")


def make_replicate(deployment: Deployment, replica: Tablet) -> None:
    """Let a replica whose MySQL server was restarted replicate again; a primary is left alone.

    A vttablet does that when it starts, but not when only its MySQL server was gone, nor
    when its primary's MySQL server is not in the topology yet (tm_init.go, initializeReplication).
    """
    with connect_mysqld(deployment, replica) as connection:
        status = query_dicts(connection, "SHOW REPLICA STATUS")
    if any("No" in (row["Replica_IO_Running"], row["Replica_SQL_Running"]) for row in status):
        vtctl(deployment, "StartReplication", replica.alias)


def _load_schemas(deployment: Deployment, tell: Tell) -> None:
    spec = deployment.topology.spec
    for keyspace in spec.keyspaces:
        if keyspace.is_sharded:
            apply_sharded_vschema(deployment, keyspace.name)
    if spec.schema_dir is not None:
        load_schema_dir(deployment, spec.schema_dir, tell)
