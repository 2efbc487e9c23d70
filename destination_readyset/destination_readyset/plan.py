"""Which tables a configured catalog asks for, and what becomes of the rows that are in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream, DestinationSyncMode, SyncMode
from source_vitess.errors import ConfigError

from destination_readyset.config import Config
from destination_readyset.json_schema import columns_from_schema
from destination_readyset.keyspace import KeyspaceTable
from destination_readyset.policy import serve_columns
from destination_readyset.tables import ServedColumn, ServedTable

#: Columns that are Airbyte's, not the table's.
META_PREFIXES = ("_ab_", "_airbyte_")


@dataclass(frozen=True)
class StreamPlan:
    """What a stream becomes.

    Attributes:
        namespace: The stream's namespace; None without.
        table: Its table.
        overwrite: The mode of the stream is to replace existing rows.
        generation: The generation of the records that will come; None if the platform numbers none.
        minimum_generation: Rows of older generations must go; 0 to keep all.
    """

    namespace: str | None
    table: ServedTable
    overwrite: bool
    generation: int | None
    minimum_generation: int

    def must_erase(self, present: int | None) -> bool:
        """Tells whether existing rows must go, given their generation."""
        if self.generation is None:
            return self.overwrite
        return (present or 0) < self.minimum_generation


def plan_streams(
    config: Config, catalog: ConfiguredAirbyteCatalog, keyspace: Mapping[str, KeyspaceTable] | None
) -> tuple[StreamPlan, ...]:
    """Returns the plan of each stream, in the catalog's order.

    Args:
        config: The configuration.
        catalog: The configured catalog.
        keyspace: The keyspace's tables by name; None if no address was given.

    Raises:
        ConfigError: A stream cannot be served; the message names what to do.
    """
    plans: list[StreamPlan] = []
    owners: dict[tuple[str, str], str] = {}
    for configured in catalog.streams:
        stream = configured.stream
        namespace = stream.namespace or None
        database = _database(config, namespace, stream.name)
        if keyspace is None:
            columns, key = _from_schema(config, configured)
        else:
            columns, key = _from_keyspace(config, configured, keyspace)
        # Case does not count: on some servers it does not count for files, and so for tables.
        name = (database.lower(), stream.name.lower())
        if owners.setdefault(name, str(namespace)) != str(namespace) or any(
            (plan.table.database.lower(), plan.table.name.lower()) == name for plan in plans
        ):
            raise ConfigError(
                f"Two streams would be written into the table {stream.name!r} of database {database!r}. Give their "
                "namespaces databases of their own in the field databases, or deselect one."
            )
        if not key and configured.sync_mode == SyncMode.incremental:
            raise ConfigError(
                f"Stream {stream.name!r} has no primary key, so that its changes cannot be applied. Give the table a "
                "primary key, or sync the stream with Full refresh | Overwrite."
            )
        plans.append(
            StreamPlan(
                namespace,
                ServedTable(database, stream.name, columns, key),
                overwrite=configured.destination_sync_mode == DestinationSyncMode.overwrite,
                generation=configured.generation_id,
                minimum_generation=configured.minimum_generation_id or 0,
            )
        )
    return tuple(plans)


def _database(config: Config, namespace: str | None, stream: str) -> str:
    database = config.database(namespace)
    if not database:
        raise ConfigError(
            f"Stream {stream!r} has no namespace, and so no database. Set the connection's namespace to that of the "
            "source, or give the keyspace's address in the field vitess."
        )
    if database.lower() in (config.bookkeeping_database.lower(), "mysql", "information_schema", "sys"):
        raise ConfigError(
            f"The database {database!r} of stream {stream!r} has another purpose. Map its namespace to another "
            "database in the field databases."
        )
    return database


def _from_keyspace(
    config: Config, configured: ConfiguredAirbyteStream, keyspace: Mapping[str, KeyspaceTable]
) -> tuple[tuple[ServedColumn, ...], tuple[str, ...]]:
    stream = configured.stream
    table = keyspace.get(stream.name)
    if table is None:
        raise ConfigError(
            f"The keyspace has no table {stream.name!r}. Remove the prefix of stream names from the connection, if "
            "there is one; else refresh the source's schema."
        )
    wanted = stream.json_schema.get("properties")
    columns = [column for column in table.columns if not wanted or column.name in wanted]
    columns = [column for column in columns if not _is_meta(column.name)]
    chosen = _configured_key(configured)
    if chosen and set(chosen) != set(table.key):
        raise ConfigError(
            f"The key of stream {stream.name!r} is configured as ({', '.join(chosen)}), and the table's key is "
            f"({', '.join(table.key) or 'none'}). Refresh the source's schema, then refresh the stream and remove its "
            "records."
        )
    _check_key(stream.name, table.key, {column.name for column in columns})
    served = serve_columns(stream.name, columns, table.key, exact=config.exact_types, json_as_text=config.json_as_text)
    return served, table.key


def _from_schema(
    config: Config, configured: ConfiguredAirbyteStream
) -> tuple[tuple[ServedColumn, ...], tuple[str, ...]]:
    properties = configured.stream.json_schema.get("properties") or {}
    columns = {name: schema for name, schema in properties.items() if not _is_meta(name)}
    if not columns:
        raise ConfigError(f"The schema of stream {configured.stream.name!r} has no columns.")
    key = _configured_key(configured)
    _check_key(configured.stream.name, key, columns)
    return columns_from_schema(columns, key, json_as_text=config.json_as_text), key


def _configured_key(configured: ConfiguredAirbyteStream) -> tuple[str, ...]:
    paths = configured.primary_key or configured.stream.source_defined_primary_key or []
    if any(len(path) != 1 for path in paths):
        raise ConfigError(f"The key of stream {configured.stream.name!r} lies inside a column, which MySQL cannot do.")
    return tuple(path[0] for path in paths)


def _check_key(stream: str, key: tuple[str, ...], columns: object) -> None:
    missing = [name for name in key if name not in columns]  # type: ignore[operator]
    if missing:
        raise ConfigError(
            f"The key column {', '.join(map(repr, missing))} of stream {stream!r} is not selected. Select it."
        )


def _is_meta(name: str) -> bool:
    return name.startswith(META_PREFIXES)
