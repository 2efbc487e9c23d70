"""More VTGates in front of the same tablets, with flags of their own: TLS, passwords, limits.

Each runs until the end of a `with` block; the cluster's own VTGate, which this package uses itself, is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from vitess_local.cache import Cache
from vitess_local.progress import Report
from vitess_local.servers import command_lines, registry
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Ports
from vitess_local.servers.ports import LOOPBACK, accepts_connections
from vitess_local.servers.server import Server
from vitess_local.servers.waiting import wait_until

_START_SECONDS = 60
_END_SECONDS = 30

# HTTP, gRPC and MySQL.
_PORTS = 3


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


def gate_argv(deployment: Deployment, ports: Ports, args: Sequence[str]) -> list[str | Path]:
    """Return the command of a VTGate on other ports, whose own flags come last, as its release spells them."""
    spec = deployment.layout.spec
    own = replace(spec, vtgate_args=(*spec.vtgate_args, *args))
    layout = replace(deployment.layout, ports=ports, spec=own)
    return command_lines.vtgate_argv(deployment.toolchain_of(deployment.vtgate), layout)


@contextmanager
def extra_gate(cache: Cache, deployment: Deployment, name: str, args: Sequence[str], report: Report) -> Iterator[Gate]:
    """Start a VTGate on free ports, wait until both of its ports take connections, and end it afterwards.

    It accepts connections then, but may see the tablets only a moment later.
    """
    server = deployment.extra_gate(name)
    with ExitStack() as stack:
        # Until it listens, another process could choose the same ports.
        with registry.free_ports(cache, _PORTS) as (http, grpc, mysql):
            own = replace(deployment.layout.ports, vtgate_http=http, vtgate_grpc=grpc, vtgate_mysql=mysql)
            stack.callback(server.stop, _END_SECONDS)
            deployment.start(server, gate_argv(deployment, own, args))
            wait_until(
                lambda: None if accepts_connections(grpc) and accepts_connections(mysql) else "it does not listen yet",
                what=server.name,
                timeout=_START_SECONDS,
                report=report,
                servers=[server],
            )
        yield Gate(server, grpc, mysql)
