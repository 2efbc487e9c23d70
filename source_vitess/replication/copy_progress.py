"""How far the copy of a table is, shard by shard, and from where it can go on.

- A copy goes on from a lastpk only in a table with a primary key for whose types `>` agrees with ORDER BY, and only
  while the key is the one that the lastpk was made with: on the tablet that serves it, before and after.
- Other copies cannot be continued: VTTablet would page through a table without a key by all columns and skip rows that
  are equal or hold NULLs (go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go). They start from the beginning.
- Only a copy that ran from start to end in one go is exact at a position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from source_vitess.errors import LostTransactionsError, TransientError
from source_vitess.position.lineage import Verdict
from source_vitess.position.vgtid import contains, union
from source_vitess.replication.context import SyncContext
from source_vitess.replication.messages import Log, Message
from source_vitess.replication.settings import SelectedStream
from source_vitess.replication.table_state import (
    Copied,
    CopiedAt,
    Copying,
    Refreshed,
    Refreshing,
    ShardCopy,
    TableState,
)
from source_vitess.vstream.events import key_of_lastpk
from source_vitess.vstream.lastpk import to_resume


class KeyChangedError(Exception):
    """The copy would go on, or went on, by another key than the one that its lastpk was made with."""

    def __init__(self, shard: str) -> None:
        super().__init__(f"its primary key in shard {shard!r} is another one than when it was interrupted.")


class CopyProgress:
    """How far one table's copy is. Every change of it is taken over into the sync's state.

    Args:
        context: The sync.
        stream: The table.

    Attributes:
        attempt: 1 while the copy runs in one go; more once it was interrupted.
        shards: By shard, how far the copy is; shards that are missing start from the beginning.
        positions: By shard, all positions that emitted rows were of.
        has_emitted: Whether rows may have been emitted, be it by an earlier sync.
        went_on_by: By shard that is not complete, the primary key by which VTTablet went on from a lastpk.
    """

    def __init__(self, context: SyncContext, stream: SelectedStream) -> None:
        self._context = context
        self._stream = stream
        self._table = stream.streamed.table
        self.attempt = 1
        self.shards: dict[str, ShardCopy] = {}
        self.positions: dict[str, str] = {}
        self.has_emitted = False
        self.went_on_by: dict[str, tuple[str, ...]] = {}
        # By shard, the furthest position that the copy has come to in any attempt.
        self._furthest: dict[str, str] = {}

    def begin(self, shards: Sequence[str]) -> None:
        """Takes over what an earlier sync has copied, as far as that can be continued.

        Args:
            shards: The shards that serve the keyspace.
        """
        earlier = self._context.state.tables.get(self._table.name)
        if isinstance(earlier, Refreshing) and not self._stream.incremental:
            is_same_sync = None in (earlier.sync_id, self._stream.sync_id) or earlier.sync_id == self._stream.sync_id
            earlier = earlier.copy if is_same_sync else None
        elif isinstance(earlier, Copying) and not self._stream.incremental:
            earlier = None
        if isinstance(earlier, Copying):
            self.attempt = earlier.attempt
            self.shards = dict(earlier.shards)
            self.has_emitted = True
            self.begin_attempt(shards)
        self._store()

    def begin_attempt(self, shards: Sequence[str]) -> None:
        """Begins another attempt, over the shards that serve the keyspace now. Keeps what can be continued.

        An attempt that emitted nothing does not count: what is copied next is still exact at its position.
        """
        if self.has_emitted:
            self.attempt += 1
        if not self._table.key or not set(self.shards) <= set(shards):
            self.shards = {}
        self.shards = {shard: part for shard, part in self.shards.items() if self.can_go_on(shard)}
        self.went_on_by = {}
        self._store()

    def begin_attempt_within(self, shard: str) -> None:
        """Notes that VTGate began another attempt within a call, from the lastpk that it sent last.

        Raises:
            TransientError: The copy cannot go on from there.
        """
        part = self.shards.get(shard)
        lastpk = part.lastpk if part is not None else None
        if not self._table.key or (lastpk is not None and self.lastpk_to_send(lastpk) != lastpk):
            raise TransientError(
                f"VTGate interrupted the copy of table {self._table.name!r} in shard {shard!r}, which cannot "
                "continue from there."
            )
        self.attempt += 1
        self._store()

    def forget(self) -> None:
        """Forgets how far the copy is, in all shards."""
        self.shards = {}
        self._store()

    def start_over(self, why: str) -> Message:
        """Forgets how far the copy is: what cannot be continued can be copied anew, as its changes are followed."""
        self.forget()
        return Log(f"The copy of table {self._table.name!r} starts from the beginning: {why}", warning=True)

    def start_unfinished_over(self, why: str) -> Message:
        """Forgets how far the copy is in shards that it is not complete in."""
        left = ", ".join(sorted(self.lastpks()))
        self.shards = {shard: part for shard, part in self.shards.items() if part.done}
        self._store()
        return Log(f"The copy of table {self._table.name!r} starts from the beginning in {left}: {why}", warning=True)

    def unfinished(self, shards: Sequence[str]) -> tuple[str, ...]:
        """Returns which of some shards are not copied completely."""
        return tuple(shard for shard in shards if not self._is_done(shard))

    def _is_done(self, shard: str) -> bool:
        return shard in self.shards and self.shards[shard].done

    def lastpks(self) -> dict[str, bytes]:
        """Returns how far the shards are that go on where an earlier stream ended."""
        return {shard: part.lastpk for shard, part in self.shards.items() if part.lastpk is not None}

    def lastpk_to_send(self, lastpk: bytes) -> bytes | None:
        """Returns the lastpk to send for a copy to go on, None if it cannot.

        Without a primary key VTTablet chooses a unique one itself, another one perhaps when there is another to choose
        from (go/vt/mysqlctl/schema.go, GetPrimaryKeyEquivalentColumns).
        """
        return to_resume(lastpk, self._table) if self._table.has_primary_key else None

    def can_go_on(self, shard: str) -> bool:
        """Returns whether a shard's copy goes on where it is, should it be interrupted now."""
        part = self.shards.get(shard)
        return part is not None and (part.lastpk is None or self.lastpk_to_send(part.lastpk) is not None)

    def is_further(self, shard: str, gtid: str, *, rows: bool) -> bool:
        """Returns whether a shard's copy has come further than ever: a new stream that repeats changes is no progress.

        Args:
            shard: The shard.
            gtid: The position that it has come to.
            rows: Whether rows were copied, after whose last one it goes on.
        """
        before = self._furthest.get(shard)
        if before is not None and contains(before, gtid):
            return rows
        self._furthest[shard] = union(before, gtid) if before else gtid
        return True

    def rows_are_of(self, shard: str, gtid: str) -> None:
        """Notes the position of rows that are emitted next."""
        before = self.positions.get(shard)
        self.positions[shard] = union(before, gtid) if before else gtid

    def reached(self, shard: str, gtid: str, lastpk: bytes) -> None:
        """Notes how far a shard's copy is.

        Raises:
            KeyChangedError: By another key than before.
        """
        before = self.shards.get(shard)
        if before is not None and key_of_lastpk(before.lastpk) != key_of_lastpk(lastpk):
            raise KeyChangedError(shard)
        self.shards[shard] = ShardCopy(gtid, lastpk)
        self._store()

    def moved(self, shard: str, gtid: str) -> None:
        """Notes a new position of a shard's copy, which goes on from the same lastpk as before."""
        self.shards[shard] = replace(self.shards[shard], gtid=gtid)
        self._store()

    def completed(self, shard: str, gtid: str) -> None:
        """Notes that all rows of a shard are copied, if the key is still the one that the copy went on by.

        A tablet whose key had been changed, and that found no rows behind the lastpk, announced no other key. Once the
        state says that the shard is copied, nobody would look any more.

        Raises:
            KeyChangedError: It went on from a lastpk, and the table has another key by now.
            TransientError: That is not known now.
        """
        if (key := self.went_on_by.pop(shard, None)) is not None:
            self._check_keys({shard: key})
        self.shards[shard] = ShardCopy(gtid, None)
        self._store()

    def check_resumable(self) -> Iterator[Message]:
        """Checks what an interrupted copy goes on from. VTGate would search in silence for changes that are gone.

        Raises:
            KeyChangedError: The table has another key by now.
            LostTransactionsError: Rows were emitted that no server has any more.
            TransientError: It is not known now.
        """
        lastpks = self.lastpks()
        if not lastpks:
            return
        self._check_keys({shard: _names(lastpk) for shard, lastpk in lastpks.items()})
        vitess, name = self._context.vitess, self._table.name
        findings = vitess.verify({shard: self.shards[shard].gtid for shard in lastpks})
        for shard, finding in findings.items():
            match finding.verdict:
                case Verdict.OK:
                    self.shards[shard] = ShardCopy(finding.position, lastpks[shard])
                case Verdict.BEHIND | Verdict.UNKNOWN:
                    raise TransientError(
                        f"No {vitess.tablet_type} tablet of shard {shard!r} has come as far as the copy of table "
                        f"{name!r} yet."
                    )
                case Verdict.FOREIGN if self._stream.incremental and not self._context.settings.resync_lost_position:
                    raise LostTransactionsError(name, shard)
                case verdict:
                    yield self.start_over(f"the changes in shard {shard!r} since then are gone ({verdict.value}).")
                    self.begin_attempt(())
                    return

    def _check_keys(self, expected: Mapping[str, tuple[str, ...]]) -> None:
        keys = self._context.vitess.primary_keys(self._table.name, tuple(expected))
        for shard, key in expected.items():
            if keys[shard] != key:
                raise KeyChangedError(shard)

    def finish(self) -> None:
        """Leaves the table's state as copied."""
        state = self._context.state
        positions = {shard: part.gtid for shard, part in self.shards.items()}
        done: TableState
        if not self._stream.incremental:
            done = Refreshed(self._stream.sync_id)
        elif self.attempt == 1 and state.vgtid is not None and set(state.vgtid.shards) == set(positions):
            done = CopiedAt(positions)
        else:
            # Interrupted, or of other shards than the change stream starts with: every change is replayed over it.
            state.beyond.note(self._table.name, positions)
            done = Copied()
        state.tables[self._table.name] = done

    def _store(self) -> None:
        copy = Copying(self.attempt, dict(self.shards))
        state = self._context.state
        if self._stream.incremental:
            state.set_copying(self._table.name, copy)
        else:
            state.tables[self._table.name] = Refreshing(self._stream.sync_id, copy)


def _names(lastpk: bytes) -> tuple[str, ...]:
    return tuple(column.name for column in key_of_lastpk(lastpk))
