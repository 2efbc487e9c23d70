"""The end position of a change stream, and which shards have not reached it yet."""

from __future__ import annotations

from source_vitess.position.vgtid import Distance, Vgtid, contains


class Goal:
    """Which shards have not reached the end position yet.

    Attributes:
        target: The end position.
    """

    def __init__(self, start: Vgtid, target: Vgtid) -> None:
        self.target = target
        self._shards = frozenset(start.shards)
        self._missing = {
            shard: Distance(start.shards.get(shard), gtid)
            for shard, gtid in target.shards.items()
            if shard not in start.shards or not contains(start.shards[shard], gtid)
        }

    def resharded(self, shard: str) -> bool:
        """Returns whether the stream reads other shards than before, by the shard that has just sent something."""
        return shard not in self._shards

    @property
    def missing(self) -> frozenset[str]:
        """The shards that have not reached their end position yet."""
        return frozenset(self._missing)

    def awaits(self, shard: str) -> bool:
        """Returns whether a shard has not reached its end position yet."""
        return shard in self._missing

    def reached(self, shard: str, gtid: str | None) -> bool:
        """Notes a shard's new position, if it has one, and returns whether no shard is missing any more."""
        distance = self._missing.get(shard)
        if distance is not None and gtid is not None and distance.reached(gtid):
            del self._missing[shard]
        return not self._missing

    @property
    def is_final(self) -> bool:
        """Whether all shards of the stream have reached an end position of their own.

        They serve, then, and come to no journal that is older than the end position: see `EndPosition`.
        """
        return self._shards <= self.target.shards.keys() and not self._shards & self._missing.keys()

    @property
    def is_reached(self) -> bool:
        """Whether no shard is missing any more."""
        return not self._missing
