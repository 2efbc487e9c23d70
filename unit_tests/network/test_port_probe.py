"""What listens on a port, recognised by its first bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError
from source_vitess.network import port_probe as module
from source_vitess.network.port_probe import Listener, Speech, probe

GREETING = b"\x4a\x00\x00\x00\x0a8.4.6-Vitess\x00\x01\x00\x00\x00"
SETTINGS = b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is recognised sooner than a person would like."""
    monkeypatch.setattr(module, "GREETING_TIMEOUT", 0.2)
    monkeypatch.setattr(module, "_ANSWER_TIMEOUT", 0.2)


@contextmanager
def serve(first: bytes = b"", answer: bytes = b"") -> Iterator[int]:
    """Serves one connection: sends something, waits to be asked if there is an answer, and gives it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            connection, _ = server.accept()
            with connection:
                if first:
                    connection.sendall(first)
                if answer:
                    connection.recv(100)
                    connection.sendall(answer)
                while connection.recv(100):
                    pass

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            thread.join(10)


def look(port: int) -> Listener:
    """Looks at a port on loopback."""
    return probe("127.0.0.1", port, name="some port", timeout=5)


@pytest.mark.parametrize(
    ("first", "answer", "expected"),
    [
        (GREETING, b"", Listener(Speech.MYSQL, "8.4.6-Vitess")),
        (b"\x10\x00\x00\x00\xff\x10\x04Too many connections", b"", Listener(Speech.MYSQL)),
        (SETTINGS, b"", Listener(Speech.HTTP2)),
        (b"", b"HTTP/1.0 200 OK\r\n\r\n", Listener(Speech.HTTP1)),
        (b"", b"", Listener(Speech.UNKNOWN)),
        (b"220 mail.example.com ESMTP\r\n", b"", Listener(Speech.UNKNOWN)),
        (b"\x15\x03\x01\x00\x02\x02\x16", b"", Listener(Speech.UNKNOWN)),
        (b"\x00", b"", Listener(Speech.UNKNOWN)),
    ],
    ids=["MySQL", "MySQL that refuses", "gRPC", "a web server", "silence", "mail", "TLS alert", "a byte"],
)
def test_what_a_server_says_first(first: bytes, answer: bytes, expected: Listener) -> None:
    """A server is recognised by what it sends, and never by its port."""
    with serve(first, answer) as port:
        assert look(port) == expected


def test_real_servers(vitess: Vitess) -> None:
    """Servers of the two protocols are recognised as what they are."""
    assert look(vitess.mysql.port) == Listener(Speech.MYSQL, "8.4.6-Vitess")
    assert look(vitess.vstream.port).speech is Speech.HTTP2


def test_nothing_listens() -> None:
    """A refused connection names the port, and what it is for."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with pytest.raises(ConfigError, match=f"Nothing listens on 127.0.0.1:{port}, the some port"):
        look(port)


def test_a_host_that_does_not_exist() -> None:
    """A name that cannot be resolved is named; `.invalid` never can be (RFC 6761)."""
    with pytest.raises(ConfigError, match=r"The host gate\.invalid cannot be resolved"):
        probe("gate.invalid", 1, name="some port", timeout=5)


def test_a_host_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is not taken in time names host and port, and thinks of firewalls."""

    def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
        raise TimeoutError("timed out")

    monkeypatch.setattr("socket.create_connection", create_connection)

    with pytest.raises(ConfigError, match=r"10\.0\.0\.1:15991, the some port, cannot be reached\. .*firewalls"):
        probe("10.0.0.1", 15991, name="some port", timeout=5)
