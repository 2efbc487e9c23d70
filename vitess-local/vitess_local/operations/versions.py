"""Replaces the Vitess or the MySQL of a running cluster, server by server, as an upgrade or a downgrade does.

Vitess' own order is vtctld, each shard's replicas, its primary, and VTGate last; in between the cluster is a mixed one.
MySQL's is a shard's replicas, a reparent, and the old primary.
"""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

from vitess_local.errors import VitessLocalError
from vitess_local.install.releases import Release
from vitess_local.install.toolchain import Toolchain
from vitess_local.operations.faults import restart_vtgate, start_tablet
from vitess_local.operations.replication import wait_replicated
from vitess_local.operations.tablets import find_tablet, primary_of
from vitess_local.progress import Report
from vitess_local.servers.connections import connect_mysqld
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.mysql_client import query
from vitess_local.servers.readiness import wait_for_vtctld

_STOP_SECONDS = 60.0
# More than there are tablets, whose servers begin with the tablets' numbers.
_SERVER_IDS = 1_000_000


def change_vitess(deployment: Deployment, name: str, release: Release, root: Path, report: Report) -> Deployment:
    """Restart a server with another release, and wait until it serves; return the deployment as it is then.

    Args:
        deployment: The cluster.
        name: `vtctld`, `vtgate`, or a tablet: its vttablet is restarted, and its mysqld goes on.
        release: The release.
        root: The folder of its programs.
        report: Is told what is done.
    """
    tablet = None if name in ("vtctld", "vtgate") else find_tablet(deployment, name)
    server = deployment.server(name) if tablet is None else deployment.vttablet(tablet)
    if server.pid() is None:
        raise VitessLocalError(f"{server.name} is not running.")
    present = deployment.toolchain_of(server)
    toolchain = replace(present, vitess_root=root, vitess_version=release.name)
    report(f"{server.name}: Vitess {present.vitess_version} -> {release.name}")
    changed = deployment.with_other(server, toolchain)
    changed.save()
    if name == "vtgate":
        restart_vtgate(changed, number=signal.SIGTERM, report=report)
        return changed
    server.stop(_STOP_SECONDS)
    if tablet is None:
        changed.start_vtctld()
        wait_for_vtctld(changed, report)
    else:
        start_tablet(changed, tablet.alias, wait=True, report=report)
    return changed


def change_mysql(deployment: Deployment, name: str, mysql: Toolchain, report: Report) -> Deployment:
    """Give a replica a new MySQL server of another version, and wait until it serves; return the deployment then.

    The new server's data are what it replicates of its primary's binary logs from their beginning: a folder of MySQL's
    files can only be taken over by the next version of it.

    Args:
        deployment: The cluster.
        name: The tablet.
        mysql: What has that MySQL; its Vitess does not matter.
        report: Is told what is done.
    """
    tablet = find_tablet(deployment, name)
    vttablet, mysqld = deployment.vttablet(tablet), deployment.mysqld(tablet)
    if primary_of(deployment, tablet.keyspace, tablet.shard) == tablet:
        raise VitessLocalError(
            f"{tablet.alias} is the primary of {tablet.keyspace}/{tablet.shard}, whose data would be gone.",
            remedy="Promote another tablet first (`vitess-local reparent`).",
        )
    with connect_mysqld(deployment, tablet) as connection:
        server_id = int(query(connection, "SELECT @@global.server_id")[0][0])
    report(f"{mysqld.name}: MySQL {deployment.toolchain_of(mysqld).mysql_version} -> {mysql.mysql_version}")
    changed = deployment
    # VTTablet, too, has to find the programs that it asks for their version.
    for server in (vttablet, mysqld):
        toolchain = replace(
            deployment.toolchain_of(server),
            mysql_root=mysql.mysql_root,
            mysqld=mysql.mysqld,
            mysql_template=mysql.mysql_template,
            mysql_version=mysql.mysql_version,
        )
        changed = changed.with_other(server, toolchain)
    for server in (vttablet, mysqld):
        server.stop(_STOP_SECONDS)
    shutil.rmtree(deployment.tablet_dir(tablet))
    # A server skips what a server of its own number has written, and the old one may have been the primary.
    changed.make_tablet_dir(tablet, server_id=str(server_id + _SERVER_IDS))
    changed.save()
    start_tablet(changed, tablet.alias, wait=True, report=report)
    wait_replicated(changed, tablet.keyspace, tablet.shard, report=report)
    return changed
