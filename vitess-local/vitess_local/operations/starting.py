"""Starts tablets, and gives them the part they play: primaries take writes, replicas replicate.

The order that matters: a tablet's mysqld before its vttablet, and all tablets of a shard
before its primary is chosen.
"""

from __future__ import annotations

from collections.abc import Collection

from vitess_local.operations.parallel import at_once
from vitess_local.operations.tablets import primary_in_topology
from vitess_local.progress import Report
from vitess_local.servers.connections import connect_mysqld
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet
from vitess_local.servers.mysql_client import query, query_dicts
from vitess_local.servers.readiness import wait_for_mysqld, wait_for_vttablet
from vitess_local.servers.vtctl import vtctl


def start_mysqld(deployment: Deployment, tablet: Tablet, report: Report) -> None:
    """Start one MySQL server and wait until it answers."""
    deployment.start_mysqld(tablet)
    wait_for_mysqld(deployment, tablet, report)


def start_tablets(deployment: Deployment, tablets: Collection[Tablet], report: Report) -> None:
    """Start tablets, mysqld included, and wait until they accept calls."""

    def start(tablet: Tablet) -> None:
        start_mysqld(deployment, tablet, report)
        deployment.start_vttablet(tablet)
        wait_for_vttablet(deployment, tablet, report)

    at_once(start, tablets)


def give_primaries(deployment: Deployment, shards: Collection[tuple[str, str]], report: Report) -> None:
    """Give each shard a primary that takes writes: the one it had, else its first tablet."""

    def choose(pair: tuple[str, str]) -> None:
        keyspace, shard = pair
        known = primary_in_topology(deployment, keyspace, shard)
        if known is not None:
            make_writable(deployment, known)
            return
        first = deployment.layout.of_shard(keyspace, shard)[0]
        report(f"{keyspace}/{shard}: {first.alias} becomes primary")
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
