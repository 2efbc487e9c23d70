"""Replaces the Vitess of a running cluster, server by server, as an upgrade or a downgrade in place does.

Vitess' own order is vtctld, each shard's replicas, its primary, and VTGate last; in between the cluster is a mixed one.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

from vitess_local.errors import VitessLocalError
from vitess_local.install.releases import Release
from vitess_local.operations.faults import restart_vtgate, start_tablet
from vitess_local.operations.tablets import find_tablet
from vitess_local.progress import Report
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.readiness import wait_for_vtctld

_STOP_SECONDS = 60.0


def change_vitess(deployment: Deployment, name: str, release: Release, root: Path, report: Report) -> Deployment:
    """Restart a server with another release, and wait until it serves; return the deployment as it is then.

    Args:
        deployment: The cluster.
        name: `vtctld`, `vtgate`, or a tablet: its vttablet is restarted, and its mysqld goes on.
        release: The release.
        root: The folder of its programs.
        report: Is told what is done.
    """
    toolchain = replace(deployment.toolchain, vitess_root=root, vitess_version=release.name)
    tablet = None if name in ("vtctld", "vtgate") else find_tablet(deployment, name)
    server = deployment.server(name) if tablet is None else deployment.vttablet(tablet)
    if server.pid() is None:
        raise VitessLocalError(f"{server.name} is not running.")
    report(f"{server.name}: Vitess {deployment.toolchain_of(server).vitess_version} -> {release.name}")
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
