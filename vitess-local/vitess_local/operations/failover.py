"""Promotes another tablet of a shard, planned or in an emergency."""

from __future__ import annotations

from vitess_local.errors import VitessLocalError
from vitess_local.operations.serving import shard_refuses
from vitess_local.operations.tablets import find_tablet, primary_of, tablets_seen_by_vtgate
from vitess_local.progress import Report
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
    report: Report,
) -> Tablet:
    """Promote another tablet and wait until VTGate sends the shard's queries to it.

    A planned reparent needs the present primary and loses nothing. An emergency one
    works without it, and drops what the old primary had not replicated.
    """
    old = primary_of(deployment, keyspace, shard)
    new = find_tablet(deployment, to) if to is not None else _candidate(deployment, old)
    command = "EmergencyReparentShard" if emergency else "PlannedReparentShard"
    report(f"{command} {keyspace}/{shard}: {old.alias} -> {new.alias}")
    # Else Vitess takes the slowest of those that answer for the dead primary, cancels its own question to it, and gives
    # up for that (go/vt/vtctl/reparentutil/replication.go, stopReplicationAndBuildStatusMaps).
    flags = ["--wait-for-all-tablets", *_ignored(deployment, keyspace, shard)] if emergency else []
    vtctl(deployment, command, f"{keyspace}/{shard}", f"--new-primary={new.alias}", *flags)
    _wait_for_primary(deployment, new, report)
    return new


def _candidate(deployment: Deployment, old: Tablet) -> Tablet:
    for tablet in deployment.layout.of_shard(old.keyspace, old.shard):
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
        for tablet in deployment.layout.of_shard(keyspace, shard)
        if deployment.vttablet(tablet).pid() is None
    ]


def _wait_for_primary(deployment: Deployment, new: Tablet, report: Report) -> None:
    def check() -> str | None:
        for seen in tablets_seen_by_vtgate(deployment):
            if seen.alias == new.alias and seen.tablet_type == "PRIMARY" and seen.serves:
                return shard_refuses(deployment, new.keyspace, new.shard)
        return f"vtgate does not see {new.alias} as primary yet"

    wait_until(
        check,
        what=f"{new.keyspace}/{new.shard} to serve from {new.alias}",
        timeout=_SERVE_SECONDS,
        report=report,
        servers=[deployment.vtgate, deployment.vttablet(new)],
    )
