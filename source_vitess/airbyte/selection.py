"""What of a configured catalog can be read, by the schema of now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from source_vitess.airbyte.catalog import META_COLUMNS, column_schemas, key_warnings
from source_vitess.airbyte.configured_catalog import ConfiguredCatalog, ConfiguredStream
from source_vitess.errors import ConfigError, StreamError
from source_vitess.mysql.routing import Routed, routed_message
from source_vitess.naming import can_be_streamed
from source_vitess.replication.settings import SelectedStream
from source_vitess.schema import Schema, StreamedTable, Table, engine_warning
from source_vitess.types.codec import TypeOptions

if TYPE_CHECKING:
    from source_vitess.row_filters.row_filter import RowFilters

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


def select_streams(
    catalog: ConfiguredCatalog,
    schema: Schema,
    options: TypeOptions,
    routed: Mapping[str, Routed] = MappingProxyType({}),
    filters: RowFilters | None = None,
) -> Selection:
    """Checks the configured catalog against the schema.

    Args:
        catalog: The configured catalog.
        schema: The keyspace's schema.
        options: The user's choices that change types.
        routed: Tables whose queries go to another keyspace.
        filters: The conditions on rows; None if there are none.

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
        name = configured.name
        if name in seen:
            raise ConfigError(f"The configured catalog has the stream {name!r} twice.")
        seen.add(name)
        try:
            if name in routed:
                message = routed_message(name, schema.keyspace, routed[name])
                if not routed[name].is_followed:
                    raise StreamError(name, message)
                warnings.append(message)
            selected = _select(configured, schema, options, warnings, unread)
            row_filter = filters.of(selected.streamed.table) if filters is not None else None
            streams.append(replace(selected, row_filter=row_filter))
        except StreamError as error:
            refused.append(error)
    engines = {stream.streamed.table.name: stream.streamed.table.engine for stream in streams if stream.incremental}
    if found := engine_warning(engines):
        warnings.append(found)
    if unread:
        warnings.append(_unread_warning(unread))
    if filters is not None and (unknown := [name for name in filters.conditions if name not in schema.tables]):
        warnings.append(
            f"The field row_filters names tables that keyspace {schema.keyspace!r} does not have: "
            f"{', '.join(map(repr, unknown[:_LISTED]))}. Correct the names, or remove them."
        )
    return Selection(tuple(streams), tuple(refused), tuple(warnings))


def _unread_warning(unread: Mapping[str, Sequence[str]]) -> str:
    """Returns one line a sync: nothing tells a new column from one that was deselected, of which there may be many."""
    named = [f"{name!r} ({', '.join(map(repr, columns))})" for name, columns in unread.items()]
    return (
        "Columns that are not read, because the configured catalog does not have them: "
        f"{', '.join(named[:_LISTED])}{', …' if len(named) > _LISTED else ''}. If they were added since the schema "
        "was discovered, refresh the source's schema to read them, and then the streams: rows that were read "
        "before have no value for them."
    )


def _select(
    stream: ConfiguredStream,
    schema: Schema,
    options: TypeOptions,
    warnings: list[str],
    unread: dict[str, list[str]],
) -> SelectedStream:
    table = _table_of(stream, schema)
    columns = column_schemas(table, options)
    # A catalog written by hand may leave the schema out: everything, then.
    wanted = stream.json_schema.get("properties") or {**columns, **META_COLUMNS}
    selected = _selected_columns(table, columns, wanted)
    if left_out := [name for name in columns if name not in selected]:
        unread[stream.name] = left_out
    warnings += _table_warnings(table, wanted)
    warnings += _check_key(stream, table, selected)
    if stream.incremental or stream.destination_sync_mode not in ("append", "overwrite"):
        warnings += key_warnings(table)
    return SelectedStream(
        StreamedTable(table, selected),
        incremental=stream.incremental,
        with_meta=stream.incremental or any(name in wanted for name in META_COLUMNS),
        sync_id=stream.sync_id,
        generation_id=stream.generation_id,
    )


def _table_of(stream: ConfiguredStream, schema: Schema) -> Table:
    """Returns a stream's table.

    Raises:
        StreamError: It does not exist, or cannot be streamed.
    """
    if stream.namespace not in (None, "", schema.keyspace):
        raise StreamError(
            stream.name,
            f"Stream {stream.name!r} is of the namespace {stream.namespace!r}, and the source reads keyspace "
            f"{schema.keyspace!r}. Refresh the source's schema.",
        )
    if (table := schema.tables.get(stream.name)) is not None:
        return table
    if not can_be_streamed(stream.name):
        raise StreamError(
            stream.name,
            f"Vitess cannot stream table {stream.name!r}, because of a backtick or a leading slash in its name. Rename "
            "the table, or deselect the stream.",
        )
    raise StreamError(
        stream.name,
        f"There is no table {stream.name!r} in keyspace {schema.keyspace!r}.{_similar(stream.name, schema)} If it "
        "was dropped, renamed or moved to another keyspace (MoveTables), refresh the source's schema, or deselect "
        "the stream.",
    )


def _selected_columns(
    table: Table, columns: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """Returns the selected of a table's columns with their schemas of now.

    Args:
        table: The table.
        columns: Its columns with their schemas of now.
        wanted: By the name of a selected column, its schema when it was discovered.

    Raises:
        StreamError: A column has another type in Airbyte than when it was discovered.
    """
    selected: dict[str, Mapping[str, Any]] = {}
    for name, now in columns.items():
        if name in wanted:
            if not _same_type(wanted[name], now):
                raise StreamError(
                    table.name,
                    f"Column {name!r} of table {table.name!r} is {table.columns_by_name[name].column_type!r} now, "
                    "which has another type in Airbyte than when the schema was discovered. Refresh the source's "
                    "schema, then refresh this stream.",
                )
            selected[name] = now
    return selected


def _table_warnings(table: Table, wanted: Collection[str]) -> Iterator[str]:
    """Yields what the user should know about a table and its selected columns."""
    hidden = [name for name in META_COLUMNS if name in table.columns_by_name]
    if hidden:
        yield (
            f"The column {', '.join(map(repr, hidden))} of table {table.name!r} is left out: Airbyte's own column has "
            "that name. Rename it to read it."
        )
    gone = [name for name in wanted if name not in table.columns_by_name and name not in META_COLUMNS]
    if gone:
        yield (
            f"Table {table.name!r} has no column {', '.join(map(repr, gone))} (any more); its records come without. "
            "Refresh the source's schema."
        )
    if not table.key and all(column.nullable for column in table.columns):
        # VTTablet leaves out an image without any value (vstreamer.go, getValues and shouldFilter).
        yield (
            f"Table {table.name!r} has neither a key nor a column that is NOT NULL: Vitess sends no changes of "
            "rows in which every column is NULL. Give it a primary key to be sure of every row."
        )


def _similar(name: str, schema: Schema) -> str:
    import difflib  # for an error only

    found = difflib.get_close_matches(name, schema.tables, n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def _check_key(stream: ConfiguredStream, table: Table, selected: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Refuses a stream that a destination would deduplicate by something else than the table's key.

    Yields:
        What to warn of: without a key it is the destination that refuses, or not.

    Raises:
        StreamError: The key has changed, or is not selected.
    """
    key = [path[-1] for path in stream.primary_key if path]
    if not table.key and not stream.has_source_defined_key:
        if stream.destination_sync_mode == "append_dedup" and not key:
            yield (
                f"Stream {table.name!r} is configured as Append + Deduped, and a destination has nothing to "
                "deduplicate it by: the table has no primary key, and no unique one without NULLs. Choose Append for "
                "it, or configure the columns that identify a row."
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
            "selected or does not exist. Select it, or change the key.",
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
