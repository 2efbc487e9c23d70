"""The connector's configuration: from Airbyte's JSON to values, with every default in one place.

- Keys are the fields of `Config`, and the properties of spec.json; other keys are left alone, because Airbyte
  may add its own.
- A wrong value is refused with the field's name and the value found; of a secret only its kind is told.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args
from urllib.parse import quote, quote_plus

from source_vitess.errors import ConfigError
from source_vitess.url import SCHEME, VitessUrl

TabletType = Literal["PRIMARY", "REPLICA", "RDONLY"]
TABLET_TYPES: tuple[TabletType, ...] = get_args(TabletType)

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# go/vt/topo/shard.go, IsShardUsingRangeBasedSharding and ValidateShardName.
_SHARD = re.compile(r"[0-9a-fA-F]*-[0-9a-fA-F]*|[A-Za-z0-9_]+")
# go/vt/topo/cell_info.go; a comma would separate two cells.
_CELL = re.compile(r"[^\s,/]+")


class InvalidPositionBehavior(enum.Enum):
    """What to do when the saved position cannot be continued."""

    FAIL = "Fail sync"
    RESYNC = "Re-sync data"


class TruncateBehavior(enum.Enum):
    """What to do after a statement that removed rows without telling which."""

    REFRESH = "Require refresh"
    IGNORE = "Ignore"


@dataclass(frozen=True)
class Config:
    """How to reach VTGate, and how to read.

    Attributes:
        url: Where VTGate is, and the keyspace.
        username: For both ports, from the URL or the field; None for a VTGate without authentication.
        password: Likewise. Not part of `repr`.
        tablet_type: Which tablets to stream from; None for REPLICA if every shard has one, else PRIMARY.
        cells: Cells whose tablets may be used; empty for VTGate's own cell.
        shards: Shards to read; empty for all.
        tinyint1_as_boolean: Makes `tinyint(1)` a boolean.
        checkpoint_interval_seconds: Seconds between two states.
        invalid_cdc_position_behavior: For a saved position that is lost.
        truncate_behavior: For TRUNCATE, DROP and DROP PARTITION.
        initial_load_timeout_hours: Hours of copying after which a sync ends with a state, so that the next
            attempt reads changes first.
        no_progress_timeout_seconds: Seconds without an event, heartbeats aside, after which a sync gives up.
        keep_streaming_minutes: Minutes for which changes are read as they happen, once all streams are caught up.
    """

    url: VitessUrl
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tablet_type: TabletType | None = None
    cells: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    tinyint1_as_boolean: bool = False
    checkpoint_interval_seconds: int = 60
    invalid_cdc_position_behavior: InvalidPositionBehavior = InvalidPositionBehavior.FAIL
    truncate_behavior: TruncateBehavior = TruncateBehavior.REFRESH
    initial_load_timeout_hours: int = 8
    no_progress_timeout_seconds: int = 300
    keep_streaming_minutes: int = 0
    _url_text: str = field(default="", repr=False, compare=False)

    @property
    def keyspace(self) -> str:
        """The keyspace that is read."""
        return self.url.keyspace

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not appear in logs: the URL and the password in every form they have; longest first."""
        found = {self._url_text, self.url.format()}
        credentials, at, _ = self._url_text[len(SCHEME) :].rpartition("@")
        if at:
            found.add(credentials.partition(":")[2])
        if self.password:
            found |= {self.password, quote(self.password, safe=""), quote(self.password)}
            found.add(quote_plus(self.password))
        return tuple(sorted(found - {""}, key=lambda secret: (-len(secret), secret)))

    @classmethod
    def from_json(cls, json: Mapping[str, Any]) -> Config:
        """Reads the configuration that Airbyte passes.

        Raises:
            ConfigError: A value is missing or wrong, or values contradict each other.
        """
        # A caller may pass whatever a file held.
        if not isinstance(json, Mapping):
            raise ConfigError(f"The configuration must be a JSON object, found {_kind(json)}.")
        # A form sends null for a field that was left empty.
        given = {key: value for key, value in json.items() if value is not None}
        url_text = _read_secret_text(given, "url")
        if not url_text:
            raise ConfigError("The field url is missing. Give the address of VTGate and the keyspace.")
        url = VitessUrl.parse(url_text)
        username, password = _read_credentials(given, url)
        return cls(
            url=url,
            username=username,
            password=password,
            tablet_type=cast("TabletType | None", _read_choice(given, "tablet_type", TABLET_TYPES)),
            cells=_read_names(given, "cells", _CELL, 'names of cells such as "zone1"'),
            shards=_read_names(given, "shards", _SHARD, 'names of shards such as "-80" or "0"'),
            tinyint1_as_boolean=_read_boolean(given, "tinyint1_as_boolean", default=cls.tinyint1_as_boolean),
            checkpoint_interval_seconds=_read_integer(
                given, "checkpoint_interval_seconds", 1, 3600, cls.checkpoint_interval_seconds
            ),
            invalid_cdc_position_behavior=InvalidPositionBehavior(
                _read_choice(
                    given,
                    "invalid_cdc_position_behavior",
                    [choice.value for choice in InvalidPositionBehavior],
                )
                or cls.invalid_cdc_position_behavior
            ),
            truncate_behavior=TruncateBehavior(
                _read_choice(given, "truncate_behavior", [choice.value for choice in TruncateBehavior])
                or cls.truncate_behavior
            ),
            initial_load_timeout_hours=_read_integer(
                given, "initial_load_timeout_hours", 1, 720, cls.initial_load_timeout_hours
            ),
            no_progress_timeout_seconds=_read_integer(
                given, "no_progress_timeout_seconds", 10, 86400, cls.no_progress_timeout_seconds
            ),
            keep_streaming_minutes=_read_integer(given, "keep_streaming_minutes", 0, 10080, cls.keep_streaming_minutes),
            _url_text=url_text,
        )


_KINDS = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "null" if value is None else type(value).__name__)


def _wrong(name: str, expected: str, found: object) -> ConfigError:
    shown = repr(found)
    return ConfigError(
        f"The field {name} must be {expected}, found {shown if len(shown) <= 80 else shown[:77] + '...'}."
    )


def _read_secret_text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise ConfigError(f"The field {name} must be text, found {_kind(value)}.")
    return value


def _read_credentials(given: Mapping[str, Any], url: VitessUrl) -> tuple[str | None, str | None]:
    username = given.get("username", "")
    if not isinstance(username, str) or _CONTROL.search(username):
        raise _wrong("username", "text without line breaks", username)
    password = _read_secret_text(given, "password")
    if _CONTROL.search(password):
        raise ConfigError("The field password holds a line break or another control character.")
    if url.username is not None:
        if username or password:
            raise ConfigError(
                "A user name or password is given twice: in the field url, and in the fields username and "
                "password. Remove one of them."
            )
        return url.username, url.password
    if password and not username:
        raise ConfigError("The field password is set and the field username is not. Give both, or none.")
    return username or None, password or None


def _read_choice(given: Mapping[str, Any], name: str, choices: tuple[str, ...] | list[str]) -> str | None:
    value = given.get(name)
    if value is not None and (not isinstance(value, str) or value not in choices):
        raise _wrong(name, f"one of {', '.join(choices)}", value)
    return value


def _read_boolean(given: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)
    return value


def _read_integer(given: Mapping[str, Any], name: str, lowest: int, highest: int, default: int) -> int:
    value = given.get(name, default)
    # A JSON number such as 60.0 is an integer for JSON Schema; True is one for Python only.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise _wrong(name, f"a whole number from {lowest} to {highest}", value)
    return value


def _read_names(given: Mapping[str, Any], name: str, form: re.Pattern[str], expected: str) -> tuple[str, ...]:
    values = given.get(name, [])
    if not isinstance(values, list):
        raise _wrong(name, f"a list of {expected}", values)
    for index, value in enumerate(values):
        if not isinstance(value, str) or not form.fullmatch(value):
            raise _wrong(name, f"a list of {expected}", value)
        if value in values[:index]:
            raise ConfigError(f"The field {name} lists {value!r} twice.")
    return tuple(values)
