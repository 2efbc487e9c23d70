"""The destination's configuration: from Airbyte's JSON to values, with every default in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from source_vitess.errors import ConfigError
from source_vitess.settings.config import Config as VitessConfig

TLS_MODES = ("preferred", "disabled", "required", "verify")


@dataclass(frozen=True)
class Address:
    """A MySQL server, or a ReadySet, and who logs in.

    Attributes:
        host: A host name or an IP address.
        port: The port.
        username: The user.
        password: Not part of `repr`.
        tls: `preferred` (if the server can), `disabled`, `required` (the certificate is not looked at) or `verify`.
        ca_certificate: PEM text to verify with; empty for the system's authorities.
    """

    host: str
    port: int
    username: str
    password: str = field(default="", repr=False)
    tls: str = "preferred"
    ca_certificate: str = field(default="", repr=False)


@dataclass(frozen=True)
class Config:
    """Where to write, and what.

    Attributes:
        mysql: The MySQL that ReadySet replicates.
        vitess: The source's own configuration, to look at the keyspace's tables with; None without.
        databases: The database of a namespace, where it is not the namespace itself.
        bookkeeping_database: Where states and what was made are kept.
        exact_types: The keyspace's own types, whether or not ReadySet takes them.
        replication: Who ReadySet logs in as at `mysql`, to check that account's rights; None for not checked.
        readyset: A running ReadySet; None without.
        caches: CREATE CACHE statements for it.
    """

    mysql: Address
    vitess: VitessConfig | None = None
    databases: Mapping[str, str] = field(default_factory=dict)
    bookkeeping_database: str = "_airbyte_readyset"
    exact_types: bool = False
    replication: Address | None = None
    readyset: Address | None = None
    caches: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in logs."""
        found = {address.password for address in (self.mysql, self.replication, self.readyset) if address}
        if self.vitess:
            found.update(self.vitess.secrets)
        return tuple(sorted(found - {""}, key=len, reverse=True))

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Config:
        """Reads the configuration that Airbyte passes.

        Raises:
            ConfigError: A value is missing or wrong.
        """
        if not isinstance(json, Mapping):
            raise ConfigError("The configuration must be a JSON object.")
        given = {name: value for name, value in json.items() if value is not None}
        mysql = _address(given, "", 3306)
        vitess = given.get("vitess")
        bookkeeping = _text(given, "bookkeeping_database", cls.bookkeeping_database)
        databases = _databases(given.get("databases", []))
        if bookkeeping in databases.values():
            raise ConfigError("The field bookkeeping_database names a database of tables. Give it one of its own.")
        readyset = _object(given, "readyset")
        user = _text(given, "replication_username", "")
        return cls(
            mysql=mysql,
            vitess=VitessConfig.from_json(vitess) if vitess else None,
            databases=databases,
            bookkeeping_database=bookkeeping,
            exact_types=_boolean(given, "exact_types"),
            replication=Address(
                mysql.host, mysql.port, user, _secret(given, "replication_password"), mysql.tls, mysql.ca_certificate
            )
            if user
            else None,
            readyset=_address(readyset, "readyset.", 3307) if readyset else None,
            caches=_statements(readyset.get("caches", [])),
        )


def _address(given: Mapping[str, Any], prefix: str, port: int) -> Address:
    tls = _text(given, "tls", "preferred")
    if tls not in TLS_MODES:
        raise ConfigError(f"The field {prefix}tls must be one of {', '.join(TLS_MODES)}.")
    number = given.get("port", port)
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 65535:
        raise ConfigError(f"The field {prefix}port must be a number from 1 to 65535.")
    host, username = _text(given, "host", ""), _text(given, "username", "")
    for name, value in (("host", host), ("username", username)):
        if not value:
            raise ConfigError(f"The field {prefix}{name} is missing.")
    return Address(host, number, username, _secret(given, "password"), tls, _secret(given, "ca_certificate"))


def _text(given: Mapping[str, Any], name: str, default: str) -> str:
    value = given.get(name, default)
    if not isinstance(value, str) or "\0" in value:
        raise ConfigError(f"The field {name} must be text.")
    return value or default


def _secret(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise ConfigError(f"The field {name} must be text.")
    return value


def _boolean(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise ConfigError(f"The field {name} must be true or false.")
    return value


def _object(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, Mapping):
        raise ConfigError(f"The field {name} must be an object.")
    return {key: inner for key, inner in value.items() if inner is not None}


def _databases(pairs: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs if isinstance(pairs, list) else [None]:
        namespace, separator, database = pair.partition("=") if isinstance(pair, str) else ("", "", "")
        if not (namespace and separator and database):
            raise ConfigError('The field databases must be a list of texts such as "namespace=database".')
        if found.setdefault(namespace, database) != database:
            raise ConfigError(f"The field databases gives the namespace {namespace!r} two databases.")
    return found


def _statements(texts: Any) -> tuple[str, ...]:
    if not isinstance(texts, list):
        raise ConfigError("The field readyset.caches must be a list of CREATE CACHE statements.")
    for text in texts:
        words = text.upper().split() if isinstance(text, str) else []
        if words[:1] != ["CREATE"] or "CACHE" not in words[1:4]:
            raise ConfigError("The field readyset.caches must hold statements that begin with CREATE CACHE.")
    return tuple(texts)
