"""How far a copy is, and what of it is trusted when it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from source_vitess.clock import SystemClock
from source_vitess.proto import query_pb2
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.context import SyncContext
from source_vitess.replication.copy_progress import CopyProgress, KeyChangedError
from source_vitess.replication.interfaces import Vitess
from source_vitess.replication.records import Cursor
from source_vitess.replication.settings import SelectedStream, SyncSettings
from source_vitess.replication.state import SyncState
from source_vitess.replication.table_state import Copying, ShardCopy
from source_vitess.schema import Column, StreamedTable, Table

GTID = "MySQL56/11111111-1111-1111-1111-111111111111:1-5"
LASTPK = query_pb2.QueryResult(fields=[query_pb2.Field(name="id", type=query_pb2.INT64)]).SerializeToString()
SHARDS = ("-80", "80-")


class Keys:
    """Answers which primary key a table has in a shard."""

    def __init__(self) -> None:
        self.now = {"-80": ("id",), "80-": ("id",)}

    def primary_keys(self, table: str, shards: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """As VTGate's MySQL port would."""
        return {shard: self.now[shard] for shard in shards}


@pytest.fixture
def keys() -> Keys:
    """The keys of both shards."""
    return Keys()


@pytest.fixture
def progress(keys: Keys) -> CopyProgress:
    """A copy that was interrupted in both shards, and goes on."""
    clock, settings = SystemClock(), SyncSettings()
    state = SyncState("commerce", tables={"t": Copying(1, {shard: ShardCopy(GTID, LASTPK) for shard in SHARDS})})
    context = SyncContext(cast("Vitess", keys), clock, settings, Checkpointer(state, Cursor(0, 0), clock, settings))
    table = Table("t", (Column("id", "bigint", None, nullable=False),), key=("id",), has_primary_key=True)
    progress = CopyProgress(context, SelectedStream(StreamedTable(table, {"id": {}}), incremental=True))
    progress.begin(SHARDS)
    return progress


def test_the_key_of_a_shard_that_went_on_from_a_lastpk(keys: Keys, progress: CopyProgress) -> None:
    """It is checked before the shard counts as copied: by another key, the rest of its rows may have been left out."""
    progress.went_on_by.update(dict.fromkeys(SHARDS, ("id",)))
    progress.completed("-80", GTID)
    keys.now["80-"] = ("n",)

    with pytest.raises(KeyChangedError, match="80-"):
        progress.completed("80-", GTID)

    assert progress.unfinished(SHARDS) == ("80-",)


def test_the_key_of_a_shard_that_starts_over(keys: Keys, progress: CopyProgress) -> None:
    """By which key it went on before does not matter any more, and the state forgets at once how far it was."""
    progress.went_on_by["-80"] = ("id",)
    progress.start_over("it has another key")
    assert progress.unfinished(SHARDS) == SHARDS
    progress.begin_attempt(SHARDS)
    keys.now["-80"] = ("n",)

    progress.completed("-80", GTID)
