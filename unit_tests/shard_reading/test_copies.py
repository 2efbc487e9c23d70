"""A copy of one shard's part of a table: each row once, at a position that contains a given one, or an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from instruments.scripted_vtgate.model.storage import RowsWritten
from instruments.scripted_vtgate.model.values import Given
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from source_vitess.conditions.values import Condition
from source_vitess.errors import LostTransactionsError, SchemaMismatchError, TransientError
from source_vitess.keyspace import LiveVitess
from source_vitess.position.lineage import Finding
from source_vitess.position.vgtid import contains
from source_vitess.proto.binlogdata_pb2 import VEvent
from source_vitess.row_filters.row_filter import RowFilter, copied_rows
from source_vitess.shard_reading.copies import ShardPart, read_copy
from source_vitess.shard_reading.key_ranges import in_ranges
from unit_tests.shard_reading.conftest import Chosen, Reading, nth, streamed_table
from unit_tests.syncing import is_row, rows

REPLICAS = pytest.mark.parametrize("reading", ["REPLICA"], indirect=True)


def expect_all(reading: Reading) -> None:
    """Expects every row of `-80`, once."""
    wanted = sorted(row[0] for row in reading.vitess.shards["-80"].rows["a"].values())  # type: ignore[type-var]
    assert wanted
    assert sorted(reading.given_ids) == wanted


def test_each_row_comes_once_at_one_position(vitess: Vitess, reading: Reading) -> None:
    """The position is told with the rows, and contains the one that was asked for."""
    vitess.insert("a", *rows(20))
    at_least = reading.position()

    (position,) = reading.copy(at_least)

    assert contains(position, at_least)
    expect_all(reading)


def test_an_empty_table_has_no_rows(reading: Reading) -> None:
    """And ends."""
    assert reading.copy() == set()


def test_only_the_columns_that_are_read_are_asked_for(vitess: Vitess, reading: Reading) -> None:
    """And the key's."""
    vitess.create_table("wide", {"id": "bigint", "v": "bigint", "w": "varchar(20)"}, key=["id"])
    vitess.insert("wide", {"id": 1, "v": 7, "w": "x"}, shard="-80")
    reading.streamed = streamed_table(reading.live, "wide", "v")

    part = ShardPart("commerce", "-80", reading.position())
    copied = read_copy(reading.live, SystemClock(), reading.streamed, part)
    found = [members for each in copied for members in each.rows.members]

    assert found == [b'"v":7,']
    assert vitess.vstream.requests[-1].filter.rules[0].filter == "select `id`, `v` from `wide`"


@REPLICAS
def test_a_tablet_that_is_behind_is_not_copied_from(
    vitess: Vitess, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows are of before the position that was asked for; another tablet is waited for."""
    world = vitess.world = Chosen()
    vitess.insert("a", *rows(6), shard="-80")
    behind = next(tablet for tablet in vitess.shards["-80"].tablets if tablet.tablet_type == "REPLICA")
    behind.follows = False
    vitess.insert("a", *rows(3, start=7), shard="-80")
    waited: list[float] = []

    def wait(_: SystemClock, seconds: float) -> None:
        waited.append(seconds)
        world.index = 1 if len(waited) > 1 else 0

    monkeypatch.setattr(SystemClock, "wait", wait)

    reading.copy()

    assert len(waited) == 2
    expect_all(reading)


@REPLICAS
def test_if_all_are_behind_that_is_the_error(vitess: Vitess, reading: Reading) -> None:
    """No row is given."""
    vitess.insert("a", *rows(6), shard="-80")
    for tablet in vitess.shards["-80"].tablets[1:]:
        tablet.follows = False
    vitess.insert("a", *rows(3, start=7), shard="-80")

    with pytest.raises(TransientError, match="is behind the position at which the read began"):
        reading.copy()

    assert not reading.given


def test_vtgate_may_begin_anew_within_the_call(vitess: Vitess, reading: Reading) -> None:
    """Rows after the last one that it goes on behind come again, and are given once."""
    vitess.insert("a", *rows(20), shard="-80")
    for number in (5, 11):
        vitess.faults.restart_after(nth(number, is_row))

    reading.copy()

    expect_all(reading)


def in_ranges_of_id(reading: Reading, *cuts: int) -> tuple[RowFilter, ...]:
    """Returns the ranges of table `a` between some ids, and before and behind them."""
    keys = [(Decimal(cut),) for cut in cuts]
    table = reading.streamed.table
    return tuple(copied_rows(Condition(terms), table, {}) for part in in_ranges(table.key, keys) for terms in part)


def wheres(vitess: Vitess) -> list[str]:
    """Returns the conditions of the streams that were opened."""
    return [request.filter.rules[0].filter.partition(" where ")[2] for request in vitess.vstream.requests]


def test_ranges_of_the_key_are_read_one_after_the_other(vitess: Vitess, reading: Reading) -> None:
    """Each row is in one, and at the position of its range; a range without rows is no end."""
    vitess.insert("a", *rows(20), shard="-80")
    reading.ranges = in_ranges_of_id(reading, 7, 13, 14, 30)
    written = nth(1, is_row)

    def write(event: VEvent) -> bool:
        if written(event):
            vitess.update("a", {"id": 19}, {"name": "later"})
        return False

    vitess.faults.restart_after(write)

    positions = reading.copy()

    expect_all(reading)
    assert reading.rows[19]["name"] == "later"
    assert len(positions) == 2
    assert wheres(vitess)[-5:] == [
        "`id` < 7",
        "`id` >= 7 and `id` < 13",
        "`id` >= 13 and `id` < 14",
        "`id` >= 14 and `id` < 30",
        "`id` >= 30",
    ]


def test_vtgate_may_begin_anew_within_a_range(vitess: Vitess, reading: Reading) -> None:
    """It goes on behind the last row of the range, and does not leave the range."""
    vitess.insert("a", *rows(30), shard="-80")
    reading.ranges = in_ranges_of_id(reading, 10, 20)
    for number in (5, 16):
        vitess.faults.restart_after(nth(number, is_row))

    reading.copy()

    expect_all(reading)


def test_a_stream_that_breaks_before_the_first_row_of_a_range_is_opened_again(vitess: Vitess, reading: Reading) -> None:
    """Rows of the ranges before were given, and stay."""
    vitess.insert("a", *rows(20), shard="-80")
    reading.ranges = in_ranges_of_id(reading, 10)
    # Its position, without which a row is not given, does not come any more.
    vitess.faults.cut_after(nth(10, is_row))

    reading.copy()

    expect_all(reading)
    assert wheres(vitess)[-3:] == ["`id` < 10", "`id` >= 10", "`id` >= 10"]


def test_a_range_that_a_tablet_would_judge_otherwise(vitess: Vitess, reading: Reading) -> None:
    """The column is of another kind there than where the ranges were made."""
    vitess.create_table("t", {"id": "bigint", "name": "varchar(20)"}, key=["id"])
    vitess.insert("t", {"id": 1}, shard="-80")
    reading.streamed = streamed_table(reading.live, "t")
    (made,) = in_ranges_of_id(reading, 7)[:1]
    reading.ranges = (replace(made, kinds=(("id", "decimal"),)),)

    with pytest.raises(SchemaMismatchError, match="with another type or collation than the primary"):
        reading.copy()


def test_rows_that_changed_when_it_began_anew_are_of_either_position(vitess: Vitess, reading: Reading) -> None:
    """Each row is as it was at the position that is told with it."""
    vitess.insert("a", *rows(9), shard="-80")
    seventh = nth(7, is_row)

    def change(event: VEvent) -> bool:
        if not seventh(event):
            return False
        vitess.update("a", {"id": 1}, {"name": "later"})
        vitess.update("a", {"id": 9}, {"name": "later"})
        return True

    vitess.faults.restart_after(change)

    positions = reading.copy()

    expect_all(reading)
    assert len(positions) == 2
    assert (reading.rows[1]["name"], reading.rows[9]["name"]) == ("n1", "later")


def test_a_key_that_vtgate_cannot_go_on_by_gives_the_copy_up(vitess: Vitess, reading: Reading) -> None:
    """It would leave rows out in silence."""
    vitess.create_table("e", {"kind": "enum('z','a')", "id": "bigint"}, key=["kind", "id"])
    given: list[dict[str, Given]] = [{"kind": kind, "id": number} for number in range(9) for kind in "za"]
    vitess.insert("e", *given, shard="-80")
    reading.streamed = streamed_table(reading.live, "e")
    vitess.faults.restart_after(nth(4, is_row))

    with pytest.raises(TransientError, match="cannot continue from there"):
        reading.copy()


def test_a_stream_that_breaks_before_the_first_row_is_opened_again(vitess: Vitess, reading: Reading) -> None:
    """Nothing was given yet."""
    vitess.insert("a", *rows(9), shard="-80")
    vitess.faults.cut_after(is_row)

    reading.copy()

    expect_all(reading)


def test_a_stream_that_breaks_after_it_ends_the_copy(vitess: Vitess, reading: Reading) -> None:
    """Whoever has the rows has to decide."""
    vitess.insert("a", *rows(9), shard="-80")
    vitess.faults.cut_after(nth(7, is_row))

    with pytest.raises(TransientError, match="Socket closed"):
        reading.copy()

    assert reading.given


def test_a_copy_that_vtgate_drops_in_silence_is_begun_anew(vitess: Vitess, reading: Reading) -> None:
    """It restarts at a position that means "no copy": only heartbeats come then, which prove nothing."""
    vitess.insert("a", *rows(9), shard="-80")
    vitess.faults.restart_after(nth(1, is_row))

    reading.copy(seconds=0.1)

    expect_all(reading)
    assert sum(request.vgtid.shard_gtids[0].gtid == "" for request in vitess.vstream.requests) == 2


def test_a_column_that_is_gone(vitess: Vitess, reading: Reading) -> None:
    """It is named."""
    vitess.insert("a", *rows(3), shard="-80")
    vitess.drop_column("a", "name")

    with pytest.raises(SchemaMismatchError, match="does not have the column 'name'"):
        reading.copy()


@REPLICAS
def test_rows_of_transactions_that_are_lost(vitess: Vitess, reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in no binary log, so that no change would ever take them back."""
    vitess.world = Chosen()
    shard = vitess.shards["-80"]
    vitess.insert("a", *rows(6), shard="-80")
    _, first, second, third = shard.tablets
    second.follows = third.follows = False
    at_least = reading.position()
    vitess.insert("a", *rows(1, start=7), shard="-80")
    verify = LiveVitess.verify

    def fail_over(live: LiveVitess, positions: Mapping[str, str]) -> Mapping[str, Finding]:
        first.running = False
        vitess.promote("-80", second, dead=True)
        third.follows = True
        vitess.insert("a", *rows(1, start=8), shard="-80")
        monkeypatch.setattr(LiveVitess, "verify", verify)
        return verify(live, positions)

    monkeypatch.setattr(LiveVitess, "verify", fail_over)

    with pytest.raises(LostTransactionsError):
        reading.copy(at_least)


@REPLICAS
def test_rows_of_errant_transactions_are_named(
    vitess: Vitess, reading: Reading, caplog: pytest.LogCaptureFixture
) -> None:
    """They belong to one tablet, which has to be rebuilt."""
    vitess.world = Chosen()
    shard = vitess.shards["-80"]
    vitess.insert("a", *rows(3), shard="-80")
    first = shard.tablets[1]
    written = RowsWritten(shard.tables["a"], ((None, shard.tables["a"].row({"id": 99, "name": "errant"})),))
    shard.commit_errant(first, vitess.clock, [written])
    vitess.notify()

    reading.copy()

    assert 99 in reading.given_ids
    assert f"errant GTIDs {first.uuid}" in caplog.text
