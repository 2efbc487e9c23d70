"""The connection to the served MySQL, and what its errors mean.

A message of MySQL's may quote a value of a row; of those only the number and the column are passed on.
"""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Any

import pymysql
from source_vitess.errors import ConfigError, ConnectorError, InternalError, TransientError

from destination_readyset.config import Address

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

_MISFITS = {1048, 1264, 1265, 1292, 1366, 1406, 3140, 3141, 1416, 3037, 1411, 1690, 1367}
_FULL = {3, 28, 1021, 1026, 1114, 1197, 3675, 1598}
_READ_ONLY = {1290, 1836, 1792, 3098}
_DENIED = {1044, 1045, 1142, 1143, 1227, 1370, 1698}
_LOST = {2003, 2006, 2013, 2014, 2055, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1927, 4031}
_BUSY = {1205, 1213, 3572, 1040, 1203}
_COLUMN = re.compile(r"(?:for column|Column) '((?:[^'`]|'')+?)'|for column `[^`]*`\.`[^`]*`\.`([^`]+)`")


def connect(address: Address, *, autocommit: bool = True, session: bool = True) -> Connection:
    """Opens a connection whose session is as this package's SQL needs it.

    Args:
        address: The server.
        autocommit: False to commit by hand.
        session: False to leave the session alone, for a ReadySet.

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
            read_timeout=STATEMENT_TIMEOUT,
            write_timeout=STATEMENT_TIMEOUT,
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


def describe(error: pymysql.MySQLError, table: str = "") -> ConnectorError:
    """Returns our error for one of PyMySQL's.

    Args:
        error: What it raised.
        table: The table that was written; empty for other statements.
    """
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else ""
    where = f" while table {table} was written" if table else ""
    detail = f"MySQL error {number}{where}"
    if number in _MISFITS:
        match = _COLUMN.search(text)
        column = f"column {match[1] or match[2]!r}" if match else "a column"
        return ConfigError(
            f"A value does not fit {column} of the served table {table or '(unknown)'} (MySQL error {number}). Nothing "
            "since the last state was written. If the keyspace's column was changed, refresh the source's schema and "
            "sync again; else refresh the stream.",
            detail=detail,
        )
    if number in _FULL:
        return TransientError(
            f"The served MySQL has no room{where} (error {number}): the disk, the table space or the binlog's cache "
            "(max_binlog_cache_size) is full. Make room; nothing since the last state was written.",
            detail=detail,
        )
    if number in _READ_ONLY:
        return ConfigError(
            f"The served MySQL takes no writes (error {number}): it is read-only. Give the address of the primary, or "
            "set read_only and super_read_only to OFF.",
            detail=f"{detail}: {text}",
        )
    if number in _DENIED:
        return ConfigError(
            f"The served MySQL refuses the user{where} (error {number}). Check the user name and the password, and "
            "the grants that the documentation lists.",
            detail=f"{detail}: {text}",
        )
    if number == 1153:
        return ConfigError(
            f"A row is longer than the served MySQL takes{where}. Raise max_allowed_packet.", detail=detail
        )
    if number == 1118 or number == 1071:
        return ConfigError(
            f"The served MySQL cannot hold {'a row' if number == 1118 else 'a key'} this long (error {number}). "
            "Deselect columns, or use exact_types.",
            detail=f"{detail}: {text}",
        )
    if (number == 2003 and "getaddrinfo" in text) or "Name or service" in text:
        return TransientError("The host of the served MySQL cannot be resolved. Check the field host.", detail=detail)
    if number in _LOST or number == 0:
        return TransientError(
            f"The connection to the served MySQL was lost, or cannot be made{where} (error {number}). Nothing since "
            "the last state was written.",
            detail=detail,
        )
    if number in _BUSY:
        return TransientError(
            f"The served MySQL is busy with other work on the same rows{where} (error {number}).", detail=detail
        )
    if number in (1054, 1146, 1049):
        return ConfigError(
            f"The served table {table or '(unknown)'} is not as this destination made it (error {number}): somebody "
            "changed or dropped it. Sync again; if that does not help, refresh the stream.",
            detail=detail,
        )
    return InternalError(f"The served MySQL refused a statement{where} (error {number}).", detail=detail)


def _tls(address: Address) -> dict[str, Any]:
    """Returns PyMySQL's arguments; by itself it encrypts if the server can, without a look at the certificate."""
    if address.tls == "preferred":
        return {}
    if address.tls == "disabled":
        return {"ssl_disabled": True}
    context = ssl.create_default_context(cadata=address.ca_certificate or None)
    if address.tls == "required":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}
