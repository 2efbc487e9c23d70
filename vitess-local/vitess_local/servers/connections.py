"""Connections to a cluster: through VTGate as a client, or past it to one tablet's MySQL server."""

from __future__ import annotations

import socket
from typing import Any

from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet
from vitess_local.servers.mysql_client import CONNECT_SECONDS, Connection, connect
from vitess_local.servers.ports import LOOPBACK


def connect_vtgate(deployment: Deployment, target: str = "", **options: Any) -> Connection:
    """Connect to VTGate; `target` is a keyspace, or a shard such as `ks:-80@primary`.

    `options` go to `pymysql.connect`.
    """
    port = deployment.layout.ports.vtgate_mysql
    return connect(**{"host": LOOPBACK, "port": port, "user": "local", "database": target or None, **options})


def connect_mysqld(deployment: Deployment, tablet: Tablet, **options: Any) -> Connection:
    """Connect to a tablet's own MySQL server as its administrator.

    The account has no password and is only accepted through the socket
    (config/init_db.sql in the Vitess module).
    """
    path = str(deployment.socket(tablet))
    # PyMySQL leaks its socket if nobody listens on the other end, so that is asked first.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_SECONDS)
        probe.connect(path)
    return connect(**{"unix_socket": path, "user": "vt_dba", **options})
