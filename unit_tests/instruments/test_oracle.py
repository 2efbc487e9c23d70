"""What the oracle takes for a destination's rows."""

from __future__ import annotations

from typing import Any

import pytest

from instruments.oracle import OracleError, Selected, Store, canonical, expect_equal


def record(cursor: int, data: dict[str, Any], *, deleted: bool = False) -> dict[str, Any]:
    """Returns a record of a table without a key."""
    meta = {"_ab_cdc_cursor": cursor, "_ab_cdc_updated_at": "t", "_ab_cdc_deleted_at": "t" if deleted else None}
    return {"type": "RECORD", "record": {"stream": "bag", "data": {**data, **meta}}}


def test_a_row_of_a_table_without_a_key_is_deleted_after_a_column_was_dropped() -> None:
    """It is not the row that was inserted any more, but it is in the columns that are left."""
    store = Store({"bag": []})
    store.apply_message(record(1, {"n": 1, "gone": 2}))
    store.apply_message(record(2, {"n": 1}, deleted=True))

    with pytest.raises(OracleError, match="deleted more often than inserted"):
        store.rows("bag")
    assert store.rows("bag", part=lambda row: {"n": row["n"]}) == []


def test_a_row_of_a_table_without_a_key_is_deleted_twice() -> None:
    """Whatever columns are compared."""
    store = Store({"bag": []})
    store.apply_message(record(1, {"n": 1, "m": 2}))
    store.apply_message(record(2, {"n": 1, "m": 2}, deleted=True))
    store.apply_message(record(3, {"n": 1, "m": 2}, deleted=True))

    with pytest.raises(OracleError, match="deleted more often than inserted"):
        store.rows("bag", part=lambda row: {"n": row["n"]})


DOCUMENTS = {
    "members and escapes": (r'{"b": "\u00a0", "a": [1, "x/y"]}', '{"a":[1,"x\\/y"],"b":"\u00a0"}'),
    "text alone": (r'"\u2028"', '"\u2028"'),
}


@pytest.mark.parametrize(("one", "other"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_is_compared_by_what_it_says(one: str, other: str) -> None:
    """Members come in any order, and characters are escaped or not. In a column of text these are two values."""
    assert canonical({"doc": one}, ["doc"]) == canonical({"doc": other}, ["doc"])
    assert canonical({"doc": one}) != canonical({"doc": other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("1", '"1"'),
        ("1", "true"),
        ("1.5", '"1.5"'),
        ("1.5", '"number 1.5"'),
        ("-0.0", "0.0"),
        ("18446744073709551615", "18446744073709551616"),
        ("18446744073709551615", "1.8446744073709552e19"),
        ("0.1", "0.10000000000000001"),
        ('{"a": 1}', '{"a": 2, "a": 1}'),
        ("[1, 2]", "[2, 1]"),
        ("{}", "[]"),
        ('{"a": [1]}', '[["a", 1]]'),
        ("null", '"null"'),
        ('"a"', '"A"'),
        ("[1", "[1]"),
        ("NaN", '"NaN"'),
    ],
)
def test_documents_that_say_something_else_differ(one: str, other: str) -> None:
    """By the types of numbers and by every digit, by the order of an array, by a member that is there twice."""
    assert canonical({"doc": one}, ["doc"]) != canonical({"doc": other}, ["doc"])


def test_a_null_of_a_column_is_not_the_null_of_a_document() -> None:
    """MySQL keeps them apart."""
    assert canonical({"doc": None}, ["doc"]) != canonical({"doc": "null"}, ["doc"])


def test_a_document_of_a_table_without_a_key_is_deleted_in_another_spelling() -> None:
    """It was copied as MySQL spells it, and is deleted as VTTablet does. A text in its place is not that row."""
    store = Store({"bag": []})
    store.apply_message(record(1, {"doc": '{"b": 1, "aa": 2}'}))
    store.apply_message(record(2, {"doc": '{"aa": 2, "b": 1}'}, deleted=True))

    expect_equal(store, "bag", Selected([], ["doc"]))
    with pytest.raises(OracleError, match="deleted more often than inserted"):
        expect_equal(store, "bag", [])
