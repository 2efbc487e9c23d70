"""Whether a VTGate listens on the two ports that are configured, and if not, what does."""

from __future__ import annotations

from source_vitess.clock import Deadline
from source_vitess.errors import ConfigError, ConnectorError
from source_vitess.network.port_probe import Listener, Speech, probe
from source_vitess.network.tls import grpc_trust, speaks_tls
from source_vitess.settings.config import Config

#: Seconds for an answer of one port.
PORT_SECONDS = 4.0
_MYSQL = "MySQL port (mysql_port in the field url)"
_GRPC = "gRPC port (after the host in the field url)"

#: What answers on a port in the place of what belongs there.
_DESCRIPTIONS = {
    Speech.MYSQL: "is a MySQL server, not",
    Speech.HTTP2: "is a gRPC server, not",
    Speech.HTTP1: "is a web server, not",
    Speech.UNKNOWN: "takes connections but does not answer: it is hung, or is not",
}


def check_ports(config: Config, deadline: Deadline) -> tuple[Listener, Listener]:
    """Looks at both ports, and returns what listens on them: on the MySQL port, on the gRPC port."""
    url = config.url
    deadline.begin(f"connecting to {url.host}:{url.mysql_port}, the {_MYSQL}")
    mysql = probe(*config.mysql_address, name=_MYSQL, timeout=deadline.left(PORT_SECONDS))
    deadline.begin(f"connecting to {url.host}:{url.grpc_port}, the {_GRPC}")
    grpc = _probe_grpc(config, deadline)
    if mysql.speech is Speech.HTTP2 and grpc.speech is Speech.MYSQL:
        raise ConfigError(
            f"The ports are the wrong way round: {url.mysql_port} is a gRPC port and {url.grpc_port} is a MySQL port. "
            f"In the field url, write {url.mysql_port} after the host and mysql_port={url.grpc_port}."
        )
    if mysql.speech is not Speech.MYSQL:
        raise ConfigError(
            f"Port {url.mysql_port} {_DESCRIPTIONS[mysql.speech]} a MySQL server. Set mysql_port in the field url "
            "to VTGate's MySQL port (vtgate --mysql-server-port)."
        )
    if grpc.speech in (Speech.MYSQL, Speech.HTTP1):
        raise not_a_grpc_server(config, grpc)
    if grpc.speech is Speech.UNKNOWN and speaks_tls(config.grpc_address, deadline.left(PORT_SECONDS)):
        raise ConfigError(
            f"Port {url.grpc_port}, the {_GRPC}, wants an encrypted connection. Choose another encryption than "
            "disabled in the field tls."
        )
    return mysql, grpc


def _probe_grpc(config: Config, deadline: Deadline) -> Listener:
    """Looks at the gRPC port; where it should be encrypted, by a handshake."""
    encryption_error = None
    if config.encryption.encrypted:
        try:
            grpc_trust(config, timeout=deadline.left(PORT_SECONDS))
            return Listener(Speech.HTTP2)
        except ConnectorError as error:
            encryption_error = error
    listener = probe(*config.grpc_address, name=_GRPC, timeout=deadline.left(PORT_SECONDS))
    # Another kind of server is the better explanation.
    if encryption_error is not None and listener.speech not in (Speech.MYSQL, Speech.HTTP1):
        raise encryption_error
    return listener


def not_a_grpc_server(config: Config, found: Listener, *, detail: str = "") -> ConfigError:
    """Returns the error for a gRPC port on which another server listens."""
    return ConfigError(
        f"Port {config.url.grpc_port} {_DESCRIPTIONS[found.speech]} a gRPC server. Set the port after the host in "
        "the field url to VTGate's gRPC port (vtgate --grpc-port).",
        detail=detail,
    )
