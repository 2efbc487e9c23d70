"""Seeds, and waits that take no time where nobody is waited for."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock


@pytest.fixture
def seed() -> int:
    """What is random begins with it; it is printed with a failure."""
    chosen = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)
    print(f"seed: SOURCE_VITESS_SEED={chosen}")
    return chosen


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Makes retries follow at once; returns the seconds that they would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(SystemClock, "wait", lambda _, seconds: waited.append(seconds))
    return waited


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A Vitess in memory with table `a`; heartbeats come after 10 ms."""
    with Vitess() as running:
        running.heartbeat_scale = 0.002
        running.create_table("a", {"id": "bigint", "name": "varchar(20)"}, key=["id"])
        running.insert("a", *({"id": number, "name": f"n{number}"} for number in range(1, 10)))
        yield running
