"""Which transactions the change stream leaves out for a table: those that its copy contains, and errant ones.

- A change of a table is skipped if, and only if, its transaction is contained in the table's copy position. That is
  known only when the transaction ends, so such rows are held back until then. What counts is the transaction itself,
  the difference of two positions: the whole position may hold what another tablet does not.
- A transaction that was known to be errant before it came is left out, unless its shard's primary has it by now.
"""

from __future__ import annotations

from source_vitess.position.gtid import GtidSet
from source_vitess.position.vgtid import Vgtid, contains, gtid_set
from source_vitess.replication.context import SyncContext
from source_vitess.replication.table_state import Copied, CopiedAt
from source_vitess.rows.columns import Rows

_NOTHING = GtidSet({})


class Exclusions:
    """Decides which transactions are left out. One for all streams of a sync's changes.

    Args:
        context: The sync. Its state holds the positions of the copies.
    """

    def __init__(self, context: SyncContext) -> None:
        self._context = context
        self._state = context.state
        self._errant: dict[str, GtidSet] = {}

    def leave_out(self, shard: str, errant: GtidSet) -> None:
        """Leaves out the changes of transactions that are not of the shard's lineage."""
        self._errant[shard] = errant
        self._context.checkpointer.errant[shard] = errant

    def may_exclude(self, rows: Rows) -> bool:
        """Returns whether rows may have to be left out, which is known when their transaction ends."""
        match self._state.tables.get(rows.table):
            case CopiedAt(shards) if rows.shard in shards:
                return True
        return rows.shard in self._errant

    def exclude(self, table: str, shard: str, transaction: GtidSet | None) -> bool:
        """Returns whether a transaction is left out of a table's changes: its copy contains it, or it is errant."""
        if not transaction:
            return False
        contained = self._errant.get(shard, _NOTHING)
        match self._state.tables.get(table):
            case CopiedAt(shards) if shard in shards:
                contained = contained | gtid_set(shards[shard])
        return transaction <= contained

    def knows_errant(self, shard: str) -> bool:
        """Returns whether any errant transactions of a shard are known."""
        return shard in self._errant

    def is_errant(self, shard: str, transaction: GtidSet | None) -> bool:
        """Returns whether a transaction is known to be errant."""
        return transaction is not None and transaction <= self._errant.get(shard, _NOTHING)

    def reconsider(self, shard: str, transaction: GtidSet | None) -> None:
        """Takes back that a transaction is errant if the primary has it by now: its tablet was made the primary.

        Raises:
            TransientError: The primaries do not answer now.
        """
        if transaction and transaction <= self._errant.get(shard, _NOTHING):
            lineage = self._context.vitess.lineage().shards
            if shard in lineage:
                self.leave_out(shard, self._errant[shard] - gtid_set(lineage[shard]))

    def drop_passed(self, position: Vgtid) -> None:
        """Drops the copy positions that the shared position has passed, and what was emitted beyond it before."""
        self._state.beyond.drop_passed(position)
        for name, state in list(self._state.tables.items()):
            if isinstance(state, CopiedAt):
                for shard, copied_at in state.shards.items():
                    if shard not in position.shards or contains(position.shards[shard], copied_at):
                        self._drop(name, shard)

    def drop_other_shards(self, shards: frozenset[str]) -> None:
        """Drops the copy positions of shards that the stream has left: a reversed reshard brings their names back."""
        for name, state in list(self._state.tables.items()):
            if isinstance(state, CopiedAt):
                for shard in state.shards.keys() - shards:
                    self._state.beyond.note(name, {shard: state.shards[shard]})
                    self._drop(name, shard)

    def _drop(self, table: str, shard: str) -> None:
        state = self._state.tables[table]
        if isinstance(state, CopiedAt):
            left = {other: gtid for other, gtid in state.shards.items() if other != shard}
            self._state.tables[table] = CopiedAt(left) if left else Copied()
