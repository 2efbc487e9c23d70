"""What Airbyte's destinations make of the records by the cursor alone, with syncs and workers that die anywhere."""

from __future__ import annotations

import os
import random
import re
from typing import Any

import pytest

from instruments.destination import Destination
from instruments.oracle import expect_equal
from instruments.scripted_vtgate.vitess import Vitess
from unit_tests.replication.conftest import Settings
from unit_tests.syncing import Syncs, as_json, rows

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data


@pytest.fixture
def rnd() -> random.Random:
    """What is random; the seed is printed with a failure."""
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    return random.Random(SEED)  # noqa: S311 - test data


def sync(syncs: Syncs, destination: Destination, stop_after: int | None = None) -> None:
    """Runs a sync from the last acknowledged state; source and destination die after some lines."""
    lines = syncs.connector.lines(syncs.catalog, destination.acknowledged)
    for number, line in enumerate(lines):
        if number == stop_after:
            lines.close()  # type: ignore[attr-defined] # a generator
            destination.die()
            return
        destination.apply([line])
    destination.end()


def write(vitess: Vitess, rnd: random.Random, taken: set[int]) -> dict[int, dict[str, Any]]:
    """Inserts, changes, moves and deletes some rows; returns the last form of those that are gone."""
    gone: dict[int, dict[str, Any]] = {}
    for _ in range(rnd.randint(1, 8)):
        number = rnd.choice(sorted(taken))
        name = f"n{rnd.randrange(1000)}"
        [row] = [row for row in vitess.rows("a") if row["id"] == number]
        match rnd.randrange(4):
            case 0:
                new = max(taken) + rnd.randint(1, 50)
                vitess.insert("a", {"id": new, "name": name})
                taken.add(new)
            case 1:
                vitess.update("a", {"id": number}, {"name": name})
            case 2:
                new = number + 100_000 * rnd.randint(1, 9)
                if new not in taken:
                    vitess.update("a", {"id": number}, {"id": new})
                    taken.remove(number)
                    taken.add(new)
                    gone[number] = as_json(row)
            case _ if len(taken) > 3:
                vitess.delete("a", {"id": number})
                taken.remove(number)
                gone[number] = as_json(row)
    return gone


@pytest.mark.parametrize("hard", [True, False], ids=["hard", "soft"])
def test_the_destination_is_the_database(vitess: Vitess, rnd: random.Random, settings: Settings, *, hard: bool) -> None:
    """Kills at random lines with writes in between, batches of random size: in the end, exactly the database.

    With soft deletes, every row that was seen and is gone is there as deleted, with its last values.
    """
    settings(checkpoint_records=7)
    vitess.insert("a", *rows(60))
    taken = set(range(1, 61))
    syncs = Syncs(vitess, "a")
    destination = Destination(syncs.store.keys, hard, rnd)
    gone: dict[int, dict[str, Any]] = {}
    for _ in range(25):
        sync(syncs, destination, stop_after=rnd.randrange(1, 90) if rnd.random() < 0.7 else None)
        seen = {key for (key,) in destination.tables.get("a", {})}
        gone.update({number: row for number, row in write(vitess, rnd, taken).items() if number in seen})
        gone = {number: row for number, row in gone.items() if number not in taken}

    sync(syncs, destination)

    expect_equal(destination, "a", map(as_json, vitess.rows("a")))
    deleted = destination.deleted("a")
    if hard:
        assert deleted == {}
    else:
        assert {number: deleted.get((number,)) for number in gone} == gone
        assert {number for (number,) in deleted}.isdisjoint(taken)


def test_without_the_cursor_it_would_not(vitess: Vitess, rnd: random.Random) -> None:
    """The check of the check: with cursors that say nothing, the destination is wrong."""
    vitess.insert("a", *rows(5))
    syncs = Syncs(vitess, "a")
    destination = Destination(syncs.store.keys, True, rnd)
    sync(syncs, destination)
    for number in range(1, 6):
        vitess.update("a", {"id": number}, {"name": "newer"})
        vitess.update("a", {"id": number}, {"name": "newest"})

    lines = syncs.connector.lines(syncs.catalog, destination.acknowledged)
    destination.apply(re.sub(rb'(?<="_ab_cdc_cursor":)\d+', b"1", line) for line in lines)
    destination.end()

    with pytest.raises(AssertionError):
        expect_equal(destination, "a", map(as_json, vitess.rows("a")))
