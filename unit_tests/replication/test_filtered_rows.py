"""Streams of which only some rows are read: copies, changes, kills, and what asks for a refresh."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest

from instruments.oracle import expect_equal
from instruments.scripted_vtgate.model.values import Value
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, TransientError
from source_vitess.replication import copy_stream
from unit_tests.replication.conftest import Settings
from unit_tests.replication.test_table_copy import FirstPosition
from unit_tests.syncing import Syncs, again_and_again, rows

CONDITION = "id between 4 and 20 and name != 'no'"


def fits(row: dict[str, Value]) -> bool:
    """Says `CONDITION` in another way."""
    number, name = row["id"], row["name"]
    assert isinstance(number, int)
    return 4 <= number <= 20 and name is not None and name != "no"


def has_id(number: int, row: dict[str, Value]) -> bool:
    """Tells a row of `a` by its key."""
    return row["id"] == number


def syncs(vitess: Vitess, condition: str | None = CONDITION, **more: Any) -> Syncs:
    """Returns a connector that reads some rows of `a`, and all of `b`."""
    filters = [{"table": "a", "condition": condition}] if condition else []
    return Syncs(vitess, row_filters=filters, **more)


def configured(sync: Syncs, condition: str | None) -> Syncs:
    """Returns a sync that goes on with another condition."""
    other = syncs(sync.vitess, condition)
    other.store, other.catalog = sync.store, sync.catalog
    return other


def expect_filtered(sync: Syncs) -> None:
    """Compares the store with the rows of the model that fit."""
    expect_equal(sync.store, "a", [row for row in sync.vitess.rows("a") if fits(row)])
    sync.expect_equal("b")


def failure(sync: Syncs) -> str:
    """Returns the error of the stream `a`, with which a sync ends; the other stream is complete."""
    error = sync.run()
    assert isinstance(error, ConfigError)
    assert "1 of 2 streams did not sync: 'a'" in error.message
    assert sync.store.statuses["b"] == "COMPLETE"
    return str(sync.store.errors[-1]["message"])


def test_a_copy_and_the_changes_after_it(vitess: Vitess) -> None:
    """A row that leaves is deleted, one that enters is inserted; what stays outside is never seen."""
    vitess.insert("a", *rows(30))
    vitess.insert("b", *rows(30))
    sync = syncs(vitess)
    assert sync.run() is None
    expect_filtered(sync)
    assert len(sync.store.tables["a"]) == 17

    seen = sync.store.records["a"]
    vitess.update("a", lambda row: row["id"] == 5, {"name": "no"})
    vitess.update("a", lambda row: row["id"] == 25, {"id": 2005})
    vitess.update("a", lambda row: row["id"] == 6, {"name": None})
    vitess.update("a", lambda row: row["id"] == 7, {"name": "yes"})
    vitess.delete("a", lambda row: row["id"] in (1, 8))
    vitess.insert("a", {"id": -1, "name": "yes"})

    assert sync.run() is None
    expect_filtered(sync)
    assert sync.store.deletes["a"] == 3
    assert sync.store.records["a"] == seen + 4
    vitess.update("a", lambda row: row["id"] == 5, {"name": "again"})
    assert sync.run() is None
    expect_filtered(sync)


def test_kills_anywhere(vitess: Vitess) -> None:
    """A copy that goes on from its lastpk with its condition, and changes in between: exactly the rows that fit."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201
    rnd = random.Random(seed)  # noqa: S311 - test data
    vitess.insert("a", *rows(40))
    sync = syncs(vitess)
    for _ in range(25):
        sync.run(stop_after=rnd.randint(1, 40))
        number = rnd.randint(1, 40)
        vitess.update("a", partial(has_id, number), {"name": rnd.choice(["no", "yes", None])})
        if rnd.random() < 0.3:
            vitess.delete("a", partial(has_id, number))
            vitess.insert("a", {"id": number, "name": "new"})
    assert sync.run() is None

    expect_filtered(sync)
    requests = [
        rule.filter for request in vitess.vstream.requests for rule in request.filter.rules if rule.match == "a"
    ]
    assert requests
    assert all(" where `id` >= 4 and `id` <= 20 and `name` != 'no' and in_keyrange(" in text for text in requests)


def test_the_state_remembers_the_condition(vitess: Vitess) -> None:
    """Beside where the copy stands, with the kinds of the columns; of a table without a condition there is nothing."""
    vitess.insert("a", *rows(9))
    sync = syncs(vitess)
    assert sync.run() is None

    assert sync.table_state("a") == {
        "copied": True,
        "filter": {
            "condition": "`id` BETWEEN 4 AND 20 AND `name` != 'no'",
            "columns": {"id": "integer", "name": "text in utf8mb4_0900_ai_ci"},
        },
    }
    assert sync.table_state("b") == {"copied": True}


@pytest.mark.parametrize(
    ("before", "after"),
    [(CONDITION, "id > 4"), (CONDITION, None), (None, CONDITION), ("id > 4", "id > 4 and name is not null")],
)
def test_another_condition_asks_for_a_refresh(vitess: Vitess, before: str | None, after: str | None) -> None:
    """Rows may fit that were never read; and so it stays when the condition is taken back. A refresh reads them."""
    vitess.insert("a", *rows(9))
    first = syncs(vitess, before)
    assert first.run() is None

    vitess.insert("b", *rows(3))
    second = configured(first, after)
    message = failure(second)
    assert "The condition of row_filters for table 'a' is another one than when the stream was copied" in message
    assert "Refresh this stream and choose to remove its old records." in message
    assert "another one than" in failure(configured(first, before))

    states = second.store.states[-1]["global"]["stream_states"]
    states[:] = [entry for entry in states if entry["stream_descriptor"]["name"] != "a"]
    second.store.tables["a"] = {}
    assert second.run() is None
    assert second.store.statuses["a"] == "COMPLETE"


def test_a_condition_written_otherwise_is_the_same(vitess: Vitess) -> None:
    """Spaces, case of keywords and quotation marks of names say nothing."""
    vitess.insert("a", *rows(9))
    first = syncs(vitess)
    assert first.run() is None

    second = configured(first, "`id` BETWEEN 4  and 20\nAND name <> 'no'")
    assert second.run() is None
    expect_filtered(second)


def test_another_condition_in_the_middle_of_a_copy(vitess: Vitess) -> None:
    """What was copied with the first one is not mixed with what the second one chooses."""
    vitess.insert("a", *rows(30))
    sync = syncs(vitess)
    assert sync.run(stop_after=12) is None
    assert "copying" in (sync.table_state("a") or {})

    assert "is another one than" in failure(configured(sync, "id > 0"))


def test_a_full_refresh(vitess: Vitess) -> None:
    """It reads the rows that fit; with another condition it starts over instead of going on."""
    vitess.insert("a", *rows(30))
    sync = syncs(vitess, mode="full_refresh")
    sync.run(stop_after=12)
    assert "refreshing" in (sync.table_state("a") or {})
    assert sync.run() is None
    expect_filtered(sync)

    sync = syncs(vitess, mode="full_refresh")
    sync.run(stop_after=12)
    other = configured(sync, "id > 25")
    assert other.run() is None
    assert any("Its full refresh starts over." in line for line in other.store.logs)
    assert {key[0] for key in other.store.tables["a"]} >= {26, 27, 28, 29, 30}


@pytest.mark.parametrize("how", ["drop", "rename", "modify", "convert"])
def test_a_statement_that_changes_what_fits(vitess: Vitess, how: str) -> None:
    """Values or the name of a column of the condition: rows enter and leave without row events."""
    vitess.insert("a", *rows(9))
    sync = syncs(vitess)
    assert sync.run() is None

    vitess.update("a", lambda row: row["id"] == 5, {"name": "before"})
    match how:
        case "drop":
            vitess.drop_column("a", "name")
        case "rename":
            vitess.rename_column("a", "name", "called")
        case "modify":
            vitess.modify_column("a", "name", "varchar(3)")
        case _:
            vitess.ddl("alter table `a` convert to character set utf8mb4 collate utf8mb4_bin", "a")
    vitess.insert("b", *rows(3))

    message = failure(sync)
    assert "row_filters" in message
    assert "refresh" in message.lower()
    assert "refresh_needed" in (sync.table_state("a") or {})
    sync.expect_equal("b")


def test_statements_that_change_nothing_of_it(vitess: Vitess) -> None:
    """What happens to other columns: the stream goes on."""
    vitess.insert("a", *rows(9))
    sync = syncs(vitess)
    assert sync.run() is None

    vitess.add_column("a", "more", "int")
    vitess.modify_column("a", "more", "bigint")
    vitess.insert("a", {"id": 11, "name": "later", "more": 1})

    assert sync.run() is None
    assert (11,) in sync.store.tables["a"]


def test_the_collation_has_changed_between_two_syncs(vitess: Vitess) -> None:
    """Without a statement that was seen, as a restored cluster has it."""
    vitess.insert("a", *rows(9))
    sync = syncs(vitess)
    assert sync.run() is None
    sync.table_state("a")
    [entry] = [
        entry for entry in sync.store.states[-1]["global"]["stream_states"] if entry["stream_descriptor"]["name"] == "a"
    ]
    entry["stream_state"]["filter"]["columns"]["name"] = "text in utf8mb4_0900_as_cs"

    assert "The column 'name' of table 'a' has another type or collation than when the stream was copied" in failure(
        sync
    )


def test_a_condition_that_does_not_fit_the_table(vitess: Vitess) -> None:
    """Its stream fails alone, with the reason; a table that is not there is told of."""
    sync = syncs(vitess, "nope = 1")

    assert "The table has no column 'nope'" in failure(sync)
    elsewhere = Syncs(vitess, row_filters=[{"table": "A", "condition": "id = 1"}])
    assert elsewhere.run() is None
    assert any("names tables that keyspace 'commerce' does not have: 'A'" in line for line in elsewhere.store.logs)


def test_a_stream_that_begins_without_a_copy(vitess: Vitess) -> None:
    """Changes come by the condition, and the state remembers it."""
    vitess.insert("a", *rows(9))
    sync = syncs(vitess, initial_copy="None: changes only")
    assert sync.run() is None
    vitess.insert("a", {"id": 10, "name": "yes"}, {"id": 11, "name": "no"})

    assert sync.run() is None
    assert set(sync.store.tables["a"]) == {(10,)}
    assert "is another one than" in failure(configured(sync, "id > 3"))


def test_a_state_with_a_misformed_filter(vitess: Vitess) -> None:
    """It is refused by name."""
    sync = syncs(vitess)
    assert sync.run() is None
    for wrong in ("x", {}, {"condition": 1, "columns": {}}, {"condition": "x", "columns": {"a": 1}}):
        for entry in sync.store.states[-1]["global"]["stream_states"]:
            entry["stream_state"]["filter"] = wrong
        error = sync.run()
        assert isinstance(error, ConfigError)
        assert "the filter of stream 'a' is not a condition with its columns" in error.message


def test_a_table_without_a_key(vitess: Vitess) -> None:
    """A row that leaves comes as it was before, which is all that names it."""
    vitess.create_table("bag", {"n": "int", "name": "varchar(20)"}, key=[])
    for number in range(10):
        vitess.insert("bag", {"n": number, "name": "x"})
    sync = Syncs(vitess, row_filters=[{"table": "bag", "condition": "n >= 5"}])
    assert sync.run() is None
    vitess.update("bag", lambda row: row["n"] == 7, {"n": 3})
    vitess.update("bag", lambda row: row["n"] == 1, {"n": 8})

    assert sync.run() is None
    assert sync.store.deletes["bag"] == 1
    expect_equal(sync.store, "bag", [row for row in vitess.rows("bag") if (row["n"] or 0) >= 5])  # type: ignore[operator]


def test_patience_with_a_filtered_copy(vitess: Vitess, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """MySQL may search the whole table for a row that fits; what ends the wait in the end names the condition."""
    vitess.create_table("alone", {"id": "bigint"}, key=["id"])
    vitess.insert("alone", {"id": 1}, shard="80-")
    settings(no_progress_seconds=0.05)
    monkeypatch.setattr(copy_stream, "FILTERED_SECONDS", 0.4)
    sync = Syncs(vitess, "alone", row_filters=[{"table": "alone", "condition": "id = 1"}])
    # An empty shard whose copy is dropped silently never says that it is complete.
    again_and_again(40, vitess.faults.restart_after, FirstPosition())

    error = sync.run()

    assert isinstance(error, TransientError)
    assert "of table 'alone' that fits `id` = 1 (an index may help MySQL to find such rows)" in error.message
