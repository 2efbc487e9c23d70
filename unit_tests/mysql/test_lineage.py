"""What the tablets of a shard have executed and purged, asked through VTGate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, TransientError
from source_vitess.mysql.lineage import read_shard_gtids
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Tablet, Topology, read_topology
from source_vitess.settings.config import Config

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
    """While there is no primary, nobody knows what is the shard's own."""
    vitess.set_tablet_types("80-", "REPLICA")

    with pytest.raises(TransientError):
        read_shard_gtids(session, read_topology(session, "commerce"), "80-", "REPLICA")


class Answering:
    """A session whose targets are answered by servers in turns, as a VTGate chooses a tablet."""

    is_open = True

    def __init__(self, *servers: str) -> None:
        self.servers = servers
        self.targets: list[str] = []

    def use(self, target: str) -> None:
        """Accepts every target."""
        self.targets.append(target)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Answers as one of the servers."""
        if self.targets[-1].endswith("@primary"):
            return [(P, f"{P}:1-9")]
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
    """If always the same one answers, the other is in another cell, and no stream would be read from it either."""
    asked = Answering(A)

    found = read_shard_gtids(asked, topology("22.0.0", ["zone1-1", "zone1-2"]), "0", "REPLICA")  # type: ignore[arg-type]

    assert found.all_asked
    assert len(found.tablets) == 1
    assert len(asked.targets) == 21


def test_the_only_replica_is_asked_by_its_name() -> None:
    """A second one that starts in this moment does not answer in its place."""
    asked = Answering(A)

    read_shard_gtids(asked, topology("24.0.0", ["zone1-1"]), "0", "REPLICA")  # type: ignore[arg-type]

    assert asked.targets == ["ks:0@replica|zone1-1", "ks:0@primary"]


def test_a_replica_that_hangs() -> None:
    """The others are asked all the same, and that one was not is reported: it may have what they lack."""

    class Hanging(Answering):
        """A session of which one tablet does not answer."""

        def query(self, sql: str) -> list[tuple[Any, ...]]:
            """Answers, but for one tablet."""
            if self.targets[-1].endswith("zone1-1"):
                raise TransientError("no answer")
            return super().query(sql)

    found = read_shard_gtids(Hanging(A), topology("24.0.0", ["zone1-1", "zone1-2"]), "0", "REPLICA")  # type: ignore[arg-type]

    assert not found.all_asked
    assert len(found.tablets) == 1


def test_tablets_of_one_server() -> None:
    """The tablets of vtcombo have no host: one question answers for all."""
    asked = Answering(A)
    tablets = tuple(Tablet("0", "REPLICA", "test", serving=True, alias=f"test-{n}") for n in (1, 2))

    found = read_shard_gtids(asked, Topology("ks", ("0",), tablets, "24.0.0"), "0", "REPLICA")  # type: ignore[arg-type]

    assert found.all_asked
    assert len(asked.targets) == 2


def test_a_primary_that_is_not_seen() -> None:
    """A VTGate that does not watch the primary's cell: the message names what to do."""

    class Blind(Answering):
        """A session without a primary."""

        is_open = True

        def use(self, target: str) -> None:
            """Refuses the primary."""
            if target.endswith("@primary"):
                raise TransientError("no healthy tablet")
            super().use(target)

    with pytest.raises(TransientError, match="--cells-to-watch"):
        read_shard_gtids(Blind(A), topology("24.0.0", ["zone1-1"]), "0", "REPLICA")  # type: ignore[arg-type]


def test_tagged_gtids() -> None:
    """Vitess cannot stream from a server that has any, and the message names that."""
    asked = Answering(f"{A}:1,{P}:foo:3")

    with pytest.raises(ConfigError, match="tagged GTID"):
        read_shard_gtids(asked, topology("24.0.0", ["zone1-1"]), "0", "REPLICA")  # type: ignore[arg-type]
