"""How a connection is protected: the values of the fields `tls` and `tunnel_method`.

Names of fields and choices are those of Airbyte's database sources where they have the same (`ssl_mode` there).
"""

from __future__ import annotations

import binascii
import enum
import hashlib
import ipaddress
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from source_vitess.errors import ConfigError
from source_vitess.settings.json_fields import JsonFields
from source_vitess.settings.pem import CERTIFICATE, PRIVATE_KEY, read_pem

_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?")
# `ssh-keyscan` and the files of /etc/ssh write `[host] <type> <base64> [comment]`.
_PUBLIC_KEY = re.compile(r"(?:^|\s)(?P<type>(?:ssh|ecdsa|sk)-[A-Za-z0-9@.-]+)\s+(?P<key>[A-Za-z0-9+/]+=*)(?:\s|$)")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?(?=\s|$)")


class TlsMode(enum.Enum):
    """Whether connections are encrypted, and what is asked of VTGate's certificate."""

    DISABLED = "disabled"
    #: Encrypted, whatever the certificate: safe from listeners, not from somebody who stands in between.
    REQUIRED = "required"
    #: Signed by the CA, whatever name it carries.
    VERIFY_CA = "verify_ca"
    #: Signed by the CA, and for the host that is connected to.
    VERIFY_IDENTITY = "verify_identity"


@dataclass(frozen=True)
class Tls:
    """The field `tls`.

    Attributes:
        mode: What is asked of VTGate's certificate.
        ca_certificate: PEM; empty for the public CAs.
        client_certificate: PEM, for a VTGate that asks for one; else empty.
        client_key: PEM, of the client certificate. Not part of `repr`, like its password.
        client_key_password: Empty for a key without one.
        server_name: The name to look for in VTGate's certificate; empty for the URL's host.
    """

    mode: TlsMode
    ca_certificate: str = field(default="", repr=False)
    client_certificate: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)
    client_key_password: str = field(default="", repr=False)
    server_name: str = ""

    @property
    def encrypted(self) -> bool:
        """Whether connections are encrypted."""
        return self.mode is not TlsMode.DISABLED


class TunnelMethod(enum.Enum):
    """How an SSH server is logged in to."""

    NO_TUNNEL = "NO_TUNNEL"
    SSH_KEY_AUTH = "SSH_KEY_AUTH"
    SSH_PASSWORD_AUTH = "SSH_PASSWORD_AUTH"  # noqa: S105 - the name of a choice


@dataclass(frozen=True)
class Tunnel:
    """The field `tunnel_method`, if a tunnel was chosen.

    Attributes:
        host: The SSH server.
        port: Its port.
        user: Who logs in.
        host_key: The fingerprint `SHA256:…` of the key that the server must have; empty if it was not given.
        host_key_type: The type of that key, such as `ssh-ed25519`; empty if it is not known.
        key: A private key in PEM form; empty for a password. Not part of `repr`, like the others.
        key_passphrase: Of the private key; empty without one.
        password: Empty for a private key.
    """

    host: str
    port: int
    user: str
    host_key: str = ""
    host_key_type: str = ""
    key: str = field(default="", repr=False)
    key_passphrase: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def is_loopback(host: str) -> bool:
    """Tells whether a host is this machine, whatever name servers answer."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def read_tls(given: JsonFields | None) -> Tls | None:
    """Reads the field `tls`; None if nothing was chosen.

    Raises:
        ConfigError: A value is missing or wrong, or a key does not fit.
    """
    if given is None or not given.names():
        return None
    mode = TlsMode(given.choice("mode", [choice.value for choice in TlsMode], required=True))
    if mode is TlsMode.DISABLED:
        return Tls(mode)
    verified = mode in (TlsMode.VERIFY_CA, TlsMode.VERIFY_IDENTITY)
    tls = Tls(
        mode,
        ca_certificate=_pem(given, "ca_certificate", CERTIFICATE) if verified else "",
        client_certificate=_pem(given, "client_certificate", CERTIFICATE),
        client_key=_pem(given, "client_key", PRIVATE_KEY),
        client_key_password=given.secret("client_key_password"),
        server_name=_host(given, "server_name") if mode is TlsMode.VERIFY_IDENTITY else "",
    )
    if bool(tls.client_certificate) != bool(tls.client_key):
        missing = "tls.client_key" if tls.client_certificate else "tls.client_certificate"
        raise ConfigError(f"A client certificate and its key belong together: the field {missing} is empty.")
    return tls


def read_tunnel(given: JsonFields | None) -> Tunnel | None:
    """Reads the field `tunnel_method`; None for no tunnel.

    Raises:
        ConfigError: A value is missing or wrong.
    """
    if given is None or not given.names():
        return None
    method = TunnelMethod(given.choice("tunnel_method", [choice.value for choice in TunnelMethod], required=True))
    if method is TunnelMethod.NO_TUNNEL:
        return None
    with_key = method is TunnelMethod.SSH_KEY_AUTH
    key = given.secret("ssh_key", required=with_key, multiline=True) if with_key else ""
    host_key, host_key_type = _host_key(given, "tunnel_host_key")
    return Tunnel(
        host=_host(given, "tunnel_host", required=True),
        port=given.integer("tunnel_port", 1, 65535, 22),
        user=given.text("tunnel_user", required=True),
        host_key=host_key,
        host_key_type=host_key_type,
        key=read_pem(key, "tunnel_method.ssh_key", PRIVATE_KEY),
        key_passphrase=given.secret("ssh_key_passphrase") if with_key else "",
        password="" if with_key else given.secret("tunnel_user_password", required=True),
    )


def _pem(given: JsonFields, name: str, kind: str) -> str:
    return read_pem(given.secret(name, multiline=True), f"tls.{name}", kind)


def _host_key(given: JsonFields, name: str) -> tuple[str, str]:
    """Returns fingerprint and type of a public key, of a line of a known_hosts file, or of a fingerprint."""
    text = given.text(name).strip()
    if not text:
        return "", ""
    if match := _FINGERPRINT.search(text):
        return match[0].rstrip("="), ""
    try:
        match = _PUBLIC_KEY.search(text)
        if match:
            digest = hashlib.sha256(b64decode(match["key"], validate=True)).digest()
            return "SHA256:" + b64encode(digest).decode().rstrip("="), match["type"]
    except binascii.Error:
        pass
    raise given.wrong(
        name, "a public key (ssh-ed25519 AAAA…), a line of a known_hosts file or a fingerprint SHA256:…", text
    )


def _host(given: JsonFields, name: str, *, required: bool = False) -> str:
    host = given.text(name, required=required).strip().strip("[]")
    if host and not _HOST_NAME.fullmatch(host):
        try:
            ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            raise given.wrong(name, "a host name in ASCII or an IP address", host) from None
    return host
