"""The destination's configuration: from Airbyte's JSON to values, with every default in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from source_vitess.errors import ConfigError
from source_vitess.settings.config import Config as VitessConfig
from source_vitess.settings.json_fields import JsonFields

from destination_readyset.cache_statement import CacheStatement

TLS_MODES = ("preferred", "disabled", "required", "verify")

_DATABASE = re.compile(r"[^=]+=.+", re.DOTALL)
_CACHE = re.compile(r".*", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """A MySQL server, or a ReadySet, and who logs in.

    Attributes:
        host: A host name or an IP address.
        port: The port.
        username: The user.
        password: Not part of `repr`.
        tls: `preferred` (if the server can), `disabled`, `required` (the certificate is not verified) or `verify`.
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
        json_as_text: Hold JSON as text, which ReadySet does not read otherwise than it is.
        replication: Who ReadySet logs in as at `mysql`, to check that account's rights; None for not checked.
        readyset: A running ReadySet; None without.
        caches: The deep caches that it is to have.
    """

    mysql: Address
    vitess: VitessConfig | None = None
    databases: Mapping[str, str] = field(default_factory=dict)
    bookkeeping_database: str = "_airbyte_readyset"
    exact_types: bool = False
    json_as_text: bool = True
    replication: Address | None = None
    readyset: Address | None = None
    caches: tuple[CacheStatement, ...] = ()

    def database(self, namespace: str | None) -> str:
        """Returns the database of a namespace; empty if there is no telling."""
        name = namespace or (self.vitess.keyspace if self.vitess else "")
        return self.databases.get(name, name)

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
        given = JsonFields(json)
        mysql = _address(given, 3306)
        bookkeeping = given.text("bookkeeping_database") or cls.bookkeeping_database
        databases = _databases(given)
        if bookkeeping in databases.values():
            raise ConfigError("The field bookkeeping_database names a database of tables. Give it one of its own.")
        vitess, readyset = _filled(given, "vitess"), _filled(given, "readyset")
        user, password = given.text("replication_username"), given.secret("replication_password")
        return cls(
            mysql=mysql,
            vitess=VitessConfig.from_fields(vitess) if vitess else None,
            databases=databases,
            bookkeeping_database=bookkeeping,
            exact_types=given.boolean("exact_types", default=cls.exact_types),
            json_as_text=given.boolean("json_as_text", default=cls.json_as_text),
            replication=replace(mysql, username=user, password=password) if user else None,
            readyset=_address(readyset, 3307) if readyset else None,
            caches=_caches(readyset) if readyset else (),
        )


def _address(given: JsonFields, port: int) -> Address:
    return Address(
        host=given.text("host", required=True),
        port=given.integer("port", 1, 65535, port),
        username=given.text("username", required=True),
        password=given.secret("password"),
        tls=given.choice("tls", TLS_MODES) or Address.tls,
        ca_certificate=given.secret("ca_certificate", multiline=True),
    )


def _filled(given: JsonFields, name: str) -> JsonFields | None:
    """Returns an object's fields, None if it holds none: a form sends an empty object for a part that was left out."""
    section = given.section(name)
    return section if section and section.names() else None


def _caches(given: JsonFields) -> tuple[CacheStatement, ...]:
    found: dict[str, CacheStatement] = {}
    for text in given.texts("caches", _CACHE, "CREATE DEEP CACHE statements"):
        statement = CacheStatement.parse(text)
        if found.setdefault(statement.name, statement) != statement:
            raise ConfigError(f"The field readyset.caches has two statements for the cache {statement.name!r}.")
    return tuple(found.values())


def _databases(given: JsonFields) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in given.texts("databases", _DATABASE, 'texts such as "namespace=database"'):
        namespace, _, database = pair.partition("=")
        if found.setdefault(namespace, database) != database:
            raise ConfigError(f"The field databases gives the namespace {namespace!r} two databases.")
    return found
