"""A cluster as JSON: what `up` and `status` print."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from vitess_local.operations.routing import read_routing
from vitess_local.operations.serving import missing_for_service
from vitess_local.operations.tablets import tablets_seen_by_vtgate
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.ports import LOOPBACK


def describe(deployment: Deployment) -> dict[str, Any]:
    """Return everything a client or a test needs to know about a cluster."""
    layout = deployment.layout
    keyspaces = [keyspace.name for keyspace in layout.spec.keyspaces]
    mysqlds = {deployment.mysqld(tablet).name for tablet in layout.tablets}
    return {
        "name": layout.spec.name,
        "host": LOOPBACK,
        "grpc_port": layout.ports.vtgate_grpc,
        "mysql_port": layout.ports.vtgate_mysql,
        "vtgate_http_port": layout.ports.vtgate_http,
        "vtctld_grpc_port": layout.ports.vtctld_grpc,
        "vtctld_http_port": layout.ports.vtctld_http,
        "etcd_port": layout.ports.etcd_client,
        "keyspaces": keyspaces,
        "shards": {name: [shard for _, shard in layout.shards(name)] for name in keyspaces},
        "tablets": [
            {
                "alias": tablet.alias,
                **asdict(tablet),
                "mysql_socket": str(deployment.socket(tablet)),
            }
            for tablet in layout.tablets
        ],
        "data_dir": str(deployment.data_dir),
        "log_dir": str(deployment.log_dir),
        "configs": {name: str(deployment.config_file(name)) for name in keyspaces},
        "pids": {name: server.pid() for name, server in deployment.servers().items()},
        "vitess_version": deployment.toolchain.vitess_version,
        "mysql_version": deployment.toolchain.mysql_version,
        # Of servers that `change-vitess` and `change-mysql` have given other versions.
        "other_vitess_versions": {
            name: other.vitess_version for name, other in deployment.others.items() if name not in mysqlds
        },
        "other_mysql_versions": {
            name: other.mysql_version for name, other in deployment.others.items() if name in mysqlds
        },
    }


def _missing(deployment: Deployment) -> str | None:
    if deployment.vtctld.pid() is None:
        return "vtctld is not running"
    routing = read_routing(deployment)
    return missing_for_service(deployment, routing, routing.writable, deployment.layout.tablets)


def status(deployment: Deployment) -> dict[str, Any]:
    """Return the description together with what VTGate reports of the tablets."""
    missing = _missing(deployment)
    health = [
        {
            "alias": seen.alias,
            "keyspace": seen.keyspace,
            "shard": seen.shard,
            "type": seen.tablet_type,
            "state": seen.state,
        }
        for seen in tablets_seen_by_vtgate(deployment)
    ]
    return {
        **describe(deployment),
        "ready": missing is None,
        "missing": missing,
        "health": health,
    }
