"""Reshards around the copies: before them, between two tables, in the middle of one."""

from __future__ import annotations

import pytest

from instruments.oracle import Store
from instruments.scripted_vtgate.client import is_lastpk
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError
from source_vitess.keyspace import LiveVitess
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto import binlogdata_pb2
from unit_tests.replication.conftest import Settings
from unit_tests.syncing import Syncs, is_commit, is_row, rows, streamed, table_state

OLD, NEW = "80-", ("80-c0", "c0-")


def says(syncs: Syncs, text: str) -> int:
    """Returns how many lines of the log say something."""
    return sum(text in line for line in syncs.store.logs)


def test_another_one_on_the_way_to_the_first(
    vitess: Vitess, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """The change stream goes past the shards that a copy was to be of: it is of those that serve in the end."""
    vitess.insert("a", *rows(6))
    vitess.insert("b", *rows(9))
    syncs = Syncs(vitess, "a")
    assert syncs.run() is None
    syncs.catalog = syncs.connector.configured("a", "b")
    syncs.store.new_sync()
    real = LiveVitess.current
    asked: list[int] = []

    def current(live: LiveVitess) -> Vgtid:
        asked.append(1)
        if len(asked) == 2:  # the first one is where the sync is to end without copies
            vitess.reshard([OLD], NEW)
            vitess.touch(NEW[0])
        return real(live)

    def reshard_again(event: binlogdata_pb2.VEvent) -> bool:
        if is_commit(event) and event.shard == NEW[0] and NEW[1] in (shard.name for shard in vitess.serving):
            vitess.reshard([NEW[1]], ["c0-e0", "e0-"])
            for shard in ("c0-e0", "e0-"):
                vitess.touch(shard)
        return False

    monkeypatch.setattr(LiveVitess, "current", current)
    vitess.faults.cut_after(reshard_again)

    assert syncs.run() is None

    syncs.expect_equal()
    assert says(syncs, "The keyspace is being resharded") == 1
    assert waits == [0.5]


def test_between_two_full_refreshes(vitess: Vitess, waits: list[float]) -> None:
    """The second table is read from the shards that serve by then, at once, with what was written to them alone."""
    vitess.insert("a", *rows(6))
    vitess.insert("b", *rows(6))
    syncs = Syncs(vitess, mode="full_refresh")

    for line in syncs.lines():
        syncs.store.apply([line])
        if b"Copied table 'a'" in line:
            vitess.reshard([OLD], NEW)
            vitess.insert("b", *rows(6, 50), shard=NEW[1])

    syncs.expect_equal()
    assert syncs.store.records == {"a": 6, "b": 12}
    assert streamed(vitess) == [("a",), ("b",)]
    assert not waits


def test_a_table_that_is_emptied_after_it(vitess: Vitess) -> None:
    """The change stream meets that on its way to the new shards: the copy is not begun again, the others are made."""
    vitess.insert("a", *rows(10), shard="-80")
    vitess.insert("b", *rows(6))
    syncs = Syncs(vitess)
    seen: list[int] = []

    def reshard(event: binlogdata_pb2.VEvent) -> bool:
        if seen or not is_row(event):
            return False
        seen.append(1)
        vitess.reshard([OLD], NEW)
        vitess.truncate("a")
        vitess.insert("a", *rows(3, 50))
        return True

    vitess.faults.cut_after(reshard)

    assert isinstance(syncs.run(), ConfigError)

    assert syncs.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
    assert "refresh_needed" in (syncs.table_state("a") or {})
    assert not {row["id"] for row in syncs.store.tables["a"].values()} & {50, 51, 52}
    syncs.expect_equal("b")


def test_changes_of_a_table_that_is_copied_after_it(vitess: Vitess) -> None:
    """The change stream emits them on its way to the new shards, so the copy is not the first that was seen of it.

    It was taken for exact, and the delete that it contains for known: the row stayed for good.
    """
    vitess.insert("a", *rows(10))
    vitess.insert("b", *rows(6))
    syncs = Syncs(vitess)
    seen: list[int] = []

    def reshard(event: binlogdata_pb2.VEvent) -> bool:
        if seen or not is_row(event):
            return False
        seen.append(1)
        vitess.reshard([OLD], NEW)
        vitess.insert("b", {"id": 50, "name": "gone before its copy"}, shard=NEW[0])
        return True

    vitess.faults.cut_after(reshard)

    for line in syncs.lines():
        syncs.store.apply([line])
        if b"Copied table 'a'" in line:
            vitess.delete("b", {"id": 50})

    assert seen
    assert says(syncs, "was resharded while table 'a' was being copied") == 1
    syncs.expect_equal()


def test_a_copy_that_goes_on_across_one_that_is_taken_back(vitess: Vitess, settings: Settings) -> None:
    """VTGate follows it, changes of the new shards come in between: the copy of before is not gone on with."""
    settings(checkpoint_seconds=0.0)
    for shard, start in (("-80", 1), (OLD, 100)):
        vitess.insert("a", *rows(10, start), shard=shard)
    syncs = Syncs(vitess, "a")
    lines = list(syncs.lines())
    begun = max(index for index, line in enumerate(lines) if line.count(b'"lastpk"') == 2)
    syncs.store = Store.of_catalog(syncs.catalog)
    syncs.store.apply(lines[: begun + 1])
    assert "copying" in (table_state(syncs.store.states[-1], "a") or {})
    vitess.insert("a", {"id": 50, "name": "caught up with"}, shard="-80")
    seen: list[int] = []

    def there_and_back(event: binlogdata_pb2.VEvent) -> bool:
        if not seen and is_lastpk(event):
            seen.append(1)
            vitess.reshard([OLD], NEW)
            vitess.touch(NEW[0])
            vitess.reshard(NEW, [OLD])
            vitess.delete("a", {"id": 100})
        return False

    vitess.faults.cut_after(there_and_back)

    assert syncs.run() is None

    assert seen
    syncs.expect_equal()
    assert says(syncs, "was resharded while table 'a' was being copied") == 1
