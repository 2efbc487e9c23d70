"""The `_ab_cdc_*` members and the cursor."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from source_vitess.replication.records import CURSORS_PER_SECOND, Cursor, RecordMaker
from source_vitess.rows.columns import FieldChange, Rows

NOW = 1_800_000_000.25


def test_copied_rows_carry_the_time_of_the_sync() -> None:
    """A copy's rows have no transaction: they were seen when the sync ran."""
    records = RecordMaker("t", Cursor(0, NOW), NOW, with_meta=True).make(Rows("0", "t", 0, [b'"id":1,', b'"id":2,']))

    first, second = map(json.loads, records.data)
    assert first == {
        "id": 1,
        "_ab_cdc_updated_at": "2027-01-15T08:00:00Z",
        "_ab_cdc_deleted_at": None,
        "_ab_cdc_cursor": int(NOW * CURSORS_PER_SECOND) + 1,
    }
    assert second["_ab_cdc_cursor"] == first["_ab_cdc_cursor"] + 1


def test_deletes_carry_the_time_of_their_transaction() -> None:
    """A delete has both times, and its place in the order."""
    rows = Rows("0", "t", 1_700_000_000, [b'"id":1,', b'"id":2,', b'"id":3,'], frozenset({1}))

    records = [json.loads(data) for data in RecordMaker("t", Cursor(0, NOW), NOW, with_meta=True).make(rows).data]

    assert [record["_ab_cdc_deleted_at"] for record in records] == [None, "2023-11-14T22:13:20Z", None]
    assert {record["_ab_cdc_updated_at"] for record in records} == {"2023-11-14T22:13:20Z"}
    cursors = [record["_ab_cdc_cursor"] for record in records]
    assert cursors == list(range(cursors[0], cursors[0] + 3))


@given(st.integers(1, 4_000_000_000))
def test_times_are_those_of_the_calendar(timestamp: int) -> None:
    """Any second since 1970 is told as UTC."""
    [record] = RecordMaker("t", Cursor(0, NOW), NOW, with_meta=True).make(Rows("0", "t", timestamp, [b""])).data

    told = json.loads(record)["_ab_cdc_updated_at"]
    assert told == datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_without_meta_columns_the_row_stands_alone() -> None:
    """A full refresh whose catalog has no meta columns emits none."""
    maker = RecordMaker("t", Cursor(0, NOW), NOW, with_meta=False)

    assert maker.make(Rows("0", "t", 0, [b'"id":1,', b""])).data == [b'{"id":1}', b"{}"]


def test_altered_values_keep_their_place() -> None:
    """What is told about a row stays with its record."""
    altered = {1: (FieldChange("d", "NULLED", "why"),)}

    records = RecordMaker("t", Cursor(0, NOW), NOW, with_meta=True).make(Rows("0", "t", 0, [b"", b""], altered=altered))

    assert records.altered == altered


@given(st.lists(st.tuples(st.floats(-100, 100), st.integers(1, 1000)), min_size=1))
def test_cursors_grow_even_if_the_clock_goes_back(syncs: list[tuple[float, int]]) -> None:
    """Sync after sync, each from the last one's state: no cursor comes twice or falls back."""
    last, now = 0, NOW
    for step, count in syncs:
        now += step
        cursor = Cursor(last, now)
        first = cursor.take(count)
        assert first > last
        last = cursor.last
        assert last == first + count - 1
    assert last < 2**63


def test_a_sync_after_a_killed_one_starts_above_it() -> None:
    """A sync that left no state, and another within the same second: the second one's cursors are higher."""
    killed = Cursor(0, NOW)
    killed.take(1000)

    assert Cursor(0, NOW + 0.1).take(1) > killed.last
