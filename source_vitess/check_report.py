"""What a check found, in lines for people: one fact a line, and all of it on one screen.

Lists of shards and of tables are cut, so that a keyspace with a thousand of each takes as many lines as a small one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from source_vitess.mysql.binlog_settings import ShardSettings
from source_vitess.mysql.inventory import Inventory
from source_vitess.mysql.routing import Routed, routed_message
from source_vitess.mysql.topology import Topology, cell_warnings
from source_vitess.naming import TABLET_TYPES, TabletType
from source_vitess.position.lag import Lag, lag_warnings
from source_vitess.replication.freshness import duration
from source_vitess.replication.messages import Log
from source_vitess.row_filters.row_filter import RowFilter, whole_rows_warnings
from source_vitess.schema import Table, engine_warning
from source_vitess.settings.config import Config
from source_vitess.types.column_type import parse_column_type
from source_vitess.types.integer import is_bigint_unsigned

#: Shards or tables that one line names.
_LISTED = 20
#: The first release of MySQL that was seen to write to the binary log what a foreign key deletes or changes.
_WRITES_CASCADES = (9, 7)
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True)
class FoundKeyspace:
    """What the MySQL port answers about the keyspace.

    Attributes:
        topology: Its shards and tablets.
        shards: The selected shards.
        tablet_type: The type of tablet that is read from.
        inventory: What it holds.
        routed: The tables whose queries are sent to another keyspace.
        settings: By shard, how the MySQL servers that are read from write binary logs.
        primaries: Likewise of its primary; as `settings` if no foreign key changes rows, of which it decides.
        lags: How far the tablets that are read from are behind.
        row_filters: By table, which of its rows are read.
    """

    topology: Topology
    shards: Sequence[str]
    tablet_type: TabletType
    inventory: Inventory
    routed: Mapping[str, Routed]
    settings: Mapping[str, ShardSettings]
    primaries: Mapping[str, ShardSettings]
    lags: Sequence[Lag]
    row_filters: Mapping[str, RowFilter] = field(default_factory=dict)


def report(config: Config, found: FoundKeyspace) -> Iterator[Log]:
    """Yields the lines: facts first, then warnings."""
    yield from map(Log, _facts(config, found))
    for warning in _warnings(config, found):
        yield Log(warning, warning=True)


def _facts(config: Config, found: FoundKeyspace) -> Iterator[str]:
    versions = sorted({setting.mysql_version for setting in found.settings.values()})
    version = found.topology.version or "of an unknown version"
    yield f"VTGate {version} answers on both ports; MySQL {', '.join(versions)}."
    yield _sizes(config.keyspace, found)
    serving = [_serving(found.topology, shard) for shard in found.shards]
    yield f"Shards and the tablets that serve: {_listed(serving, '; ')}."
    yield (
        f"Data is read from {found.tablet_type} tablets"
        + (", because the field tablet_type is empty." if config.tablet_type is None else ".")
    )
    if behind := _behind(found):
        yield f"Tablets that are read from are behind their primaries by: {_listed(behind, '; ')}."
    if retention := _retention(found):
        yield (
            f"MySQL keeps its binary logs for {_kept(retention)}. No pause between two syncs may be longer, and no "
            f"copy (initial_load_timeout_hours: {config.initial_load_timeout_hours})."
            if any(retention.values())
            else "MySQL keeps its binary logs until somebody purges them."
        )
    if found.row_filters:
        chosen = [f"{name!r} with {made.condition}" for name, made in found.row_filters.items()]
        yield (
            f"Rows that are read: {_listed(chosen, '; ')}. In a copy MySQL chooses them, for which it reads the whole "
            "table unless an index helps; changes are chosen by the tablets."
        )
    if names := [table.name for table in found.inventory.tables.values() if not table.key]:
        yield (f"Tables without a key, whose rows can be appended but not deduplicated: {_named(names)}.")


def _warnings(config: Config, found: FoundKeyspace) -> Iterator[str]:
    inventory = found.inventory
    for shard, setting in found.settings.items():
        yield from setting.warnings(shard)
    yield from found.topology.release.notes()
    yield from cell_warnings(found.topology, config.cells)
    yield from lag_warnings(found.lags)
    timeout = config.initial_load_timeout_hours
    if short := [shard for shard, kept in _retention(found).items() if 0 < kept < timeout * 3600]:
        yield (
            f"MySQL keeps the binary logs of {_counted(len(short), 'shard')} ({_listed(short, ', ')}) for a shorter "
            f"time than a copy may take: binlog_expire_logs_seconds is less than the {timeout} h of the field "
            "initial_load_timeout_hours. Keep them for longer, or lower that field."
        )
    if engines := engine_warning({name: table.engine for name, table in inventory.tables.items()}):
        yield engines
    if inventory.other_keys:
        yield (
            f"Tables whose key differs between shards: {_listed(_other_keys(inventory, found.shards[0]), '; ')}. Rows "
            f"are told apart by the key in shard {found.shards[0]}, so that others may overwrite each other. A schema "
            "change may have failed in some shards: give the table the same key in all of them."
        )
    if inventory.unreadable:
        yield (
            "Tables that nothing can follow, because Vitess cannot stream a table whose name holds a backtick or "
            f"begins with a slash: {_named(inventory.unreadable)}. They are left out; rename them to read them."
        )
    # Those that are read from may be primaries next.
    every = [*found.settings.values(), *found.primaries.values()]
    old = sorted({one.mysql_version for one in every if one.mysql_release < _WRITES_CASCADES})
    if inventory.cascading and old:
        yield (
            f"Tables whose rows a foreign key deletes or changes by itself: {_named(inventory.cascading)}. MySQL "
            f"{', '.join(old)} does not write such changes to its binary log: while it is a shard's primary, they "
            "reach no destination."
        )
    yield from whole_rows_warnings([*found.row_filters])
    yield from _unsigned_warnings(config, inventory.tables.values())
    yield from _routing_warnings(config.keyspace, found.routed)


def _unsigned_warnings(config: Config, tables: Iterable[Table]) -> Iterator[str]:
    """Yields a line if columns can hold integers that many destinations have no type for."""
    if config.bigint_unsigned_as != "integer":
        return
    named = [
        f"{column.name!r} of {table.name!r}"
        for table in tables
        for column in table.columns
        if is_bigint_unsigned(parse_column_type(column.column_type))
    ]
    if named:
        yield (
            f"BIGINT UNSIGNED columns are read as integers: {_listed(named, ', ')}. If one holds values above 2^63-1, "
            "many destinations refuse the record or the whole load: then set the field bigint_unsigned_as to number or "
            "string."
        )


def _sizes(keyspace: str, found: FoundKeyspace) -> str:
    tables = found.inventory.tables.values()
    rows, size = sum(table.estimated_rows for table in tables), sum(table.estimated_bytes for table in tables)
    missing = len(found.shards) - found.inventory.counted
    part = f" in {found.inventory.counted} of {len(found.shards)} shards, more were not asked" if missing else ""
    return (
        f"Keyspace {keyspace}: {_counted(len(tables), 'table')} in {_counted(len(found.shards), 'shard')}; by MySQL's "
        f"estimates some {rows:,} rows and {_bytes(size)}{part}."
    )


def _serving(topology: Topology, shard: str) -> str:
    parts = [
        f"{tablet_type} in {', '.join(sorted({tablet.cell for tablet in tablets}))}"
        for tablet_type in TABLET_TYPES
        if (tablets := topology.serving(shard, tablet_type))
    ]
    return f"{shard} ({', '.join(parts)})"


def _other_keys(inventory: Inventory, first: str) -> list[str]:
    return [
        f"{name!r} (another in {_listed(shards, ', ')} than in {first})"
        for name, shards in sorted(inventory.other_keys.items())
    ]


def _behind(found: FoundKeyspace) -> list[str]:
    """Returns for each shard how far its tablets are behind, the one that is farthest."""
    worst: dict[str, int | None] = {}
    for lag in found.lags:
        known = worst.get(lag.shard, 0)
        worst[lag.shard] = None if known is None or lag.seconds is None else max(known, lag.seconds)
    return [
        f"{shard} {'an unknown time' if seconds is None else f'{seconds:,} s'}"
        for shard in found.shards
        if shard in worst
        for seconds in [worst[shard]]
    ]


def _retention(found: FoundKeyspace) -> Mapping[str, int]:
    return {shard: setting.retention for shard, setting in found.settings.items() if setting.retention is not None}


def _kept(retention: Mapping[str, int]) -> str:
    """Returns how long binary logs are kept, and where most shortly."""
    shortest = min(seconds for seconds in retention.values() if seconds)
    where = [shard for shard, seconds in retention.items() if seconds == shortest]
    kept = duration(shortest)
    return kept if len(where) == len(retention) else f"{kept} ({_listed(where, ', ')}) or longer"


def _routing_warnings(keyspace: str, routed: Mapping[str, Routed]) -> Iterator[str]:
    """Yields a line for each table whose queries go to another keyspace, of the first twenty."""
    for name in sorted(routed)[:_LISTED]:
        yield routed_message(name, keyspace, routed[name])
    if len(routed) > _LISTED:
        yield f"The queries of {len(routed) - _LISTED} more tables are sent to other keyspaces."


def _named(names: Sequence[str]) -> str:
    return _listed([repr(name) for name in names], ", ")


def _listed(names: Sequence[str], between: str) -> str:
    more = len(names) - _LISTED
    return between.join(names[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _bytes(size: float) -> str:
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:,.1f}".removesuffix(".0") + f" {unit}"
        size /= 1000
    return f"{size:,.1f} {_UNITS[-1]}"
