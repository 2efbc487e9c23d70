"""Servers that do not keep to their protocols: a clear error, soon, and no memory without end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

import source_vitess.mysql.session as session_module
from instruments.raw_mysql import OK, Peer, mysql_server
from source_vitess.errors import ConfigError, ConnectorError, InternalError, TransientError
from source_vitess.mysql.session import VtgateSession
from source_vitess.proto import vtgate_pb2
from source_vitess.settings.config import Config
from source_vitess.vstream.client import VStream, VStreamClient

#: Seconds for a statement, of servers that never answer and of the others.
SHORT, LONG = 3.0, 90.0

#: One column named 1, of type VARCHAR (MySQL manual, "Text Resultset").
COLUMN = b"\3def\0\0\0\0011\0\x0c\x21\0\xff\0\0\0\xfd\0\0\0\0\0"
END = b"\xfe\0\0\2\0"


def log_in(peer: Peer) -> None:
    """Greets, lets everybody in, and waits for the first statement that is not about the session."""
    peer.greet()
    peer.send(OK)
    while peer.read()[1:4].lower() == b"set":
        peer.send(OK)


def rows_without_end(peer: Peer) -> None:
    """Sends rows forever."""
    log_in(peer)
    for packet in (b"\1", COLUMN, END):
        peer.send(packet)
    row = b"\xfd" + (1 << 20).to_bytes(3, "little") + b"x" * (1 << 20)
    while True:
        peer.send(row)


def one_packet_without_end(peer: Peer) -> None:
    """Sends one row that goes on forever."""
    log_in(peer)
    for packet in (b"\1", COLUMN, END):
        peer.send(packet)
    while True:
        peer.send(b"x" * 0xFFFFFF)


def drip(peer: Peer) -> None:
    """Sends a byte now and then."""
    log_in(peer)
    peer.connection.sendall(b"\xff\xff\0\1")
    stopped = threading.Event()
    while not stopped.wait(0.2):
        peer.connection.sendall(b"x")


def silence(peer: Peer) -> None:
    """Says nothing more."""
    log_in(peer)
    peer.connection.recv(1)


def local_infile(peer: Peer) -> None:
    """Asks for a file of the client's."""
    log_in(peer)
    peer.send(b"\xfb/etc/passwd")
    peer.read()


def out_of_order(peer: Peer) -> None:
    """Numbers its packets wrongly."""
    log_in(peer)
    peer.sequence = 7
    peer.send(OK)


def cut_off(peer: Peer) -> None:
    """Ends within a packet."""
    log_in(peer)
    peer.connection.sendall(b"\x40\0\0\1ab")


def column_count_of_a_billion(peer: Peer) -> None:
    """Announces more columns than there are."""
    log_in(peer)
    peer.send(b"\xfe" + (10**9).to_bytes(8, "little"))
    peer.send(COLUMN)
    peer.send(b"\0\0")


def row_shorter_than_it_says(peer: Peer) -> None:
    """Sends a value shorter than its length."""
    log_in(peer)
    for packet in (b"\1", COLUMN, END, b"\xfd\xff\xff\xffabc", END):
        peer.send(packet)


def greeting_of_no_version(peer: Peer) -> None:
    """Greets with a version that is no number."""
    peer.send(b"\x0ano version\0" + bytes(40))
    peer.read()


def greeting_cut_off(peer: Peer) -> None:
    """Ends within its greeting."""
    peer.send(b"\x0a8.0")


def login_without_end(peer: Peer) -> None:
    """Asks for more and more at the login."""
    peer.greet()
    while True:
        peer.send(b"\1\1")
        peer.read()


def switches_without_end(peer: Peer) -> None:
    """Asks to log in in another way, again and again."""
    peer.greet()
    while True:
        peer.send(b"\xfemysql_native_password\0saltsaltsaltsaltsalt\0")
        peer.read()


def random_bytes(peer: Peer) -> None:
    """Sends no packets at all."""
    peer.connection.sendall(bytes(range(256)) * 64)


@pytest.mark.parametrize(
    ("serve", "error"),
    [
        (rows_without_end, InternalError),
        (one_packet_without_end, InternalError),
        (drip, TransientError),
        (silence, TransientError),
        (local_infile, InternalError),
        (out_of_order, ConfigError),
        (cut_off, TransientError),
        (column_count_of_a_billion, InternalError),
        (row_shorter_than_it_says, InternalError),
        (greeting_of_no_version, InternalError),
        (greeting_cut_off, InternalError),
        (login_without_end, ConnectorError),
        (switches_without_end, ConnectorError),
        (random_bytes, ConnectorError),
    ],
    ids=lambda value: value.__name__,
)
def test_mysql(serve: Callable[[Peer], None], error: type[ConnectorError], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes, one of our errors is raised, and no file of this machine is sent."""
    monkeypatch.setattr(session_module, "MAX_ANSWER_BYTES", 20 << 20)
    seconds = SHORT if serve in (drip, silence) else LONG
    with mysql_server(serve) as (port, peers):
        config = Config.from_json({"url": f"vitess://127.0.0.1/main?mysql_port={port}"})
        with pytest.raises(error) as caught, VtgateSession.connect(config, statement_timeout=seconds) as session:
            session.query("select 1")

    assert caught.value.message.endswith(".")
    assert not any(b"root:" in packet for packet in peers[0].received)


@contextmanager
def grpc_server(answer: Callable[[grpc.ServicerContext], Iterator[bytes]]) -> Iterator[Config]:
    """Serves VStream with bytes of any kind."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_stream_rpc_method_handler(
            lambda _, context: answer(context)
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("vtgateservice.Vitess", {"VStream": method}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield Config.from_json({"url": f"vitess://127.0.0.1:{port}/main"})
        finally:
            server.stop(None).wait()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff",
        b"\x0a\xff\xff\xff\xff\x0f",  # an event of 4 GiB that is not there
        b"\x0a\x02\x28",
        b"not protobuf at all",
        b"\x0b" * 200_000,  # groups within groups
    ],
    ids=["varint", "length", "cut off", "text", "nested"],
)
def test_malformed_protobuf(data: bytes) -> None:
    """What is no VStreamResponse is reported as such, not as a lost connection that is tried again."""
    with (
        grpc_server(lambda _: iter([data])) as config,
        VStreamClient(config) as client,
        pytest.raises(InternalError, match="something else than a VStream"),
    ):
        _read(client.stream(vtgate_pb2.VStreamRequest(), timeout=LONG))


def _read(stream: VStream) -> None:
    for response in stream:
        list(response.events)


def test_a_message_of_two_gigabytes() -> None:
    """It is refused by the length that it announces, before its bytes are read."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_announce, args=(listener, 2_000_000_000), daemon=True)
        thread.start()
        config = Config.from_json({"url": f"vitess://127.0.0.1:{listener.getsockname()[1]}/main"})
        with VStreamClient(config) as client, pytest.raises(InternalError, match="more than 512 MiB"):
            list(client.stream(vtgate_pb2.VStreamRequest(), timeout=LONG))
        thread.join(10)


def _announce(listener: socket.socket, size: int) -> None:
    """Answers the first call of the first connection with the beginning of a message of this size."""

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def header(name: bytes, value: bytes) -> bytes:
        # RFC 7541 §6.2.2: a literal that is not indexed, with a new name.
        return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value

    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as file:
        connection.sendall(frame(4, 0, 0, b"") + frame(4, 1, 0, b""))
        file.read(24)  # RFC 9113 §3.4
        while True:
            start = file.read(9)
            file.read(int.from_bytes(start[:3], "big"))
            if start[3] == 1:
                break
        connection.sendall(frame(1, 4, 1, b"\x88" + header(b"content-type", b"application/grpc")))
        connection.sendall(frame(0, 0, 1, b"\0" + size.to_bytes(4, "big") + b"x" * 100))
        while file.read(1):
            pass


def test_heartbeats_for_ever_are_no_answer() -> None:
    """A stream that only shows that it is alive ends when its time is up."""

    def answer(context: grpc.ServicerContext) -> Iterator[bytes]:
        beat = vtgate_pb2.VStreamResponse()
        beat.events.add(type=14)
        while context.is_active():
            yield beat.SerializeToString()

    with grpc_server(answer) as config, VStreamClient(config) as client, pytest.raises(TransientError):
        for _ in client.stream(vtgate_pb2.VStreamRequest(), timeout=1):
            pass
