"""When a checkpoint is due, and what it holds."""

from __future__ import annotations

from collections.abc import Mapping

from source_vitess.errors import GtidError, InternalError
from source_vitess.position.gtid import GtidSet
from source_vitess.position.vgtid import Vgtid, difference
from source_vitess.replication.interfaces import Clock
from source_vitess.replication.messages import Checkpoint, Message, Records
from source_vitess.replication.records import Cursor
from source_vitess.replication.settings import SyncSettings
from source_vitess.replication.state import SyncState
from source_vitess.vstream.stream_position import StreamPosition

#: While changes are read as they happen, a state follows a transaction at once, so that a consumer can commit it. Under
#: load it waits, for so many seconds of each record since the last one, and at most for so many in all: a consumer is
#: not to spend its time on small commits.
SECONDS_A_RECORD = 0.0001
STREAMING_SECONDS = 0.25
#: So many states may follow each other that fast, and so many a second do in the long run. What is left at the end of
#: a burst has its state with the heartbeat that follows.
STATES_AT_ONCE = 10
STATES_A_SECOND = 50


class Checkpointer:
    """Keeps the state in step with what was emitted.

    The state changes only where a transaction ended, so it never runs ahead of the records. The shared position
    stays in VTGate's form until a state is written.

    Attributes:
        state: What the next checkpoint will hold, but for the position and the cursor.
        errant: By shard, transactions that are no part of its lineage, and so of no position that is kept.
        waiting: By shard, the positions of those that the change stream does not go over now.
        streaming: Whether a consumer waits for each change, so that a state soon follows a transaction.
    """

    def __init__(self, state: SyncState, cursor: Cursor, clock: Clock, settings: SyncSettings) -> None:
        self.state = state
        self._cursor = cursor
        self._clock = clock
        self._settings = settings
        self._position: StreamPosition | None = None
        self._records = 0
        self._last = clock.monotonic()
        self.errant: dict[str, GtidSet] = {}
        self.waiting: Mapping[str, str] = {}
        self.streaming = False
        self._allowance = float(STATES_AT_ONCE)
        self._unfinished = False  # records went out whose transaction has not ended yet
        self._uncovered = False  # a transaction with records has ended that no state covers

    def reached(self, position: StreamPosition) -> None:
        """Notes that the change stream has come to `position`."""
        self._position = position
        self._uncovered |= self._unfinished
        self._unfinished = False

    def emitted(self, records: Records) -> None:
        """Notes that records went out."""
        self._records += len(records.data)
        self._unfinished = True

    def has_news(self) -> None:
        """Notes that the state has changed without a record: whoever streams is told with the next transaction."""
        self._uncovered = True

    def due(self) -> list[Message]:
        """Returns a checkpoint if it is time for one. Called where a transaction ended, or on a heartbeat."""
        passed = self._clock.monotonic() - self._last
        if not (
            self._records >= self._settings.checkpoint_records
            or passed >= self._settings.checkpoint_seconds
            or (self.streaming and self._uncovered and self._is_awaited(passed))
        ):
            return []
        if self.streaming:
            self.state.caught_up_at = int(self._clock.now())
        return [self.now()]

    def _is_awaited(self, passed: float) -> bool:
        """Tells whether a state is worth its commit, so many seconds after the last one."""
        return passed >= min(self._records * SECONDS_A_RECORD, STREAMING_SECONDS) and self._allowance_after(passed) >= 1

    def _allowance_after(self, passed: float) -> float:
        return min(float(STATES_AT_ONCE), self._allowance + passed * STATES_A_SECOND)

    def now(self) -> Checkpoint:
        """Returns a checkpoint.

        Raises:
            InternalError: The position is not one that can be stored.
        """
        self.settle()
        self.state.cursor = self._cursor.last
        self._records = 0
        self._uncovered = False
        before, self._last = self._last, self._clock.monotonic()
        self._allowance = max(0.0, self._allowance_after(self._last - before) - 1)
        return Checkpoint(self.state.shared_to_json(), self.state.tables_to_json())

    def settle(self) -> None:
        """Takes the position over into the state.

        Raises:
            InternalError: The position is not one that can be stored. The state stays at the one before.
        """
        position, self._position = self._position, None
        if position is not None:
            try:
                vgtid = position.to_vgtid(self.state.keyspace)
                if self.waiting:
                    vgtid = Vgtid(vgtid.keyspace, {**vgtid.shards, **self.waiting})
                self.state.vgtid = vgtid.replaced(
                    {
                        shard: difference(gtid, self.errant[shard])
                        for shard, gtid in vgtid.shards.items()
                        if shard in self.errant
                    }
                )
            except GtidError as error:
                raise InternalError(f"VTGate sent a position that cannot be continued from: {error}.") from error
