"""The configured catalog, as platforms and people write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airbyte_cdk.models import (
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)
from serpyco_rs import SchemaValidationError

from source_vitess.errors import ConfigError

#: What a catalog that is written by hand may leave out. An empty JSON schema stands for all columns; how a destination
#: writes does not concern a source.
_STREAM_DEFAULTS: Mapping[str, Any] = {
    "json_schema": {},
    "supported_sync_modes": ["full_refresh", "incremental"],
}
_DEFAULTS: Mapping[str, Any] = {"destination_sync_mode": "append"}


def parse_configured_catalog(catalog: Any) -> ConfiguredAirbyteCatalog:
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
    streams = [_with_defaults(entry) for entry in catalog["streams"]]
    try:
        return ConfiguredAirbyteCatalogSerializer.load({**catalog, "streams": streams})
    except SchemaValidationError as error:
        wrong = "; ".join(_describe(str(one.instance_path), str(one.message), streams) for one in error.errors)
        raise ConfigError(f"The configured catalog cannot be used: {wrong}.") from error


def _with_defaults(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    stream = entry.get("stream")
    if isinstance(stream, dict):
        stream = {**_STREAM_DEFAULTS, **stream}
    return {**_DEFAULTS, **entry, **({"stream": stream} if "stream" in entry else {})}


def _describe(path: str, message: str, streams: list[Any]) -> str:
    """Turns the CDK's `streams/0/sync_mode` into a phrase."""
    parts = path.split("/")
    if len(parts) < 2 or parts[0] != "streams":
        return f"{path or 'the catalog'}: {message}"
    entry = streams[int(parts[1])]
    stream = entry.get("stream") if isinstance(entry, dict) else None
    name = stream.get("name") if isinstance(stream, dict) else None
    where = f"stream {name!r}" if isinstance(name, str) else f"stream number {int(parts[1]) + 1}"
    member = " of ".join(reversed([part for part in parts[2:] if not part.isdigit()]))
    return f"{where}: {f'{member}: ' if member else ''}{message}"
