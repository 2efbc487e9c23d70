"""A client of MySQL: connecting with the settings used here, and running statements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import CLIENT

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

    # Generic in the type stubs only.
    Connection = pymysql.connections.Connection[Cursor]
else:
    Connection = pymysql.connections.Connection
Rows = list[tuple[Any, ...]]

MULTI_STATEMENTS = CLIENT.MULTI_STATEMENTS
CONNECT_SECONDS = 10


def connect(**options: Any) -> Connection:
    """Connect with `pymysql.connect`; each statement commits by itself unless `options` say otherwise."""
    settings: dict[str, Any] = {"charset": "utf8mb4", "autocommit": True, "connect_timeout": CONNECT_SECONDS}
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
