"""Copies that go on after a row, or start over, by what their key is made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from instruments.scripted_vtgate.model.values import Given
from instruments.scripted_vtgate.vitess import Vitess
from unit_tests.replication.conftest import Settings
from unit_tests.syncing import Syncs, is_commit

SIZES: Sequence[Given] = ("small", "medium", "large")
SETS: Sequence[Given] = ("c", "b", "b,c", "a", "a,b,c")
TENTHS: Sequence[Given] = (0.1, 0.2, 0.3, 0.7)

KEYS = {
    "enum": ("enum('small','medium','large')", SIZES),
    "set": ("set('c','b','a')", SETS),
    "float": ("float", TENTHS),
    "double": ("double", TENTHS),
    "varchar": ("varchar(20)", ("a", "B", "c", "D")),
}


@pytest.fixture(params=KEYS)
def table(vitess: Vitess, request: pytest.FixtureRequest) -> str:
    """A table with a key of a column and a number, in a Vitess that sends each row by itself."""
    vitess.batch_rows = 1
    column, values = KEYS[request.param]
    vitess.create_table("t", {"k": column, "id": "bigint", "n": "int"}, key=("k", "id"))
    pairs = [(value, number) for value in values for number in (1, 2)]
    vitess.insert("t", *({"k": value, "id": number, "n": n} for n, (value, number) in enumerate(pairs)), shard="-80")
    return str(request.param)


@pytest.mark.parametrize("lines", range(6, 24, 3))
def test_a_copy_that_was_killed(vitess: Vitess, table: str, lines: int, settings: Settings) -> None:
    """The next sync ends with exactly the rows that there are, whatever the key."""
    settings(checkpoint_records=1)
    syncs = Syncs(vitess, "t")
    syncs.run(stop_after=lines)

    assert syncs.run() is None, table

    assert numbers(syncs) == list(range(len(vitess.rows("t"))))
    assert syncs.table_state("t") == {"copied": True}


@pytest.mark.parametrize("commits", [1, 2, 5])
def test_a_stream_that_vtgate_starts_anew(vitess: Vitess, table: str, commits: int) -> None:
    """VTGate goes on by itself with what VTTablet told it, labels among it: no row is missing for that."""
    syncs = Syncs(vitess, "t")
    seen = count(1)
    vitess.faults.restart_after(lambda event: is_commit(event) and event.shard == "-80" and next(seen) == commits)

    assert syncs.run() is None, table

    assert numbers(syncs) == list(range(len(vitess.rows("t"))))


def numbers(syncs: Syncs) -> list[Any]:
    """Returns the numbers of the rows that arrived."""
    return sorted(row["n"] for row in syncs.store.tables["t"].values())
