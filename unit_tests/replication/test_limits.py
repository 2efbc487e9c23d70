"""Where the guarantee ends: each line of the list in docs/state.md that no other test shows, as it is stated there."""

from __future__ import annotations

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import PositionLostError
from unit_tests.syncing import COLUMNS, Syncs, rows, table_state


def kill_before_a_state(syncs: Syncs) -> None:
    """Runs a sync whose records arrive, and whose states do not after its first one."""
    lines = list(syncs.lines())
    states = [index for index, line in enumerate(lines) if line.startswith(b'{"type":"STATE"')]
    syncs.store.apply([*lines[: states[0] + 1], *(line for line in lines if line.startswith(b'{"type":"RECORD"'))])


def test_rows_without_a_key_come_twice_after_a_failure(vitess: Vitess) -> None:
    """What was emitted after the last state is emitted again, and nothing tells it from an equal row."""
    vitess.create_table("t", COLUMNS)
    vitess.insert("t", *rows(3), shard="-80")
    syncs = Syncs(vitess, "t")
    kill_before_a_state(syncs)

    assert syncs.run() is None

    assert sum(syncs.store.bags["t"].values()) == 6


def test_changes_that_no_state_names_and_a_failover_loses(vitess: Vitess) -> None:
    """A killed sync read them from a primary, no replica had them: the row stays, and nothing could tell."""
    vitess.insert("a", *rows(3), shard="-80")
    syncs = Syncs(vitess, "a", tablet_type="PRIMARY")
    assert syncs.run() is None
    vitess.insert("a", {"id": 50}, shard="-80")
    state = syncs.store.states[-1]
    assert syncs.run() is None
    syncs.store.states.append(state)  # what the killed sync wrote is not there
    vitess.reparent("-80", lost=1)

    assert syncs.run() is None

    assert (50,) in syncs.store.tables["a"]
    assert not [row for row in vitess.rows("a") if row["id"] == 50]


def test_changes_that_a_state_names_and_a_failover_loses(vitess: Vitess) -> None:
    """The same, if the sync was not killed: the next one says that the position is lost."""
    vitess.insert("a", *rows(3), shard="-80")
    syncs = Syncs(vitess, "a", tablet_type="PRIMARY")
    vitess.insert("a", {"id": 50}, shard="-80")
    assert syncs.run() is None
    vitess.reparent("-80", lost=1)

    assert isinstance(syncs.run(), PositionLostError)


def test_the_same_key_on_two_shards(vitess: Vitess) -> None:
    """A destination that deduplicates keeps one of the two rows."""
    for shard in ("-80", "80-"):
        vitess.insert("a", {"id": 1, "name": shard}, shard=shard)
    syncs = Syncs(vitess, "a")

    assert syncs.run() is None

    assert syncs.store.records["a"] == 2
    assert len(syncs.store.tables["a"]) == 1


def test_a_row_that_moves_between_shards(vitess: Vitess) -> None:
    """VTGate gives no order between two shards: if the delete comes last, the row is missing until it changes again."""
    vitess.insert("a", {"id": 5, "name": "moves"}, shard="80-")
    syncs = Syncs(vitess, "a")
    assert syncs.run() is None
    vitess.insert("a", {"id": 5, "name": "moved"}, shard="-80")
    vitess.delete("a", lambda row: row["name"] == "moves")

    assert syncs.run() is None

    assert syncs.store.tables["a"] == {}
    vitess.update("a", {"id": 5}, {"name": "again"})
    assert syncs.run() is None
    syncs.expect_equal("a")


def test_a_state_that_is_lost_with_the_rows_kept(vitess: Vitess) -> None:
    """The copy starts anew, and rows that were deleted in between stay."""
    vitess.insert("a", *rows(3))
    syncs = Syncs(vitess, "a")
    assert syncs.run() is None
    syncs.store.states.clear()
    vitess.delete("a", {"id": 2})

    assert syncs.run() is None

    assert (2,) in syncs.store.tables["a"]


def test_a_full_refresh_is_of_some_moment(vitess: Vitess) -> None:
    """What is written while it is read may be missing: no changes are read behind it."""
    vitess.insert("a", *rows(3), shard="-80")
    syncs = Syncs(vitess, "a", mode="full_refresh")
    for line in syncs.lines():
        syncs.store.apply([line])
        if b"Copied table" in line:
            vitess.insert("a", {"id": 9}, shard="-80")

    assert syncs.store.statuses == {"a": "COMPLETE"}
    assert (9,) not in syncs.store.tables["a"]


def test_a_stream_that_was_deselected(vitess: Vitess) -> None:
    """It is copied again; rows that were deleted in between stay."""
    vitess.insert("a", *rows(3))
    syncs = Syncs(vitess, "a", "b")
    both = syncs.catalog
    assert syncs.run() is None
    syncs.catalog = syncs.connector.configured("b")
    vitess.delete("a", {"id": 2})
    assert syncs.run() is None
    assert table_state(syncs.store.states[-1], "a") is None
    syncs.catalog = both

    assert syncs.run() is None

    assert (2,) in syncs.store.tables["a"]
