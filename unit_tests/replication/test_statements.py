"""Statements in the change stream of whole syncs: what is told of them, and when."""

from __future__ import annotations

import json
from typing import Any

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError
from unit_tests.replication.conftest import AfterFirstCurrent
from unit_tests.syncing import Syncs, rows


@pytest.fixture
def syncs(vitess: Vitess) -> Syncs:
    """Both tables, copied."""
    vitess.insert("a", *rows(9))
    vitess.insert("b", *rows(5))
    syncs = Syncs(vitess)
    assert syncs.run() is None
    return syncs


def warnings(syncs: Syncs) -> list[str]:
    """Lists the warnings of the last sync about statements."""
    words = "was altered", "online schema change", "not understood"
    return [line for line in syncs.store.logs if any(word in line for word in words)]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE b ALGORITHM=INPLACE, LOCK=NONE, DROP PARTITION p0",
        "ALTER TABLE b /*!50100 DROP PARTITION p0 */",
        'TRUNCATE TABLE "b"',
        "RENAME TABLE b TO b_old, _b_import TO b",
        "RENAME TABLE b TO _b_old, _a_new TO b",
    ],
)
def test_rows_that_vanish(vitess: Vitess, syncs: Syncs, statement: str) -> None:
    """Whatever the form: the stream asks for a refresh, and the other one goes on."""
    vitess.ddl(statement, "b")
    vitess.insert("a", {"id": 70, "name": "too"})

    assert isinstance(syncs.run(), ConfigError)

    assert syncs.store.statuses == {"a": "COMPLETE", "b": "INCOMPLETE"}
    syncs.expect_equal("a")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE b ADD COLUMN note VARCHAR(50) COMMENT 'please rename to remark later'",
        "ALTER TABLE b ADD COLUMN note VARCHAR(50) COMMENT 'drop location of the ride'",
        "ALTER TABLE b ADD COLUMN note VARCHAR(50) COMMENT 'please add id later'",
        "ALTER TABLE b ADD COLUMN kind ENUM('rename file', 'drop id', ', DROP PARTITION p0') NULL",
        "ALTER TABLE b COMMENT 'add name int', ADD INDEX i (name) COMMENT 'it''s, DROP COLUMN name'",
        "ALTER TABLE b /* , DROP PARTITION p0 */ FORCE",
        "DROP TEMPORARY TABLE IF EXISTS b",
        "RENAME TABLE b TO x, x TO b",
    ],
)
def test_words_in_comments_and_labels(vitess: Vitess, syncs: Syncs, statement: str) -> None:
    """Are no clauses: the stream goes on, and nothing is said."""
    vitess.insert("b", {"id": 70, "name": "before"})
    vitess.ddl(statement, "b")
    vitess.insert("b", {"id": 71, "name": "after"})

    assert syncs.run() is None

    syncs.expect_equal()
    assert warnings(syncs) == []


def test_values_that_may_have_changed(vitess: Vitess, syncs: Syncs) -> None:
    """Said once, though every shard writes the statement, and not again in the next sync; the stream goes on."""
    vitess.ddl("ALTER TABLE b MODIFY `name` VARCHAR(10) COMMENT 'short'", "b")
    vitess.insert("b", {"id": 70, "name": "after"})

    assert syncs.run() is None

    [told] = warnings(syncs)
    assert "'b'" in told
    assert "'name'" in told
    assert "refresh this stream" in told
    syncs.expect_equal()
    syncs.store.logs.clear()
    assert syncs.run() is None
    assert warnings(syncs) == []


def test_an_online_schema_change(vitess: Vitess, syncs: Syncs) -> None:
    """Its rows stay, and what it did is not known."""
    vitess.ddl("RENAME TABLE b TO _b_del, _b_gho TO b", "b")

    assert syncs.run() is None

    [told] = warnings(syncs)
    assert "online schema change of table 'b'" in told
    syncs.expect_equal()


def test_what_is_not_understood(vitess: Vitess, syncs: Syncs) -> None:
    """Is said once, without what stands in quotation marks, if it names a table that is followed."""
    for _ in range(2):
        vitess.ddl("ALTER TABLE b FROBNICATE COMMENT 'secret', ADD INDEX i (id)", "b")
    vitess.ddl("ALTER TABLE c FROBNICATE", "b")

    assert syncs.run() is None

    [told] = warnings(syncs)
    assert "FROBNICATE" in told
    assert "secret" not in told


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE b MODIFY name VARCHAR(10)", "ALTER TABLE b FROBNICATE", "RENAME TABLE b TO _b_del, _b_gho TO b"],
)
def test_one_that_the_copy_contains_is_no_news(
    vitess: Vitess, after_first_current: AfterFirstCurrent, statement: str
) -> None:
    """A statement after the sync's start and before the table's copy: what was emitted is of after it."""
    vitess.insert("b", *rows(5))
    syncs = Syncs(vitess)
    after_first_current(lambda: vitess.ddl(statement, "b"))

    assert syncs.run() is None

    assert warnings(syncs) == []
    syncs.expect_equal()


def test_a_column_that_was_dropped_in_an_earlier_sync(vitess: Vitess, syncs: Syncs) -> None:
    """The state remembers it: a column of its name has not the values that the destination has."""
    vitess.ddl("ALTER TABLE b DROP COLUMN gone", "b")
    assert syncs.run() is None
    state: Any = json.loads(json.dumps(syncs.store.states[-1]))
    assert "dropped_columns" in state["global"]["shared_state"]
    vitess.ddl("ALTER TABLE b ADD COLUMN gone INT", "b")

    assert syncs.run() is None

    [told] = warnings(syncs)
    assert "'gone'" in told


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE b DROP COLUMN name, ADD COLUMN name VARCHAR(20)"],
        ["ALTER TABLE b DROP COLUMN name", "ALTER TABLE b ADD COLUMN name VARCHAR(20)"],
        ["ALTER TABLE b CHANGE name title VARCHAR(20), ADD name VARCHAR(20)"],
    ],
)
def test_a_column_that_is_dropped_and_added_again(vitess: Vitess, syncs: Syncs, statements: list[str]) -> None:
    """Rows of before had a column of its name, and rightly so: no wrong names, but other values."""
    vitess.insert("b", {"id": 70, "name": "before"})
    for statement in statements:
        vitess.ddl(statement, "b")

    assert syncs.run() is None

    assert any("'name'" in line for line in warnings(syncs))
    assert syncs.store.statuses == {"a": "COMPLETE", "b": "COMPLETE"}


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE b ADD COLUMN later INT", "ALTER TABLE b ADD (x INT, Later INT DEFAULT 5)"],
)
def test_a_column_that_is_added_during_a_sync(vitess: Vitess, syncs: Syncs, statement: str) -> None:
    """Rows that the sync reads have no value for it, and nothing but this line says so, once for both shards."""
    vitess.insert("b", {"id": 70, "name": "before"})
    vitess.ddl(statement, "b")
    vitess.ddl("ALTER TABLE a ADD INDEX later (name)", "a")

    assert syncs.run() is None

    [told] = [line for line in syncs.store.logs if "after this sync began" in line and "ater'" in line]
    assert "'b'" in told
    assert "and then this stream" in told


def test_columns_that_are_discovered_are_not_told_of(vitess: Vitess, syncs: Syncs) -> None:
    """The statement that added a column which this sync reads, or which it knew not to read, is no news."""
    vitess.ddl("ALTER TABLE b ADD COLUMN NAME VARCHAR(20)", "b")

    assert syncs.run() is None

    assert not any("after this sync began" in line for line in syncs.store.logs)
