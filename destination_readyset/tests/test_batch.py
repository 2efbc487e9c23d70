"""Batches of changes as statements: what the shortcuts for usual values write is what the encoders write."""

from __future__ import annotations

import contextlib
import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_vitess.errors import ConfigError
from vitess_local.plain_mysql import PlainMysql

from destination_readyset import values
from destination_readyset.batch import DELETED_AT, TableBatch
from destination_readyset.config import Address
from destination_readyset.served import connect, query
from destination_readyset.tables import ServedColumn, ServedTable
from destination_readyset.values import Encoder, UnfitValueError

ENCODERS = [
    values.any_json,
    values.base64_bytes,
    values.floating,
    values.integer,
    values.number,
    values.number_text,
    values.single,
    values.text,
    values.timestamp,
    values.vector,
]
ID = ServedColumn("id", "bigint", values.integer, values.integer)
PLAN = ServedColumn("plan", "enum('a','b')", values.text, values.text, labels=("a", "b"))

JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(),
    st.sampled_from(["", "'", "Z", "'Z", "2026-01-02T03:04:05Z", "AAEC", "a''b", "\\'"]),
    st.sampled_from([0.0, -0.0, 1e-3, 1e15, 1e16, -1e15, 5e-324, 1e300, float("inf"), float("nan")]),
    st.lists(st.floats(width=32)),
)


def _encoded(encode: Encoder, value: Any) -> str | None:
    """Returns a value's SQL; None if it does not fit."""
    try:
        return encode(value)
    except UnfitValueError:
        return None


def _statements(batch: TableBatch) -> list[str]:
    return [sql.decode(errors="surrogatepass") for sql in batch.statements()]


@pytest.mark.parametrize("encode", ENCODERS, ids=lambda encode: encode.__name__)
@given(value=JSON)
def test_rows_are_what_the_encoders_say(encode: Encoder, value: Any) -> None:
    """Each value, in a column and in a key, is written as its encoder writes it, or refused with the column's name."""
    column = ServedColumn("c", "any", encode, encode)
    sql = _encoded(encode, value)

    batch = TableBatch(ServedTable("d", "t", (ID, column), ("id",)))
    if sql is None:
        with pytest.raises(ConfigError, match="has a value in 'c' that is not"):
            batch.add({"id": 1, "c": value})
    else:
        grown = batch.add({"id": 1, "c": value})
        assert grown == batch.size == len(f"(1, {sql})")
        assert f"VALUES\n(1, {sql})\n" in _statements(batch)[0]

    batch = TableBatch(ServedTable("d", "t", (column, ID), ("id", "c")))
    if sql is None or value is None:
        with pytest.raises(ConfigError, match="'c'"):
            batch.add({"id": 1, "c": value})
    else:
        batch.add({"id": 1, "c": value})
        batch.add({"id": 1, "c": value, DELETED_AT: "now"})
        assert _statements(batch) == [f"DELETE FROM `d`.`t` WHERE (`id`, `c`) IN ((1, {sql}))"]


def test_only_the_last_value_of_an_enum_counts() -> None:
    """An ENUM's invalid value is written on its own, but not over a valid one that came after it."""
    batch = TableBatch(ServedTable("d", "t", (ID, PLAN), ("id",)))
    for key, plan in ((1, ""), (2, ""), (2, "b"), (3, "a"), (3, ""), (4, ""), (4, "")):
        batch.add({"id": key, "plan": plan})

    insert, *rest = _statements(batch)

    assert "VALUES\n(1, NULL),\n(2, 'b'),\n(3, NULL),\n(4, NULL)\n" in insert
    assert [sql for sql in rest if sql.startswith("UPDATE")] == [
        f"UPDATE `d`.`t` SET `plan` = '' WHERE `id` IN ({key})" for key in (1, 3, 4)
    ]

    batch.add({"id": 2, "plan": ""})
    batch.add({"id": 2, DELETED_AT: "now"})
    assert _statements(batch) == ["DELETE FROM `d`.`t` WHERE `id` IN (2)"]


@pytest.mark.parametrize("key", [(), ("id",)], ids=["without a key", "with a key"])
def test_invalid_values_of_enum_are_served(mysql: PlainMysql, key: tuple[str, ...]) -> None:
    """They arrive as what they are, beside NULL and labels, and rows that have them can be deleted."""
    table = ServedTable("enums", "t", (ID, PLAN), key)
    batch = TableBatch(table)
    with contextlib.closing(connect(Address("127.0.0.1", mysql.port, "local"))) as connection:
        for sql in ("DROP DATABASE IF EXISTS enums", "CREATE DATABASE enums", table.create()):
            query(connection, sql)
        rows = [{"id": number, "plan": plan} for number, plan in enumerate(["a", "", None, "b", "", ""])]
        for row in [*rows, {**rows[4], DELETED_AT: "now"}]:
            batch.add(row)
        for sql in _statements(batch):
            query(connection, sql)

        assert query(connection, "SELECT id, plan, plan + 0 FROM enums.t ORDER BY id") == [
            (0, "a", 1),
            (1, "", 0),
            (2, None, None),
            (3, "b", 2),
            (5, "", 0),
        ]
        query(connection, "DROP DATABASE enums")


def test_batches_leave_nothing_to_collect() -> None:
    """`write` runs with the collector off: neither batches nor records that are refused hold themselves in a cycle."""
    batch = TableBatch(ServedTable("d", "t", (ID, PLAN), ("id",)))
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            for key, plan in ((1, "a"), (2, ""), (2, None)):
                batch.add({"id": key, "plan": plan})
            with pytest.raises(ConfigError):
                batch.add({"id": "x", "plan": "a"})
            _statements(batch)

        assert gc.collect() < 50
    finally:
        gc.enable()
