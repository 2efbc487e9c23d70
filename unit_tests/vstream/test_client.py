"""The VStream call: what is sent, what its end means, and that it never waits forever."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import grpc
import pytest

from instruments.scripted_vtgate.script import Fail, Gate, Hang, Script, Scripts
from instruments.scripted_vtgate.vstream_server import VStreamServer
from source_vitess.errors import (
    ConfigError,
    StreamCancelledError,
    TableNotFoundError,
    TransientError,
)
from source_vitess.proto import vtgate_pb2
from source_vitess.proto.binlogdata_pb2 import RowChange, RowEvent, VEvent, VEventType
from source_vitess.proto.query_pb2 import Row
from source_vitess.settings.config import Config
from source_vitess.vstream.client import VStreamClient
from source_vitess.vstream.response import Response

REQUEST = vtgate_pb2.VStreamRequest()
BEAT = VEvent(type=VEventType.HEARTBEAT)


def config(port: int, **fields: str) -> Config:
    """Returns a configuration for a gRPC port on loopback."""
    return Config.from_json({"url": f"vitess://127.0.0.1:{port}/commerce", **fields})


@pytest.fixture
def server() -> Iterator[VStreamServer]:
    """A gRPC server without scripts yet."""
    with VStreamServer(Scripts()) as running:
        yield running


def play(server: VStreamServer, script: Script) -> None:
    """Sets the script of the server's next call."""
    server.answer = Scripts(script)


def test_responses_come_in_order(server: VStreamServer) -> None:
    """Every response of VTGate arrives as it was sent, and its clean end ends the iteration."""
    play(server, [VEvent(type=VEventType.BEGIN), [VEvent(type=VEventType.VGTID), VEvent(type=VEventType.COMMIT)]])

    with VStreamClient(config(server.port)) as client, client.stream(REQUEST) as stream:
        types = [[VEvent.FromString(event).type for event in response.events] for response in stream]

    assert types == [[VEventType.BEGIN], [VEventType.VGTID, VEventType.COMMIT]]


def test_the_request_is_sent_as_it_is(server: VStreamServer) -> None:
    """What the caller asks for is what VTGate gets."""
    play(server, [])
    request = vtgate_pb2.VStreamRequest(flags=vtgate_pb2.VStreamFlags(heartbeat_interval=5, cells="zone1"))

    with VStreamClient(config(server.port)) as client, client.stream(request) as stream:
        list(stream)

    assert server.requests == [request]


def test_credentials_are_headers(server: VStreamServer) -> None:
    """User and password go into the headers that VTGate's static authentication reads."""
    server.credentials = {"bob": "p@ss word"}
    play(server, [BEAT])

    with VStreamClient(config(server.port, username="bob", password="p@ss word")) as client:
        assert len(list(client.stream(REQUEST))) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "asks for a user name and a password"),
        ({"username": "bob"}, "asks for a user name and a password"),
        ({"username": "bob", "password": "CANARY"}, "refuses the user name or the password"),
    ],
)
def test_bad_credentials(server: VStreamServer, fields: dict[str, str], words: str) -> None:
    """A refused user is told apart from one that was not given, and no message holds the password."""
    server.credentials = {"bob": "s3cret"}

    with (
        VStreamClient(config(server.port, **fields)) as client,
        pytest.raises(ConfigError, match=words) as caught,
    ):
        list(client.stream(REQUEST))

    assert "CANARY" not in caught.value.message + caught.value.detail


@pytest.mark.parametrize("name", ["username", "password"])
def test_credentials_that_no_header_can_hold(name: str) -> None:
    """Characters that gRPC cannot send are refused before the call, by field."""
    fields = {"username": "bob", "password": "x", name: "CANARÝ"}

    with pytest.raises(ConfigError, match=f"The {name} holds other characters") as caught:
        VStreamClient(config(1, **fields))

    assert "CANAR" not in caught.value.message


def test_large_messages_arrive(server: VStreamServer) -> None:
    """A response far above gRPC's default limit of 4 MiB is nothing special."""
    size = 20 * 1024 * 1024
    change = RowChange(after=Row(values=bytes(size)))
    play(server, [VEvent(type=VEventType.ROW, row_event=RowEvent(row_changes=[change]))])

    with VStreamClient(config(server.port)) as client:
        [response] = client.stream(REQUEST)

    assert len(VEvent.FromString(response.events[0]).row_event.row_changes[0].after.values) == size


def test_long_errors_arrive(server: VStreamServer) -> None:
    """VTGate quotes GTID sets in errors; above gRPC's default limit the error itself would be lost."""
    text = "MySQL56/" + "x" * 100_000 + ": table t is not present in the database"
    play(server, [Fail(grpc.StatusCode.UNKNOWN, text)])

    with VStreamClient(config(server.port)) as client, pytest.raises(TableNotFoundError):
        list(client.stream(REQUEST))


def test_an_error_in_the_middle(server: VStreamServer) -> None:
    """What came before an error is delivered, then the error is one of ours."""
    play(server, [BEAT, BEAT, Fail(grpc.StatusCode.UNAVAILABLE, "Socket closed")])
    received: list[Response] = []

    with VStreamClient(config(server.port)) as client, pytest.raises(TransientError, match="was lost"):
        # `extend` keeps what came before the error.
        received.extend(client.stream(REQUEST))

    assert len(received) == 2


def test_a_silent_stream_is_given_up(server: VStreamServer) -> None:
    """When not even heartbeats arrive any more, waiting ends with a transient error, and the call is cancelled."""
    play(server, [BEAT, Hang()])

    with (
        VStreamClient(config(server.port), silence=0.3) as client,
        pytest.raises(TransientError, match="not even the heartbeats") as caught,
    ):
        list(client.stream(REQUEST))

    assert not isinstance(caught.value, StreamCancelledError)
    assert server.calls[0].wait_end(10)


def test_a_server_that_never_answers_is_given_up() -> None:
    """A port that takes the connection and sends nothing is silent as well."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = config(silent.getsockname()[1])

        with VStreamClient(settings, silence=0.3) as client, pytest.raises(TransientError, match="sent nothing"):
            list(client.stream(REQUEST))


def test_a_busy_consumer_is_not_silence(server: VStreamServer) -> None:
    """Time that the consumer spends on its own work is not counted, however long."""
    silence = 0.2
    play(server, [BEAT, BEAT])

    with VStreamClient(config(server.port), silence=silence) as client:
        stream = client.stream(REQUEST)
        received = 0
        for _ in stream:
            received += 1
            # Longer than two looks of the watchdog; nothing else shows that it has looked.
            time.sleep(2.5 * silence)

    assert received == 2


def test_cancel_from_another_thread(server: VStreamServer) -> None:
    """A consumer that waits is woken at once, with an error of its own."""
    gate = Gate()
    play(server, [BEAT, gate, Hang()])

    with VStreamClient(config(server.port)) as client, ThreadPoolExecutor(1) as pool:
        stream = client.stream(REQUEST)
        consumer = pool.submit(list, stream)
        gate.wait_reached()
        stream.cancel()

        assert isinstance(consumer.exception(10), StreamCancelledError)
    assert server.calls[0].wait_end(10)


def test_cancel_from_a_signal_handler(server: VStreamServer) -> None:
    """SIGTERM reaches a main thread that waits for VTGate, and its handler may cancel."""
    gate = Gate()
    play(server, [BEAT, gate, Hang()])
    client = VStreamClient(config(server.port))
    stream = client.stream(REQUEST)

    def handle(number: int, frame: FrameType | None) -> None:
        stream.cancel()

    def send() -> None:
        gate.wait_reached()
        os.kill(os.getpid(), signal.SIGUSR1)

    previous = signal.signal(signal.SIGUSR1, handle)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        with client, pytest.raises(StreamCancelledError):
            list(stream)
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, previous)


def test_cancel_before_the_first_response(server: VStreamServer) -> None:
    """A stream that was cancelled before it was read reports that, too."""
    play(server, [Hang()])

    with VStreamClient(config(server.port)) as client:
        stream = client.stream(REQUEST)
        stream.cancel()

        with pytest.raises(StreamCancelledError):
            list(stream)


def test_leaving_ends_the_call(server: VStreamServer) -> None:
    """A consumer that has enough leaves nothing running: neither VTGate's call nor the thread that watches it."""
    play(server, [BEAT, Hang()])

    with VStreamClient(config(server.port)) as client:
        with client.stream(REQUEST) as stream:
            assert next(iter(stream)).events
        assert server.calls[0].wait_end(10)
        stream.close()
    for thread in threading.enumerate():
        if thread.name == "vstream-watchdog":
            thread.join(10)
            assert not thread.is_alive()


def test_a_deadline_is_an_error(server: VStreamServer) -> None:
    """A stream with a time limit ends with a transient error when it is over."""
    play(server, [BEAT, Hang()])

    with VStreamClient(config(server.port)) as client, pytest.raises(TransientError, match="in time"):
        list(client.stream(REQUEST, timeout=0.2))


def test_a_client_connects_again(server: VStreamServer) -> None:
    """After VTGate was away, a new call on the same client works."""
    server.answer = Scripts([BEAT, Hang()], [BEAT])

    with VStreamClient(config(server.port)) as client:
        responses = iter(client.stream(REQUEST))
        next(responses)
        server.stop()
        with pytest.raises(TransientError):
            next(responses)
        server.start()
        assert _eventually_read(client) == 1


def _eventually_read(client: VStreamClient) -> int:
    """Reads a stream, once gRPC's back-off after the lost connection is over."""
    end = time.monotonic() + 20
    while True:
        try:
            return len(list(client.stream(REQUEST)))
        except TransientError:
            if time.monotonic() > end:
                raise


def test_nothing_listens() -> None:
    """A refused connection is transient in a sync, and names what to check."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with VStreamClient(config(port)) as client, pytest.raises(TransientError, match="Nothing listens on the gRPC port"):
        list(client.stream(REQUEST))


def test_ipv6_hosts_are_put_in_brackets() -> None:
    """An IPv6 address is a host like any other."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as unused:
        port = unused.getsockname()[1]
    settings = Config.from_json({"url": f"vitess://[::1]:{port}/main"})

    with VStreamClient(settings) as client, pytest.raises(TransientError, match="Nothing listens"):
        list(client.stream(REQUEST))


def _resident() -> int:
    """Returns the memory that this process takes, in MiB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is measured as Linux reports it")
def test_broken_streams_leave_nothing_behind(server: VStreamServer) -> None:
    """A sync runs with the collector off: 200 streams that break after a message of 2 MB do not add up."""
    large = VEvent(type=VEventType.ROW, row_event=RowEvent(row_changes=[RowChange(after=Row(values=bytes(2_000_000)))]))

    def break_streams(times: int) -> None:
        for _ in range(times):
            play(server, [large, Fail(grpc.StatusCode.UNAVAILABLE, "gone")])
            with pytest.raises(TransientError), client.stream(REQUEST) as stream:
                for _ in stream:
                    pass

    gc.collect()
    gc.disable()
    try:
        with VStreamClient(config(server.port)) as client:
            break_streams(20)  # allocators and threads have what they need by then
            before = _resident()
            break_streams(200)
            grown = _resident() - before
    finally:
        gc.enable()

    assert grown < 40
