"""A Vitess in memory that is quick to be silent, and a clock that does not wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from source_vitess.commands import sync_settings
from source_vitess.keyspace import LiveVitess
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication import oversized_rows as stall
from source_vitess.replication.settings import SyncSettings

#: Has something happen right after the sync's first question for the position of now.
AfterFirstCurrent = Callable[[Callable[[], object]], None]
#: Changes settings that no configuration reaches, for the syncs that follow.
Settings = Callable[..., None]


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Makes retries follow at once; returns the seconds that they would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(SystemClock, "wait", lambda _, seconds: waited.append(seconds))
    return waited


@pytest.fixture(autouse=True)
def probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets streams without large messages prove within a second that they get on: nothing here is slow."""
    monkeypatch.setattr(stall, "PROBE_SECONDS", 1.0)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Changes the settings of a sync."""

    def change(**changes: Any) -> None:
        def changed(config: Any) -> SyncSettings:
            return replace(sync_settings(config), **changes)

        monkeypatch.setattr("source_vitess.commands.sync_settings", changed)

    return change


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A Vitess in memory with tables `a` and `b`, keyed by `id`; heartbeats come after 10 ms."""
    with Vitess() as running:
        running.heartbeat_scale = 0.002
        running.batch_rows = 3
        for name in ("a", "b"):
            running.create_table(name, {"id": "bigint", "name": "varchar(20)"}, key=["id"])
        yield running


@pytest.fixture
def after_first_current(monkeypatch: pytest.MonkeyPatch) -> AfterFirstCurrent:
    """Has something happen when the sync knows its end position, and before it streams."""
    real = LiveVitess.current

    def plan(action: Callable[[], object]) -> None:
        planned = [action]

        def current(live: LiveVitess) -> Vgtid:
            position = real(live)
            if planned:
                planned.pop()()
            return position

        monkeypatch.setattr(LiveVitess, "current", current)

    return plan
