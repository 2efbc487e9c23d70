"""Encryption of both ports: contexts for MySQL, and what gRPC has to trust.

gRPC's Python library verifies certificate and name, always: it has no setting for less. So the gRPC port is connected
to once before, by Python's own TLS, which verifies exactly what is configured, and whose errors are more precise:

- `verify_identity`: gRPC then verifies again, by itself.
- `verify_ca`: gRPC gets the same CA, and for the name to look for one that the verified certificate carries.
- `required`: gRPC gets as its only CA the very certificate that the server showed, and a name that it carries.
  Whoever stood in between at that moment would be trusted, as `required` allows; nobody who comes later is.

An expired certificate is refused in every mode, because gRPC refuses it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from source_vitess.error_rules import Rule, build_error, first_match, redact
from source_vitess.errors import ConfigError, ConnectorError, TransientError
from source_vitess.settings.config import Address, Config
from source_vitess.settings.encryption import Tls, TlsMode

if TYPE_CHECKING:
    from cryptography import x509

#: Seconds for a connection and its handshake.
HANDSHAKE_SECONDS = 10.0
#: Seconds to wait for a refusal of the client's certificate, which TLS 1.3 sends after the handshake.
_REFUSAL_SECONDS = 1.0
#: gRPC's, negotiated as in RFC 9113 §3.2.
_HTTP2 = "h2"


def tls_rules(port: str, code: str) -> tuple[Rule, ...]:
    """Returns what the texts of Python's ssl and of gRPC's BoringSSL mean.

    Args:
        port: The port's name in messages: "gRPC port".
        code: What the text of the port's errors begins with.
    """
    return (
        Rule(
            pattern=r"certificate has expired|certificate is not yet valid",
            example=f"{code}: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired "
            "(_ssl.c:1006)",
            error=ConfigError,
            message=f"The certificate of VTGate's {port} has expired, or is not valid yet. It has to be renewed.",
        ),
        Rule(
            pattern=r"Hostname mismatch, certificate is not valid for '(?P<name>[^']*)'"
            r"|IP address mismatch, certificate is not valid for '(?P<address>[^']*)'"
            r"|Hostname Verification Check failed|Peer name (?P<peer>\S+) is not in peer certificate",
            example=f"{code}: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, "
            "certificate is not valid for 'gate'. (_ssl.c:1006)",
            error=ConfigError,
            message=f"The certificate of VTGate's {port} is not for the host that is connected to "
            "({name}{address}{peer}). Set tls.server_name to a name that the certificate carries, or correct the host.",
        ),
        Rule(
            pattern=r"CERTIFICATE_VERIFY_FAILED",
            example=f"{code}: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer "
            "certificate (_ssl.c:1006)",
            error=ConfigError,
            message=f"The certificate of VTGate's {port} is not signed by the CA that is trusted: the one in "
            "tls.ca_certificate, or a public one if that field is empty. Paste the certificate of the CA that signed "
            "it.",
        ),
        Rule(
            pattern=r"ALERT_CERTIFICATE_REQUIRED|alert certificate required|ALERT_HANDSHAKE_FAILURE|"
            r"ALERT_BAD_CERTIFICATE|ALERT_UNKNOWN_CA|ALERT_CERTIFICATE_(EXPIRED|UNKNOWN|REVOKED)",
            example=f"{code}: [SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2580)",
            error=ConfigError,
            message=f"VTGate's {port} wants a client certificate, and refused the one it got or got none. Fill in "
            "tls.client_certificate and tls.client_key with a certificate that VTGate's CA has signed.",
        ),
        Rule(
            pattern=r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST|"
            r"SSL is required but the server doesn't support it",
            example=f"{code}: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)",
            error=ConfigError,
            message=f"VTGate's {port} does not speak TLS, and the connection was to be encrypted. Give VTGate a "
            "certificate (vtgate --grpc-cert and --mysql-server-ssl-cert, with their keys), or choose the encryption "
            "disabled in the field tls if the network in between is trusted.",
        ),
        Rule(
            pattern=r"UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_SHARED_CIPHER",
            example=f"{code}: [SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version (_ssl.c:1006)",
            error=ConfigError,
            message=f"VTGate's {port} speaks no version of TLS that is safe: TLS 1.2 or later is needed.",
        ),
    )


_GRPC_RULES = tls_rules("gRPC port", "UNAVAILABLE")


@dataclass(frozen=True)
class GrpcTrust:
    """What gRPC has to know about a server.

    Attributes:
        roots: PEM of the CAs, or of the one certificate, that are trusted.
        name: The name to look for in the server's certificate.
        client_certificate: PEM, or empty.
        client_key: PEM without a password, or empty.
    """

    roots: bytes
    name: str
    client_certificate: bytes
    client_key: bytes


def mysql_context(config: Config) -> ssl.SSLContext:
    """Returns the context for the MySQL port.

    Raises:
        ConfigError: A certificate or key cannot be used.
    """
    return _context(config.encryption)


def server_name(config: Config) -> str:
    """Returns the name to look for in VTGate's certificate."""
    return config.encryption.server_name or config.url.host


def grpc_trust(config: Config, *, timeout: float = HANDSHAKE_SECONDS) -> GrpcTrust:
    """Connects to the gRPC port, and returns what gRPC has to trust there.

    Raises:
        ConfigError: The server does not encrypt, its certificate is refused, or it refuses ours.
        TransientError: It cannot be reached now.
    """
    tls = config.encryption
    context = _context(tls)
    context.set_alpn_protocols([_HTTP2])
    wanted = server_name(config)
    try:
        with (
            socket.create_connection(config.grpc_address, timeout) as raw,
            context.wrap_socket(raw, server_hostname=wanted) as connection,
        ):
            shown = connection.getpeercert(binary_form=True) or b""
            _await_refusal(connection)
    except OSError as error:
        raise _describe(error) from error
    key, certificate = tls.client_key.encode(), tls.client_certificate.encode()
    if key:
        key = _plain_key(tls)
    if tls.mode is TlsMode.VERIFY_IDENTITY:
        return GrpcTrust(_roots(tls), wanted, certificate, key)
    # Imported where they are needed, here and below: they take a tenth of a second that only encryption costs.
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    leaf = x509.load_der_x509_certificate(shown)
    names = _names(leaf)
    if not names:
        raise ConfigError(
            "The certificate of VTGate's gRPC port carries no name at all, and gRPC wants one. Make one with a "
            "subjectAltName."
        )
    name = wanted if wanted in names else names[0].replace("*", "vtgate")
    roots = _roots(tls) if tls.mode is TlsMode.VERIFY_CA else leaf.public_bytes(serialization.Encoding.PEM)
    return GrpcTrust(roots, name, certificate, key)


def speaks_tls(address: Address, timeout: float) -> bool:
    """Tells whether a server takes part in a TLS handshake, whatever its certificate."""
    context = _context(Tls(TlsMode.REQUIRED))
    try:
        with socket.create_connection(address, timeout) as raw, context.wrap_socket(raw):
            return True
    except OSError:
        return False


def _await_refusal(connection: ssl.SSLSocket) -> None:
    """Reads the first answer of a server: its HTTP/2 settings, or the refusal of the client's certificate."""
    connection.settimeout(_REFUSAL_SECONDS)
    with contextlib.suppress(TimeoutError):
        connection.recv(1)


def _describe(error: OSError) -> ConnectorError:
    text = str(error)
    if isinstance(error, ssl.SSLError) and (found := first_match(_GRPC_RULES, text)):
        return build_error(*found, text)
    return TransientError(
        "The encrypted connection to VTGate's gRPC port could not be made. Check that VTGate runs, that the host and "
        "the port in the field url are right, and that the port speaks TLS.",
        detail=redact(text),
    )


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A name in the subject alone is not looked at any more by anybody (RFC 9525 §2).
    context.hostname_checks_common_name = False
    context.check_hostname = tls.mode is TlsMode.VERIFY_IDENTITY
    if tls.mode is TlsMode.REQUIRED:
        context.verify_mode = ssl.CERT_NONE
    else:
        try:
            context.load_verify_locations(cadata=_roots(tls).decode())
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError("The field tls.ca_certificate holds no certificate that can be read.") from error
    if tls.client_certificate:
        _load_client_certificate(context, tls)
    return context


def _roots(tls: Tls) -> bytes:
    """Returns the CAs that are trusted: the user's, else Mozilla's list."""
    if tls.ca_certificate:
        return tls.ca_certificate.encode()
    import certifi

    with open(certifi.where(), "rb") as file:
        return file.read()


def _load_client_certificate(context: ssl.SSLContext, tls: Tls) -> None:
    certificate, key = tls.client_certificate.encode(), _plain_key(tls)
    try:
        # Python takes files only. These are pipes, so that the key is never on a disk.
        with _readable(certificate) as certificate_file, _readable(key) as key_file:
            context.load_cert_chain(certificate_file, key_file)
    except OSError:
        # Without the cause, which is misleading: OpenSSL tries to seek in a pipe when it has failed already.
        raise ConfigError(
            "The fields tls.client_certificate and tls.client_key cannot be used: the certificate is damaged, or the "
            "key is not the one that belongs to it."
        ) from None


def _plain_key(tls: Tls) -> bytes:
    """Returns the client's key without its password: gRPC takes no password."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    password = tls.client_key_password.encode() or None
    pem = tls.client_key.encode()
    has_password = b"ENCRYPTED" in pem
    try:
        key = serialization.load_pem_private_key(pem, password if has_password else None)
    except TypeError:
        raise ConfigError("The key in tls.client_key has a password. Fill in tls.client_key_password.") from None
    except (ValueError, UnsupportedAlgorithm):
        # Without the cause: it may quote the key.
        what = "or tls.client_key_password is wrong" if has_password else "or of a kind that is not known"
        raise ConfigError(f"The key in tls.client_key is damaged, {what}.") from None
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@contextlib.contextmanager
def _readable(content: bytes) -> Iterator[str]:
    """Yields a path from which the content can be read, once."""
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as file, contextlib.suppress(BrokenPipeError):
            file.write(content)

    thread = threading.Thread(target=write, name="certificate", daemon=True)
    thread.start()
    try:
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)
        thread.join()


def _names(certificate: x509.Certificate) -> Sequence[str]:
    """Returns the names that gRPC finds in a certificate: the alternative ones, else the subject's."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += found.get_values_for_type(x509.DNSName)
        names += map(str, found.get_values_for_type(x509.IPAddress))
    return names or [str(name.value) for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
