"""The MySQL half: a real MySQL protocol server on a free port that hands each statement to a function.

The protocol is mysql-mimic's. It runs in an event loop of its own thread, so that tests need not be asynchronous.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mysql_mimic import IdentityProvider, MysqlServer, User  # type: ignore[import-untyped]
from mysql_mimic.auth import NativePasswordAuthPlugin  # type: ignore[import-untyped]
from mysql_mimic.errors import MysqlError  # type: ignore[import-untyped]
from mysql_mimic.session import BaseSession  # type: ignore[import-untyped]
from mysql_mimic.stream import ConnectionClosed  # type: ignore[import-untyped]
from mysql_mimic.variables import GlobalVariables, SessionVariables  # type: ignore[import-untyped]

#: What VTGate v24 calls itself in the handshake (vtgate --mysql-server-version).
SERVER_VERSION = "8.4.6-Vitess"

#: Rows and the names of their columns, or mysql-mimic's descriptions of these.
Result = tuple[Sequence[Sequence[object]], Sequence[object]]


class MysqlStatusError(Exception):
    """A statement's error.

    Attributes:
        errno: MySQL's error number.
        text: The message.
    """

    def __init__(self, errno: int, text: str) -> None:
        super().__init__(f"{errno}: {text}")
        self.errno = errno
        self.text = text


@dataclass(frozen=True)
class Statement:
    """A statement that was received.

    Attributes:
        target: The database that is in use, such as `commerce:-80@replica`; empty for none.
        sql: Its text.
    """

    target: str
    sql: str


class Answering:
    """What a server is made of: called from the server's thread. Both raise `MysqlStatusError`."""

    def check_target(self, target: str) -> None:
        """Refuses a target that cannot be used."""
        raise NotImplementedError

    def query(self, statement: Statement) -> Result:
        """Answers a statement."""
        raise NotImplementedError


class VtgateMysqlServer:
    """A MySQL server with VTGate's manners.

    Attributes:
        answering: What answers.
        credentials: If set, passwords by user; without, everyone is let in, as with `--mysql-auth-server-impl none`.
        statements: Every statement received, in order, `USE` included.
        port: The port, from `start` on; a restarted server keeps it.
    """

    def __init__(self, answering: Answering, *, credentials: Mapping[str, str] | None = None) -> None:
        self.answering = answering
        self.credentials = credentials
        self.statements: list[Statement] = []
        self.port = 0
        self._failures: list[MysqlStatusError | None] = []
        self._hang: tuple[int, threading.Event] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def fail_next(self, errno: int, text: str, *, after: int = 0) -> None:
        """Has a statement (other than USE and SET) fail: the next one, or one after so many that are answered."""
        self._failures += [None] * after
        self._failures.append(MysqlStatusError(errno, text))

    def hang_next(self, *, after: int = 0) -> threading.Event:
        """Leaves a statement (other than USE and SET) without an answer: the next one, or one after so many.

        Returns:
            What is set when the statement has come.
        """
        self._hang = (after, threading.Event())
        return self._hang[1]

    def start(self) -> None:
        """Starts to serve. Allowed again after `stop`, on the same port."""
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(_report)
        thread = threading.Thread(target=loop.run_forever, name="scripted-mysql", daemon=True)
        thread.start()
        self._loop, self._thread = loop, thread
        server = MysqlServer(session_factory=lambda: _Session(self), identity_provider=_Identities(self))
        starting = server.start_server(host="127.0.0.1", port=self.port)
        asyncio.run_coroutine_threadsafe(starting, loop).result(10)
        self._server = server
        self.port = server.sockets()[0].getsockname()[1]

    def stop(self) -> None:
        """Ends all connections and the server. Without effect if it does not run."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._loop = self._thread = None

    async def _shut_down(self) -> None:
        self._server.close()
        connections = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await self._server.wait_closed()

    async def wait_for_answer(self, statement: Statement) -> None:
        """Called by sessions before `answer`."""
        if self._hang is None or statement.sql.lower().startswith(("use ", "set ")):
            return
        after, come = self._hang
        self._hang = (after - 1, come) if after else None
        if not after:
            come.set()
            await asyncio.Event().wait()

    def answer(self, statement: Statement) -> Result:
        """Called by sessions."""
        self.statements.append(statement)
        if self._failures and not statement.sql.lower().startswith(("use ", "set ")):
            failure = self._failures.pop(0)
            if failure is not None:
                raise failure
        if statement.target:
            self.answering.check_target(statement.target)
        return self.answering.query(statement)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """A client that goes away in the handshake, and a connection that is cut by `stop`, are no errors of a test."""
    if not isinstance(context.get("exception"), ConnectionClosed | ConnectionError | asyncio.CancelledError):
        loop.default_exception_handler(context)


class _Session(BaseSession):  # type: ignore[misc] # mysql-mimic has no types
    """One connection."""

    def __init__(self, server: VtgateMysqlServer) -> None:
        self.variables = SessionVariables(GlobalVariables())
        self.variables.set("version", SERVER_VERSION, force=True)
        self.username: str | None = None
        self.database: str | None = None
        self._server = server

    async def init(self, connection: object) -> None:
        """The handshake is over. Its database cannot be refused in mysql-mimic; each statement will be."""

    async def use(self, database: str) -> None:
        """COM_INIT_DB and USE."""
        try:
            self._server.answering.check_target(database)
        except MysqlStatusError as error:
            raise MysqlError(error.text, error.errno) from error
        self.database = database

    async def handle_query(self, sql: str, attrs: Mapping[str, str]) -> Result:
        """A statement's text came."""
        statement = Statement(self.database or "", sql.strip().rstrip(";"))
        try:
            if statement.sql.lower().startswith("use "):
                self._server.statements.append(statement)
                await self.use(statement.sql[4:].strip().strip("`").replace("``", "`"))
                return [], []
            await self._server.wait_for_answer(statement)
            return self._server.answer(statement)
        except MysqlStatusError as error:
            raise MysqlError(error.text, error.errno) from error


class _Password(NativePasswordAuthPlugin):  # type: ignore[misc] # mysql-mimic has no types
    """mysql_native_password; without credentials every password is right."""

    def __init__(self, server: VtgateMysqlServer) -> None:
        super().__init__()
        self._server = server

    def password_matches(self, user: object, scramble: bytes, nonce: bytes) -> bool:
        if self._server.credentials is None:
            return True
        return bool(super().password_matches(user=user, scramble=scramble, nonce=nonce))


class _Identities(IdentityProvider):  # type: ignore[misc] # mysql-mimic has no types
    """Who may log in."""

    def __init__(self, server: VtgateMysqlServer) -> None:
        self._server = server
        self._plugin = _Password(server)

    def get_plugins(self) -> Sequence[NativePasswordAuthPlugin]:
        return [self._plugin]

    async def get_user(self, username: str) -> User:
        password = (self._server.credentials or {}).get(username)
        # An unknown user gets a password nobody has: VTGate does not tell the two apart.
        auth_string = "00" * 20 if password is None else _Password.create_auth_string(password)
        # The name goes into "Access denied for user 'name'".
        return User(name=f"'{username}'", auth_string=auth_string, auth_plugin=_Password.name)
