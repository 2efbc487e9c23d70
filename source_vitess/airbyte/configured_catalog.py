"""The configured catalog, as platforms and people write it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from source_vitess.errors import ConfigError


@dataclass(frozen=True)
class ConfiguredStream:
    """What a configured catalog says of a stream, as far as a source has to know it.

    Attributes:
        name: The table.
        namespace: The keyspace; None or empty if the catalog names none.
        json_schema: The schema that the stream had when it was discovered; empty for all columns.
        incremental: Whether changes are read, and not only a copy.
        destination_sync_mode: How the destination writes.
        primary_key: The path to each column that the destination deduplicates by.
        has_source_defined_key: Whether the table had a key when it was discovered.
        sync_id: The platform's number of the sync, where it gives one.
        generation_id: The platform's number of the stream's generation, which a refresh counts up.
    """

    name: str
    namespace: str | None
    json_schema: Mapping[str, Any]
    incremental: bool
    destination_sync_mode: str
    primary_key: tuple[tuple[str, ...], ...] = ()
    has_source_defined_key: bool = False
    sync_id: int | None = None
    generation_id: int | None = None


@dataclass(frozen=True)
class ConfiguredCatalog:
    """What is to be read.

    Attributes:
        streams: The selected streams.
    """

    streams: tuple[ConfiguredStream, ...]


#: Tells what is wrong with a value, as a path to the member and a text for each fault.
_Faults = Iterator[tuple[tuple[str, ...], str]]
_Check = Callable[[Any], _Faults]


def _of_type(kind: type, name: str) -> _Check:
    def check(value: Any) -> _Faults:
        # In JSON true is no number.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            yield (), f'{_shown(value)} is not of type "{name}"'

    return check


def _one_of(*words: str) -> _Check:
    def check(value: Any) -> _Faults:
        if value not in words:
            yield (), f"{_shown(value)} is not one of {json.dumps(list(words))}"

    return check


def _list_of(check_entry: _Check) -> _Check:
    def check(value: Any) -> _Faults:
        if not isinstance(value, list):
            yield (), f'{_shown(value)} is not of type "array"'
            return
        for entry in value:
            yield from check_entry(entry)

    return check


def _object_of(required: Mapping[str, _Check], optional: Mapping[str, _Check]) -> _Check:
    """Members that are not named may be anything: the protocol grows."""

    def check(value: Any) -> _Faults:
        if not isinstance(value, dict):
            yield (), f'{_shown(value)} is not of type "object"'
            return
        for name in required:
            if name not in value:
                yield (name,), f'"{name}" is a required property'
        for name, check_member in (*required.items(), *optional.items()):
            # As everywhere in Airbyte, null stands for nothing.
            if name in value and not (value[name] is None and name in optional):
                for path, text in check_member(value[name]):
                    yield (name, *path), text

    return check


_text, _flag, _number = _of_type(str, "string"), _of_type(bool, "boolean"), _of_type(int, "integer")
_names, _paths = _list_of(_text), _list_of(_list_of(_text))
_sync_mode = _one_of("full_refresh", "incremental")

#: The members that the protocol has. Those that a source does not use are checked too: what is wrong with them would
#: stop the destination after everything was read.
STREAM: Mapping[str, Mapping[str, _Check]] = {
    "required": {"name": _text},
    "optional": {
        # An empty one stands for all columns; a catalog that is written by hand may leave it out.
        "json_schema": _object_of({}, {"properties": _of_type(dict, "object")}),
        "supported_sync_modes": _list_of(_sync_mode),
        "source_defined_cursor": _flag,
        "default_cursor_field": _names,
        "source_defined_primary_key": _paths,
        "namespace": _text,
        "is_resumable": _flag,
        "is_file_based": _flag,
    },
}
CONFIGURED_STREAM: Mapping[str, Mapping[str, _Check]] = {
    "required": {"stream": _object_of(**STREAM), "sync_mode": _sync_mode},
    "optional": {
        # How a destination writes does not concern a source: it may be left out, too.
        "destination_sync_mode": _one_of("append", "overwrite", "append_dedup", "update", "soft_delete"),
        "cursor_field": _names,
        "destination_object_name": _text,
        "primary_key": _paths,
        "generation_id": _number,
        "minimum_generation_id": _number,
        "sync_id": _number,
        "include_files": _flag,
    },
}
_check_entry = _object_of(**CONFIGURED_STREAM)


def parse_configured_catalog(catalog: Any) -> ConfiguredCatalog:
    """Reads a configured catalog.

    Raises:
        ConfigError: It is none; the message names the stream and the member that are wrong.
    """
    if not isinstance(catalog, dict) or not isinstance(catalog.get("streams"), list):
        hint = (
            " This looks like the output of discover: a configured catalog has an entry for each stream with its "
            "sync_mode and destination_sync_mode."
            if isinstance(catalog, dict) and catalog.get("type") == "CATALOG"
            else ""
        )
        raise ConfigError(f"The configured catalog must be a JSON object with a list of streams.{hint}")
    wrong = [
        f"{_where(number, entry)}: {f'{member}: ' if (member := ' of '.join(reversed(path))) else ''}{text}"
        for number, entry in enumerate(catalog["streams"], 1)
        for path, text in _check_entry(entry)
    ]
    if wrong:
        raise ConfigError(f"The configured catalog cannot be used: {'; '.join(wrong)}.")
    return ConfiguredCatalog(tuple(map(_parse_entry, catalog["streams"])))


def with_defaults(catalog: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configured catalog that can be parsed, with what the protocol wants beyond that."""
    modes = ["full_refresh", "incremental"]
    return {
        **catalog,
        "streams": [
            {
                **entry,
                "stream": {"supported_sync_modes": modes, "json_schema": {}, **_without_nulls(entry["stream"])},
                "destination_sync_mode": entry.get("destination_sync_mode") or "append",
            }
            for entry in catalog["streams"]
        ],
    }


def _without_nulls(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _parse_entry(entry: Mapping[str, Any]) -> ConfiguredStream:
    stream = entry["stream"]
    return ConfiguredStream(
        name=stream["name"],
        namespace=stream.get("namespace"),
        json_schema=stream.get("json_schema") or {},
        incremental=entry["sync_mode"] == "incremental",
        destination_sync_mode=entry.get("destination_sync_mode") or "append",
        primary_key=tuple(map(tuple, entry.get("primary_key") or ())),
        has_source_defined_key=bool(stream.get("source_defined_primary_key")),
        sync_id=entry.get("sync_id"),
        generation_id=entry.get("generation_id"),
    )


def _where(number: int, entry: Any) -> str:
    stream = entry.get("stream") if isinstance(entry, dict) else None
    name = stream.get("name") if isinstance(stream, dict) else None
    return f"stream {name!r}" if isinstance(name, str) else f"stream number {number}"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
