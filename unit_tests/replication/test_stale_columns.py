"""Columns that a tablet still names although they were dropped."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from source_vitess.replication.stale_columns import AnnouncedColumns
from source_vitess.vstream.events import Fields

BEFORE = ("id", "a", "x", "b", "c")
GTID = "11111111-1111-1111-1111-111111111111:5"
SWAP = "rename table t to _t_del, _t_gho to t"


def told(*statements: str) -> AnnouncedColumns:
    """Returns what is remembered after BEFORE was told, and then statements came."""
    columns = AnnouncedColumns({}, {"t": BEFORE, "u": ()})
    assert not columns.are_stale(Fields("0", "t", BEFORE))
    for statement in statements:
        columns.changed("0", statement, GTID)
    return columns


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        (["alter table t drop column x"], BEFORE[:4]),
        (["ALTER TABLE `ks`.`t` DROP `x`, add y int"], BEFORE),
        (["alter table t drop column x", "alter table t add column y int"], BEFORE[:4]),
        (["alter table t drop index y, drop primary key, drop column X"], BEFORE[:4]),
    ],
)
def test_a_dropped_column_is_still_there(statements: list[str], names: tuple[str, ...]) -> None:
    """Whatever the number of columns: a name that was dropped must be gone, for that shard and table."""
    columns = told(*statements)

    assert columns.are_stale(Fields("0", "t", names))
    assert columns.are_stale(Fields("0", "t", names)), "another try is no better"
    assert not columns.are_stale(Fields("1", "t", names))
    assert not columns.are_stale(Fields("0", "u", names))
    assert not columns.are_stale(Fields("0", "t", ("id", "a", "b", "c")))


@pytest.mark.parametrize(
    ("statements", "names"),
    [
        (["alter table t drop column c"], BEFORE[:4]),
        (["alter table t add column y int first"], ("y", *BEFORE)),
        (["alter table t drop index x"], BEFORE),
        (["alter table t drop column x, add column x int first"], ("x", "id", "a", "b", "c")),
        (["alter table t drop column x", "alter table t rename column b to x"], ("id", "a", "x", "c")),
        (["alter table t drop column x", SWAP], BEFORE),
        (["alter table u drop column x"], BEFORE),
        (["alter table t drop column x", "truncate table t"], ("id", "a", "b", "c")),
    ],
)
def test_columns_of_now(statements: list[str], names: tuple[str, ...]) -> None:
    """Columns that were added, or came again under the same name, are no mistake."""
    assert not told(*statements).are_stale(Fields("0", "t", names))


def test_the_next_sync_knows_what_was_dropped() -> None:
    """A tablet can name a dropped column until the next statement: remembered until it has left it out once."""
    state: dict[tuple[str, str], Mapping[str, str]] = {}
    first = AnnouncedColumns(state, {"t": BEFORE})
    first.changed("0", "alter table t drop column X", GTID)
    first.changed("0", "alter table not_read drop column x", GTID)

    assert state == {("0", "t"): {"x": GTID}}
    assert AnnouncedColumns(dict(state), {"t": ("id", "a", "b", "c")}).are_stale(Fields("0", "t", BEFORE[:4]))

    again = AnnouncedColumns(dict(state), {"t": BEFORE})
    assert not again.are_stale(Fields("0", "t", BEFORE)), "the table has the column again"

    second = AnnouncedColumns(state, {"t": ("id", "a", "b", "c")})
    assert second.are_stale(Fields("0", "t", BEFORE[:4]))
    assert state, "not confirmed yet"
    assert not second.are_stale(Fields("0", "t", ("id", "a", "b", "c")))
    assert not state
    assert second.are_stale(Fields("0", "t", BEFORE[:4])), "another tablet may still be late"


@pytest.mark.parametrize("statement", [SWAP, "alter table t add column x int"])
def test_what_comes_again_is_forgotten(statement: str) -> None:
    """Neither a table of that name that took the place, nor a column of that name, was dropped."""
    state: dict[tuple[str, str], Mapping[str, str]] = {("0", "t"): {"x": GTID}}

    columns = AnnouncedColumns(state, {"t": ("id", "a", "b", "c")})
    columns.changed("0", statement, GTID)

    assert not columns.are_stale(Fields("0", "t", BEFORE))


@pytest.mark.parametrize(
    ("statements", "names", "exist", "stale"),
    [
        ([SWAP], BEFORE[:4], False, True),
        ([SWAP], BEFORE[:4], True, False),
        ([SWAP], ("id", "a", "b", "c"), True, False),
        ([SWAP], BEFORE, False, False),
        ([], BEFORE[:4], False, False),
    ],
)
def test_a_shadow_table_took_the_place(statements: list[str], names: tuple[str, ...], exist: bool, stale: bool) -> None:
    """Fewer values, under the first names of before, one of which is no column any more: names of before the swap."""
    assert told(*statements).are_stale(Fields("0", "t", names, exist)) is stale


@pytest.mark.parametrize(("position", "stale"), [("1-4", False), ("1-5", True), ("1-9", True)])
def test_changes_are_read_again_from_an_earlier_position(position: str, stale: bool) -> None:
    """What was dropped behind the position is there again in what comes; what was dropped before it is not."""
    columns = told("alter table t drop column x")

    columns.read_again("1", "MySQL56/11111111-1111-1111-1111-111111111111:1")
    assert columns.are_stale(Fields("0", "t", BEFORE)), "that was another shard"
    columns.read_again("0", f"MySQL56/11111111-1111-1111-1111-111111111111:{position}")

    assert columns.are_stale(Fields("0", "t", BEFORE)) is stale
