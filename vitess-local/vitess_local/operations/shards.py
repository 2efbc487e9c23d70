"""Adds shards to a cluster and removes them: their tablets, not their data, which Vitess moves (`resharding`)."""

from __future__ import annotations

import shutil

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.operations.starting import give_primaries, start_tablets
from vitess_local.operations.tablets import tablets_seen_by_vtgate
from vitess_local.progress import Report
from vitess_local.servers import registry
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet, ports_needed
from vitess_local.servers.server import kill_all
from vitess_local.servers.waiting import wait_until

_SERVE_SECONDS = 60.0


def add_tablets(cache: Cache, deployment: Deployment, keyspace: str, shards: tuple[str, ...]) -> Deployment:
    """Lay out tablets for more shards; nothing is started."""
    layout = deployment.layout
    if keyspace not in {known.name for known in layout.spec.keyspaces}:
        raise VitessLocalError(f"There is no keyspace {keyspace}.")
    with registry.free_ports(cache, ports_needed(layout.spec, len(shards))) as ports:
        grown = deployment.with_layout(layout.with_shards(keyspace, shards, ports))
        grown.save()
    return grown


def start_shards(deployment: Deployment, keyspace: str, shards: tuple[str, ...], report: Report) -> None:
    """Start the tablets of shards that the layout already has, each with a primary."""
    wanted = [t for t in deployment.layout.tablets if t.keyspace == keyspace and t.shard in shards]
    start_tablets(deployment, wanted, report)
    pairs = [(keyspace, shard) for shard in shards]
    give_primaries(deployment, pairs, report)
    wait_until(
        lambda: _primaries_unknown(deployment, pairs),
        what="vtgate to know the new shards",
        timeout=_SERVE_SECONDS,
        report=report,
        servers=[deployment.vtgate, *(deployment.vttablet(tablet) for tablet in wanted)],
    )


def _primaries_unknown(deployment: Deployment, shards: list[tuple[str, str]]) -> str | None:
    """Return the shards of which VTGate sees no primary.

    Serving is not asked for: shards that overlap the serving ones have to wait.
    """
    seen = {
        (health.keyspace, health.shard)
        for health in tablets_seen_by_vtgate(deployment)
        if health.tablet_type == "PRIMARY"
    }
    unknown = [f"{keyspace}/{shard}" for keyspace, shard in shards if (keyspace, shard) not in seen]
    return ", ".join(unknown) or None


def remove_tablets(deployment: Deployment, keyspace: str, shards: tuple[str, ...]) -> Deployment:
    """End the tablets of shards that Vitess no longer knows and delete their data."""
    gone: list[Tablet] = [
        tablet for tablet in deployment.layout.tablets if tablet.keyspace == keyspace and tablet.shard in shards
    ]
    kill_all(server(tablet) for tablet in gone for server in (deployment.vttablet, deployment.mysqld))
    for tablet in gone:
        shutil.rmtree(deployment.tablet_dir(tablet), ignore_errors=True)
    shrunk = deployment.with_layout(deployment.layout.without_shards(keyspace, shards))
    shrunk.save()
    return shrunk
