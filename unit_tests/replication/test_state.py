"""What a sync remembers, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from source_vitess.errors import ConfigError
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.emitted_beyond import EmittedBeyond
from source_vitess.replication.state import SyncState
from source_vitess.replication.table_state import (
    Copied,
    CopiedAt,
    Copying,
    Refreshed,
    Refreshing,
    RefreshNeeded,
    ShardCopy,
    TableState,
)

UUID = "11111111-1111-1111-1111-111111111111"
POSITION = f"MySQL56/{UUID}:1-5"
VGTID = Vgtid("shop", {"-80": POSITION, "80-": POSITION})

TABLES: dict[str, TableState] = {
    "begun": Copying(1),
    "half": Copying(3, {"-80": ShardCopy(POSITION, b"\x00\xff\x80key"), "80-": ShardCopy(POSITION, None)}),
    "ahead": CopiedAt({"-80": POSITION}),
    "done": Copied(),
    "cut": RefreshNeeded("Table 'cut' was truncated."),
    "full": Refreshing(7, Copying(1, {"-80": ShardCopy(POSITION, b"k")})),
    "full_done": Refreshed(None),
}


def test_every_state_of_a_table_is_read_back() -> None:
    """State that was written is read back equal, byte for byte where VTGate's bytes are in it."""
    dropped: dict[tuple[str, str], Mapping[str, str]] = {
        (shard, "done"): {"a": f"{UUID}:7", "b": ""} for shard in VGTID.shards
    }
    beyond = EmittedBeyond({("half", "-80"): POSITION, ("done", "80-"): POSITION})
    state = SyncState("shop", VGTID, 123, dict(TABLES), dropped, beyond=beyond, caught_up_at=1_800_000_000)

    assert SyncState.from_json("shop", state.shared_to_json(), state.tables_to_json()) == state


def test_the_form_is_the_documented_one() -> None:
    """The form in docs/state.md is a promise: states of earlier releases are read by later ones."""
    state = SyncState("shop", VGTID, 1, dict(TABLES), caught_up_at=1_800_000_000)
    tables = state.tables_to_json()

    assert state.shared_to_json() == {
        "version": 2,
        "vgtid": [{"keyspace": "shop", "shard": shard, "gtid": POSITION} for shard in ("-80", "80-")],
        "cursor": 1,
        "caught_up_at": "2027-01-15T08:00:00Z",
    }
    assert tables["done"] == {"copied": True}
    assert tables["ahead"] == {"copied_at": [{"keyspace": "shop", "shard": "-80", "gtid": POSITION}]}
    assert tables["half"] == {
        "copying": {
            "attempt": 3,
            "shards": [
                {"keyspace": "shop", "shard": "-80", "gtid": POSITION, "lastpk": "AP+Aa2V5"},
                {"keyspace": "shop", "shard": "80-", "gtid": POSITION},
            ],
        }
    }


def test_a_lowered_position_keeps_what_was_dropped_before_it() -> None:
    """A tablet may name a column that was dropped before the lowered position as well: that is not forgotten."""
    at = {"early": f"{UUID}:3", "late": f"{UUID}:8", "unknown": ""}
    position = Vgtid("shop", {"-80": f"MySQL56/{UUID}:1-9", "80-": f"MySQL56/{UUID}:1-9"})
    state = SyncState("shop", position, dropped_columns={("-80", "t"): at, ("-80", "u"): {"late": f"{UUID}:8"}})
    state.dropped_columns["80-", "t"] = at

    assert state.lower("-80", f"MySQL56/{UUID}:1-5", "v")

    assert state.dropped_columns == {("-80", "t"): {"early": f"{UUID}:3"}, ("80-", "t"): at}


def test_a_lowered_position_leaves_the_other_tables_where_they_are() -> None:
    """Their rows are exact at the position of before, or at their copies' if these are further: nothing comes twice."""

    def up_to(last: int) -> str:
        return f"MySQL56/{UUID}:1-{last}"

    position = Vgtid("shop", {"-80": up_to(9), "80-": up_to(9)})
    tables: dict[str, TableState] = {
        "followed": Copied(),
        "ahead": CopiedAt({"-80": up_to(12), "80-": up_to(4)}),
        "ahead elsewhere": CopiedAt({"80-": up_to(12)}),
        "begun": Copying(2),
        "copied now": Copying(1, {"-80": ShardCopy(up_to(5), b"k")}),
    }
    state = SyncState("shop", position, tables=dict(tables))

    assert state.lower("-80", up_to(5), "copied now")

    assert state.vgtid == Vgtid("shop", {"-80": up_to(5), "80-": up_to(9)})
    assert state.tables == {
        **tables,
        "followed": CopiedAt({"-80": up_to(9)}),
        "ahead": CopiedAt({"-80": up_to(12), "80-": up_to(4)}),
        "ahead elsewhere": CopiedAt({"80-": up_to(12), "-80": up_to(9)}),
    }
    itself = SyncState("shop", position, tables={"copied now": Copied()})
    assert itself.lower("-80", up_to(5), "copied now")
    assert itself.tables == {"copied now": Copied()}


def test_what_was_emitted_is_remembered_when_a_position_is_lowered() -> None:
    """Of tables whose changes were emitted while they are copied: their own states do not name these transactions."""

    def up_to(last: int) -> str:
        return f"MySQL56/{UUID}:1-{last}"

    position = Vgtid("shop", {"-80": up_to(9), "80-": up_to(9)})
    begun, first = Copying(2), Copying(1)
    state = SyncState("shop", position, tables={"followed": Copied(), "waits": begun, "copied now": begun})
    assert state.lower("-80", up_to(5), "copied now")
    assert state.beyond == EmittedBeyond({("waits", "-80"): up_to(9), ("copied now", "-80"): up_to(9)})
    state.beyond.drop_passed(Vgtid("shop", {"-80": up_to(8), "80-": up_to(9)}))
    assert state.beyond.by_table().keys() == {"waits", "copied now"}
    state.beyond.drop_passed(Vgtid("shop", {"-80": up_to(9), "80-": up_to(9)}))
    assert not state.beyond.by_table()
    new = SyncState("shop", position, tables={"copied now": first})
    assert new.lower("-80", up_to(5), "copied now")
    assert not new.beyond.by_table()


def test_what_was_emitted_is_remembered_when_a_copy_starts_over() -> None:
    """The rows stay in the destination. A refresh by the user drops both."""
    part = ShardCopy(POSITION, b"k")
    state = SyncState("shop", VGTID, tables={"t": Copying(1, {"-80": part, "80-": part})})
    state.set_copying("t", Copying(2, {"80-": part}))
    assert state.beyond == EmittedBeyond({("t", "-80"): POSITION})
    shared, tables = state.shared_to_json(), state.tables_to_json()
    assert SyncState.from_json("shop", shared, tables) == state
    assert not SyncState.from_json("shop", shared, {}).beyond.by_table()


#: What no GTIDs by column are.
NO_GTIDS: tuple[Any, ...] = ([], 1, {"a": 1}, {"a": "yesterday"})
#: What no positions by table and shard are.
NO_POSITIONS: tuple[Any, ...] = (
    "x",
    {},
    [1],
    [{"table": "t", "shard": "0"}],
    [{"table": "t", "shard": "0", "gtid": "x"}],
)
GOOD: dict[str, Any] = {"version": 2, "vgtid": VGTID.to_json(), "cursor": 5}


@pytest.mark.parametrize(
    ("shared", "tables", "found"),
    [
        ([], {}, "a list instead of an object"),
        ({**GOOD, "version": 1}, {}, "version is 1"),
        ({**GOOD, "version": None}, {}, "version is None"),
        ({**GOOD, "cursor": "x"}, {}, "cursor is 'x'"),
        ({**GOOD, "cursor": -1}, {}, "cursor is -1"),
        ({**GOOD, "vgtid": [{"keyspace": "other", "shard": "0", "gtid": POSITION}]}, {}, "keyspace 'other'"),
        ({**GOOD, "vgtid": "x"}, {}, "vgtid cannot be used"),
        ({**GOOD, "vgtid": None}, {"t": {"copied": True}}, "no vgtid"),
        ({**GOOD, "dropped_columns": "x"}, {}, "dropped_columns"),
        ({**GOOD, "dropped_columns": [{"shard": "0", "table": "t", "columns": [1]}]}, {}, "dropped_columns"),
        *(
            (
                {**GOOD, "dropped_columns": [{"shard": "-80", "table": "t", "columns": ["a"], "at": at}]},
                {},
                "dropped_columns",
            )
            for at in NO_GTIDS
        ),
        *(({**GOOD, "emitted_beyond": beyond}, {}, "emitted_beyond") for beyond in NO_POSITIONS),
        ({**GOOD, "caught_up_at": 1_800_000_000}, {}, "caught_up_at is 1800000000"),
        ({**GOOD, "caught_up_at": "yesterday"}, {}, "caught_up_at is 'yesterday'"),
        ({**GOOD, "caught_up_at": "2026-01-02 03:04:05"}, {}, "caught_up_at is '2026-01-02 03:04:05'"),
        (GOOD, {"t": "x"}, "'t' is a text"),
        (GOOD, {"t": {"copied": False}}, "its keys are 'copied'"),
        (GOOD, {"t": {"done": True}}, "its keys are 'done'"),
        (GOOD, {"t": {"copying": {"attempt": 0, "shards": []}}}, "attempt 0"),
        (GOOD, {"t": {"copying": {"attempt": 1, "shards": {}}}}, "no list of shards"),
        (GOOD, {"t": {"copied_at": [{"shard": "0"}]}}, "without name or position"),
        (GOOD, {"t": {"copying": {"attempt": 1, "shards": [{"shard": "0", "gtid": POSITION, "lastpk": "?"}]}}}, "'0'"),
        (GOOD, {"t": {"copied_at": [{"shard": "0", "gtid": "x:y"}]}}, "cannot be used"),
        (GOOD, {"t": {"copying": {"attempt": 1, "shards": [{"shard": "0", "gtid": "", "lastpk": "AA=="}]}}}, "half"),
        (GOOD, {"t": {"copying": {"attempt": 1, "shards": [{"shard": "0", "gtid": POSITION, "lastpk": ""}]}}}, "half"),
    ],
)
def test_other_states_are_refused(shared: Any, tables: dict[str, Any], found: str) -> None:
    """A state of another version, keyspace or shape is a config error that names what was found."""
    with pytest.raises(ConfigError) as caught:
        SyncState.from_json("shop", shared, tables)

    assert found in caught.value.message
