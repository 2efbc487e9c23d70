"""The VStream call: channel, credentials, and a stream that cannot wait forever.

- A stream is a thin loop over gRPC's own iterator: no thread and no queue stands between it and the consumer.
- VTGate is asked for heartbeats, so a stream on which nothing at all arrives is dead, whatever TCP reports. A thread
  looks at the time that the consumer has been waiting, and cancels the call when it was too long. Time that the
  consumer spends on its own work does not count.
- Heartbeats show nothing of the tablets: waiting for progress is the consumer's business.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from types import TracebackType

import grpc
import grpc.experimental

from source_vitess.errors import ConfigError, ConnectorError, StreamCancelledError, TransientError
from source_vitess.network.tls import HANDSHAKE_SECONDS, GrpcTrust, grpc_trust
from source_vitess.proto import vtgate_pb2
from source_vitess.settings.config import Config, GrpcAuthentication
from source_vitess.vstream.failures import describe
from source_vitess.vstream.response import Response

METHOD = "/vtgateservice.Vitess/VStream"

#: Seconds without any message, heartbeats included, after which a stream is dead: twelve heartbeats.
SILENCE_SECONDS = 60.0

#: Bytes of one response. A server that announces more is refused before it has sent them.
MAX_MESSAGE_BYTES = 512 << 20

_OPTIONS: tuple[tuple[str, int], ...] = (
    # A response holds at least a row, and VTGate's own limit is --grpc-max-message-size, 16 MiB unless raised.
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    # VTGate's errors quote GTID sets, which can be longer than the 8 KiB that gRPC takes by default.
    ("grpc.max_metadata_size", 1 << 20),
    ("grpc.absolute_max_metadata_size", 1 << 21),
    # VTGate refuses pings more often than every 10 s (--grpc-server-keepalive-enforcement-policy-min-time).
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A client that is opened after a failure connects anew, instead of sharing the failure's back-off.
    ("grpc.use_local_subchannel_pool", 1),
    # While gRPC backs off, calls fail without a try. Who opens a stream again waits on his own account, up to 30 s.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # MySQL's protocol does not go through a web proxy, so neither does this.
    ("grpc.enable_http_proxy", 0),
    # A stream is opened again by whoever knows from which position.
    ("grpc.enable_retries", 0),
    # Who waits for a message takes it in himself: handing each over from a thread costs about 30 µs.
    (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
)


class VStream:
    """One VStream call, iterated once by one thread. `cancel` may come from any thread or a signal handler.

    Iteration ends only by raising: StopIteration when VTGate ended the stream without an error,
    StreamCancelledError after `cancel`, else what `vstream.failures` makes of VTGate's error.

    Attributes:
        is_broken: Whether it has ended with an error.
    """

    def __init__(self, call: grpc.Call, *, silence: float) -> None:
        self._call = call
        self._silence = silence
        self._waiting_since: float | None = None
        self._is_silent = False
        self._is_cancelled = False
        self.is_broken = False
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="vstream-watchdog", daemon=True).start()

    def __iter__(self) -> Iterator[Response]:
        """Yields VTGate's responses.

        Raises:
            StreamCancelledError: `cancel` was called.
            TransientError: The connection was lost, nothing arrived for too long, or a tablet failed.
            PositionLostError: The position cannot be continued.
            StreamError: A table is the cause.
            ConfigError: VTGate refuses the user, or what was asked for.
            InternalError: VTGate does not understand the request.
        """
        now = time.monotonic
        responses = iter(self._call)  # type: ignore[call-overload]
        try:
            while True:
                self._waiting_since = now()
                response = next(responses)
                self._waiting_since = None
                yield response
                # Else it would be kept while the next one is awaited, and by the traceback of an error.
                del response
        except StopIteration:
            return
        except grpc.RpcError as error:
            self.is_broken = True
            # The error is the call itself, and its traceback holds this frame, which holds the call: a sync runs
            # without a collector that would find such a cycle.
            raise self._describe(error) from error.with_traceback(None)
        finally:
            self.close()

    def cancel(self) -> None:
        """Ends the stream: the consumer gets StreamCancelledError, at once if it is waiting."""
        self._is_cancelled = True
        self._call.cancel()

    def close(self) -> None:
        """Ends the stream without an error for anybody. Does nothing the second time."""
        self._closed.set()
        self._call.cancel()

    def __enter__(self) -> VStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _watch(self) -> None:
        pause = self._silence
        while not self._closed.wait(pause):
            since = self._waiting_since
            waited = 0.0 if since is None else time.monotonic() - since
            if waited >= self._silence:
                self._is_silent = True
                self._call.cancel()
                return
            pause = self._silence - waited

    def _describe(self, error: grpc.RpcError) -> ConnectorError:
        if self._is_cancelled:
            return StreamCancelledError("The stream was ended, because this sync was asked to stop.")
        if self._is_silent:
            return TransientError(
                f"VTGate sent nothing for {self._silence:.0f} seconds, not even the heartbeats it was asked for."
            )
        return describe(self._call.code(), self._call.details())


class VStreamClient:
    """Opens VStream calls on one connection to VTGate's gRPC port. The connection is made by the first call.

    Args:
        config: Where VTGate is, and the credentials.
        silence: Seconds as `SILENCE_SECONDS`.

    Raises:
        ConfigError: The credentials cannot be sent.
    """

    def __init__(self, config: Config, *, silence: float = SILENCE_SECONDS) -> None:
        self._config = config
        self._silence = silence
        self._metadata = _credentials(config)
        self._last: VStream | None = None
        #: By what the server showed; by None without encryption.
        self._channels: dict[GrpcTrust | None, grpc.Channel] = {}

    def stream(self, request: vtgate_pb2.VStreamRequest, *, timeout: float | None = None) -> VStream:
        """Opens a stream. What is wrong with it is raised by its iteration.

        Args:
            request: What to stream.
            timeout: Seconds after which the stream ends with a TransientError; None for no limit.

        Raises:
            ConfigError: The connection cannot be encrypted as it should be.
            TransientError: It cannot be made now.
        """
        if self._last is not None and self._last.is_broken:
            # `read` runs without the collector. What an error still holds in a cycle is let go before the next stream.
            gc.collect()
        method = self._channel(timeout).unary_stream(
            METHOD,
            request_serializer=vtgate_pb2.VStreamRequest.SerializeToString,
            response_deserializer=Response,
        )
        self._last = VStream(method(request, timeout=timeout, metadata=self._metadata), silence=self._silence)
        return self._last

    def close(self) -> None:
        """Ends every connection and stream."""
        for channel in self._channels.values():
            channel.close()

    def _channel(self, timeout: float | None) -> grpc.Channel:
        """Returns the connection; another one if the server shows another certificate than before."""
        trust = None
        if self._config.encryption.encrypted:
            trust = grpc_trust(self._config, timeout=min(timeout or HANDSHAKE_SECONDS, HANDSHAKE_SECONDS))
        if trust not in self._channels:
            # Behind one address there may be several VTGates with a certificate each: all that were shown are trusted.
            roots = [known.roots for known in [*self._channels, trust] if known is not None]
            self._channels[trust] = _open_channel(self._config, trust, b"".join(dict.fromkeys(roots)))
        return self._channels[trust]

    def __enter__(self) -> VStreamClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _open_channel(config: Config, trust: GrpcTrust | None, roots: bytes) -> grpc.Channel:
    host, port = config.grpc_address
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if trust is None:
        return grpc.insecure_channel(target, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=roots,
        private_key=trust.client_key or None,
        certificate_chain=trust.client_certificate or None,
    )
    options: list[tuple[str, int | str]] = [*_OPTIONS]
    if trust.name != host:
        options.append(("grpc.ssl_target_name_override", trust.name))
    return grpc.secure_channel(target, credentials, options=options)


def _credentials(config: Config) -> tuple[tuple[str, str], ...]:
    """Returns the headers that the configuration asks for: see `GrpcAuthentication`."""
    if config.username is None:
        return ()
    if config.grpc_authentication is GrpcAuthentication.BASIC:
        return (("authorization", f"Basic {config.basic_credentials}"),)
    password = config.password or ""
    # go/vt/servenv/grpc_client_auth_static.go
    for name, value in (("username", config.username), ("password", password)):
        # gRPC's own limit for a header.
        if not (value.isascii() and value.isprintable()):
            raise ConfigError(
                f"The {name} holds other characters than printable ASCII, which cannot be sent to VTGate's gRPC port."
            )
    return ("username", config.username), ("password", password)
