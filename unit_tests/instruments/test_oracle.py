"""What the oracle takes for a destination's rows."""

from __future__ import annotations

from typing import Any

import pytest

from instruments.oracle import OracleError, Store


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
    assert store.rows("bag", lambda row: {"n": row["n"]}) == []


def test_a_row_of_a_table_without_a_key_is_deleted_twice() -> None:
    """Whatever columns are compared."""
    store = Store({"bag": []})
    store.apply_message(record(1, {"n": 1, "m": 2}))
    store.apply_message(record(2, {"n": 1, "m": 2}, deleted=True))
    store.apply_message(record(3, {"n": 1, "m": 2}, deleted=True))

    with pytest.raises(OracleError, match="deleted more often than inserted"):
        store.rows("bag", lambda row: {"n": row["n"]})
