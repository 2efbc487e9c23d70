"""Spark's protocol in small on a Vitess in memory, with all that can happen to one: at random."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from instruments.scripted_vtgate.model.database import WritesStoppedError
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock

from tests.engine import Engine, KilledError

ROUNDS = 6

SPLITS = {("-80",): ("-40", "40-80"), ("-40", "40-80"): ("-80",)}


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes retries follow at once."""
    monkeypatch.setattr(SystemClock, "wait", lambda _, __: None)


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A Vitess in memory with tables `a` and `b`; heartbeats come after 10 ms."""
    with Vitess() as running:
        running.heartbeat_scale = 0.002
        running.batch_rows = 3
        for table in ("a", "b"):
            running.create_table(table, {"id": "bigint", "name": "varchar(20)"}, key=["id"])
        yield running


class Disturber:
    """Writes, and does to a Vitess what operators and machines do.

    Args:
        vitess: The Vitess.
        chance: Everything that is random.
    """

    def __init__(self, vitess: Vitess, chance: random.Random) -> None:
        self._vitess = vitess
        self._chance = chance
        self._next = 1

    def write(self, count: int) -> None:
        """Writes so many transactions."""
        vitess, chance = self._vitess, self._chance
        for _ in range(count):
            table = chance.choice(["a", "b"])
            ids = [int(str(row["id"])) for row in vitess.rows(table)]
            kind = chance.choice(["insert", "insert", "update", "delete", "move"]) if ids else "insert"
            try:
                if kind == "insert":
                    rows = [{"id": self._next + index, "name": f"n{index}"} for index in range(chance.randint(1, 4))]
                    self._next += len(rows)
                    vitess.insert(table, *rows)
                elif kind == "update":
                    vitess.update(table, {"id": chance.choice(ids)}, {"name": f"u{chance.randint(1, 999)}"})
                elif kind == "delete":
                    vitess.delete(table, {"id": chance.choice(ids)})
                else:
                    vitess.update(table, {"id": chance.choice(ids)}, {"id": self._next})
                    self._next += 1
            except WritesStoppedError:
                return

    def disturb(self) -> str:
        """Does something; returns what."""
        vitess, chance = self._vitess, self._chance
        what = chance.choice(["restart", "cut", "fail over", "reshard", "lag", "start MySQL", "nothing"])
        serving = {shard.name for shard in vitess.serving}
        if what == "restart":
            vitess.faults.restart_after(chance.randint(4, 40))
        elif what == "cut":
            vitess.faults.cut_after(chance.randint(1, 40))
        elif what == "fail over":
            shard = vitess.shards[chance.choice(sorted(serving))]
            replicas = [tablet for tablet in shard.tablets if tablet.tablet_type == "REPLICA"]
            shard.replicate()
            vitess.promote(shard.name, chance.choice(replicas), dead=False)
        elif what == "reshard":
            for old, new in SPLITS.items():
                if serving >= set(old):
                    vitess.reshard(old, new)
                    break
        elif what == "start MySQL":
            for shard in vitess.serving:
                for tablet in shard.tablets:
                    tablet.data.start_again(vitess.clock)
                    tablet.restarts += 1
        elif what == "lag":
            for shard in vitess.serving:
                for tablet in shard.tablets:
                    tablet.follows = tablet.tablet_type == "PRIMARY" or chance.random() < 0.5
        return what

    def peace(self) -> None:
        """Ends what can be ended."""
        for shard in self._vitess.shards.values():
            for tablet in shard.tablets:
                tablet.follows = True
            shard.replicate()
        self._vitess.notify()


@pytest.mark.timeout(280)
@pytest.mark.parametrize("tablet_type", ["PRIMARY", "REPLICA"])
@pytest.mark.parametrize("read", [{"table": "a"}, {"tables": "a,b"}], ids=["table", "tables"])
def test_whatever_happens_the_sink_is_equal(vitess: Vitess, seed: int, tablet_type: str, read: dict[str, str]) -> None:
    """Kills, repeated tasks, limits, reshards there and back, failovers, replicas that lag: after each peace, equal."""
    chance = random.Random(f"{seed} {tablet_type} {read}")
    vitess.make_uneven("PRIMARY", "REPLICA", "REPLICA")
    disturber = Disturber(vitess, chance)
    disturber.write(20)
    options = {"url": vitess.url, **read, "tablet_type": tablet_type, "no_progress_timeout_seconds": "10"}
    engine = Engine(options, chance)
    happened = []
    rounds = 0
    # By chance a few have too few kills.
    while rounds < ROUNDS or engine.counts["kills"] <= 5:
        rounds += 1
        assert rounds <= 3 * ROUNDS
        engine.options = options | (
            {"maxTransactionsPerShard": str(chance.randint(1, 9))} if chance.random() < 0.5 else {}
        )
        engine.death = 0.15
        for _ in range(chance.randint(1, 3)):
            happened.append(disturber.disturb())
            disturber.write(chance.randint(1, 8))
            disturber.peace()
            try:
                engine.run(available_now=chance.random() < 0.3, batches=chance.randint(1, 4))
            except KilledError:
                continue
        engine.run_to_the_end()
        engine.expect_equal(
            {(table, f'{{"id":{row["id"]}}}'): dict(row) for table in ("a", "b") for row in vitess.rows(table)}
            if engine.options.get("tables")
            else {(row["id"],): dict(row) for row in vitess.rows("a")}
        )
        engine.expect_growing()
    print(happened, dict(engine.counts))
