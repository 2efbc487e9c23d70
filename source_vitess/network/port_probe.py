"""What listens on a TCP port, recognised by its first bytes: a MySQL server greets, a gRPC server sends its settings.

The libraries for MySQL and gRPC wait for their timeouts on each other's ports, or fail with words that help nobody.
"""

from __future__ import annotations

import contextlib
import enum
import socket
import time
from dataclasses import dataclass

from source_vitess.errors import ConfigError

#: Seconds to wait for a server that speaks first.
GREETING_TIMEOUT = 2.0
#: Seconds to wait for the answer to a request.
_ANSWER_TIMEOUT = 1.0

_PROTOCOL_10 = 0x0A  # MySQL manual, "Protocol::Handshake"
_ERROR_PACKET = 0xFF
_SETTINGS_FRAME = 0x04  # RFC 9113 §6.5: type, after three bytes of length
_HTTP_REQUEST = b"GET / HTTP/1.0\r\n\r\n"


class Speech(enum.Enum):
    """What a server speaks."""

    MYSQL = "MySQL"
    #: gRPC's transport. It may still be a server of something else than VStream.
    HTTP2 = "HTTP/2"
    #: HTTP/1, a web server or a status page.
    HTTP1 = "HTTP"
    #: It accepts connections and sends nothing, as a TLS server does; or something unknown.
    UNKNOWN = "nothing known"


@dataclass(frozen=True)
class Listener:
    """What listens on a port.

    Attributes:
        speech: The protocol.
        version: What a MySQL server calls its version; empty for others.
    """

    speech: Speech
    version: str = ""


def probe(host: str, port: int, *, name: str, timeout: float) -> Listener:
    """Looks at what listens on a port.

    Args:
        host: A name or address.
        port: The port.
        name: What to call the port in messages.
        timeout: Seconds for the connection to stand.

    Raises:
        ConfigError: The host cannot be resolved, or nothing takes the connection.
    """
    try:
        connection = socket.create_connection((host, port), timeout)
    except socket.gaierror as error:
        raise ConfigError(
            f"The host {host} cannot be resolved. Check its name in the field url.", detail=str(error)
        ) from error
    except ConnectionRefusedError as error:
        raise ConfigError(
            f"Nothing listens on {host}:{port}, the {name}. Check that VTGate runs and serves that port, and the port "
            "in the field url."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{host}:{port}, the {name}, cannot be reached. Check the host and port in the field url, and that "
            "firewalls let the connection through.",
            detail=str(error),
        ) from error
    with connection:
        first = _receive(connection, GREETING_TIMEOUT)
        if not first:
            with contextlib.suppress(OSError):
                connection.sendall(_HTTP_REQUEST)
            first = _receive(connection, _ANSWER_TIMEOUT)
    return _classify(first)


def _receive(connection: socket.socket, timeout: float) -> bytes:
    """Returns up to 200 bytes, fewer when they end or the time is up."""
    end = time.monotonic() + timeout
    received = b""
    with contextlib.suppress(OSError):
        while (left := end - time.monotonic()) > 0 and len(received) < 200:
            connection.settimeout(left)
            piece = connection.recv(200)
            if not piece:
                break
            received += piece
            if _classify(received).speech is not Speech.UNKNOWN:
                break
    return received


def _classify(first: bytes) -> Listener:
    if len(first) > 4 and first[3] == 0 and first[4] == _PROTOCOL_10:
        return Listener(Speech.MYSQL, first[5:].partition(b"\0")[0].decode("ascii", "replace"))
    if len(first) > 4 and first[3] == 0 and first[4] == _ERROR_PACKET:
        return Listener(Speech.MYSQL)
    if len(first) >= 9 and first[:2] == b"\0\0" and first[3] == _SETTINGS_FRAME and first[5:9] == b"\0\0\0\0":
        return Listener(Speech.HTTP2)
    return Listener(Speech.HTTP1 if first.startswith(b"HTTP/1") else Speech.UNKNOWN)
