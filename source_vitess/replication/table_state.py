"""Where a table's copy stands.

    absent                 the table needs a copy
    Copying                its copy has begun; from then on it takes part in the change stream
    CopiedAt               copied in one attempt, exact at positions that the change stream has not passed yet
    Copied                 the copy is finished, and the shared position has passed it
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

from source_vitess.errors import ConfigError, GtidError
from source_vitess.position.gtid import GtidSet


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
    """A finished copy; every change after the shared position belongs to it."""


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


def table_to_json(keyspace: str, table: TableState) -> dict[str, Any]:
    """Returns a table's state as JSON."""
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


def table_from_json(name: str, value: Any) -> TableState:
    """Reads what `table_to_json` gives.

    Raises:
        ConfigError: It is of another shape; the message names the stream and what was found.
    """
    where = f"the state of stream {name!r}"
    if not isinstance(value, Mapping):
        raise refused_state(f"{where} is {json_kind(value)} instead of an object")
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
    raise refused_state(f"{where} is of no known form; its keys are {', '.join(map(repr, value)) or 'none'}")


def _copying_from_json(where: str, value: Mapping[str, Any]) -> Copying:
    attempt, shards = value.get("attempt"), value.get("shards")
    if not isinstance(attempt, int) or attempt < 1:
        raise refused_state(f"{where} has the attempt {attempt!r} instead of a number")
    if not isinstance(shards, list):
        raise refused_state(f"{where} has no list of shards")
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
                raise refused_state(f"{where} has a shard without name or position")
        if lastpk is not None and not (lastpk and gtid):
            raise refused_state(f"{where}, shard {shard!r}, has half a position")
        try:
            GtidSet.parse(gtid)
            shards.append((shard, gtid, base64.b64decode(lastpk, validate=True) if lastpk is not None else None))
        except (GtidError, binascii.Error, TypeError) as error:
            raise refused_state(f"{where}, shard {shard!r}, cannot be used: {error}") from None
    return shards


def json_kind(value: object) -> str:
    """Returns what a JSON value is, for people."""
    return {type(None): "null", list: "a list", str: "a text", dict: "an object"}.get(type(value), "a number")


def refused_state(what: str) -> ConfigError:
    """Returns the error for a state that cannot be used, and why."""
    return ConfigError(
        f"The saved state cannot be used: {what}. Give the state that this connector wrote last for this connection, "
        "or clear the connection's data to copy everything again."
    )
