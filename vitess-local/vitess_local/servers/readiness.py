"""Whether a single server answers, as soon as it has been started."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request

import pymysql

from vitess_local.progress import Report
from vitess_local.servers.connections import connect_mysqld
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet
from vitess_local.servers.ports import LOOPBACK, accepts_connections
from vitess_local.servers.waiting import wait_until

# What an HTTP/2 client sends first, with an empty SETTINGS frame (RFC 9113, 3.4 and 6.5).
_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
_SETTINGS_FRAME = 4

_SHORT_SECONDS = 5
_START_SECONDS = 60


def speaks_http2(port: int) -> bool:
    """Return whether a gRPC server answers on this port: it must send its settings first."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_SHORT_SECONDS) as connection:
            connection.sendall(_HTTP2_HELLO)
            header = connection.recv(9)
    except OSError:
        return False
    return len(header) == 9 and header[3] == _SETTINGS_FRAME


def etcd_is_healthy(deployment: Deployment) -> bool:
    """Return whether etcd has a leader, which is when it accepts writes."""
    address = f"http://{LOOPBACK}:{deployment.layout.ports.etcd_client}/health"
    try:
        with urllib.request.urlopen(address, timeout=_SHORT_SECONDS) as answer:
            return bool(json.load(answer).get("health") == "true")
    except (urllib.error.URLError, OSError, ValueError):
        return False


def wait_for_mysqld(deployment: Deployment, tablet: Tablet, report: Report) -> None:
    """Wait until a tablet's MySQL server accepts its administrator."""

    def check() -> str | None:
        try:
            with connect_mysqld(deployment, tablet):
                return None
        except (pymysql.MySQLError, OSError) as error:
            return str(error.args[-1])

    server = deployment.mysqld(tablet)
    wait_until(check, what=server.name, timeout=_START_SECONDS, report=report, servers=[server])


def wait_for_vttablet(deployment: Deployment, tablet: Tablet, report: Report) -> None:
    """Wait until a vttablet accepts calls: it listens only after it has registered itself."""
    server = deployment.vttablet(tablet)
    wait_until(
        lambda: None if accepts_connections(tablet.grpc_port) else "it does not listen yet",
        what=server.name,
        timeout=_START_SECONDS,
        report=report,
        servers=[server, deployment.mysqld(tablet)],
    )


def wait_for_etcd(deployment: Deployment, report: Report) -> None:
    """Wait until etcd accepts writes."""
    wait_until(
        lambda: None if etcd_is_healthy(deployment) else "it is not healthy yet",
        what="etcd",
        timeout=_START_SECONDS,
        report=report,
        servers=[deployment.etcd],
    )


def wait_for_vtctld(deployment: Deployment, report: Report) -> None:
    """Wait until vtctld accepts commands."""
    port = deployment.layout.ports.vtctld_grpc
    wait_until(
        lambda: None if accepts_connections(port) else "it does not listen yet",
        what="vtctld",
        timeout=_START_SECONDS,
        report=report,
        servers=[deployment.vtctld, deployment.etcd],
    )
