"""Whether a cluster serves through VTGate: every shard, and every tablet that should."""

from __future__ import annotations

from collections.abc import Collection

import pymysql

from vitess_local.operations.routing import Routing, Shard, read_routing
from vitess_local.operations.tablets import tablets_seen_by_vtgate
from vitess_local.progress import Report
from vitess_local.servers.connections import connect_vtgate
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet
from vitess_local.servers.mysql_client import query
from vitess_local.servers.readiness import speaks_http2
from vitess_local.servers.waiting import wait_until

_SHORT_SECONDS = 5


def missing_for_service(
    deployment: Deployment, routing: Routing, shards: Collection[Shard], tablets: Collection[Tablet]
) -> str | None:
    """Return what is missing until these shards, and those of the tablets that should, serve.

    A shard serves if VTGate gets an answer from its primary; a stream of changes can
    then be opened, because the primary's binlog reader is open whenever it serves.
    """
    if not speaks_http2(deployment.layout.ports.vtgate_grpc):
        return "vtgate's gRPC port does not answer"
    seen = {health.alias: health for health in tablets_seen_by_vtgate(deployment)}
    for tablet in tablets:
        health = seen.get(tablet.alias)
        if health is None:
            if routing.uses(tablet.keyspace, tablet.shard, tablet.kind.upper()):
                return f"vtgate does not know tablet {tablet.alias}"
        elif routing.uses(health.keyspace, health.shard, health.tablet_type) and not health.serves:
            return f"tablet {tablet.alias} is {health.tablet_type} {health.state}"
    for keyspace, shard in shards:
        if (reason := shard_refuses(deployment, keyspace, shard)) is not None:
            return f"{keyspace}/{shard}: {reason}"
    return None


def shard_refuses(deployment: Deployment, keyspace: str, shard: str) -> str | None:
    """Return why the shard's primary does not answer through VTGate, or None if it does."""
    target = f"{keyspace}:{shard}@primary"
    try:
        with connect_vtgate(deployment, target, read_timeout=_SHORT_SECONDS) as connection:
            query(connection, "SELECT 1 FROM dual")
    except (pymysql.MySQLError, OSError) as error:
        return str(error.args[-1] if error.args else error)
    return None


def wait_for_service(
    deployment: Deployment,
    report: Report,
    *,
    timeout: float,
    routing: Routing | None = None,
    shards: Collection[Shard] | None = None,
    tablets: Collection[Tablet] | None = None,
) -> None:
    """Wait until shards and tablets (default: all that should) serve through VTGate.

    `routing` says what should serve; by default the topology is asked.
    """
    routed = read_routing(deployment) if routing is None else routing
    wanted_shards = routed.writable if shards is None else shards
    wanted_tablets = deployment.layout.tablets if tablets is None else tablets
    wait_until(
        lambda: missing_for_service(deployment, routed, wanted_shards, wanted_tablets),
        what="vtgate to serve every shard",
        timeout=timeout,
        report=report,
        servers=[deployment.vtgate, *(deployment.vttablet(tablet) for tablet in wanted_tablets)],
    )
