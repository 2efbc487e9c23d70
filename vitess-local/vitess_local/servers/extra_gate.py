"""More VTGates in front of the same tablets, with flags of their own: TLS, passwords, limits.

They come and go with a `with` block; the cluster's own VTGate, which this package uses itself, stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from vitess_local.progress import Tell
from vitess_local.servers import command_lines
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.ports import LOOPBACK, accepts_connections
from vitess_local.servers.server import Server
from vitess_local.servers.waiting import wait_until

_START_SECONDS = 60
_END_SECONDS = 30

#: HTTP, gRPC and MySQL.
PORTS = 3


@dataclass(frozen=True)
class Gate:
    """A VTGate besides the cluster's own.

    Attributes:
        server: Its process.
        grpc_port: Its gRPC port.
        mysql_port: Its MySQL port.
    """

    server: Server
    grpc_port: int
    mysql_port: int

    def url(self, keyspace: str, *, host: str = LOOPBACK) -> str:
        """Return the connector's `url` for a keyspace behind this gate."""
        return f"vitess://{host}:{self.grpc_port}/{keyspace}?mysql_port={self.mysql_port}"


@contextmanager
def running_gate(
    deployment: Deployment, name: str, ports: Sequence[int], args: Sequence[str], tell: Tell
) -> Iterator[Gate]:
    """Start a VTGate, wait until both of its ports take connections, and end it afterwards.

    It is up then, but may see the tablets only a moment later.
    """
    http, grpc, mysql = ports
    own = replace(deployment.topology.ports, vtgate_http=http, vtgate_grpc=grpc, vtgate_mysql=mysql)
    topology = replace(deployment.topology, ports=own)
    server = deployment.extra_gate(name)
    argv = [*command_lines.vtgate_argv(deployment.toolchain, topology), *args]
    server.start(
        argv,
        account=deployment.account,
        cwd=deployment.data_dir,
        env=deployment.toolchain.environment(deployment.data_dir),
    )
    try:
        wait_until(
            lambda: None if accepts_connections(grpc) and accepts_connections(mysql) else "it does not listen yet",
            what=server.name,
            timeout=_START_SECONDS,
            tell=tell,
            servers=[server],
        )
        yield Gate(server, grpc, mysql)
    finally:
        server.stop(_END_SECONDS)
