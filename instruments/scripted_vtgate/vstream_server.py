"""The gRPC half: a real server on a free port that hands each VStream call to a function."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import grpc

from source_vitess.proto import vtgate_pb2

#: Streams are served at the same time up to this many; a test needs a few.
_MAX_STREAMS = 64


class StreamStatusError(Exception):
    """Ends a stream with a gRPC status.

    Attributes:
        code: The status code.
        text: What the client sees as details.
    """

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text


class Call:
    """One VStream call.

    Attributes:
        request: What the client asks.
        metadata: The call's metadata, such as `username`.
        answered: Set when nothing more is made up for it, some time after it has ended.
    """

    def __init__(
        self, request: vtgate_pb2.VStreamRequest, metadata: Mapping[str, str], context: grpc.ServicerContext
    ) -> None:
        self.request = request
        self.metadata = metadata
        self._context = context
        self.answered = threading.Event()
        self._end = threading.Event()
        self.on_end(self._end.set)

    @property
    def ended(self) -> bool:
        """Whether the client has cancelled, has gone, or the server stops."""
        return not self._context.is_active()

    def wait_end(self, timeout: float | None = None) -> bool:
        """Waits until the call has ended; returns False after the timeout."""
        return self._end.wait(timeout)

    def on_end(self, callback: Callable[[], None]) -> None:
        """Has the callback called once, when the call ends or now if it has."""
        if not self._context.add_callback(callback):
            callback()


#: Answers a call. May raise `StreamStatusError`, at once or later.
Answer = Callable[[Call], Iterator[vtgate_pb2.VStreamResponse]]


class VStreamServer:
    """A gRPC server with the one method that matters.

    Attributes:
        answer: What calls are answered with; may be replaced between calls.
        credentials: If set, calls need metadata `username` and `password` out of these, as with VTGate's
            `--grpc-auth-mode static`.
        tls: If set, the port speaks TLS with this certificate.
        calls: Every call received, in order.
    """

    def __init__(
        self,
        answer: Answer,
        *,
        credentials: Mapping[str, str] | None = None,
        tls: grpc.ServerCredentials | None = None,
    ) -> None:
        self.answer = answer
        self.tls = tls
        self.credentials = credentials
        self.calls: list[Call] = []
        self._calls_changed = threading.Condition()
        self._pool: ThreadPoolExecutor | None = None
        self._server: grpc.Server | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The port, from `start` on; a restarted server keeps it."""
        return self._port

    @property
    def address(self) -> str:
        """Where clients connect to."""
        return f"127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[vtgate_pb2.VStreamRequest]:
        """The requests received, in order."""
        with self._calls_changed:
            return [call.request for call in self.calls]

    def start(self) -> None:
        """Starts to serve. Allowed again after `stop`, on the same port: VTGate has come back."""
        self._pool = ThreadPoolExecutor(_MAX_STREAMS, thread_name_prefix="vstream")
        server = grpc.server(
            self._pool,
            options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)],
        )
        method = grpc.unary_stream_rpc_method_handler(
            self._vstream,
            request_deserializer=vtgate_pb2.VStreamRequest.FromString,
            response_serializer=vtgate_pb2.VStreamResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("vtgateservice.Vitess", {"VStream": method}),)
        )
        if self.tls is None:
            self._port = server.add_insecure_port(self.address)
        else:
            self._port = server.add_secure_port(self.address, self.tls)
        server.start()
        self._server = server

    def stop(self) -> None:
        """Ends all streams and the server. Without effect if it does not run."""
        if self._server is None or self._pool is None:
            return
        self._server.stop(grace=None).wait()
        self._pool.shutdown(wait=True)
        self._server = self._pool = None

    def wait_for_calls(self, count: int, timeout: float = 10.0) -> None:
        """Waits until this many calls were received.

        Raises:
            TimeoutError: They were not.
        """
        with self._calls_changed:
            if not self._calls_changed.wait_for(lambda: len(self.calls) >= count, timeout):
                raise TimeoutError(f"{len(self.calls)} calls were received, not {count}")

    def wait_until_idle(self, timeout: float = 10.0) -> None:
        """Waits until no call is being answered, so that what is ordered then happens to a later one.

        Raises:
            TimeoutError: One still is.
        """
        with self._calls_changed:
            calls = list(self.calls)
        if not all(call.answered.wait(timeout) for call in calls):
            raise TimeoutError("a call is still being answered")

    def __enter__(self) -> VStreamServer:
        """Starts the server."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops the server."""
        self.stop()

    def _vstream(
        self, request: vtgate_pb2.VStreamRequest, context: grpc.ServicerContext
    ) -> Iterator[vtgate_pb2.VStreamResponse]:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        call = Call(request, metadata, context)
        with self._calls_changed:
            self.calls.append(call)
            self._calls_changed.notify_all()
        try:
            self._check_credentials(metadata)
            yield from self.answer(call)
        except StreamStatusError as failure:
            context.abort(failure.code, failure.text)
        finally:
            call.answered.set()

    def _check_credentials(self, metadata: Mapping[str, str]) -> None:
        """Refuses as go/vt/servenv/grpc_server_auth_static.go does."""
        if self.credentials is None:
            return
        username, password = metadata.get("username", ""), metadata.get("password", "")
        if not username or not password:
            raise StreamStatusError(grpc.StatusCode.UNAUTHENTICATED, "username and password must be provided")
        if self.credentials.get(username) != password:
            raise StreamStatusError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"auth failure: caller {username!r} provided invalid credentials",
            )
