"""MySQL servers of a few packets: with TLS, or with bad manners, as no library makes them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: CLIENT_SSL and CLIENT_DEPRECATE_EOF (MySQL manual, "Capabilities Flags").
_SSL = 0x0800
OK = b"\0\0\0\2\0\0\0"
SALT = b"saltsaltsaltsaltsalt"


class Peer:
    """The server's side of one connection, packet by packet.

    Attributes:
        connection: The socket, or the TLS connection on it.
        sequence: The number of the next packet.
        received: What the client sent, packets as they came.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.sequence = 0
        self.received: list[bytes] = []

    def send(self, payload: bytes) -> None:
        """Sends a packet."""
        self.connection.sendall(len(payload).to_bytes(3, "little") + bytes([self.sequence]) + payload)
        self.sequence = (self.sequence + 1) % 256

    def read(self) -> bytes:
        """Returns the client's next packet; raises ConnectionError at the end."""
        header = self._read_exactly(4)
        self.sequence = (header[3] + 1) % 256
        payload = self._read_exactly(int.from_bytes(header[:3], "little"))
        self.received.append(payload)
        return payload

    def greet(self, *, tls: ssl.SSLContext | None = None, plugin: bytes = b"mysql_native_password") -> None:
        """Greets, encrypts if there is a context, and reads the client's login."""
        low = (0xFFFF if tls else 0xFFFF & ~_SSL).to_bytes(2, "little")
        self.send(
            b"\x0a8.4.6-Vitess\0" + bytes(4) + SALT[:8] + b"\0" + low + b"\x21\2\0" + b"\xff\xde\x15" + bytes(10)
            + SALT[8:] + b"\0" + plugin + b"\0"
        )  # fmt: skip
        self.read()
        if tls is not None:
            self.connection = tls.wrap_socket(self.connection, server_side=True)
            self.read()

    def accept_all(self) -> None:
        """Says OK to the login and to every statement."""
        while True:
            self.send(OK)
            self.read()

    def _read_exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            piece = self.connection.recv(size - len(found))
            if not piece:
                raise ConnectionError
            found += piece
        return found


@contextmanager
def mysql_server(serve: Callable[[Peer], None]) -> Iterator[tuple[int, list[Peer]]]:
    """Serves connections one after the other with a function, and yields the port and the connections so far."""
    peers: list[Peer] = []
    stopping = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            if stopping.is_set():
                accepted.close()
                return
            peer = Peer(accepted)
            peers.append(peer)
            try:
                serve(peer)
            except OSError:
                pass  # the client went away, as it should
            finally:
                peer.connection.close()

    thread = threading.Thread(target=run, name="raw-mysql", daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield port, peers
    finally:
        stopping.set()
        for peer in peers:
            with suppress(OSError):
                peer.connection.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 5).close()
        thread.join(10)
        listener.close()
