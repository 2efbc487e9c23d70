"""What every part of one sync works with."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from source_vitess.errors import StreamError
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.interfaces import Clock, Vitess
from source_vitess.replication.messages import Failed, Message
from source_vitess.replication.patience import Answer, Retry, ask_again
from source_vitess.replication.settings import SyncSettings
from source_vitess.replication.state import SyncState
from source_vitess.replication.table_state import RefreshNeeded


@dataclass(frozen=True)
class SyncContext:
    """What a sync reads from, how it behaves, and what it has reached.

    Attributes:
        vitess: The keyspace.
        clock: Time.
        settings: How the sync behaves.
        checkpointer: Holds the state.
        failed: The streams that have failed in this sync, in the order in which they first did.
    """

    vitess: Vitess
    clock: Clock
    settings: SyncSettings
    checkpointer: Checkpointer
    failed: dict[str, None] = field(default_factory=dict)

    @property
    def state(self) -> SyncState:
        """The sync's state."""
        return self.checkpointer.state

    def new_retry(self) -> Retry:
        """Returns a count of failures in a row that begins at none."""
        return Retry(self.clock, self.settings.retries)

    def ask(self, question: Callable[[], Answer]) -> Generator[Message, None, Answer]:
        """Returns an answer of VTGate's, asking again while it can be hoped for."""
        return (yield from ask_again(question, self.clock, self.settings.retries))

    def give_up(self, error: StreamError) -> Failed:
        """Takes a table out: the shared position goes on without it, so its changes from here on are lost."""
        self.state.tables[error.stream] = RefreshNeeded(error.message)
        self.checkpointer.has_news()
        return Failed(error.stream, error)
