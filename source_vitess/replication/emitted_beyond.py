"""Positions that rows in the destination are of, beyond the shared one, and that nothing else in the state names.

A failover may lose the transactions that brought such rows. The shared position does not show it, as it has been taken
back since, or has not come as far yet; nor does the table's own state, because its copy has started over, or is not
exact at one position. So what was emitted is remembered by table and shard until the shared position has passed it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from source_vitess.errors import GtidError
from source_vitess.position.gtid import GtidSet
from source_vitess.position.vgtid import Vgtid, contains, intersection, union
from source_vitess.replication.table_state import refused_state

_Key = tuple[str, str]


@dataclass
class EmittedBeyond:
    """The positions; a part of the state, which a sync changes as it goes.

    Attributes:
        positions: By table and shard.
    """

    positions: dict[_Key, str] = field(default_factory=dict)

    def note(self, table: str, shards: Mapping[str, str]) -> None:
        """Remembers that rows of a table were emitted which are of these positions."""
        for shard, gtid in shards.items():
            before = self.positions.get((table, shard))
            self.positions[table, shard] = union(before, gtid) if before else gtid

    def by_table(self) -> Mapping[str, Mapping[str, str]]:
        """Returns by table and shard what is remembered."""
        tables: dict[str, dict[str, str]] = {}
        for (table, shard), gtid in self.positions.items():
            tables.setdefault(table, {})[shard] = gtid
        return tables

    def drop_passed(self, position: Vgtid) -> None:
        """Forgets what the shared position has passed: it names these transactions itself."""
        self._keep(
            lambda _, shard, gtid: shard not in position.shards or not contains(position.shards[shard], gtid),
        )

    def drop_other_shards(self, shards: Collection[str]) -> None:
        """Forgets what is of other shards: once it was found to be no loss, it cannot become one."""
        self._keep(lambda _, shard, __: shard in shards)

    def drop_other_tables(self, tables: Collection[str]) -> None:
        """Forgets what is of other tables, whose rows are not followed any more."""
        self._keep(lambda table, _, __: table in tables)

    def leave_out(self, lineage: Mapping[str, str]) -> None:
        """Takes out what a shard's primary does not have: it is errant, or was reported as lost."""
        for (table, shard), gtid in self.positions.items():
            if shard in lineage and not contains(lineage[shard], gtid):
                self.positions[table, shard] = intersection(gtid, lineage[shard])

    def _keep(self, which: Callable[[str, str, str], bool]) -> None:
        self.positions = {key: gtid for key, gtid in self.positions.items() if which(*key, gtid)}

    def to_json(self) -> list[dict[str, str]]:
        """Returns it as a state has it."""
        return [{"table": table, "shard": shard, "gtid": gtid} for (table, shard), gtid in self.positions.items()]

    @classmethod
    def from_json(cls, value: Any) -> EmittedBeyond:
        """Reads what `to_json` gives.

        Raises:
            ConfigError: It is of another shape.
        """
        positions: dict[_Key, str] = {}
        for entry in value if isinstance(value, list) else [value]:
            match entry:
                case {"table": str() as table, "shard": str() as shard, "gtid": str() as gtid}:
                    try:
                        GtidSet.parse(gtid)
                    except GtidError as error:
                        raise refused_state(f"its emitted_beyond cannot be used: {error}") from None
                    positions[table, shard] = gtid
                case _:
                    raise refused_state("its emitted_beyond is not a list of tables, shards and positions")
        return cls(positions)
