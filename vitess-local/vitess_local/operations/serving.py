"""Asks whether a cluster serves: every shard, every tablet, and the gRPC port."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass

import pymysql

from vitess_local.operations.routing import Routing, Shard, read_routing
from vitess_local.progress import Tell
from vitess_local.servers.connections import connect_mysqld, connect_vtgate, query
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet
from vitess_local.servers.ports import LOOPBACK, accepts_connections
from vitess_local.servers.waiting import wait_until

# What an HTTP/2 client says first, with an empty SETTINGS frame (RFC 9113, 3.4 and 6.5).
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
_SETTINGS_FRAME = 4

_SHORT_SECONDS = 5


@dataclass(frozen=True)
class TabletHealth:
    """A tablet as VTGate sees it."""

    keyspace: str
    shard: str
    tablet_type: str
    state: str
    alias: str

    @property
    def serves(self) -> bool:
        """Tell whether VTGate would send it queries and streams."""
        return self.state == "SERVING"


def tablets_seen_by_vtgate(deployment: Deployment) -> list[TabletHealth]:
    """Return VTGate's view of the tablets; empty if VTGate does not answer."""
    try:
        with connect_vtgate(deployment, read_timeout=_SHORT_SECONDS) as connection:
            rows = query(connection, "SHOW VITESS_TABLETS")
    except (pymysql.MySQLError, OSError):
        return []
    # Cell, Keyspace, Shard, TabletType, State, Alias, Hostname, PrimaryTermStartTime
    return [TabletHealth(row[1], row[2], row[3], row[4], row[5]) for row in rows]


def missing_for_service(
    deployment: Deployment, routing: Routing, shards: Collection[Shard], tablets: Collection[Tablet]
) -> str | None:
    """Return what is missing until these shards, and those of the tablets that should, serve.

    A shard serves if VTGate gets an answer from its primary; a stream of changes can
    then be opened, because the primary's binlog reader is open whenever it serves.
    """
    if not speaks_http2(deployment.topology.ports.vtgate_grpc):
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


def speaks_http2(port: int) -> bool:
    """Tell whether a gRPC server answers on this port: it must send its settings first."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_SHORT_SECONDS) as connection:
            connection.sendall(_HTTP2_HELLO)
            header = connection.recv(9)
    except OSError:
        return False
    return len(header) == 9 and header[3] == _SETTINGS_FRAME


def etcd_is_healthy(deployment: Deployment) -> bool:
    """Tell whether etcd has a leader, which is when it accepts writes."""
    address = f"http://{LOOPBACK}:{deployment.topology.ports.etcd_client}/health"
    try:
        with urllib.request.urlopen(address, timeout=_SHORT_SECONDS) as answer:
            return bool(json.load(answer).get("health") == "true")
    except (urllib.error.URLError, OSError, ValueError):
        return False


def wait_for_mysqld(deployment: Deployment, tablet: Tablet, tell: Tell) -> None:
    """Wait until a tablet's MySQL server lets its administrator in."""

    def check() -> str | None:
        try:
            with connect_mysqld(deployment, tablet):
                return None
        except (pymysql.MySQLError, OSError) as error:
            return str(error.args[-1])

    server = deployment.mysqld(tablet)
    wait_until(check, what=server.name, timeout=60, tell=tell, servers=[server])


def wait_for_vttablet(deployment: Deployment, tablet: Tablet, tell: Tell) -> None:
    """Wait until a vttablet takes orders: it listens only after it has registered itself."""
    server = deployment.vttablet(tablet)
    wait_until(
        lambda: None if accepts_connections(tablet.grpc_port) else "it does not listen yet",
        what=server.name,
        timeout=60,
        tell=tell,
        servers=[server, deployment.mysqld(tablet)],
    )


def wait_for_service(
    deployment: Deployment,
    tell: Tell,
    *,
    timeout: float,
    routing: Routing | None = None,
    shards: Collection[Shard] | None = None,
    tablets: Collection[Tablet] | None = None,
) -> None:
    """Wait until shards and tablets (default: all that should) serve through VTGate.

    What should serve is asked of the topology, unless `routing` says it.
    """
    routed = read_routing(deployment) if routing is None else routing
    wanted_shards = routed.writable if shards is None else shards
    wanted_tablets = deployment.topology.tablets if tablets is None else tablets
    wait_until(
        lambda: missing_for_service(deployment, routed, wanted_shards, wanted_tablets),
        what="vtgate to serve every shard",
        timeout=timeout,
        tell=tell,
        servers=[deployment.vtgate, *(deployment.vttablet(tablet) for tablet in wanted_tablets)],
    )
