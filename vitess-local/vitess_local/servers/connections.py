"""MySQL connections: through VTGate as a client, or past it to one tablet's server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import CLIENT

from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet
from vitess_local.servers.ports import LOOPBACK

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

    # Generic in the type stubs only.
    Connection = pymysql.connections.Connection[Cursor]
else:
    Connection = pymysql.connections.Connection
Rows = list[tuple[Any, ...]]

_CONNECT_SECONDS = 10


def connect_vtgate(deployment: Deployment, target: str = "", **options: Any) -> Connection:
    """Connect to VTGate; `target` is a keyspace, or a shard such as `ks:-80@primary`.

    Each statement commits by itself; `options` go to `pymysql.connect`.
    """
    settings: dict[str, Any] = {
        "host": LOOPBACK,
        "port": deployment.topology.ports.vtgate_mysql,
        "user": "local",
        "database": target or None,
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": _CONNECT_SECONDS,
    }
    return pymysql.connect(**{**settings, **options})


def connect_mysqld(deployment: Deployment, tablet: Tablet, **options: Any) -> Connection:
    """Connect to a tablet's own MySQL server as its administrator.

    The account has no password and is only let in through the socket
    (config/init_db.sql in the Vitess module).
    """
    path = str(deployment.socket(tablet))
    # PyMySQL leaks its socket if nobody listens on the other end, so that is asked first.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        probe.connect(path)
    settings: dict[str, Any] = {
        "unix_socket": path,
        "user": "vt_dba",
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": _CONNECT_SECONDS,
    }
    return pymysql.connect(**{**settings, **options})


def query(connection: Connection, text: str) -> Rows:
    """Run one statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(text)
        return list(cursor.fetchall())


def query_dicts(connection: Connection, text: str) -> list[dict[str, Any]]:
    """Run one statement and return its rows by column name."""
    return list(script_results(connection, text))


def script_results(connection: Connection, script: str) -> Iterator[dict[str, Any]]:
    """Run statements separated by semicolons and yield the rows of all of them.

    Stops at the first error. For more than one statement, the connection must have been
    opened with `client_flag=MULTI_STATEMENTS`.
    """
    with connection.cursor() as cursor:
        cursor.execute(script)
        while True:
            if cursor.description is not None:
                names = [column[0] for column in cursor.description]
                for row in cursor.fetchall():
                    yield dict(zip(names, row, strict=True))
            if not cursor.nextset():
                return


MULTI_STATEMENTS = CLIENT.MULTI_STATEMENTS
