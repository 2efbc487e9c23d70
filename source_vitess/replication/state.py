"""What a sync remembers: the shared position, the cursor, and where each table's copy stands (`table_state`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from source_vitess.errors import GtidError
from source_vitess.position.gtid import GtidSet
from source_vitess.position.vgtid import Vgtid, contains, intersection, union
from source_vitess.replication.emitted_beyond import EmittedBeyond
from source_vitess.replication.table_state import (
    FOLLOWED,
    Copied,
    CopiedAt,
    Copying,
    RefreshNeeded,
    TableState,
    json_kind,
    refused_state,
    table_from_json,
    table_to_json,
)

VERSION = 2

_FILTER = "filter"


@dataclass(frozen=True)
class FilterState:
    """The condition that a stream was copied with.

    Attributes:
        condition: Its text.
        columns: By column that it names, of what kind that was (`row_filters.comparable`).
    """

    condition: str
    columns: Mapping[str, str]


@dataclass
class SyncState:
    """The whole of it; the one value that a sync changes as it goes.

    Attributes:
        keyspace: The keyspace's name.
        vgtid: The position up to which changes were read; None before the first sync.
        cursor: The last `_ab_cdc_cursor` given out.
        tables: By table; a table that is missing needs a copy.
        known: Streams that were deselected; if new ones begin without a copy, all of this sync and of former ones. One
            of them that has no state needs a copy.
        dropped_columns: By shard and table, the names, in lower case, of columns that were dropped at or before the
            position, and that no tablet has left out of a change since (see `AnnouncedColumns`); each with the GTID of
            the statement, empty if it is not known.
        filters: By table, the condition that its state is of; a table that is missing is read whole.
        beyond: What was emitted beyond the position.
        caught_up_at: When a sync last caught up: when it asked for the position that it came to, in seconds since 1970;
            None if none did.
    """

    keyspace: str
    vgtid: Vgtid | None = None
    cursor: int = 0
    tables: dict[str, TableState] = field(default_factory=dict)
    dropped_columns: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    filters: dict[str, FilterState] = field(default_factory=dict)
    beyond: EmittedBeyond = field(default_factory=EmittedBeyond)
    caught_up_at: int | None = None

    def set_copying(self, table: str, copy: Copying) -> None:
        """Sets how far a table's copy is. What it does not name any more of rows that were emitted is remembered."""
        before = self.tables.get(table)
        if isinstance(before, Copying):
            for shard, part in before.shards.items():
                now = copy.shards.get(shard)
                if now is None or not contains(now.gtid, part.gtid):
                    self.beyond.note(table, {shard: part.gtid})
        self.tables[table] = copy

    def lower(self, shard: str, gtid: str, table: str) -> bool:
        """Takes a shard's shared position back to what a copy contains, if the copy's position does not contain it.

        The copy was read from a tablet that is behind the one that reported the shared position. What lies between is
        read again: for this table because its copy lacks it, while every other one is exact where it was.

        Args:
            shard: The shard.
            gtid: The position of the copy's rows there.
            table: The table that is copied.

        Returns:
            Whether the shared position has changed.
        """
        if self.vgtid is None or (shared := self.vgtid.shards.get(shard)) is None or contains(gtid, shared):
            return False
        for name, state in self.tables.items():
            if name != table and isinstance(state, Copied | CopiedAt):
                before = state.shards if isinstance(state, CopiedAt) else {}
                exact_at = union(before[shard], shared) if shard in before else shared
                self.tables[name] = CopiedAt({**before, shard: exact_at})
            elif isinstance(state, Copying) and (name != table or state.attempt > 1):
                # Its changes were emitted up to here, and rows stay of those that a failover may lose by now.
                self.beyond.note(name, {shard: shared})
        self.vgtid = self.vgtid.replaced({shard: intersection(gtid, shared)})
        for key in [key for key in self.dropped_columns if key[0] == shard]:
            # What is read again names those again that were dropped behind it.
            left = dropped_by(self.dropped_columns.pop(key), self.vgtid.shards[shard])
            if left:
                self.dropped_columns[key] = left
        return True

    def shared_to_json(self) -> dict[str, Any]:
        """Returns the shared state."""
        shared: dict[str, Any] = {
            "version": VERSION,
            "vgtid": self.vgtid.to_json() if self.vgtid else None,
            "cursor": self.cursor,
        }
        if self.caught_up_at is not None:
            shared["caught_up_at"] = _time(self.caught_up_at)
        if self.known:
            shared["known_streams"] = sorted(self.known)
        if self.dropped_columns:
            shared["dropped_columns"] = [
                {
                    "shard": shard,
                    "table": table,
                    "columns": sorted(columns),
                    "at": {name: columns[name] for name in sorted(columns) if columns[name]},
                }
                for (shard, table), columns in self.dropped_columns.items()
            ]
        self.beyond.drop_other_tables([name for name, table in self.tables.items() if isinstance(table, FOLLOWED)])
        if beyond := self.beyond.to_json():
            shared["emitted_beyond"] = beyond
        return shared

    def tables_to_json(self) -> dict[str, dict[str, Any]]:
        """Returns each table's state."""
        states = {name: table_to_json(self.keyspace, table) for name, table in self.tables.items()}
        for name, made in self.filters.items():
            if name in states and not isinstance(self.tables[name], RefreshNeeded):
                states[name][_FILTER] = {"condition": made.condition, "columns": dict(made.columns)}
        return states

    @classmethod
    def from_json(cls, keyspace: str, shared: Any, tables: Mapping[str, Any]) -> SyncState:
        """Reads what `shared_to_json` and `tables_to_json` give.

        Raises:
            ConfigError: The state is of another version, keyspace or shape; the message names what was found.
        """
        if not isinstance(shared, Mapping):
            raise refused_state(f"its shared_state is {json_kind(shared)} instead of an object")
        if shared.get("version") != VERSION:
            raise refused_state(f"its version is {shared.get('version')!r}, this connector writes version {VERSION}")
        cursor = shared.get("cursor")
        if not isinstance(cursor, int) or isinstance(cursor, bool) or not 0 <= cursor < 2**63:
            raise refused_state(f"its cursor is {cursor!r} instead of a number")
        vgtid = None
        if shared.get("vgtid") is not None:
            try:
                vgtid = Vgtid.from_json(shared["vgtid"])
            except GtidError as error:
                raise refused_state(f"its vgtid cannot be used: {error}") from None
            if vgtid.keyspace != keyspace:
                raise refused_state(f"it is of keyspace {vgtid.keyspace!r}, and the source reads {keyspace!r}")
        filters = {name: made for name, table in tables.items() if (made := _filter(name, table)) is not None}
        parsed = {
            name: table_from_json(name, _without_filter(table) if name in filters else table)
            for name, table in tables.items()
        }
        if vgtid is None and any(isinstance(table, FOLLOWED) for table in parsed.values()):
            raise refused_state("it has tables that are being followed, and no vgtid")
        beyond = EmittedBeyond.from_json(shared.get("emitted_beyond", []))
        # A stream that was refreshed or cleared has none of these rows any more.
        beyond.drop_other_tables([name for name, table in parsed.items() if isinstance(table, FOLLOWED)])
        dropped, known = _dropped_columns(shared, vgtid), _known_streams(shared)
        return cls(keyspace, vgtid, cursor, parsed, dropped, known, filters, beyond, _caught_up_at(shared))


def dropped_by(dropped: Mapping[str, str], position: str) -> Mapping[str, str]:
    """Returns the columns that were dropped at or before a position, as far as that is known."""
    return {name: gtid for name, gtid in dropped.items() if gtid and contains(position, gtid)}


def _filter(name: str, table: Any) -> FilterState | None:
    if not isinstance(table, Mapping) or _FILTER not in table:
        return None
    match table[_FILTER]:
        case {"condition": str() as condition, "columns": Mapping() as columns} if all(
            isinstance(text, str) for text in (*columns, *columns.values())
        ):
            return FilterState(condition, dict(columns))
    raise refused_state(f"the filter of stream {name!r} is not a condition with its columns")


def _without_filter(table: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in table.items() if key != _FILTER}


def _caught_up_at(shared: Mapping[str, Any]) -> int | None:
    text = shared.get("caught_up_at")
    if text is None:
        return None
    try:
        # Not by strptime, whose import takes longer than the rest of a state.
        seconds = int(datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=timezone.utc).timestamp())
    except (AttributeError, ValueError):
        seconds = None
    if seconds is None or _time(seconds) != text:
        raise refused_state(f"its caught_up_at is {text!r} instead of a time like 2026-01-02T03:04:05Z")
    return seconds


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _known_streams(shared: Mapping[str, Any]) -> set[str]:
    names = shared.get("known_streams", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise refused_state("its known_streams are not a list of names")
    return set(names)


def _dropped_columns(shared: Mapping[str, Any], vgtid: Vgtid | None) -> dict[tuple[str, str], Mapping[str, str]]:
    """Reads them for the shards of the position: after a reshard other tablets name the columns."""
    entries = shared.get("dropped_columns", [])
    found: dict[tuple[str, str], Mapping[str, str]] = {}
    for entry in entries if isinstance(entries, list) else [entries]:
        match entry:
            case {"shard": str() as shard, "table": str() as table, "columns": list() as columns} if all(
                isinstance(column, str) for column in columns
            ):
                if vgtid is not None and shard in vgtid.shards:
                    found[shard, table] = _dropped_at(columns, entry.get("at", {}))
            case _:
                raise refused_state("its dropped_columns are not a list of shards, tables and columns")
    return found


def _dropped_at(columns: list[str], gtids: Any) -> Mapping[str, str]:
    try:
        return {name: str(GtidSet.parse(gtids.get(name, ""))) for name in columns}
    except (AttributeError, TypeError, GtidError) as error:
        raise refused_state(f"its dropped_columns are not each at a GTID: {error}") from None
