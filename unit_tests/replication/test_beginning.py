"""Streams that begin without a copy: what is new, where they begin, and that nothing is skipped in silence."""

from __future__ import annotations

import json
from typing import Any

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, ConnectorError, TransientError
from unit_tests.syncing import COLUMNS, Syncs, as_json, rows, streamed

CHANGES_ONLY = "None: changes only"


def position(vitess: Vitess) -> list[dict[str, str]]:
    """Returns where the keyspace is, as a person would note it."""
    return [
        {"keyspace": vitess.keyspace, "shard": shard.name, "gtid": f"MySQL56/{shard.executed}"}
        for shard in vitess.serving
    ]


def syncs(vitess: Vitess, start: Any = None, **more: Any) -> Syncs:
    """Returns a connector that copies nothing by itself."""
    text = {} if start is None else {"start_position": start if isinstance(start, str) else json.dumps(start)}
    return Syncs(vitess, initial_copy=CHANGES_ONLY, **text, **more)


def load(sync: Syncs, *tables: str) -> None:
    """Loads the rows of now into the store, as a bulk load does."""
    for name in tables:
        for row in map(as_json, sync.vitess.rows(name)):
            sync.store.tables.setdefault(name, {})[row["id"],] = {**row}


def change(vitess: Vitess, table: str, start: int) -> None:
    """Inserts, updates and deletes."""
    vitess.insert(table, *rows(6, start=start))
    vitess.update(table, lambda row: row["id"] == start, {"name": "updated"})
    vitess.delete(table, lambda row: row["id"] == start + 1)


def failure(error: ConnectorError | None) -> ConfigError:
    """Returns the error of a sync, which the user can correct."""
    assert isinstance(error, ConfigError)
    return error


def test_only_changes_are_read(vitess: Vitess) -> None:
    """What was there is not copied; what is written after the first sync comes, and so it goes on."""
    vitess.insert("a", *rows(10))
    sync = syncs(vitess)

    assert sync.run() is None
    assert sync.store.records == {}
    assert sync.table_state("a") == {"copied": True}

    change(vitess, "a", 101)
    assert sync.run() is None
    assert {key[0] for key in sync.store.tables["a"]} == {101, 103, 104, 105, 106}
    assert sync.store.deletes == {"a": 1}


def test_rows_loaded_in_bulk_and_changes_replayed_over_them(vitess: Vitess) -> None:
    """Position first, rows after, changes since the position over them: exactly what the table holds."""
    vitess.insert("a", *rows(10))
    start = position(vitess)
    change(vitess, "a", 101)
    sync = syncs(vitess, start)
    load(sync, "a")
    change(vitess, "a", 201)
    vitess.delete("a", lambda row: row["id"] in (3, 104))

    assert sync.run() is None

    sync.expect_equal("a")
    assert sync.store.tables.get("b", {}) == {}


def test_a_kill_before_the_first_state_skips_nothing(vitess: Vitess) -> None:
    """The first state comes before the first record: wherever the sync is killed, the next one has all changes."""
    sync = syncs(vitess, position(vitess))
    change(vitess, "a", 1)
    kinds = [json.loads(line)["type"] for line in sync.lines()]
    assert kinds.index("STATE") < kinds.index("RECORD")
    for stop_after in range(len(kinds)):
        killed = syncs(vitess, sync.connector.config["start_position"])
        killed.run(stop_after=stop_after)
        assert killed.run() is None
        killed.expect_equal("a")


def test_a_stream_that_is_added_begins_at_the_saved_position(vitess: Vitess) -> None:
    """It makes the same choice: rows loaded after the last sync are brought up to date, and none is copied."""
    sync = syncs(vitess)
    both, sync.catalog = sync.catalog, sync.connector.configured("a")
    assert sync.run() is None
    change(vitess, "b", 1)
    load(sync, "b")
    change(vitess, "b", 101)
    sync.catalog = both

    assert sync.run() is None

    sync.expect_equal("b")
    assert sync.store.deletes == {"b": 2}


def test_a_stream_that_was_cleared_is_copied(vitess: Vitess) -> None:
    """Airbyte clears the state of a stream that is refreshed, and keeps the shared one, which knows the stream."""
    vitess.insert("a", *rows(10))
    sync = syncs(vitess)
    assert sync.run() is None
    states = sync.store.states[-1]["global"]["stream_states"]
    states[:] = [entry for entry in states if entry["stream_descriptor"]["name"] != "a"]

    assert sync.run() is None

    sync.expect_equal("a")
    assert sync.store.records == {"a": 10}
    assert sync.run() is None
    assert sync.store.records == {"a": 10}


def test_a_refresh_of_all_streams_copies_them(vitess: Vitess) -> None:
    """Then no state is left; the platform's number of the generation tells it from the connection's first sync."""
    vitess.insert("a", *rows(10))
    sync = syncs(vitess)
    sync.catalog["streams"][0]["generation_id"] = 1
    sync.catalog["streams"][1]["generation_id"] = 0

    assert sync.run() is None

    assert sync.store.records == {"a": 10}
    assert sync.table_state("b") == {"copied": True}


def test_a_stream_that_is_selected_again_is_copied(vitess: Vitess) -> None:
    """The changes in between were not followed, so going on from now would skip them."""
    sync = syncs(vitess)
    both = sync.catalog
    assert sync.run() is None
    sync.catalog = sync.connector.configured("a")
    change(vitess, "b", 1)
    assert sync.run() is None
    sync.catalog = both

    assert sync.run() is None

    sync.expect_equal("b")


def test_a_stream_that_could_not_be_read_at_first_is_copied(vitess: Vitess) -> None:
    """The others have gone on without it; beginning where they are would skip what was changed since the start."""
    sync = syncs(vitess, position(vitess))
    schema = sync.catalog["streams"][1]["stream"]["json_schema"]["properties"]
    right, schema["name"] = schema["name"], {"type": ["null", "integer"]}
    change(vitess, "b", 1)
    assert "1 of 2 streams" in failure(sync.run()).message
    schema["name"] = right

    assert sync.run() is None

    sync.expect_equal()


def test_streams_that_were_copied_before_are_known(vitess: Vitess) -> None:
    """Whoever changes the option later has nothing skipped: what is followed goes on, and a refresh copies."""
    vitess.insert("a", *rows(10))
    copied = Syncs(vitess)
    assert copied.run() is None
    sync = syncs(vitess)
    sync.store = copied.store
    change(vitess, "a", 101)
    assert sync.run() is None
    sync.expect_equal("a")
    sync.store.states[-1]["global"]["stream_states"] = []

    assert sync.run() is None

    assert sync.store.records["a"] > 20


def test_full_refresh_streams_are_copied(vitess: Vitess) -> None:
    """They have no changes."""
    vitess.insert("a", *rows(10))
    sync = syncs(vitess, mode="full_refresh")

    assert sync.run() is None

    assert sync.store.records == {"a": 10}


def test_the_start_position_counts_once(vitess: Vitess) -> None:
    """Later syncs go on from the state, say so, and do not look at it: its binary logs may be purged by then."""
    start = position(vitess)
    change(vitess, "a", 1)
    sync = syncs(vitess, start)
    assert sync.run() is None
    vitess.purge()
    change(vitess, "a", 101)

    assert sync.run() is None

    sync.expect_equal("a")
    assert any("start_position has no effect any more" in line for line in sync.store.logs)


def test_where_streams_begin_is_verified(vitess: Vitess) -> None:
    """Binary logs that are purged, transactions that nobody has, missing shards: an error, and nothing is read."""
    vitess.insert("a", *rows(10))
    start = position(vitess)
    vitess.insert("a", *rows(10, start=101))
    vitess.purge()
    assert "start_position is too old" in failure(syncs(vitess, start).run()).message
    now = position(vitess)
    other = [{**entry, "gtid": "00000000-0000-0000-0000-00000000000a:1-7"} for entry in now]
    assert "that the primary of shard -80 does not have" in failure(syncs(vitess, other).run()).message
    ahead = [{**entry, "gtid": entry["gtid"].rpartition("-")[0] + "-99999"} for entry in now]
    message = failure(syncs(vitess, ahead).run()).message
    assert "does not have, and no tablet that answered explains: it is mistyped" in message
    assert "another cluster" not in message
    assert "has to be of the shards that are read, -80, 80-" in failure(syncs(vitess, now[:1]).run()).message
    assert streamed(vitess) == []


def test_a_lost_start_position_is_no_reason_to_copy(vitess: Vitess) -> None:
    """Not even if a saved position that is lost would be: who asks for no copy gets none by surprise."""
    start = position(vitess)
    vitess.insert("a", *rows(10))
    vitess.purge()

    error = syncs(vitess, start, invalid_cdc_position_behavior="Re-sync data").run()

    assert "too old" in failure(error).message


def test_a_saved_position_that_is_lost_has_all_copied_if_so_configured(vitess: Vitess) -> None:
    """The changes in between are gone, so only a copy can make up for them."""
    vitess.insert("a", *rows(3))
    sync = syncs(vitess, invalid_cdc_position_behavior="Re-sync data")
    assert sync.run() is None
    vitess.insert("a", *rows(10, start=101))
    vitess.purge()

    assert sync.run() is None

    sync.expect_equal("a")


def test_replicas_that_are_behind_are_waited_for(vitess: Vitess) -> None:
    """The position was noted on the primary, and no replica has it yet."""
    vitess.insert("a", *rows(10))
    start = position(vitess)
    for shard in ("-80", "80-"):
        vitess.set_replica_lag(shard, 2)

    error = syncs(vitess, start, tablet_type="REPLICA").run()

    assert isinstance(error, TransientError)
    assert "has replicated up to start_position yet" in error.message


def test_tables_without_a_key(vitess: Vitess) -> None:
    """They begin in the same way: each change once."""
    vitess.create_table("log", COLUMNS, key=())
    vitess.insert("log", *rows(5))
    sync = syncs(vitess)
    assert sync.run() is None
    vitess.insert("log", *rows(2, start=101))

    assert sync.run() is None

    assert sync.store.records == {"log": 2}


def test_a_stream_that_was_deselected_before_is_known(vitess: Vitess) -> None:
    """Also if all rows were copied then: what it missed since would be skipped."""
    copied = Syncs(vitess)
    both = copied.catalog
    assert copied.run() is None
    copied.catalog = copied.connector.configured("a")
    assert copied.run() is None
    change(vitess, "b", 1)
    sync = syncs(vitess)
    sync.store, sync.catalog = copied.store, copied.catalog
    assert sync.run() is None
    sync.catalog = both

    assert sync.run() is None

    sync.expect_equal("b")
