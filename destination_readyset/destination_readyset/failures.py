"""What an error of the served MySQL means, and what the user can do.

A message of MySQL's may quote a value of a row; of those only the number and the column are passed on.
"""

from __future__ import annotations

import errno
import re

import pymysql
from pymysql.constants import CR, ER
from source_vitess.errors import ConfigError, ConnectorError, InternalError, TransientError

# MySQL's errors that PyMySQL has no names for, by those of the MySQL manual ("Server Error Message Reference").
_EE_WRITE = 3
_ER_BINLOG_LOGGING_IMPOSSIBLE = 1598
_ER_DATA_OUT_OF_RANGE = 1690
_ER_ACCESS_DENIED_NO_PASSWORD_ERROR = 1698
_ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION = 1792
_ER_READ_ONLY_MODE = 1836
_ER_GIS_INVALID_DATA = 3037
_ER_BEFORE_DML_VALIDATION_ERROR = 3098
_ER_INVALID_JSON_TEXT = 3140
_ER_INVALID_JSON_TEXT_IN_PARAM = 3141
_ER_LOCK_NOWAIT = 3572
_ER_DISK_FULL_NOWAIT = 3675
_ER_CLIENT_INTERACTION_TIMEOUT = 4031
#: MariaDB's, which proxies of other makes send, too.
_ER_CONNECTION_KILLED = 1927

_MISFITS = {
    ER.BAD_NULL_ERROR,
    ER.WARN_DATA_OUT_OF_RANGE,
    ER.WARN_DATA_TRUNCATED,
    ER.TRUNCATED_WRONG_VALUE,
    ER.TRUNCATED_WRONG_VALUE_FOR_FIELD,
    ER.ILLEGAL_VALUE_FOR_TYPE,
    ER.DATA_TOO_LONG,
    ER.WRONG_VALUE_FOR_TYPE,
    ER.CANT_CREATE_GEOMETRY_OBJECT,
    _ER_DATA_OUT_OF_RANGE,
    _ER_GIS_INVALID_DATA,
    _ER_INVALID_JSON_TEXT,
    _ER_INVALID_JSON_TEXT_IN_PARAM,
}
_FULL = {
    _EE_WRITE,
    errno.ENOSPC,
    ER.DISK_FULL,
    ER.ERROR_ON_WRITE,
    ER.RECORD_FILE_FULL,
    ER.TRANS_CACHE_FULL,
    _ER_BINLOG_LOGGING_IMPOSSIBLE,
    _ER_DISK_FULL_NOWAIT,
}
_READ_ONLY = {
    ER.OPTION_PREVENTS_STATEMENT,
    _ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION,
    _ER_READ_ONLY_MODE,
    _ER_BEFORE_DML_VALIDATION_ERROR,
}
_DENIED = {
    ER.DBACCESS_DENIED_ERROR,
    ER.ACCESS_DENIED_ERROR,
    ER.TABLEACCESS_DENIED_ERROR,
    ER.COLUMNACCESS_DENIED_ERROR,
    ER.SPECIFIC_ACCESS_DENIED_ERROR,
    ER.PROCACCESS_DENIED_ERROR,
    _ER_ACCESS_DENIED_NO_PASSWORD_ERROR,
}
_LOST = {
    CR.CR_CONN_HOST_ERROR,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
    CR.CR_COMMANDS_OUT_OF_SYNC,
    CR.CR_SERVER_LOST_EXTENDED,
    ER.SERVER_SHUTDOWN,
    ER.NORMAL_SHUTDOWN,
    ER.SHUTDOWN_COMPLETE,
    ER.FORCING_CLOSE,
    ER.ABORTING_CONNECTION,
    ER.NET_READ_ERROR,
    ER.NET_READ_INTERRUPTED,
    ER.NET_ERROR_ON_WRITE,
    ER.NET_WRITE_INTERRUPTED,
    _ER_CONNECTION_KILLED,
    _ER_CLIENT_INTERACTION_TIMEOUT,
}
_BUSY = {
    ER.LOCK_WAIT_TIMEOUT,
    ER.LOCK_DEADLOCK,
    ER.CON_COUNT_ERROR,
    ER.TOO_MANY_USER_CONNECTIONS,
    _ER_LOCK_NOWAIT,
}
#: Somebody else changed or dropped the table.
_CHANGED = {ER.BAD_FIELD_ERROR, ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR}

_COLUMN = re.compile(r"(?:for column|Column) '((?:[^'`]|'')+?)'|for column `[^`]*`\.`[^`]*`\.`([^`]+)`")


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
            f"The served MySQL is out of space{where} (error {number}): the disk, the table space or the binlog's "
            "cache (max_binlog_cache_size) is full. Free some; nothing since the last state was written.",
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
    if number == ER.NET_PACKET_TOO_LARGE:
        return ConfigError(
            f"A row is longer than the served MySQL takes{where}. Raise max_allowed_packet.", detail=detail
        )
    if number in (ER.TOO_BIG_ROWSIZE, ER.TOO_LONG_KEY):
        what = "a row" if number == ER.TOO_BIG_ROWSIZE else "a key"
        return ConfigError(
            f"The served MySQL cannot hold {what} this long (error {number}). Deselect columns, or use exact_types.",
            detail=f"{detail}: {text}",
        )
    if (number == CR.CR_CONN_HOST_ERROR and "getaddrinfo" in text) or "Name or service" in text:
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
    if number in _CHANGED:
        return ConfigError(
            f"The served table {table or '(unknown)'} is not as this destination made it (error {number}): somebody "
            "changed or dropped it. Sync again; if that does not help, refresh the stream.",
            detail=detail,
        )
    return InternalError(f"The served MySQL refused a statement{where} (error {number}).", detail=detail)
