"""The connection to the served MySQL."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pymysql
from source_vitess.naming import quote_identifier

from destination_readyset.config import Address
from destination_readyset.failures import describe
from destination_readyset.values import quote

if TYPE_CHECKING:
    # Generic in the type stubs only.
    Connection = pymysql.Connection[pymysql.cursors.Cursor]
else:
    Connection = pymysql.Connection

Row = tuple[Any, ...]

CONNECT_TIMEOUT = 10
#: Seconds without a byte while a statement runs. The rollback or commit of millions of rows takes minutes.
STATEMENT_TIMEOUT = 1800

# Strict: a value that does not fit is an error, never a shortened value. ALLOW_INVALID_DATES is not set: the source
# sends no such date. Backslashes are plain characters, see `values`.
SQL_MODE = "STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,NO_AUTO_VALUE_ON_ZERO,ERROR_FOR_DIVISION_BY_ZERO"
_SESSION = f"""
SET SESSION sql_mode = '{SQL_MODE}', time_zone = '+00:00', foreign_key_checks = 0, wait_timeout = 2147483,
    innodb_lock_wait_timeout = 120, group_concat_max_len = 1048576"""


def connect(
    address: Address, *, autocommit: bool = True, session: bool = True, timeout: float = STATEMENT_TIMEOUT
) -> Connection:
    """Opens a connection whose session is as this package's SQL needs it.

    Args:
        address: The server.
        autocommit: False to commit by hand.
        session: False to leave the session alone, for a ReadySet.
        timeout: Seconds without a byte after which a statement, or the login, has failed.

    Raises:
        ConfigError: The host, the user or the certificate is wrong.
        TransientError: The server cannot be reached now.
    """
    try:
        connection = pymysql.connect(
            host=address.host,
            port=address.port,
            user=address.username,
            # As bytes, because PyMySQL would encode text as Latin-1.
            password=address.password.encode(),
            charset="utf8mb4",
            autocommit=autocommit,
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=timeout,
            write_timeout=timeout,
            **_tls(address),
        )
        if session:
            query(connection, _SESSION)
    except pymysql.MySQLError as error:
        raise describe(error) from error
    return connection


def query(connection: Connection, sql: str) -> list[Row]:
    """Runs a statement and returns its rows.

    Raises:
        ConnectorError: As `describe` says.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())
    except pymysql.MySQLError as error:
        raise describe(error) from error


def create_database(connection: Connection, name: str) -> None:
    """Makes a database if there is none of that name.

    It is looked for first: a statement that changes nothing is in the binlog too, where ReadySet takes it for a change
    of the schema, and refuses the deep caches that are being made at that moment.

    Raises:
        ConnectorError: As `describe` says.
    """
    if not query(connection, f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {quote(name)}"):
        query(connection, f"CREATE DATABASE IF NOT EXISTS {quote_identifier(name)} CHARACTER SET utf8mb4")


def _tls(address: Address) -> dict[str, Any]:
    """Returns PyMySQL's arguments; by itself it encrypts if the server can, without verifying the certificate."""
    if address.tls == "preferred":
        return {}
    if address.tls == "disabled":
        return {"ssl_disabled": True}
    context = ssl.create_default_context(cadata=address.ca_certificate or None)
    if address.tls == "required":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}
