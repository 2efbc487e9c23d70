"""The connector's configuration: from Airbyte's JSON to values, with every default in one place.

- Keys are the fields of `Config`, and the properties of spec.json; other keys are named in `Config.warnings` and
  otherwise ignored, because Airbyte may add its own.
- A wrong value is refused with the field's name and the value found; of a secret only its kind is shown.
"""

from __future__ import annotations

import enum
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args
from urllib.parse import quote, quote_plus

from source_vitess.errors import ConfigError
from source_vitess.naming import TABLET_TYPES, TabletType
from source_vitess.settings import table_patterns
from source_vitess.settings.encryption import Tls, TlsMode, Tunnel, is_loopback, read_tls, read_tunnel
from source_vitess.settings.json_fields import JsonFields
from source_vitess.settings.url import VitessUrl

if TYPE_CHECKING:
    from source_vitess.settings.row_filters import TableCondition

# go/vt/topo/shard.go, IsShardUsingRangeBasedSharding and ValidateShardName.
_SHARD = re.compile(r"[0-9a-fA-F]*-[0-9a-fA-F]*|[A-Za-z0-9_]+")
# go/vt/topo/cell_info.go; a comma would separate two cells.
_CELL = re.compile(r"[^\s,/]+")


#: JSON types for integers; those of `types.codec`.
IntegerForm = Literal["integer", "number", "string"]

#: A host and a port.
Address = tuple[str, int]

#: Shorter lines of a key, its last one, may stand in any text.
_SHORTEST_SECRET_LINE = 16


class GrpcAuthentication(enum.Enum):
    """In which headers the gRPC port gets the user name and the password."""

    #: vtgate --grpc-auth-mode=static.
    STATIC = "VTGate static"
    #: `authorization: Basic`, for a proxy in front of VTGate that asks for it, such as PlanetScale's.
    BASIC = "HTTP basic"


class InitialCopy(enum.Enum):
    """What a stream begins with that is new to the connection."""

    ALL = "All rows"
    NONE = "None: changes only"


class InvalidPositionBehavior(enum.Enum):
    """What to do when the saved position cannot be continued."""

    FAIL = "Fail sync"
    RESYNC = "Re-sync data"


class TruncateBehavior(enum.Enum):
    """What to do after a statement that removed rows without row events."""

    REFRESH = "Require refresh"
    IGNORE = "Ignore"


@dataclass(frozen=True)
class Config:
    """How to reach VTGate, and how to read.

    Attributes:
        url: Where VTGate is, and the keyspace.
        username: For both ports; None for a VTGate without authentication.
        password: Likewise. Not part of `repr`.
        grpc_authentication: The headers in which the gRPC port gets both.
        tls: How both ports are encrypted; None if nothing was chosen: see `encryption`.
        tunnel_method: The SSH server through which both ports are reached; None for none.
        tablet_type: Which tablets to stream from; None for REPLICA if every shard has one, else PRIMARY.
        cells: Cells whose tablets may be used; empty for VTGate's own cell.
        shards: Shards to read; empty for all.
        table_patterns: What the names of tables match that are offered as streams; empty for all.
        row_filters: By table, the condition on the rows that are read of it.
        initial_copy: What a stream that is new to the connection begins with.
        start_position: Where changes begin if nothing is copied: a position as JSON, empty for now.
        tinyint1_as_boolean: Makes `tinyint(1)` a boolean.
        bigint_unsigned_as: What `bigint unsigned` is in the catalog and in records.
        checkpoint_interval_seconds: Seconds between two states.
        invalid_cdc_position_behavior: For a saved position that is lost.
        truncate_behavior: For TRUNCATE, DROP and DROP PARTITION.
        initial_load_timeout_hours: Hours of copying after which a sync ends with a state, so that the next
            attempt reads changes first.
        no_progress_timeout_seconds: Seconds without an event, heartbeats aside, after which a sync gives up.
        keep_streaming_minutes: Minutes for which changes are read as they happen, once all streams are caught up.
        allow_unsupported_vitess: Reads from a release of Vitess that is older than the oldest supported one.
    """

    url: VitessUrl
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    grpc_authentication: GrpcAuthentication = GrpcAuthentication.STATIC
    tls: Tls | None = None
    tunnel_method: Tunnel | None = None
    tablet_type: TabletType | None = None
    cells: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    table_patterns: tuple[str, ...] = ()
    row_filters: tuple[TableCondition, ...] = ()
    initial_copy: InitialCopy = InitialCopy.ALL
    start_position: str = ""
    tinyint1_as_boolean: bool = False
    bigint_unsigned_as: IntegerForm = "integer"
    checkpoint_interval_seconds: int = 60
    invalid_cdc_position_behavior: InvalidPositionBehavior = InvalidPositionBehavior.FAIL
    truncate_behavior: TruncateBehavior = TruncateBehavior.REFRESH
    initial_load_timeout_hours: int = 8
    no_progress_timeout_seconds: int = 300
    keep_streaming_minutes: int = 0
    allow_unsupported_vitess: bool = False
    _unknown: tuple[str, ...] = field(default=(), repr=False, compare=False)
    _grpc_address: Address | None = field(default=None, compare=False)
    _mysql_address: Address | None = field(default=None, compare=False)

    @property
    def keyspace(self) -> str:
        """The keyspace that is read."""
        return self.url.keyspace

    @property
    def encryption(self) -> Tls:
        """How both ports are encrypted: what was chosen, else not at all on this machine and `required` elsewhere."""
        return self.tls or Tls(TlsMode.DISABLED if is_loopback(self.url.host) else TlsMode.REQUIRED)

    @property
    def grpc_address(self) -> Address:
        """Where VTGate's gRPC port is connected to."""
        return self._grpc_address or (self.url.host, self.url.grpc_port)

    @property
    def mysql_address(self) -> Address:
        """Where VTGate's MySQL port is connected to."""
        return self._mysql_address or (self.url.host, self.url.mysql_port)

    def through(self, *, grpc: Address, mysql: Address) -> Config:
        """Returns the same configuration with both ports of VTGate at other addresses: the ends of a tunnel."""
        return replace(self, _grpc_address=grpc, _mysql_address=mysql)

    @property
    def basic_credentials(self) -> str:
        """User name and password as HTTP's basic authentication has them (RFC 7617)."""
        return b64encode(f"{self.username}:{self.password or ''}".encode()).decode()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know about these settings, for the log."""
        warnings = [
            f"This connector does not know the field {name[:80]!r} of the configuration; it has no effect."
            for name in self._unknown
        ]
        if not self.encryption.encrypted and self.username is not None and not is_loopback(self.url.host):
            way = "between the SSH server and" if self.tunnel_method else "to"
            warnings.append(
                f"Encryption is disabled, so that the user name, the password and the data go {way} "
                f"{self.url.host} in clear. Choose another encryption in the field tls unless that network is trusted."
            )
        if self.encryption.mode is TlsMode.REQUIRED:
            warnings.append(
                "Connections are encrypted, and VTGate's certificate is not verified. The encryption verify_ca or "
                "verify_identity in the field tls also protects from somebody who pretends to be VTGate."
            )
        return tuple(warnings)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in logs: passwords and keys in every form they have; longest first."""
        found: set[str] = set()
        passwords = [self.password, self.encryption.client_key_password]
        keys = [self.encryption.client_key]
        if self.tunnel_method is not None:
            passwords += [self.tunnel_method.password, self.tunnel_method.key_passphrase]
            keys.append(self.tunnel_method.key)
        for password in filter(None, passwords):
            found |= {password, quote(password, safe=""), quote(password), quote_plus(password)}
        if self.grpc_authentication is GrpcAuthentication.BASIC and self.username is not None:
            found.add(self.basic_credentials)
        for key in filter(None, keys):
            # By lines too: a message may hold a part of it, or write its line breaks in another way.
            lines = [line for line in key.splitlines() if not line.startswith("-")]
            found |= {key, *(line for line in lines if len(line) >= _SHORTEST_SECRET_LINE)}
        return tuple(sorted(found - {""}, key=lambda secret: (-len(secret), secret)))

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Config:
        """Reads the configuration that Airbyte passes.

        Raises:
            ConfigError: A value is missing or wrong, or values contradict each other.
        """
        return cls.from_fields(JsonFields(json))

    @classmethod
    def from_fields(cls, given: JsonFields) -> Config:
        """Reads the fields of a configuration, or of the part of another one that has them.

        Raises:
            ConfigError: As `from_json`.
        """
        # Nothing of it is shown if it is wrong: people write passwords into URLs.
        url_text = given.secret("url", multiline=True)
        if not url_text:
            raise ConfigError(
                f"The field {given.path_of('url')} is missing. Give the address of VTGate and the keyspace."
            )
        url = VitessUrl.parse(url_text, field=given.path_of("url"))
        username, password = _read_credentials(given)
        initial_copy, start_position = _read_beginning(given)
        known = {known.name for known in fields(cls) if not known.name.startswith("_")}
        return cls(
            url=url,
            username=username,
            password=password,
            grpc_authentication=GrpcAuthentication(
                given.choice("grpc_authentication", [choice.value for choice in GrpcAuthentication])
                or cls.grpc_authentication
            ),
            tls=read_tls(given.section("tls")),
            tunnel_method=read_tunnel(given.section("tunnel_method")),
            tablet_type=cast("TabletType | None", given.choice("tablet_type", TABLET_TYPES)),
            cells=given.list_of_names("cells", _CELL, 'names of cells such as "zone1"'),
            shards=given.list_of_names("shards", _SHARD, 'names of shards such as "-80" or "0"'),
            table_patterns=given.list_of_names("table_patterns", table_patterns.FORM, table_patterns.EXPECTED),
            row_filters=_row_filters(given),
            initial_copy=initial_copy,
            start_position=start_position,
            tinyint1_as_boolean=given.boolean("tinyint1_as_boolean", default=cls.tinyint1_as_boolean),
            bigint_unsigned_as=cast(
                "IntegerForm", given.choice("bigint_unsigned_as", get_args(IntegerForm)) or cls.bigint_unsigned_as
            ),
            checkpoint_interval_seconds=given.integer(
                "checkpoint_interval_seconds", 1, 600, cls.checkpoint_interval_seconds
            ),
            invalid_cdc_position_behavior=InvalidPositionBehavior(
                given.choice("invalid_cdc_position_behavior", [choice.value for choice in InvalidPositionBehavior])
                or cls.invalid_cdc_position_behavior
            ),
            truncate_behavior=TruncateBehavior(
                given.choice("truncate_behavior", [choice.value for choice in TruncateBehavior])
                or cls.truncate_behavior
            ),
            initial_load_timeout_hours=given.integer(
                "initial_load_timeout_hours", 1, 720, cls.initial_load_timeout_hours
            ),
            no_progress_timeout_seconds=given.integer(
                "no_progress_timeout_seconds", 10, 86400, cls.no_progress_timeout_seconds
            ),
            keep_streaming_minutes=given.integer("keep_streaming_minutes", 0, 10080, cls.keep_streaming_minutes),
            allow_unsupported_vitess=given.boolean("allow_unsupported_vitess", default=cls.allow_unsupported_vitess),
            _unknown=(*sorted(given.names() - known), *_unknown_in_filters(given)),
        )


def _read_beginning(given: JsonFields) -> tuple[InitialCopy, str]:
    initial_copy = InitialCopy(
        given.choice("initial_copy", [choice.value for choice in InitialCopy]) or InitialCopy.ALL
    )
    start_position = given.text("start_position", multiline=True).strip()
    if start_position and initial_copy is InitialCopy.ALL:
        raise ConfigError(
            f'The field start_position is set, and initial_copy is "{InitialCopy.ALL.value}": changes then begin where '
            f'the copy does. Empty the field start_position, or set initial_copy to "{InitialCopy.NONE.value}".'
        )
    return initial_copy, start_position


def _read_credentials(given: JsonFields) -> tuple[str | None, str | None]:
    username, password = given.text("username"), given.secret("password")
    if password and not username:
        raise ConfigError(
            f"The field {given.path_of('password')} is set and the field {given.path_of('username')} is not. "
            "Give both, or none."
        )
    return username or None, password or None


def _row_filters(given: JsonFields) -> tuple[TableCondition, ...]:
    if "row_filters" not in given.names():
        return ()
    from source_vitess.settings.row_filters import read_row_filters  # with a parser, and for few

    return read_row_filters(given)


def _unknown_in_filters(given: JsonFields) -> list[str]:
    """Returns the fields of the objects in row_filters that are not known."""
    return [
        section.path_of(name)
        for section in given.sections("row_filters", "objects")
        for name in sorted(section.names() - {"table", "condition"})
    ]
