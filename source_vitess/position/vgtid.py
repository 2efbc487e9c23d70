"""The position of a keyspace: one GTID set per shard.

- A `Vgtid` can be stored and continued from: it never holds `current` or an empty position.
- The text of a shard's position is kept as VTGate wrote it, and parsed only when it is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from source_vitess.errors import GtidError
from source_vitess.position.gtid import FLAVOR, GtidSet, intervals_of, is_within, last_number

#: In a request: changes from now on (go/vt/vtgate/vstream_manager.go).
CURRENT = "current"


# A set of 300 servers takes 80 KB, so not many.
@lru_cache(maxsize=64)
def gtid_set(gtid: str) -> GtidSet:
    """Parses a shard's position, remembering the recent ones.

    Raises:
        GtidError: As `GtidSet.parse`.
    """
    return GtidSet.parse(gtid)


def contains(gtid: str, other: str) -> bool:
    """Returns whether the position `gtid` contains every transaction of the position `other`."""
    return gtid == other or gtid_set(other) <= gtid_set(gtid)


def intersection(gtid: str, other: str) -> str:
    """Returns the position that holds the transactions of both."""
    return f"{FLAVOR}/{gtid_set(gtid) & gtid_set(other)}"


def union(gtid: str, other: str) -> str:
    """Returns the position that holds the transactions of either."""
    return f"{FLAVOR}/{gtid_set(gtid) | gtid_set(other)}"


def difference(gtid: str, other: GtidSet) -> str:
    """Returns the position that holds the transactions which are not in the other set."""
    return f"{FLAVOR}/{gtid_set(gtid) - other}"


class Distance:
    """What a shard's growing position still lacks of a target.

    Asked after every transaction, so it reads of each position only the servers that something is missing from.

    Args:
        start: The position to begin with, None if there is none.
        target: The position to reach.
    """

    def __init__(self, start: str | None, target: str) -> None:
        end = gtid_set(target)
        self._left = dict((end - gtid_set(start) if start is not None else end).intervals)
        self._last = {uuid: intervals[-1][1] - 1 for uuid, intervals in self._left.items()}

    def reached(self, position: str) -> bool:
        """Returns whether the target is contained in a position that contains all former ones."""
        for uuid in [*self._left]:
            if last_number(position, uuid) >= self._last[uuid] and is_within(
                self._left[uuid], intervals_of(position, uuid)
            ):
                del self._left[uuid]
        return not self._left


@dataclass(frozen=True)
class Vgtid:
    """A position of a keyspace from which its changes can be followed.

    Attributes:
        keyspace: The keyspace's name.
        shards: By shard name: `MySQL56/<gtid set>`.
    """

    keyspace: str
    shards: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuses positions that cannot be continued from.

        Raises:
            GtidError: No shard at all, or a shard without a real position.
        """
        if not self.shards:
            raise GtidError("a position without shards")
        for shard, gtid in self.shards.items():
            if not shard or not gtid.startswith(FLAVOR + "/"):
                raise GtidError(f"shard {shard!r} has no position to continue from: {gtid[:80]!r}")

    def covers(self, target: Vgtid) -> bool:
        """Returns whether every shard of the target has reached the target's position here."""
        return all(shard in self.shards and contains(self.shards[shard], gtid) for shard, gtid in target.shards.items())

    def union(self, other: Mapping[str, str]) -> Vgtid:
        """Returns the position that also contains what `other` has for the shards of this one."""
        return Vgtid(
            self.keyspace,
            {shard: union(gtid, other[shard]) if shard in other else gtid for shard, gtid in self.shards.items()},
        )

    def replaced(self, other: Mapping[str, str]) -> Vgtid:
        """Returns the position with what `other` has for some of the shards in the place of what is here."""
        return Vgtid(self.keyspace, {shard: other.get(shard, gtid) for shard, gtid in self.shards.items()})

    def to_json(self) -> list[dict[str, str]]:
        """Returns the position as state and logs show it."""
        return [{"keyspace": self.keyspace, "shard": shard, "gtid": gtid} for shard, gtid in self.shards.items()]

    @classmethod
    def from_json(cls, value: Any) -> Vgtid:
        """Reads what `to_json` gives.

        Raises:
            GtidError: It is of another shape, names more than one keyspace or a shard twice, or a position is bad.
        """
        if not isinstance(value, list) or not value:
            raise GtidError("a position is a list with an entry for each shard")
        shards: dict[str, str] = {}
        keyspaces: set[str] = set()
        for entry in value:
            if not isinstance(entry, dict) or not all(
                isinstance(entry.get(key), str) for key in ("keyspace", "shard", "gtid")
            ):
                raise GtidError("a shard's position has the texts keyspace, shard and gtid")
            if entry["shard"] in shards:
                raise GtidError(f"shard {entry['shard']!r} is listed twice")
            GtidSet.parse(entry["gtid"])
            shards[entry["shard"]] = entry["gtid"]
            keyspaces.add(entry["keyspace"])
        if len(keyspaces) != 1:
            raise GtidError(f"a position of several keyspaces: {', '.join(sorted(keyspaces))}")
        return cls(keyspaces.pop(), shards)
