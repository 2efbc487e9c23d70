"""How many tasks read a shard, and what is said where they are fewer than wished; without a server."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from source_vitess.clock import SystemClock
from source_vitess.row_filters.row_filter import ColumnDetails
from source_vitess.schema import Column, Table

from vitess_spark.ranges import ranges_of

COLUMNS = (Column("tenant", "int", None, False), Column("kind", "enum('a','b')", None, False))
TABLE = Table("t", COLUMNS, ("tenant", "kind"), has_primary_key=True)


class Shards:
    """A keyspace whose shards have rows of one table, by the values of the key's first column."""

    topology = SimpleNamespace(release=SimpleNamespace(filters_rows=True))

    def __init__(self, **tenants: list[int]) -> None:
        self.tenants = tenants

    def column_details(self, _: str) -> Mapping[str, ColumnDetails]:
        """Returns nothing that a number needs."""
        return {}

    @contextmanager
    def key_seeks(self, shard: str, _: Table, columns: tuple[str, ...], where: str) -> Iterator[Any]:
        """Yields what looks for keys in a shard."""
        assert (columns, where) == (("tenant",), "")
        rows = self.tenants[shard]

        def seek(after: tuple[Decimal] | None, step: int) -> tuple[tuple[Decimal], int] | None:
            behind = [row for row in rows if after is None or row > after[0]]
            return ((Decimal(behind[step - 1]),), rows.count(behind[step - 1])) if len(behind) >= step else None

        yield SimpleNamespace(seek=seek)


def test_a_shard_of_few_first_values_gets_fewer_tasks(caplog: pytest.LogCaptureFixture) -> None:
    """It is said of the shard whose rows would do for more; a shard with few rows is no surprise."""
    shards = Shards(many=list(range(100)), shared=[1] * 50 + [2] * 50, few=[7])
    with caplog.at_level(logging.WARNING):
        made = ranges_of(shards, SystemClock(), TABLE, tuple(shards.tenants), 4)  # type: ignore[arg-type]

    assert {shard: len(tasks) for shard, tasks in made.items()} == {"many": 4, "shared": 2, "few": 2}
    [warning] = caplog.messages
    assert warning == (
        "Shard 'shared' is read by 2 tasks instead of 4: table 't' has too few keys there that differ in tenant and "
        "that a condition can hold."
    )
