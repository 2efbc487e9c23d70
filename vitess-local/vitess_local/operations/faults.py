"""Faults made on purpose: kills tablets and VTGate, and starts them again."""

from __future__ import annotations

import signal

from vitess_local.errors import VitessLocalError
from vitess_local.operations.serving import wait_for_service
from vitess_local.operations.starting import make_replicate, make_writable, start_tablets
from vitess_local.operations.tablets import find_tablet, primary_of
from vitess_local.progress import Report
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet

_SERVE_SECONDS = 60.0
_END_SECONDS = 30.0


def kill_tablet(deployment: Deployment, selector: str, *, number: signal.Signals, with_mysqld: bool) -> Tablet:
    """Send a signal to a vttablet, and to its mysqld if wanted.

    Waits until they have ended, unless the signal does not end anything (STOP, CONT).
    """
    tablet = find_tablet(deployment, selector)
    servers = [deployment.vttablet(tablet)]
    if with_mysqld:
        servers.append(deployment.mysqld(tablet))
    for server in servers:
        if not server.signal(number):
            raise VitessLocalError(f"{server.name} is not running.")
    if number not in (signal.SIGSTOP, signal.SIGCONT):
        for server in servers:
            if not server.wait_ended(_END_SECONDS):
                raise VitessLocalError(f"{server.name} is still running after {number.name}.")
    return tablet


def start_tablet(deployment: Deployment, selector: str, *, wait: bool, report: Report) -> Tablet:
    """Start a tablet again, mysqld included, and wait until it serves."""
    tablet = find_tablet(deployment, selector)
    start_tablets(deployment, [tablet], report)
    if primary_of(deployment, tablet.keyspace, tablet.shard) == tablet:
        make_writable(deployment, tablet)
    else:
        make_replicate(deployment, tablet)
    if wait:
        wait_for_service(deployment, report, timeout=_SERVE_SECONDS, shards=(), tablets=[tablet])
    return tablet


def restart_vtgate(deployment: Deployment, *, number: signal.Signals, report: Report) -> None:
    """End VTGate, start it on the same ports, and wait until every running tablet serves."""
    deployment.vtgate.signal(number)
    if not deployment.vtgate.wait_ended(_END_SECONDS):
        raise VitessLocalError(f"vtgate is still running after {number.name}.")
    deployment.start_vtgate()
    running = [tablet for tablet in deployment.layout.tablets if deployment.vttablet(tablet).pid() is not None]
    wait_for_service(deployment, report, timeout=_SERVE_SECONDS, shards=(), tablets=running)
