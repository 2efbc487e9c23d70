"""The connection URL: where VTGate is, and which keyspace is read.

    vitess://<host>[:<gRPC port>]/<keyspace>[?mysql_port=<MySQL port>]

- It holds no user name and no password, which have fields of their own: a URL is shown in forms and logs.
- The keyspace is percent-decoded; an IPv6 host stands in brackets.
- People write passwords into URLs all the same, so messages never show a part that could be a piece of one: not the
  URL itself, not a host or a port of the wrong form, nothing around an `@`.
- The ports' defaults are those of Vitess' own examples (vitess.io/docs, "Local Install").
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from source_vitess.errors import ConfigError

#: vtgate --grpc-port in Vitess' examples.
DEFAULT_GRPC_PORT = 15991
#: vtgate --mysql-server-port in Vitess' examples.
DEFAULT_MYSQL_PORT = 15306

SCHEME = "vitess://"
_EXAMPLE = "vitess://vtgate.example.com:15991/commerce?mysql_port=15306"
_MYSQL_PORT = "mysql_port"

_AUTHORITY_END = re.compile(r"[/?#]")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Has a meaning of its own in a target, `keyspace:shard@tablet_type` (go/vt/topo/topoproto/destination.go).
_TARGET = re.compile(r"/[^/?#@]+@(primary|replica|rdonly|master)(\?[^@#]*)?", re.IGNORECASE)
_KEYSPACE_FORBIDDEN = re.compile(r"[/:@\[\]|]")


@dataclass(frozen=True)
class VitessUrl:
    """A parsed URL.

    Attributes:
        host: A host name or an IP address, without brackets.
        keyspace: The keyspace.
        grpc_port: VTGate's gRPC port, for VStream.
        mysql_port: VTGate's MySQL port, for the schema.
    """

    host: str
    keyspace: str
    grpc_port: int = DEFAULT_GRPC_PORT
    mysql_port: int = DEFAULT_MYSQL_PORT

    @classmethod
    def parse(cls, text: str, *, field: str = "url") -> VitessUrl:
        """Reads a URL.

        Args:
            text: The URL.
            field: The name of the configuration's field, for messages; `username` and `password` are its neighbours.

        Raises:
            ConfigError: It is not of the form above; the message names the part.
        """
        try:
            return cls._parse(text)
        except _UserInformationError:
            path = field.rpartition("url")[0]
            # Without a piece of the URL: where the password in it begins and ends would be a guess.
            raise ConfigError(
                f"The field {field} holds an @: a user name and a password do not belong in the URL. Put the user name "
                f"into the field {path}username and the password into the field {path}password, exactly as they are "
                f"(what was written as %40, %3A or %2F in the URL is @, : or / there), and write the field {field} "
                f"without them, like {_EXAMPLE}"
            ) from None
        except _WrongUrlError as wrong:
            raise ConfigError(
                f"The field {field} is not a Vitess URL: {wrong}. It should look like {_EXAMPLE}"
            ) from None

    @classmethod
    def _parse(cls, text: str) -> VitessUrl:
        if text[: len(SCHEME)].lower() != SCHEME:
            raise _WrongUrlError(f"it does not begin with {SCHEME}")
        rest = text[len(SCHEME) :]
        end = match.start() if (match := _AUTHORITY_END.search(rest)) else len(rest)
        authority, tail = rest[:end], rest[end:]
        if "@" not in authority and _TARGET.fullmatch(tail):
            raise _WrongUrlError(
                "after the keyspace stands a shard or a tablet type; give the keyspace alone, and those in the fields "
                "shards and tablet_type"
            )
        if "@" in rest:
            raise _UserInformationError
        if _CONTROL.search(text) or " " in text:
            raise _WrongUrlError("it holds a space, a line break or another control character")
        if "#" in tail:
            raise _WrongUrlError("a # stands after the host")
        host, grpc_port = _parse_address(authority)
        path, _, query = tail.partition("?")
        return cls(host=host, keyspace=_parse_keyspace(path), grpc_port=grpc_port, mysql_port=_parse_parameters(query))


class _WrongUrlError(ValueError):
    """Says which part of a URL is wrong."""


class _UserInformationError(ValueError):
    """A URL has a user name or a password."""


def _decode(part: str, text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise _WrongUrlError(f"the {part} has a % that is not followed by two hexadecimal digits; write % as %25")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        # Without its cause, which holds the bytes.
        raise _WrongUrlError(f"the {part} is not UTF-8 once its %-escapes are decoded") from None
    if _CONTROL.search(decoded):
        raise _WrongUrlError(f"the {part} holds a line break or another control character")
    return decoded


def _parse_address(text: str) -> tuple[str, int]:
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None:
        raise _WrongUrlError("the host and port are not clear; write an IPv6 address in brackets, like [::1]:15991")
    host, port = match["host"], match["port"]
    if not host:
        raise _WrongUrlError("the host is missing")
    if host.startswith("["):
        host = _parse_ipv6(host[1:-1])
    elif not _HOST_NAME.fullmatch(host):
        # Not shown: where the @ and what follows it are missing, a user name and a password look like a host.
        raise _WrongUrlError("the host is neither a host name in ASCII nor an IP address")
    return host, DEFAULT_GRPC_PORT if port is None else _parse_port("gRPC port after the host", port)


def _parse_ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(_decode("host", text)))
    except ValueError:
        raise _WrongUrlError("what stands in brackets is not an IPv6 address") from None


def _parse_port(part: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise _WrongUrlError(f"the {part} is not a number from 1 to 65535")
    port = int(text)
    if not 1 <= port <= 65535:
        raise _WrongUrlError(f"the {part} is {port}, not a number from 1 to 65535")
    return port


def _parse_keyspace(path: str) -> str:
    keyspace = _decode("keyspace", path.removeprefix("/"))
    if not keyspace:
        raise _WrongUrlError("the keyspace is missing; it stands after the host and a slash")
    if found := _KEYSPACE_FORBIDDEN.search(keyspace):
        raise _WrongUrlError(
            f"the keyspace holds {found[0]!r}; give the keyspace alone, "
            "and shards and tablet type in the fields of those names"
        )
    return keyspace


def _parse_parameters(query: str) -> int:
    mysql_port: int | None = None
    for item in query.split("&") if query else ():
        name, _, value = item.partition("=")
        name = _decode("name of a parameter", name)
        if name != _MYSQL_PORT:
            raise _WrongUrlError(f"it has a parameter {name[:40]!r}; the only one is {_MYSQL_PORT}")
        if mysql_port is not None:
            raise _WrongUrlError(f"it has the parameter {_MYSQL_PORT} twice")
        mysql_port = _parse_port(f"parameter {_MYSQL_PORT}", value)
    return DEFAULT_MYSQL_PORT if mysql_port is None else mysql_port
