"""Changes primaries, and kills and restarts servers on purpose."""

from __future__ import annotations

import signal

from vitess_local.errors import VitessLocalError
from vitess_local.operations.bringup import make_replicate, make_writable, start_tablets
from vitess_local.operations.serving import shard_refuses, tablets_seen_by_vtgate, wait_for_service
from vitess_local.operations.tablets import find_tablet, primary_of
from vitess_local.progress import Tell
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet
from vitess_local.servers.vtctl import vtctl
from vitess_local.servers.waiting import wait_until

_SERVE_SECONDS = 60.0
_END_SECONDS = 30.0


def reparent(
    deployment: Deployment,
    keyspace: str,
    shard: str,
    *,
    emergency: bool,
    to: str | None,
    tell: Tell,
) -> Tablet:
    """Promote another tablet and wait until VTGate sends the shard's queries to it.

    A planned reparent needs the present primary and loses nothing. An emergency one
    works without it, and drops what the old primary had not replicated.
    """
    old = primary_of(deployment, keyspace, shard)
    new = find_tablet(deployment, to) if to is not None else _candidate(deployment, old)
    command = "EmergencyReparentShard" if emergency else "PlannedReparentShard"
    tell(f"{command} {keyspace}/{shard}: {old.alias} -> {new.alias}")
    ignored = _ignored(deployment, keyspace, shard) if emergency else []
    vtctl(deployment, command, f"{keyspace}/{shard}", f"--new-primary={new.alias}", *ignored)
    _wait_for_primary(deployment, new, tell)
    return new


def _candidate(deployment: Deployment, old: Tablet) -> Tablet:
    for tablet in deployment.topology.of_shard(old.keyspace, old.shard):
        alive = deployment.vttablet(tablet).pid() is not None
        if tablet != old and tablet.kind == "replica" and alive:
            return tablet
    raise VitessLocalError(
        f"{old.keyspace}/{old.shard} has no running replica to promote.",
        remedy="Start the cluster with --replicas 1 or more.",
    )


def _ignored(deployment: Deployment, keyspace: str, shard: str) -> list[str]:
    """Name the dead tablets: Vitess would otherwise wait 15 s for each answer."""
    return [
        f"--ignore-replicas={tablet.alias}"
        for tablet in deployment.topology.of_shard(keyspace, shard)
        if deployment.vttablet(tablet).pid() is None
    ]


def _wait_for_primary(deployment: Deployment, new: Tablet, tell: Tell) -> None:
    def check() -> str | None:
        for seen in tablets_seen_by_vtgate(deployment):
            if seen.alias == new.alias and seen.tablet_type == "PRIMARY" and seen.serves:
                return shard_refuses(deployment, new.keyspace, new.shard)
        return f"vtgate does not see {new.alias} as primary yet"

    wait_until(
        check,
        what=f"{new.keyspace}/{new.shard} to serve from {new.alias}",
        timeout=_SERVE_SECONDS,
        tell=tell,
        servers=[deployment.vtgate, deployment.vttablet(new)],
    )


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


def start_tablet(deployment: Deployment, selector: str, *, wait: bool, tell: Tell) -> Tablet:
    """Start a tablet again, mysqld included, and wait until it serves."""
    tablet = find_tablet(deployment, selector)
    start_tablets(deployment, [tablet], tell)
    if primary_of(deployment, tablet.keyspace, tablet.shard) == tablet:
        make_writable(deployment, tablet)
    else:
        make_replicate(deployment, tablet)
    if wait:
        wait_for_service(deployment, tell, timeout=_SERVE_SECONDS, shards=(), tablets=[tablet])
    return tablet


def restart_vtgate(deployment: Deployment, *, number: signal.Signals, tell: Tell) -> None:
    """End VTGate, start it on the same ports, and wait until every running tablet serves."""
    deployment.vtgate.signal(number)
    if not deployment.vtgate.wait_ended(_END_SECONDS):
        raise VitessLocalError(f"vtgate is still running after {number.name}.")
    deployment.start_vtgate()
    running = [tablet for tablet in deployment.topology.tablets if deployment.vttablet(tablet).pid() is not None]
    wait_for_service(deployment, tell, timeout=_SERVE_SECONDS, shards=(), tablets=running)
