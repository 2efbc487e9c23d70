"""A TCP proxy on the loopback interface that can lose connections as a network does: without a word to either side."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

_CHUNK = 1 << 16


class Proxy:
    """Forwards connections to a port.

    Args:
        port: The port to forward to.

    Attributes:
        port: The port to connect to.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._era = 0
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._acceptor = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._acceptor.start()

    def drop(self) -> None:
        """Forwards nothing of the present connections any more, and closes none of them; new ones work."""
        self._era += 1

    def pause(self) -> None:
        """Forwards nothing at all until `go_on`."""
        self._flowing.clear()

    def go_on(self) -> None:
        """Forwards again."""
        self._flowing.set()

    def close(self) -> None:
        """Ends all connections and accepts no more."""
        self._flowing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        with self._lock:
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        with self._listener:
            while True:
                try:
                    near, _ = self._listener.accept()
                except OSError:
                    return
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    near.close()
                    continue
                with self._lock:
                    self._ends |= {near, far}
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=(source, sink, sink is near), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, to_near: bool) -> None:
        era = self._era
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                self._flowing.wait()
                if era == self._era:
                    sink.sendall(chunk)
        with self._lock, suppress(OSError):
            self._ends.discard(source)
            if sink not in self._ends:
                # The other direction has ended before: now nobody uses the two sockets.
                source.close()
                sink.close()
            elif era == self._era or not to_near:
                # Whoever connected does not learn that a lost connection was closed on the far side.
                sink.shutdown(socket.SHUT_WR if to_near else socket.SHUT_RDWR)
