"""A sync that has no position yet has nothing to check, to read or to report: VTGate is not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest

from source_vitess.clock import SystemClock
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.changes import Changes
from source_vitess.replication.checkpoint import Checkpointer
from source_vitess.replication.context import SyncContext
from source_vitess.replication.copy_progress import CopyProgress
from source_vitess.replication.freshness import Freshness
from source_vitess.replication.interfaces import Vitess
from source_vitess.replication.lineage_check import LineageCheck
from source_vitess.replication.messages import Message
from source_vitess.replication.records import Cursor
from source_vitess.replication.settings import SelectedStream, SyncSettings
from source_vitess.replication.state import SyncState
from source_vitess.replication.table_state import CopiedAt, Copying, Refreshing, ShardCopy
from source_vitess.schema import Column, StreamedTable, Table

GTID = "MySQL56/11111111-1111-1111-1111-111111111111:1-5"


class Nobody:
    """Fails whatever is asked."""

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"{name} was asked")


def context(state: SyncState) -> SyncContext:
    """Returns a sync of a Vitess that is not to be asked."""
    clock, settings = SystemClock(), SyncSettings()
    return SyncContext(cast("Vitess", Nobody()), clock, settings, Checkpointer(state, Cursor(0, 0), clock, settings))


def lineage_check(sync: SyncContext) -> LineageCheck:
    """Returns the check of a sync of no streams."""
    return LineageCheck(sync, Changes(sync, {}, {}))


def the_end(sync: SyncContext) -> Iterator[Message]:
    """Checks the end of a sync, which has nothing of any primary."""
    lineage: Mapping[str, str] = yield from lineage_check(sync).check_end()
    assert lineage == {}


@pytest.mark.parametrize(
    "part",
    [
        lambda sync: Changes(sync, {}, {}).run(Vgtid("shop", {"0": GTID})),
        lambda sync: lineage_check(sync).check_start(),
        the_end,
        lambda sync: Freshness(sync).report_completeness({}, 2.0, 1.0),
    ],
    ids=["changes", "start", "end", "completeness"],
)
def test_nothing_is_asked_and_nothing_said(part: Callable[[SyncContext], Iterator[Message]]) -> None:
    """Each part of a sync that goes by its position."""
    sync = context(SyncState("shop", tables={"t": CopiedAt({"0": GTID})}))

    assert list(part(sync)) == []

    assert sync.state == SyncState("shop", tables={"t": CopiedAt({"0": GTID})})


def test_a_full_refresh_takes_over_no_copy_whose_changes_were_followed() -> None:
    """Its rows are of another generation, which the destination does not keep: the refresh begins with none."""
    sync = context(SyncState("shop", tables={"t": Copying(3, {"0": ShardCopy(GTID, b"k")})}))
    table = Table("t", (Column("id", "bigint", None, nullable=False),), key=("id",), has_primary_key=True)
    progress = CopyProgress(sync, SelectedStream(StreamedTable(table, {"id": {}}), incremental=False, sync_id=7))

    progress.begin(("0",))

    assert not progress.has_emitted
    assert sync.state.tables == {"t": Refreshing(7, Copying(1, {}))}
