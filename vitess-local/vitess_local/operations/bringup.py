"""Starts a cluster, as much as possible at the same time.

The order that matters: etcd before everything; keyspaces before tablets; a tablet's
mysqld before its vttablet; all tablets of a shard before its primary is chosen.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from vitess_local.operations.parallel import THREADS, at_once
from vitess_local.operations.routing import Routing
from vitess_local.operations.schema import apply_sharded_vschema, load_schema_dir
from vitess_local.operations.serving import wait_for_service
from vitess_local.operations.starting import give_primaries, make_replicate, start_mysqld, start_tablets
from vitess_local.progress import Report, format_seconds
from vitess_local.servers.command_lines import CELL_ROOT
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import CELL
from vitess_local.servers.ports import LOOPBACK
from vitess_local.servers.readiness import (
    wait_for_etcd,
    wait_for_vtctld,
)
from vitess_local.servers.vtctl import topo_command, vtctl


def bring_up(deployment: Deployment, *, new: bool, timeout: float, report: Report) -> None:
    """Start every server that is not running, and wait until all shards serve.

    `new` means that the cluster has never run: keyspaces and schemas are created.
    """
    started = time.monotonic()
    tablets = deployment.layout.tablets
    report(f"starting {deployment.layout.spec.name}: {len(tablets)} tablets in {deployment.data_dir}")
    with ThreadPoolExecutor(THREADS) as pool:
        servers = [pool.submit(start_mysqld, deployment, tablet, report) for tablet in tablets]
        _start_topology(deployment, new=new, report=report)
        for server in servers:
            server.result()
    start_tablets(deployment, tablets, report)
    deployment.start_vtgate()
    give_primaries(deployment, deployment.layout.shards(), report)
    # A vttablet that was started again before its primary was known does not replicate by itself.
    at_once(lambda tablet: make_replicate(deployment, tablet), deployment.layout.tablets)
    # A new cluster's routing may still be incomplete; nothing overlaps in it.
    routing = Routing.everything(deployment.layout) if new else None
    wait_for_service(deployment, report, timeout=timeout, routing=routing)
    if new:
        _load_schemas(deployment, report)
    report(f"{deployment.layout.spec.name} serves after {format_seconds(time.monotonic() - started)}")


def _start_topology(deployment: Deployment, *, new: bool, report: Report) -> None:
    """Start etcd and vtctld; in a new cluster, create the cell and the keyspaces."""
    deployment.start_etcd()
    wait_for_etcd(deployment, report)
    if new:
        etcd = f"{LOOPBACK}:{deployment.layout.ports.etcd_client}"
        topo_command(deployment, "AddCellInfo", f"--root={CELL_ROOT}", f"--server-address={etcd}", CELL)
    deployment.start_vtctld()
    wait_for_vtctld(deployment, report)
    if new:
        policy = f"--durability-policy={deployment.layout.spec.durability_policy}"
        at_once(
            lambda keyspace: vtctl(deployment, "CreateKeyspace", policy, keyspace.name),
            deployment.layout.spec.keyspaces,
        )


def _load_schemas(deployment: Deployment, report: Report) -> None:
    spec = deployment.layout.spec
    for keyspace in spec.keyspaces:
        if keyspace.is_sharded:
            apply_sharded_vschema(deployment, keyspace.name)
    if spec.schema_dir is not None:
        load_schema_dir(deployment, spec.schema_dir, report)
