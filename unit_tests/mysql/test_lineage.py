"""What the tablets of a shard have executed and purged, asked through VTGate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from source_vitess.config import Config
from source_vitess.errors import ConfigError, TransientError
from source_vitess.mysql.lineage import read_shard_gtids
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Tablet, Topology, read_topology
from unit_tests.scripted_vtgate.vitess import Vitess

P = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def session(vitess: Vitess) -> Iterator[VtgateSession]:
    """A session with a keyspace that has a table with a few transactions."""
    vitess.create_table("t", {"id": "bigint"}, key=("id",))
    for number in range(8):
        vitess.insert("t", {"id": number})
    with VtgateSession.connect(Config.from_json({"url": vitess.url})) as opened:
        yield opened


def test_a_replica_that_is_behind(vitess: Vitess, session: VtgateSession) -> None:
    """The lineage is the primary's, whatever tablets are streamed from."""
    vitess.set_replica_lag("-80", 3)
    topology = read_topology(session, "commerce")

    found = read_shard_gtids(session, topology, "-80", "REPLICA")

    [replica] = found.tablets
    assert len(found.lineage - replica.executed) == 3
    assert found.all_asked
    assert not found.errant


def test_without_a_primary(vitess: Vitess, session: VtgateSession) -> None:
    """While there is no primary, nobody can tell what is the shard's own."""
    vitess.set_tablet_types("80-", "REPLICA")

    with pytest.raises(TransientError):
        read_shard_gtids(session, read_topology(session, "commerce"), "80-", "REPLICA")


class Answering:
    """A session whose targets are answered by servers in turns, as a VTGate chooses a tablet."""

    def __init__(self, *servers: str) -> None:
        self.servers = servers
        self.targets: list[str] = []

    def use(self, target: str) -> None:
        """Accepts every target."""
        self.targets.append(target)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Answers as one of the servers."""
        if "server_uuid" not in sql:
            return [(f"{P}:1-9",)]
        server = self.servers[len(self.targets) % len(self.servers)]
        return [(server, f"{P}:1-9,\n{server}:1", "")]


def topology(version: str, tablets: Sequence[str]) -> Topology:
    """Returns a shard with some replicas."""
    return Topology(
        "ks",
        ("0",),
        tuple(Tablet("0", "REPLICA", "zone1", serving=True, hostname="h", alias=alias) for alias in tablets),
        version,
    )


A, B = (f"{digit * 8}-{digit * 4}-{digit * 4}-{digit * 4}-{digit * 12}" for digit in "ab")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("24.0.0", ["ks:0@replica|zone1-1", "ks:0@replica|zone1-2", "ks:0@primary"]),
        ("23.0.3", ["ks:0@replica", "ks:0@replica", "ks:0@primary"]),
    ],
)
def test_every_replica_is_asked(version: str, expected: list[str]) -> None:
    """By its name where a target can have one, else until each has answered; the primary comes last."""
    asked = Answering(A, B)

    found = read_shard_gtids(asked, topology(version, ["zone1-1", "zone1-2"]), "0", "REPLICA")  # type: ignore[arg-type]

    assert asked.targets == expected
    assert found.all_asked
    assert str(found.errant) == f"{A}:1,{B}:1"


def test_a_replica_that_never_answers() -> None:
    """If always the same one answers, that is told: it says nothing of the other."""
    asked = Answering(A)

    found = read_shard_gtids(asked, topology("22.0.0", ["zone1-1", "zone1-2"]), "0", "REPLICA")  # type: ignore[arg-type]

    assert not found.all_asked
    assert len(found.tablets) == 1


def test_tagged_gtids() -> None:
    """Vitess cannot stream from a server that has any, and the message says so."""
    asked = Answering(f"{A}:1,{P}:foo:3")

    with pytest.raises(ConfigError, match="tagged GTID"):
        read_shard_gtids(asked, topology("24.0.0", ["zone1-1"]), "0", "REPLICA")  # type: ignore[arg-type]
