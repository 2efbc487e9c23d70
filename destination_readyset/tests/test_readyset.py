"""A running ReadySet, played by a MySQL protocol server: tables that come online, caches that are made again."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from instruments.scripted_vtgate.mysql_server import Answering, MysqlStatusError, Result, Statement, VtgateMysqlServer
from pymysql.constants import ER

from destination_readyset import readyset
from destination_readyset.config import Address
from destination_readyset.destination import DestinationReadyset
from destination_readyset.readyset import CacheKeeper
from tests.served import SCHEMA, Served, catalog, record, state, stream

CACHE = "CREATE CACHE by_id FROM SELECT name FROM customers WHERE id = ?"


class FakeReadyset(Answering):  # type: ignore[misc] # checked where it is
    """Answers what the destination asks a ReadySet.

    Attributes:
        tables: Rows of SHOW READYSET TABLES, one answer after the other; the last one stays.
        failures: How many of the next CREATE CACHE statements fail.
        created: The CREATE CACHE statements that succeeded.
    """

    def __init__(self) -> None:
        self.tables: list[list[tuple[str, str, str]]] = [[]]
        self.failures = 0
        self.created: list[str] = []

    def check_target(self, target: str) -> None:
        """Takes any."""

    def query(self, statement: Statement) -> Result:
        """Answers a statement."""
        words = statement.sql.upper().split()
        if words[:3] == ["SHOW", "READYSET", "TABLES"]:
            rows = self.tables.pop(0) if len(self.tables) > 1 else self.tables[0]
            return rows, ["table", "status", "description"]
        if words[:2] == ["SHOW", "READYSET"]:
            return [("ReadySet version", "stable-241212")], ["name", "value"]
        if "CACHE" not in words:
            return [], []  # the client's own settings
        if self.failures:
            self.failures -= 1
            raise MysqlStatusError(ER.UNKNOWN_ERROR, "The table is being snapshotted")
        self.created.append(statement.sql)
        return [], []


@pytest.fixture
def fake() -> FakeReadyset:
    """What answers."""
    return FakeReadyset()


@pytest.fixture
def address(fake: FakeReadyset) -> Iterator[Address]:
    """Where it answers."""
    server = VtgateMysqlServer(fake)
    server.start()
    yield Address("127.0.0.1", server.port, "app", tls="disabled")
    server.stop()


@pytest.fixture
def with_readyset(served: Served, address: Address, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The destination with that ReadySet and a cache, in a hurry."""
    monkeypatch.setattr("destination_readyset.destination.AFTER_CHANGE", (0.0, 0.01))
    monkeypatch.setattr(readyset, "_PAUSE", 0.01)
    monkeypatch.setattr("destination_readyset.check._ONLINE_SECONDS", 0.1)
    served.config["readyset"] = {
        "host": address.host,
        "port": address.port,
        "username": "app",
        "tls": "disabled",
        "caches": [CACHE],
    }
    return served


def test_a_cache_is_tried_until_it_succeeds(fake: FakeReadyset, address: Address) -> None:
    """A statement that fails while ReadySet takes a snapshot is tried again."""
    fake.failures = 3
    logs: list[tuple[str, str]] = []
    keeper = CacheKeeper(address, [CACHE], lambda level, text: logs.append((level, text)), pause=0.01)

    keeper.start([0.0])
    keeper.wait()

    assert fake.created == [CACHE]
    assert logs == [("INFO", "1 caches are applied in ReadySet.")]


def test_patience_ends(fake: FakeReadyset, address: Address) -> None:
    """A statement that never succeeds is a warning with ReadySet's reason; the others are made."""
    fake.failures = 10**6
    logs: list[tuple[str, str]] = []
    keeper = CacheKeeper(address, [CACHE], lambda level, text: logs.append((level, text)), patience=0.05, pause=0.01)

    keeper.start([0.0])
    keeper.wait()

    assert fake.created == []
    assert [level for level, _ in logs] == ["WARN"]
    assert "being snapshotted" in logs[0][1]


def test_caches_are_made_again_after_an_alter(with_readyset: Served, fake: FakeReadyset) -> None:
    """Once for a sync without changes of tables, and repeatedly after one: ReadySet drops a changed table's caches."""
    with_readyset.write(catalog(), [record({"id": 1}), state(1)])
    made = len(fake.created)
    with_readyset.write(catalog(), [record({"id": 2}), state(2)])
    unchanged = len(fake.created) - made
    with_readyset.write(catalog(stream(schema={**SCHEMA, "more": {"type": "integer"}})), [record({"id": 3}), state(3)])

    assert (made, unchanged, len(fake.created) - made - unchanged) == (2, 1, 2)


def test_a_sync_goes_on_without_readyset(with_readyset: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ReadySet that is away does not hold up its data."""
    monkeypatch.setattr(CacheKeeper.__init__, "__kwdefaults__", {"patience": 0.05, "pause": 0.01})
    with_readyset.config["readyset"]["port"] = 1

    with_readyset.write(catalog(), [record({"id": 1}), state(1)])

    assert with_readyset.rows() == [(1, None)]
    assert "CREATE CACHE statements failed" in with_readyset.logs


def _check(served: Served) -> tuple[str, str]:
    answer = DestinationReadyset().check(logging.getLogger("airbyte.tests"), served.config)
    return answer.status.value, answer.message or ""


def test_check_waits_for_tables(with_readyset: Served, fake: FakeReadyset) -> None:
    """Tables that come online are awaited; one that does not is named with what ReadySet reports."""
    with_readyset.write(catalog(), [record({"id": 1}), state(1)])
    fake.tables = [[("`shop`.`customers`", "Snapshotting", "")], [("`shop`.`customers`", "Online", "")]]
    assert _check(with_readyset) == ("SUCCEEDED", "")

    fake.tables = [[("`shop`.`customers`", "Not Replicated", "unsupported type")]]
    status, message = _check(with_readyset)
    assert status == "FAILED"
    assert "shop.customers: Not Replicated unsupported type" in message

    fake.tables = [[]]
    assert "shop.customers: not replicated" in _check(with_readyset)[1]
