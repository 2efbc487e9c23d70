"""VTGate's two ports without sockets and threads: the connector's own LiveVitess talks to the model directly.

What lies between, gRPC and MySQL's protocol, has tests of its own; here a schedule shall take milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import grpc
import pymysql
from pymysql.converters import escape_item

from instruments.scripted_vtgate.model.cluster import Cluster
from instruments.scripted_vtgate.model.gateway import Gateway
from instruments.scripted_vtgate.model.sql import VtgateSql
from instruments.scripted_vtgate.mysql_server import MysqlStatusError, Statement
from instruments.scripted_vtgate.vstream_server import Call, StreamStatusError
from source_vitess import keyspace as live
from source_vitess.clock import SystemClock
from source_vitess.mysql import failures as mysql_failures
from source_vitess.mysql.session import VtgateSession
from source_vitess.proto import vtgate_pb2
from source_vitess.settings.config import Config
from source_vitess.vstream import failures as vstream_failures
from source_vitess.vstream.response import Response

#: When the virtual clock starts, in seconds since 1970; the model's own clock is behind it.
EPOCH = 1_800_000_000.0


class VirtualClock(SystemClock):
    """Time that passes only while somebody waits.

    Attributes:
        seconds: Since the schedule began.
        on_wait: Called whenever time has passed.
    """

    def __init__(self, on_wait: Callable[[str], None]) -> None:
        super().__init__()
        self.seconds = 0.0
        self.on_wait = on_wait

    def now(self) -> float:
        """Returns seconds since 1970."""
        return EPOCH + self.seconds

    def monotonic(self) -> float:
        """Returns seconds since the schedule began."""
        return self.seconds

    def wait(self, seconds: float) -> None:
        """Lets time pass."""
        self.seconds += seconds
        self.on_wait("the sync waits")


class LocalCall(Call):
    """A call without a network."""

    def __init__(self, request: vtgate_pb2.VStreamRequest) -> None:
        self.request = request
        self.metadata = {}
        self._over = False

    @property
    def ended(self) -> bool:
        """Whether the client has left."""
        return self._over

    def end(self) -> None:
        """The client leaves."""
        self._over = True

    def wait_end(self, timeout: float | None = None) -> bool:
        """Nobody else could end it meanwhile."""
        return self._over

    def on_end(self, callback: Callable[[], None]) -> None:
        """Nobody waits."""


class LocalStream:
    """What `VStreamClient.stream` returns."""

    def __init__(self, port: Port, request: vtgate_pb2.VStreamRequest, timeout: float | None) -> None:
        self._port = port
        self._call = LocalCall(request)
        self._deadline = None if timeout is None else port.clock.monotonic() + timeout

    def __iter__(self) -> Iterator[Response]:
        """Yields responses; raises the connector's errors."""
        try:
            self._port.opened(self._call.request)
            gateway = Gateway(self._port.cluster, self._call)
            self._port.gateways.append(gateway)
            for response in gateway.responses():
                if self._deadline is not None and self._port.clock.monotonic() > self._deadline:
                    raise StreamStatusError(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
                yield Response(response.SerializeToString())
        except StreamStatusError as error:
            raise vstream_failures.describe(error.code, error.text) from error
        finally:
            self.close()

    def cancel(self) -> None:
        """Ends it."""
        self._call.end()

    def close(self) -> None:
        """Ends it."""
        if not self._call.ended:
            self._port.closed()
        self._call.end()
        self._port.gateways = [one for one in self._port.gateways if one.is_open]

    def __enter__(self) -> LocalStream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class LocalSession:
    """What `VtgateSession.connect` returns."""

    def __init__(self, port: Port, target: str) -> None:
        self._port = port
        self._target = ""
        if target:
            self.use(target)

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return True

    def use(self, target: str) -> None:
        """Sends the statements that follow to another target."""
        with _described():
            self._port.sql.check_target(target)
        self._target = target

    def query(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs a statement and returns all of its rows."""
        text = sql % tuple(escape_item(arg, "utf8mb4") for arg in args) if args else sql
        with _described():
            rows, _ = self._port.sql.query(Statement(self._target, text))
        self._port.asked(text)
        return [tuple(row) for row in rows]

    query_large = query

    def cancel(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> LocalSession:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


class Port:
    """Where a connector is connected to a model.

    Attributes:
        cluster: The model.
        clock: Time.
        sql: What the MySQL port answers.
        gateways: The VStreams that are open.
        opened: Called with the request of each VStream.
        closed: Called when a VStream ends.
        asked: Called with each statement, once it is answered.
    """

    def __init__(self, cluster: Cluster, clock: VirtualClock) -> None:
        self.cluster = cluster
        self.clock = clock
        self.sql = VtgateSql(cluster)
        self.gateways: list[Gateway] = []
        self.opened: Callable[[vtgate_pb2.VStreamRequest], None] = lambda _: None
        self.closed: Callable[[], None] = lambda: None
        self.asked: Callable[[str], None] = lambda _: None

    def stream(self, request: vtgate_pb2.VStreamRequest, *, timeout: float | None = None) -> LocalStream:
        """Opens a VStream."""
        return LocalStream(self, request, timeout)

    def close(self) -> None:
        """Ends nothing: every stream is closed by who opened it."""

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Has LiveVitess connect to the model while the context lasts."""

        def connect(config: Config, target: str = "", **_: float) -> LocalSession:
            return LocalSession(self, target)

        with (
            mock.patch.object(VtgateSession, "connect", connect),
            mock.patch.object(live, "VStreamClient", return_value=self),
        ):
            try:
                yield
            finally:
                self.sql.close()


@contextmanager
def _described() -> Iterator[None]:
    try:
        yield
    except MysqlStatusError as error:
        raise mysql_failures.describe(pymysql.OperationalError(error.errno, error.text)) from error
