"""What a sync remembers: the shared position, the cursor, and where each table's copy stands.

    absent                 the table needs a copy
    Copying                its copy has begun; from then on it takes part in the change stream
    CopiedAt               copied in one attempt, exact at positions that the change stream has not passed yet
    Copied                 the copy is finished and behind the shared position
    RefreshNeeded          rows were removed without row events (TRUNCATE, DROP): only a refresh by the user helps
    Refreshing, Refreshed  a full refresh, which has no part in the change stream

In JSON (see docs/state.md) positions can be read by a person; a copy's lastpk is VTGate's own bytes in base64.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from source_vitess.errors import ConfigError
from source_vitess.position.gtid import GtidError, GtidSet
from source_vitess.position.vgtid import Vgtid, contains, intersection, union

VERSION = 2


@dataclass(frozen=True)
class ShardCopy:
    """How far a table's copy is on a shard.

    Attributes:
        gtid: The position that the rows up to `lastpk` are of.
        lastpk: VTGate's bytes for the last row copied; None when the shard is done.
    """

    gtid: str
    lastpk: bytes | None

    @property
    def done(self) -> bool:
        """Returns whether all rows of the shard are copied."""
        return self.lastpk is None


@dataclass(frozen=True)
class Copying:
    """A copy that has begun.

    Attributes:
        attempt: 1 while it runs in one go; more once it was interrupted.
        shards: By shard; shards that are missing start from the beginning.
    """

    attempt: int
    shards: Mapping[str, ShardCopy] = field(default_factory=dict)


@dataclass(frozen=True)
class CopiedAt:
    """A finished copy whose rows are exact at positions ahead of the shared one.

    Attributes:
        shards: By shard, the position; a shard whose position was passed is not listed.
    """

    shards: Mapping[str, str]


@dataclass(frozen=True)
class Copied:
    """A finished copy; all changes behind the shared position are its own."""


@dataclass(frozen=True)
class RefreshNeeded:
    """The destination holds rows that the table does not, and nothing shows which.

    Attributes:
        reason: What happened, for the user.
    """

    reason: str


@dataclass(frozen=True)
class Refreshing:
    """A full refresh that has begun.

    Attributes:
        sync_id: The platform's number of the sync it belongs to, if it gives any.
        copy: How far it is.
    """

    sync_id: int | None
    copy: Copying


@dataclass(frozen=True)
class Refreshed:
    """A full refresh that is complete: not to be done again by another attempt of the same sync.

    Attributes:
        sync_id: The platform's number of that sync.
    """

    sync_id: int | None


TableState = Copying | CopiedAt | Copied | RefreshNeeded | Refreshing | Refreshed

#: States whose table takes part in the change stream.
FOLLOWED = (Copying, CopiedAt, Copied)


@dataclass
class SyncState:
    """The whole of it; the one value that a sync changes as it goes.

    Attributes:
        keyspace: The keyspace's name.
        vgtid: The position up to which changes were read; None before the first sync.
        cursor: The last `_ab_cdc_cursor` given out.
        tables: By table; a table that is missing needs a copy.
        dropped_columns: By shard and table, the names, in lower case, of columns that were dropped at or before the
            position, and that no tablet has left out of a change since (see `AnnouncedColumns`).
    """

    keyspace: str
    vgtid: Vgtid | None = None
    cursor: int = 0
    tables: dict[str, TableState] = field(default_factory=dict)
    dropped_columns: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

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
        self.vgtid = self.vgtid.replaced({shard: intersection(gtid, shared)})
        for key in [key for key in self.dropped_columns if key[0] == shard]:
            del self.dropped_columns[key]  # what is read again names them again
        return True

    def shared_to_json(self) -> dict[str, Any]:
        """Returns the shared state."""
        shared: dict[str, Any] = {
            "version": VERSION,
            "vgtid": self.vgtid.to_json() if self.vgtid else None,
            "cursor": self.cursor,
        }
        if self.dropped_columns:
            shared["dropped_columns"] = [
                {"shard": shard, "table": table, "columns": sorted(columns)}
                for (shard, table), columns in self.dropped_columns.items()
            ]
        return shared

    def tables_to_json(self) -> dict[str, dict[str, Any]]:
        """Returns each table's state."""
        return {name: _table_to_json(self.keyspace, table) for name, table in self.tables.items()}

    @classmethod
    def from_json(cls, keyspace: str, shared: Any, tables: Mapping[str, Any]) -> SyncState:
        """Reads what `shared_to_json` and `tables_to_json` give.

        Raises:
            ConfigError: The state is of another version, keyspace or shape; the message names what was found.
        """
        if not isinstance(shared, Mapping):
            raise _refused(f"its shared_state is {_kind(shared)} instead of an object")
        if shared.get("version") != VERSION:
            raise _refused(f"its version is {shared.get('version')!r}, this connector writes version {VERSION}")
        cursor = shared.get("cursor")
        if not isinstance(cursor, int) or isinstance(cursor, bool) or not 0 <= cursor < 2**63:
            raise _refused(f"its cursor is {cursor!r} instead of a number")
        vgtid = None
        if shared.get("vgtid") is not None:
            try:
                vgtid = Vgtid.from_json(shared["vgtid"])
            except GtidError as error:
                raise _refused(f"its vgtid cannot be used: {error}") from None
            if vgtid.keyspace != keyspace:
                raise _refused(f"it is of keyspace {vgtid.keyspace!r}, and the source reads {keyspace!r}")
        parsed = {name: _table_from_json(name, table) for name, table in tables.items()}
        if vgtid is None and any(isinstance(table, FOLLOWED) for table in parsed.values()):
            raise _refused("it has tables that are being followed, and no vgtid")
        return cls(keyspace, vgtid, cursor, parsed, _dropped_columns(shared, vgtid))


def _dropped_columns(shared: Mapping[str, Any], vgtid: Vgtid | None) -> dict[tuple[str, str], frozenset[str]]:
    """Reads them for the shards of the position: after a reshard other tablets name the columns."""
    entries = shared.get("dropped_columns", [])
    found = {}
    for entry in entries if isinstance(entries, list) else [entries]:
        match entry:
            case {"shard": str() as shard, "table": str() as table, "columns": list() as columns} if all(
                isinstance(column, str) for column in columns
            ):
                if vgtid is not None and shard in vgtid.shards:
                    found[shard, table] = frozenset(columns)
            case _:
                raise _refused("its dropped_columns are not a list of shards, tables and columns")
    return found


def _table_to_json(keyspace: str, table: TableState) -> dict[str, Any]:
    match table:
        case Copying():
            return {"copying": _copying_to_json(keyspace, table)}
        case CopiedAt(shards):
            return {
                "copied_at": [{"keyspace": keyspace, "shard": shard, "gtid": gtid} for shard, gtid in shards.items()]
            }
        case Copied():
            return {"copied": True}
        case RefreshNeeded(reason):
            return {"refresh_needed": reason}
        case Refreshing(sync_id, copy):
            return {"refreshing": {"sync_id": sync_id, **_copying_to_json(keyspace, copy)}}
        case Refreshed(sync_id):
            return {"refreshed": {"sync_id": sync_id}}


def _copying_to_json(keyspace: str, copy: Copying) -> dict[str, Any]:
    shards = []
    for shard, part in copy.shards.items():
        entry: dict[str, Any] = {"keyspace": keyspace, "shard": shard, "gtid": part.gtid}
        if part.lastpk is not None:
            entry["lastpk"] = base64.b64encode(part.lastpk).decode()
        shards.append(entry)
    return {"attempt": copy.attempt, "shards": shards}


def _table_from_json(name: str, value: Any) -> TableState:
    where = f"the state of stream {name!r}"
    if not isinstance(value, Mapping):
        raise _refused(f"{where} is {_kind(value)} instead of an object")
    match dict(value):
        case {"copied": True, **rest} if not rest:
            return Copied()
        case {"copying": Mapping() as copy, **rest} if not rest:
            return _copying_from_json(where, copy)
        case {"copied_at": list() as shards, **rest} if not rest:
            return CopiedAt({shard: gtid for shard, gtid, _ in _shards_from_json(where, shards)})
        case {"refresh_needed": str() as reason, **rest} if not rest:
            return RefreshNeeded(reason)
        case {"refreshing": {"sync_id": int() | None as sync_id} as copy, **rest} if not rest:
            return Refreshing(sync_id, _copying_from_json(where, copy))
        case {"refreshed": {"sync_id": int() | None as sync_id}, **rest} if not rest:
            return Refreshed(sync_id)
    raise _refused(f"{where} is of no known form; its keys are {', '.join(map(repr, value)) or 'none'}")


def _copying_from_json(where: str, value: Mapping[str, Any]) -> Copying:
    attempt, shards = value.get("attempt"), value.get("shards")
    if not isinstance(attempt, int) or attempt < 1:
        raise _refused(f"{where} has the attempt {attempt!r} instead of a number")
    if not isinstance(shards, list):
        raise _refused(f"{where} has no list of shards")
    return Copying(
        attempt, {shard: ShardCopy(gtid, lastpk) for shard, gtid, lastpk in _shards_from_json(where, shards)}
    )


def _shards_from_json(where: str, entries: list[Any]) -> list[tuple[str, str, bytes | None]]:
    shards = []
    for entry in entries:
        match entry:
            case {"shard": str() as shard, "gtid": str() as gtid}:
                lastpk = entry.get("lastpk")
            case _:
                raise _refused(f"{where} has a shard without name or position")
        if lastpk is not None and not (lastpk and gtid):
            raise _refused(f"{where}, shard {shard!r}, has half a position")
        try:
            GtidSet.parse(gtid)
            shards.append((shard, gtid, base64.b64decode(lastpk, validate=True) if lastpk is not None else None))
        except (GtidError, binascii.Error, TypeError) as error:
            raise _refused(f"{where}, shard {shard!r}, cannot be used: {error}") from None
    return shards


def _kind(value: object) -> str:
    return {type(None): "null", list: "a list", str: "a text", dict: "an object"}.get(type(value), "a number")


def _refused(what: str) -> ConfigError:
    return ConfigError(
        f"The saved state cannot be used: {what}. Give the state that this connector wrote last for this connection, "
        "or clear the connection's data to copy everything again."
    )
