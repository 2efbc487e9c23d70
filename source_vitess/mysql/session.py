"""A connection to VTGate's MySQL port.

- A session has a target: `keyspace`, `keyspace:shard` or `keyspace:shard@type`. A statement sent to a target with a
  shard goes to one tablet of that shard.
- Autocommit is on: inside a transaction VTGate refuses to change the type of tablet (errno 1192).
- The workload is OLTP but for `query_large`. In the OLAP workload a statement that fails after the names of its
  columns were sent is never answered, as seen with v24.0.0, so that the error would be a timeout.
- PyMySQL ≥ 1.2 encrypts the connection if the server can, without looking at its certificate.
- Statements are sent as text. VTGate's prepared statements are never used.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import pymysql

from source_vitess.config import Config
from source_vitess.mysql.failures import ANONYMOUS, describe
from source_vitess.naming import quote_identifier

#: Seconds until a connection must stand.
CONNECT_TIMEOUT = 10.0
#: Seconds without a byte from VTGate while a statement runs. The columns of 5,000 tables take about a second.
STATEMENT_TIMEOUT = 120.0

Row = tuple[Any, ...]


class VtgateSession:
    """A connection that is open until `close` or the end of the `with` block. For one thread at a time."""

    def __init__(self, connection: pymysql.Connection[pymysql.cursors.Cursor]) -> None:
        self._connection = connection

    @classmethod
    def connect(
        cls,
        config: Config,
        target: str = "",
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        statement_timeout: float = STATEMENT_TIMEOUT,
    ) -> VtgateSession:
        """Opens a connection.

        Raises:
            ConfigError: The server cannot be found, is none, or refuses the credentials or the target.
            TransientError: The server cannot be reached now.
        """
        session = cls(pymysql.Connection(defer_connect=True, **_arguments(config, connect_timeout, statement_timeout)))
        try:
            session._connection.connect()
        except pymysql.MySQLError as error:
            raise describe(error) from error
        if target:
            try:
                session.use(target)
            except BaseException:
                session.close()
                raise
        return session

    def use(self, target: str) -> None:
        """Sends the statements that follow to another target.

        Raises:
            ConfigError: VTGate does not know the keyspace.
            TransientError: The connection was lost.
        """
        self.query(f"use {quote_identifier(target)}")

    def query(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        """Runs a statement and returns all of its rows.

        Args:
            sql: The statement, `%s` for each argument, `%%` for a percent sign if there are arguments.
            args: Values, quoted on this side.

        Raises:
            ConfigError: The statement is refused for the user's lack of rights.
            TransientError: The connection was lost, or no tablet could answer.
            InternalError: VTGate does not understand the statement.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, tuple(args) or None)
                return list(cursor.fetchall())
        except pymysql.MySQLError as error:
            raise describe(error) from error

    def query_large(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        """Runs a statement whose result may be larger than VTGate's limit for OLTP, 10,000 rows by default.

        The limit is vttablet's --queryserver-config-max-result-size.

        Raises:
            VitessSourceError: As `query`.
        """
        self.query("set workload = 'olap'")
        try:
            return self.query(sql, args)
        finally:
            if self._connection.open:
                self.query("set workload = 'oltp'")

    def close(self) -> None:
        """Ends the connection, whatever its state."""
        if self._connection.open:
            self._connection.close()

    def __enter__(self) -> VtgateSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _arguments(config: Config, connect_timeout: float, statement_timeout: float) -> dict[str, Any]:
    """Returns PyMySQL's arguments."""
    return {
        "host": config.url.host,
        "port": config.url.mysql_port,
        "user": config.username or ANONYMOUS,
        # As bytes, because PyMySQL would encode text as Latin-1.
        "password": (config.password or "").encode(),
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": connect_timeout,
        "read_timeout": statement_timeout,
        "write_timeout": statement_timeout,
    }
