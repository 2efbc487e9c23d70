"""Tables as Airbyte's streams, and the configured catalog as a selection of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)

from source_vitess.errors import ConfigError, StreamError
from source_vitess.mysql.routing import Routed, routed_message
from source_vitess.naming import can_be_streamed
from source_vitess.replication.ports import SelectedStream
from source_vitess.replication.records import CURSOR, DELETED_AT, UPDATED_AT
from source_vitess.schema import Schema, Table, engine_warning
from source_vitess.types.codec import TypeOptions
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.registry import json_schema_for
from source_vitess.vstream.reader import StreamedTable

_TIME = {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"}
META_COLUMNS: Mapping[str, Mapping[str, Any]] = {
    UPDATED_AT: _TIME,
    DELETED_AT: _TIME,
    CURSOR: {"type": ["null", "integer"]},
}

#: Tables that one line of the log names.
_LISTED = 30


@dataclass(frozen=True)
class Selection:
    """What of a configured catalog can be read.

    Attributes:
        streams: The streams that can, in the catalog's order.
        refused: The others, each with its error.
        warnings: What the user should know of those that can.
    """

    streams: tuple[SelectedStream, ...]
    refused: tuple[StreamError, ...]
    warnings: tuple[str, ...]


def to_catalog(schema: Schema, options: TypeOptions) -> AirbyteCatalog:
    """Returns the keyspace's tables as streams."""
    return AirbyteCatalog(streams=[_to_stream(table, schema.keyspace, options) for table in schema.tables.values()])


def _to_stream(table: Table, keyspace: str, options: TypeOptions) -> AirbyteStream:
    return AirbyteStream(
        name=table.name,
        namespace=keyspace,
        json_schema={
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {**_column_schemas(table, options), **META_COLUMNS},
        },
        supported_sync_modes=[SyncMode.full_refresh, SyncMode.incremental],
        source_defined_cursor=True,
        default_cursor_field=[CURSOR],
        source_defined_primary_key=[[name] for name in table.key] or None,
        is_resumable=bool(table.key),
    )


def _column_schemas(table: Table, options: TypeOptions) -> dict[str, Mapping[str, Any]]:
    return {
        column.name: json_schema_for(parse_column_type(column.column_type), column.charset, options)
        for column in table.columns
        if column.name not in META_COLUMNS  # their names are taken
    }


def key_warnings(table: Table) -> Iterator[str]:
    """Yields what a user should know of a table's key before its rows are deduplicated by it."""
    for name in table.key:
        column_type = parse_column_type(table.columns_by_name[name].column_type)
        if column_type.name == "float" and len(column_type.arguments) != 2:
            yield (
                f"The key of table {table.name!r} has the FLOAT column {name!r}. A copy has six of its digits, and a "
                "change has all: rows whose keys are equal in six digits overwrite each other, and a change of a row "
                "whose key has more does not find the copied row. Change the column to DOUBLE or DECIMAL."
            )


def select_streams(
    catalog: ConfiguredAirbyteCatalog,
    schema: Schema,
    options: TypeOptions,
    routed: Mapping[str, Routed] = MappingProxyType({}),
) -> Selection:
    """Checks the configured catalog against the schema.

    Args:
        catalog: The configured catalog.
        schema: The keyspace's schema.
        options: The user's choices that change types.
        routed: Tables whose queries go to another keyspace.

    Raises:
        ConfigError: The catalog has no streams, or one stream twice.
    """
    if not catalog.streams:
        raise ConfigError("The configured catalog has no streams. Select at least one stream.")
    streams: list[SelectedStream] = []
    refused: list[StreamError] = []
    warnings: list[str] = []
    unread: dict[str, list[str]] = {}
    seen: set[str] = set()
    for configured in catalog.streams:
        name = configured.stream.name
        if name in seen:
            raise ConfigError(f"The configured catalog has the stream {name!r} twice.")
        seen.add(name)
        try:
            if name in routed:
                message = routed_message(name, schema.keyspace, routed[name])
                if not routed[name].is_followed:
                    raise StreamError(name, message)
                warnings.append(message)
            streams.append(_select(configured, schema, options, warnings, unread))
        except StreamError as error:
            refused.append(error)
    engines = {stream.streamed.table.name: stream.streamed.table.engine for stream in streams if stream.incremental}
    if found := engine_warning(engines):
        warnings.append(found)
    if unread:
        # One line a sync: nothing tells a new column from one that was deselected, of which there may be many.
        named = [f"{name!r} ({', '.join(map(repr, columns))})" for name, columns in unread.items()]
        warnings.append(
            "Columns that are not read, because the configured catalog does not have them: "
            f"{', '.join(named[:_LISTED])}{', …' if len(named) > _LISTED else ''}. If they were added since the schema "
            "was discovered, refresh the source's schema to read them."
        )
    return Selection(tuple(streams), tuple(refused), tuple(warnings))


def _select(
    configured: ConfiguredAirbyteStream,
    schema: Schema,
    options: TypeOptions,
    warnings: list[str],
    unread: dict[str, list[str]],
) -> SelectedStream:
    stream = configured.stream
    if stream.namespace not in (None, "", schema.keyspace):
        raise StreamError(
            stream.name,
            f"Stream {stream.name!r} is of the namespace {stream.namespace!r}, and the source reads keyspace "
            f"{schema.keyspace!r}. Refresh the source's schema.",
        )
    table = schema.tables.get(stream.name)
    if table is None and not can_be_streamed(stream.name):
        raise StreamError(
            stream.name,
            f"Vitess cannot stream table {stream.name!r}, because of a backtick or a leading slash in its name. Rename "
            "the table, or deselect the stream.",
        )
    if table is None:
        raise StreamError(
            stream.name,
            f"There is no table {stream.name!r} in keyspace {schema.keyspace!r}.{_similar(stream.name, schema)} If it "
            "was dropped, renamed or moved to another keyspace (MoveTables), refresh the source's schema, or deselect "
            "the stream.",
        )
    columns = _column_schemas(table, options)
    # A catalog written by hand may leave the schema out: everything, then.
    wanted = stream.json_schema.get("properties") or {**columns, **META_COLUMNS}
    selected: dict[str, Mapping[str, Any]] = {}
    for name, now in columns.items():
        if name in wanted:
            if not _same_type(wanted[name], now):
                raise StreamError(
                    stream.name,
                    f"Column {name!r} of table {stream.name!r} is {table.columns_by_name[name].column_type!r} now, "
                    "which has another type in Airbyte than when the schema was discovered. Refresh the source's "
                    "schema, then refresh this stream.",
                )
            selected[name] = now
    hidden = [name for name in META_COLUMNS if name in table.columns_by_name]
    if hidden:
        warnings.append(
            f"The column {', '.join(map(repr, hidden))} of table {stream.name!r} is left out: Airbyte's own column has "
            "that name. Rename it to read it."
        )
    gone = [name for name in wanted if name not in table.columns_by_name and name not in META_COLUMNS]
    if gone:
        warnings.append(
            f"Table {stream.name!r} has no column {', '.join(map(repr, gone))} (any more); its records come without. "
            "Refresh the source's schema."
        )
    left_out = [name for name in columns if name not in selected]
    if left_out:
        unread[stream.name] = left_out
    if not table.key and all(column.nullable for column in table.columns):
        # VTTablet leaves out an image without any value (vstreamer.go, getValues and shouldFilter).
        warnings.append(
            f"Table {stream.name!r} has neither a key nor a column that is NOT NULL: Vitess sends no changes of "
            "rows in which every column is NULL. Give it a primary key to be sure of every row."
        )
    warnings += _check_key(configured, table, selected)
    incremental = configured.sync_mode == SyncMode.incremental
    if incremental or configured.destination_sync_mode not in (
        DestinationSyncMode.append,
        DestinationSyncMode.overwrite,
    ):
        warnings += key_warnings(table)
    return SelectedStream(
        StreamedTable(table, selected),
        incremental=incremental,
        with_meta=incremental or any(name in wanted for name in META_COLUMNS),
        sync_id=configured.sync_id,
    )


def _similar(name: str, schema: Schema) -> str:
    found = difflib.get_close_matches(name, schema.tables, n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def _check_key(
    configured: ConfiguredAirbyteStream, table: Table, selected: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """Refuses a stream that a destination would deduplicate by something else than the table's key.

    Yields:
        What to warn of: without a key it is the destination that refuses, or not.

    Raises:
        StreamError: The key has changed, or is not selected.
    """
    key = [path[-1] for path in configured.primary_key or () if path]
    if not table.key and not configured.stream.source_defined_primary_key:
        if configured.destination_sync_mode == DestinationSyncMode.append_dedup and not key:
            yield (
                f"Stream {table.name!r} is configured as Append + Deduped, and a destination has nothing to "
                "deduplicate it by: the table has no primary key, and no unique one without NULLs. Choose Append for "
                "it, or tell the platform which columns identify a row."
            )
        if key:
            yield (
                f"Table {table.name!r} has no key; its stream is deduplicated by ({', '.join(key)}), as configured. "
                "Rows that are equal in these columns overwrite each other."
            )
    elif key and set(key) != set(table.key):
        raise StreamError(
            table.name,
            f"The key of stream {table.name!r} is configured as ({', '.join(key)}), and the table's key is "
            f"({', '.join(table.key) or 'none'}) now. Refresh the source's schema, then refresh this stream.",
        )
    missing = [name for name in key if name not in selected]
    if missing:
        raise StreamError(
            table.name,
            f"The key of stream {table.name!r} has the column {', '.join(map(repr, missing))}, which is not "
            "selected or not there. Select it, or change the key.",
        )


def _same_type(configured: Any, now: Mapping[str, Any]) -> bool:
    """Compares two column schemas in what a destination decides by; descriptions and the like do not count."""
    if not isinstance(configured, Mapping):
        return False
    return all(
        _normal(configured.get(key)) == _normal(now.get(key))
        for key in ("type", "format", "airbyte_type", "contentEncoding")
    )


def _normal(value: Any) -> Any:
    """Returns a schema member without its nullability, which users and platforms rewrite."""
    if isinstance(value, list):
        rest = sorted(part for part in value if part != "null")
        return rest[0] if len(rest) == 1 else rest
    return value
