"""A connection to VTGate's MySQL port.

- A session has a target: `keyspace`, `keyspace:shard` or `keyspace:shard@type`. A statement sent to a target with a
  shard goes to one tablet of that shard.
- Autocommit is on: inside a transaction VTGate refuses to change the type of tablet (ER_LOCK_OR_ACTIVE_TRANSACTION).
- The workload is OLTP but for `query_large`. In the OLAP workload a statement that fails after the names of its
  columns were sent is never answered, as seen with v24.0.0, so that the error would be a timeout.
- Encryption is what is configured, or the connection fails: PyMySQL ≥ 1.2 never falls back to none when it
  was given a context, and tries none when TLS is disabled.
- Without encryption the password is only used to answer mysql_native_password's challenge. A server can ask for other
  forms, of which some are the password itself, and so can whoever pretends to be it.
- Statements are sent as text. VTGate's prepared statements are never used.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import CR

from source_vitess.errors import ConnectorError, InternalError
from source_vitess.mysql.failures import ANONYMOUS, REFUSED_IN_CLEAR, TOO_LARGE, describe
from source_vitess.naming import quote_identifier
from source_vitess.network.tls import mysql_context, server_name
from source_vitess.settings.config import Config

#: Seconds until a connection must stand.
CONNECT_TIMEOUT = 10.0
#: Seconds without a byte from VTGate while a statement runs. The columns of 5,000 tables take about a second.
STATEMENT_TIMEOUT = 120.0

#: Bytes of one answer: the columns of 100,000 tables take less. A server that sends more has gone mad, or is none.
MAX_ANSWER_BYTES = 512 << 20
#: Bytes taken from the connection at a time.
_PIECE = 1 << 16

Row = tuple[Any, ...]


if TYPE_CHECKING:

    class _PyMysql(pymysql.Connection[pymysql.cursors.Cursor]):
        """What the stubs do not declare."""

        _rfile: BufferedReader

        def _force_close(self) -> None: ...

else:
    _PyMysql = pymysql.Connection


class _Connection(_PyMysql):
    """PyMySQL's connection with an end to what a server may send, and to how long it may take for it.

    PyMySQL's own time limit starts anew with every byte. Every answer goes through `_read_bytes`.
    """

    def __init__(self, seconds: float, **arguments: Any) -> None:
        super().__init__(defer_connect=True, **arguments)
        self._seconds = seconds
        self.begin_answer()

    def begin_answer(self) -> None:
        """Starts to count anew."""
        self._deadline = time.monotonic() + self._seconds
        self._left = MAX_ANSWER_BYTES

    def _read_bytes(self, num_bytes: int) -> bytes:
        self._left -= num_bytes
        if self._left < 0:
            self._force_close()
            raise pymysql.OperationalError(CR.CR_MALFORMED_PACKET, TOO_LARGE)
        found: list[bytes] = []
        while num_bytes > 0:
            if time.monotonic() > self._deadline:
                self._force_close()
                raise pymysql.OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server (timed out)")
            try:
                piece = self._rfile.read1(min(num_bytes, _PIECE))
            except OSError as error:
                self._force_close()
                raise pymysql.OperationalError(
                    CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({error})"
                ) from error
            if not piece:
                self._force_close()
                raise pymysql.OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")
            found.append(piece)
            num_bytes -= len(piece)
        return b"".join(found)


class VtgateSession:
    """A connection that is open until `close` or the end of the `with` block. For one thread, except for `cancel`."""

    def __init__(self, connection: _Connection, link: socket.socket) -> None:
        self._connection = connection
        self._link = link

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
        connection = _Connection(statement_timeout, **_arguments(config, statement_timeout))
        with _described():
            # Not PyMySQL's own socket: the address may be a tunnel's end, while the host is whom the certificate names.
            opened = _open_socket(config, connect_timeout)
        # A copy of it for `cancel`: encryption takes the first one over.
        session = cls(connection, opened.dup())
        try:
            with _described():
                connection.connect(opened)
        except ConnectorError:
            session.close()
            raise
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
        self._connection.begin_answer()
        # Outside of what is described: values that do not fit the statement are no fault of the server.
        statement = self._connection.cursor().mogrify(sql, tuple(args) or None)
        with _described(), self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def query_large(self, sql: str, args: Sequence[Any] = ()) -> list[Row]:
        """Runs a statement whose result may be larger than VTGate's limit for OLTP, 10,000 rows by default.

        The limit is vttablet's --queryserver-config-max-result-size.

        Raises:
            ConnectorError: As `query`.
        """
        self.query("set workload = 'olap'")
        try:
            return self.query(sql, args)
        finally:
            if self._connection.open:
                self.query("set workload = 'oltp'")

    @property
    def is_open(self) -> bool:
        """Whether the connection can be used: a statement that took too long, or a lost connection, has ended it."""
        return bool(self._connection.open)

    def cancel(self) -> None:
        """Ends a statement that is under way with a TransientError. Any thread and a signal handler may call."""
        with contextlib.suppress(OSError):  # it has ended already
            self._link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the connection, whatever its state."""
        self._link.close()
        if self._connection.open:
            self._connection.close()

    def __enter__(self) -> VtgateSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def _described() -> Iterator[None]:
    """Turns PyMySQL's errors into ours, and those that a server provokes which does not keep to the protocol."""
    try:
        yield
    except pymysql.MySQLError as error:
        raise describe(error) from error
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if _is_ours(error):
            raise
        # The text may hold what the server sent.
        raise InternalError(
            "The server on the MySQL port does not keep to MySQL's protocol.", detail=type(error).__name__
        ) from error
    except struct.error as error:
        raise InternalError(
            "The server on the MySQL port does not keep to MySQL's protocol.", detail="struct"
        ) from error


def _is_ours(error: Exception) -> bool:
    """Tells whether an error was raised by this program's own code, and not by PyMySQL's over what a server sent."""
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    return innermost is not None and innermost.tb_frame.f_globals.get("__name__", "").startswith("source_vitess.")


def _open_socket(config: Config, timeout: float) -> socket.socket:
    try:
        opened = socket.create_connection(config.mysql_address, timeout)
    except OSError as error:
        raise pymysql.OperationalError(
            CR.CR_CONN_HOST_ERROR, f"Can't connect to MySQL server on {config.url.host!r} ({error})"
        ) from error
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return opened


class _NotInClear:
    """A form of authentication that is refused on a connection without encryption. PyMySQL makes one when asked."""

    def __init__(self, connection: object) -> None:
        pass

    def authenticate(self, packet: object) -> object:
        raise pymysql.OperationalError(CR.CR_AUTH_PLUGIN_ERR, REFUSED_IN_CLEAR)


#: What VTGate or PyMySQL have besides mysql_native_password.
_ENCRYPTED_ONLY = (
    "mysql_clear_password",
    "dialog",
    "caching_sha2_password",
    "sha256_password",
    "client_ed25519",
    "mysql_old_password",
)


def _arguments(config: Config, statement_timeout: float) -> dict[str, Any]:
    """Returns PyMySQL's arguments."""
    protection: dict[str, Any]
    if config.encryption.encrypted:
        protection = {"ssl": mysql_context(config)}
    else:
        protection = {"ssl_disabled": True, "auth_plugin_map": dict.fromkeys(_ENCRYPTED_ONLY, _NotInClear)}
    return {
        "host": server_name(config),
        "user": config.username or ANONYMOUS,
        # As bytes, because PyMySQL would encode text as Latin-1.
        "password": (config.password or "").encode(),
        "charset": "utf8mb4",
        "autocommit": True,
        "read_timeout": statement_timeout,
        "write_timeout": statement_timeout,
        **protection,
    }
