"""Who chooses: the steps of a schedule, at every question and message of a sync.

A schedule is a list of small numbers. The first ones set up the cluster (`SETUP`); then each step has four: how many
moments pass before it, its kind, and two numbers that the kind makes use of. A moment is a question to VTGate's MySQL
port, the choice of a tablet, a message of a VStream, a message of the sync, the time that a heartbeat or a wait takes.
So numbers that are left out are moments at which nothing happens, and a shorter schedule is a simpler one.

Tablets are chosen by their rank among those that could answer: the first, until a step changes that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from instruments.model_search.inprocess import Port, VirtualClock
from instruments.model_search.tables import FULL_REFRESH, ROWS, SETS, SHAPES, create
from instruments.scripted_vtgate.model.cluster import Cluster
from instruments.scripted_vtgate.model.database import key_range
from instruments.scripted_vtgate.model.gtids import Gtids, parse_position
from instruments.scripted_vtgate.model.shard import Shard, Tablet
from instruments.scripted_vtgate.model.storage import DdlWritten
from instruments.scripted_vtgate.model.values import Given
from instruments.scripted_vtgate.model.world import World
from instruments.scripted_vtgate.vstream_server import StreamStatusError

#: What the first numbers of a schedule mean, and how many values each has.
SETUP = {
    "tables": len(SETS),
    "shards": 3,
    "replicas": 3,
    "type": 4,
    "rows": 5,
    "batch": 3,
    "checkpoint": 3,
    "held": 2,
    "removed": 3,
    "streaming": 4,
}
#: The shards, and the replicas of each, that these numbers stand for.
_SHARD_NAMES = (("-",), ("-",), ("-80", "80-"))
_REPLICAS = (2, 1, 3)
#: What is streamed from, by these numbers. Beside tablets of type RDONLY there is one REPLICA, which can be promoted.
_TYPES = ("REPLICA", "PRIMARY", "REPLICA", "RDONLY")
#: Seconds for which a sync goes on to read changes as they happen, by these numbers.
_STREAMING = (0, 90, 0, 0)
PER_STEP = 4

#: Reshards in one schedule, and shards in one keyspace.
_RESHARDS, _SHARDS = 3, 4

_PURGED = "binary logs were purged"
_LOST = "a failover lost transactions"
_TAKEN_BACK = "a reshard was taken back that a replica has not heard of"
_ERRANT_GONE = "a tablet with errant transactions is gone"

#: Moments of one schedule, those in peace included, after which it is taken for endless; 400 are many.
MOST_MOMENTS = 10_000


class EndlessError(BaseException):
    """A sync goes round in circles. No part of the connector may catch it."""


class KilledError(BaseException):
    """The process of the sync is killed. No part of the connector may catch it."""


class Adversary(World):
    """Plays a schedule.

    Attributes:
        setup: What there is, by name.
        tables: The tables' letters.
        cluster: The model.
        clock: Time.
        port: The connection of the connector.
        calm: Whether nothing happens any more.
        trace: What was done, for people.
        moments: How many there were.
        steps: How many steps were done, by kind.
        excuses: Why a stream or a sync may report that something was lost, in words.
        unsteady: Whether anything has happened after which records of a table without a key may come twice.
        blind: Whether rows are in the destination that no state knows of, and that a failover took back: nobody can
            know (docs/state.md).
        favourites: By shard, the rank of the tablet that answers.
        turns: Shards whose tablets take turns instead, and how many turns there were.
        copying: Whether the destination's state has a copy that has begun and is not finished.
        switched: The shards that the last reshard switched to.
        to_discover: Whether the user refreshes the source's schema before the next sync.
        to_refresh: Streams that the user refreshes before the next sync, with removal of their records.
        loses_state: Whether the last kill came before the destination had stored the last state, though not the rows
            that came before it.
    """

    def __init__(self, schedule: Sequence[int]) -> None:
        numbers = [*schedule[: len(SETUP)], *[0] * len(SETUP)]
        self.setup = {name: number % values for (name, values), number in zip(SETUP.items(), numbers, strict=False)}
        rest = schedule[len(SETUP) :]
        self._steps = [tuple(rest[at : at + PER_STEP]) for at in range(0, len(rest) - PER_STEP + 1, PER_STEP)]
        self._next = 0
        self._due = self._steps[0][0] if self._steps else -1
        self._acting = False
        self._asked = 0
        self._stands_still = False
        self.favourites: dict[str, int] = {}
        self.turns: dict[str, int] = {}
        self.to_refresh: set[str] = set()
        self.calm = True
        self.trace: list[str] = []
        self.moments = 0
        self.steps: dict[str, int] = {}
        self.excuses: set[str] = set()
        self.unsteady = False
        self.blind = False
        self.loses_state = False
        self._acknowledged: dict[str, Gtids] = {}
        self._sent: list[dict[str, set[str]]] = [{}, {}]
        self._sent_unknown: dict[str, Gtids] = {}
        self._lost: dict[str, Gtids] = {}
        # What was lost already when the last stream of this sync ended.
        self._lost_by_then: dict[str, Gtids] = {}
        self._value = 100
        self.resharding: tuple[tuple[str, ...], int] | None = None
        self.reshards = 0
        self.switched: tuple[str, ...] = ()
        self.to_discover = False
        self.copying = False
        self.altered: set[str] = set()
        self.tables = SETS[self.setup["tables"]]
        self.cluster = Cluster(shards=_SHARD_NAMES[self.setup["shards"]], track_schema_versions=True)
        self.cluster.world = self
        self.cluster.batch_rows = self.setup["batch"] + 1
        create(self.cluster, self.tables)
        replicas = ["REPLICA"] * _REPLICAS[self.setup["replicas"]]
        if self.tablet_type == "RDONLY":
            replicas = ["REPLICA", *["RDONLY"] * len(replicas)]
        self.cluster.make_uneven("PRIMARY", *replicas)
        for name in self.tables:
            for number in range(2 * self.setup["rows"]):
                self.cluster.insert(name, SHAPES[name].row(number, number))
        self.clock = VirtualClock(self.moment)
        self.port = Port(self.cluster, self.clock)
        self.port.closed = self._stream_ends

    @property
    def over(self) -> bool:
        """Whether all steps were taken."""
        return self._next >= len(self._steps)

    @property
    def ignores_removed_rows(self) -> bool:
        """Whether the connector goes on after a statement that removes rows without row events."""
        return self.setup["removed"] == 1

    @property
    def uneven(self) -> bool:
        """Whether a replica may have been behind its primary."""
        return bool({"hold", "stop", "emergency"} & self.steps.keys())

    def standing_still(self) -> dict[str, tuple[str, ...]]:
        """Returns the shards whose replicas have stopped all, and lack something, with what they have."""
        found = {}
        for shard in self.cluster.serving:
            there = [one for one in shard.tablets if one.tablet_type == self.tablet_type != "PRIMARY" and one.running]
            if there and all(tablet.stopped and shard.missing(tablet) for tablet in there):
                found[shard.name] = tuple(f"{tablet.alias} {tablet.data.executed}" for tablet in there)
        return found

    @property
    def tablet_type(self) -> str:
        """What the connector streams from."""
        return _TYPES[self.setup["type"]]

    @property
    def streaming_seconds(self) -> float:
        """For how long changes are read as they happen."""
        return _STREAMING[self.setup["streaming"]]

    # --- what the model asks -----------------------------------------------------------------------------------------

    def pick(self, shard: Shard, candidates: Sequence[Tablet]) -> Tablet:
        """Returns the favourite, or the next one where they take turns."""
        if self._stands_still:
            return candidates[0]
        if shard.name in self.turns:
            self.turns[shard.name] += 1
            return candidates[self.turns[shard.name] % len(candidates)]
        return candidates[self.favourites.get(shard.name, 0) % len(candidates)]

    def wait(self, changed: threading.Condition, ready: Callable[[], bool], seconds: float | None) -> bool:
        """Lets the time of a heartbeat pass, in which something may happen."""
        self.moment("VTGate waits")
        if ready():
            return True
        self.clock.seconds += 5
        return False

    def sent(self, shard: str, gtid: str) -> None:
        """Notes what a client has seen."""
        self._sent[-1].setdefault(shard, set()).add(gtid)

    def moment(self, what: str) -> None:
        """Takes the steps that are due before something.

        Raises:
            EndlessError: The syncs of this schedule go round in circles.
        """
        self._asked += 1
        if self._asked > MOST_MOMENTS:
            raise EndlessError
        if self.calm or self._acting or self._stands_still:
            return
        self.moments += 1
        while self._due == 0:
            self._take(what)
        self._due -= 1

    @contextmanager
    def time_stands_still(self) -> Iterator[None]:
        """Lets questions be asked that are no part of the schedule."""
        self._stands_still = True
        try:
            yield
        finally:
            self._stands_still = False

    def _take(self, what: str) -> None:
        _, kind, a, b = self._steps[self._next]
        self._next += 1
        self._due = self._steps[self._next][0] if self._next < len(self._steps) else -1
        name = NAMES[kind % len(NAMES)]
        if name == "cut" and not what.startswith("VTGate sends"):
            return
        self._acting = True
        try:
            done = KINDS[name].act(self, a, b)
        finally:
            self._acting = False
        if not done:
            return
        self.unsteady |= not KINDS[name].steady
        self.steps[name] = self.steps.get(name, 0) + 1
        self.trace.append(f"  before {what}: {done}")
        if name == "kill":
            raise KilledError
        if name == "cut":
            raise StreamStatusError(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    def make_calm(self) -> None:
        """Mends everything, for good."""
        self.calm = True
        for shard in self.cluster.shards.values():
            for tablet in shard.tablets:
                if tablet.drained:
                    shard.rebuild(tablet, self.cluster.new_uuid())
                tablet.running = tablet.follows = True
                tablet.stopped = False
                tablet.keeps_known = False
                tablet.known.clear()
            shard.replicate()
        if self.resharding is not None and self.resharding[1] == 1:
            self.cluster.switch_routing(self.resharding[0])
        self.cluster.notify()

    # --- what nobody can know ----------------------------------------------------------------------------------------

    def acknowledge(self, positions: Mapping[str, Sequence[str]]) -> None:
        """Notes the positions of a state that the destination has."""
        self._acknowledged = {shard: _union(texts) for shard, texts in positions.items()}
        self._sent = [self._sent[-1], {}]

    def killed(self, positions: Mapping[str, Sequence[str]]) -> None:
        """Notes what the destination has beyond the state from which the next sync starts."""
        self._acknowledged = {shard: _union(texts) for shard, texts in positions.items()}
        for segment in self._sent:
            for shard, texts in segment.items():
                self._sent_unknown[shard] = self._sent_unknown.get(shard, Gtids()).union(_union(texts))
        self._sent = [{}, {}]
        self._see_blind()

    def sync_begins(self) -> None:
        """Forgets the streams of earlier syncs."""
        self._lost_by_then = {}

    def _stream_ends(self) -> None:
        self._lost_by_then = dict(self._lost)

    def known_lost(self, positions: Mapping[str, str]) -> tuple[str, ...]:
        """Returns the shards whose positions hold what was lost before the last stream of this sync ended.

        Whoever asks the primaries afterwards knows of it.
        """
        serving = {shard.name for shard in self.cluster.serving}
        return tuple(
            shard
            for shard, gtid in positions.items()
            if shard in serving and parse_position(gtid).intersection(self._lost_by_then.get(shard, Gtids()))
        )

    def transactions_lost(self, shard: str, lost: Gtids) -> None:
        """Notes what a failover took back."""
        self._lost[shard] = self._lost.get(shard, Gtids()).union(lost)
        self._see_blind()

    def _see_blind(self) -> None:
        for shard, lost in self._lost.items():
            unknown = self._sent_unknown.get(shard, Gtids()).minus(self._acknowledged.get(shard, Gtids()))
            if lost.intersection(unknown):
                self.blind = True

    def new_value(self) -> int:
        """Returns a value that no row has had."""
        self._value += 1
        return self._value


def _union(texts: Sequence[str] | set[str]) -> Gtids:
    union = Gtids()
    for text in texts:
        if text and text != "current":
            union = union.union(parse_position(text))
    return union


# --- the kinds of steps ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A kind of step.

    Attributes:
        weight: How often it is drawn.
        act: Does it; returns what was done, for people, or nothing if it was not possible.
        steady: Whether even records of tables without a key come once.
    """

    weight: int
    act: Callable[[Adversary, int, int], str]
    steady: bool = False


def _shard(adversary: Adversary, number: int) -> Shard:
    shards = sorted(adversary.cluster.shards)
    return adversary.cluster.shards[shards[number % len(shards)]]


def _replica(shard: Shard, number: int) -> Tablet | None:
    there = [one for one in shard.tablets if one.tablet_type != "PRIMARY" and one.running]
    return there[number % len(there)] if there else None


def _promotable(shard: Shard, number: int) -> Tablet | None:
    """Returns a replica that can be the next primary: one of type RDONLY is not made it."""
    there = [one for one in shard.tablets if one.tablet_type == "REPLICA" and one.running]
    return there[number % len(there)] if there else None


def _one_of(adversary: Adversary, number: int, which: Callable[[Shard, Tablet], object]) -> tuple[Shard, Tablet] | None:
    """Returns one of the replicas of all shards for which something holds."""
    there = [
        (shard, tablet)
        for shard in adversary.cluster.shards.values()
        for tablet in shard.tablets
        if tablet.tablet_type != "PRIMARY" and which(shard, tablet)
    ]
    return there[number % len(there)] if there else None


def _write(adversary: Adversary, a: int, b: int) -> str:
    try:
        return _write_one(adversary, a, b)
    except ValueError:
        return ""  # a key is taken, or a reshard lets nobody write


def _write_one(adversary: Adversary, a: int, b: int) -> str:
    cluster = adversary.cluster
    name = adversary.tables[a % len(adversary.tables)]
    way, number = a // len(adversary.tables) % 4, b % ROWS
    shape = SHAPES[name]
    there = shape.keys(number)
    value = adversary.new_value()
    if way == 1:
        return f"delete from {name} row {number}" if cluster.delete(name, there) else ""
    if way == 2:
        return _change_key(adversary, name, number, b // ROWS + 1)
    if shape.identity and cluster.update(name, there, {"v": value}):
        return f"update {name} row {number} (v = {value})"
    cluster.insert(name, shape.row(number, value))
    return f"insert into {name} row {number} (v = {value})"


def _change_key(adversary: Adversary, name: str, number: int, by: int) -> str:
    """Changes a key; the row stays on its shard, as Vitess demands."""
    cluster, shape = adversary.cluster, SHAPES[name]
    other = (number + by) % ROWS
    new: dict[str, Given]
    if name == "p":
        new = {"b": number * 10 + by}
    elif name == "e":
        new = {"size": ("small", "medium", "large")[(number + by) % 3]}
    elif shape.identity:
        new = shape.keys(other)
        table = cluster.tables[name]
        serving = [shard.name for shard in cluster.serving]
        rows = [table.row(shape.row(one, 0)) for one in (number, other)]
        homes = {cluster.home_of(table, row, serving) for row in rows}
        if len(homes) > 1 or cluster.count(name, new):
            return ""
    else:
        return ""
    # What the row is now called is not its number's key any more for p and e: its other columns identify it.
    where = {column: value for column, value in shape.keys(number).items() if column == shape.sharded_by}
    return f"change the key of {name} row {number} to {new}" if cluster.update(name, where, new) else ""


def _write_several(adversary: Adversary, a: int, b: int) -> str:
    if "m" in adversary.tables:
        return ""  # MySQL refuses it with enforce_gtid_consistency, which Vitess sets (errno 1785)
    done: list[str] = []
    try:
        with adversary.cluster.transaction():
            done = [text for text in (_write_one(adversary, a + one, b + one) for one in range(3)) if text]
    except ValueError:
        return ""
    return "in one transaction: " + "; ".join(done) if done else ""


def _touch(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    if not shard.serving:
        return ""
    adversary.cluster.touch(shard.name)
    return f"a transaction that is of no table here in {shard.name}"


def _favour(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    adversary.turns.pop(shard.name, None)
    adversary.favourites[shard.name] = b % 3
    return f"from now on tablet {b % 3} of those that could answers for {shard.name}"


def _take_turns(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    adversary.turns[shard.name] = b
    return f"from now on the tablets of {shard.name} take turns to answer"


def _refresh(adversary: Adversary, a: int, b: int) -> str:
    name = adversary.tables[a % len(adversary.tables)]
    if name == FULL_REFRESH:
        return ""
    adversary.to_refresh.add(name)
    return f"the user refreshes {name}"


def _hold(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    tablet = _replica(shard, b)
    if tablet is None or not tablet.follows:
        return ""
    tablet.follows = False
    return f"{tablet.alias} of {shard.name} stops replicating"


def _stop(adversary: Adversary, a: int, b: int) -> str:
    """Stops the replication of all replicas of a shard: each goes on to serve what it has, and says that it stopped."""
    shard = _shard(adversary, a)
    there = [one for one in shard.tablets if one.tablet_type != "PRIMARY" and one.running]
    if not there or all(tablet.stopped for tablet in there):
        return ""
    for tablet in there:
        tablet.follows, tablet.stopped = False, True
    return f"the replication of {', '.join(one.alias for one in there)} of {shard.name} stops with an error"


def _step(adversary: Adversary, a: int, b: int) -> str:
    found = _one_of(adversary, a, lambda shard, tablet: tablet.running and not tablet.stopped and shard.missing(tablet))
    if found is None:
        return ""
    shard, tablet = found
    shard.catch_up(tablet, 1)
    adversary.cluster.notify()
    return f"{tablet.alias} of {shard.name} replicates one transaction"


def _release(adversary: Adversary, a: int, b: int) -> str:
    found = _one_of(adversary, a, lambda _, tablet: tablet.running and not tablet.follows)
    if found is None:
        return ""
    shard, tablet = found
    tablet.follows, tablet.stopped = True, False
    shard.catch_up(tablet)
    adversary.cluster.notify()
    return f"{tablet.alias} of {shard.name} replicates all it lacks, and goes on to"


def _planned(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    tablet = _promotable(shard, b)
    if tablet is None or not shard.writable:
        return ""
    adversary.cluster.promote(shard.name, tablet, dead=False)
    return f"planned reparent of {shard.name} to {tablet.alias}"


def _emergency(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    tablet = _promotable(shard, b)
    if tablet is None or not shard.writable:
        return ""
    lost = shard.executed.minus(tablet.data.executed)
    if any(isinstance(one, DdlWritten) for transaction in shard.missing(tablet) for one in transaction.written):
        return ""  # the shards would have different schemas from then on
    adversary.cluster.promote(shard.name, tablet, dead=True)
    if not lost:
        return f"the primary of {shard.name} dies, and {tablet.alias} takes over with all it had"
    adversary.excuses.add(_LOST)
    adversary.transactions_lost(shard.name, lost)
    return f"the primary of {shard.name} dies, and {tablet.alias} takes over without {lost}"


def _rebuild(adversary: Adversary, a: int, b: int) -> str:
    found = _one_of(adversary, a, lambda _, tablet: not tablet.running)
    if found is None:
        return ""
    shard, tablet = found
    if tablet.drained:
        shard.rebuild(tablet, adversary.cluster.new_uuid())
        adversary.cluster.notify()
        return f"{tablet.alias} of {shard.name} is made anew from a backup"
    tablet.running = True
    adversary.cluster.notify()
    return f"{tablet.alias} of {shard.name} starts again"


def _errant(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    tablet = _replica(shard, b)
    if tablet is None:
        return ""
    shard.commit_errant(tablet, adversary.cluster.clock)
    adversary.cluster.notify()
    return f"an errant transaction on {tablet.alias} of {shard.name}"


def _down(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    tablet = _replica(shard, b)
    if tablet is None:
        return ""
    tablet.running = False
    tablet.restarts += 1
    if tablet.data.executed.minus(shard.executed):
        adversary.excuses.add(_ERRANT_GONE)  # nothing distinguishes them from transactions that a failover lost
    adversary.cluster.notify()
    return f"{tablet.alias} of {shard.name} stops"


def _reshard(adversary: Adversary, a: int, b: int) -> str:
    cluster = adversary.cluster
    if adversary.resharding is None:
        chosen = _way_back(adversary) if a % 3 == 2 else None
        chosen = chosen or _choose_reshard(adversary, a)
        if chosen is None or adversary.reshards >= _RESHARDS:
            return ""
        old, new = chosen
        cluster.begin_reshard(old, new)
        adversary.resharding = new, 0
        adversary.reshards += 1
        return f"Reshard create: {','.join(old)} to {','.join(new)}"
    new, stage = adversary.resharding
    if not stage:
        cluster.write_journals(new)
        adversary.resharding = new, 1
        return f"SwitchTraffic to {','.join(new)} writes its journals"
    cluster.switch_routing(new, reverse=b % 2 == 1)
    adversary.resharding, adversary.switched = None, new
    return f"SwitchTraffic to {','.join(new)} routes queries there, reverse replication {'on' if b % 2 else 'off'}"


def _way_back(adversary: Adversary) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Returns the last reshard the other way round, if reverse replication has kept the old shards."""
    new, shards = adversary.switched, adversary.cluster.shards
    old = adversary.cluster.follow_in_reverse(new) if new else ()
    if any(shards[name].missing(tablet) for name in old for tablet in shards[name].tablets):
        # From a position before the journal VTGate waits for the other shards, which are behind theirs, for ever.
        adversary.excuses.add(_TAKEN_BACK)
    return (new, old) if old and all(shards[name].serving for name in new) else None


def _choose_reshard(adversary: Adversary, number: int) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Returns the shards to split or merge, and the new ones."""
    cluster = adversary.cluster
    serving = [shard.name for shard in cluster.serving]
    if number % 2 and len(serving) > 1:
        at = number // 2 % (len(serving) - 1)
        begin, end = serving[at].partition("-")[0], serving[at + 1].partition("-")[2]
        merged = f"{begin}-{end}"
        old = serving[at], serving[at + 1]
        return None if merged in cluster.shards else (old, (merged,))
    if len(serving) >= _SHARDS:
        return None
    name = serving[number // 2 % len(serving)]
    low, high = (int.from_bytes(bound.ljust(1, b"\0")[:1], "big") for bound in key_range(name))
    begin, _, end = name.partition("-")
    middle = f"{(low + (high or 256)) // 2:02x}"
    new = (f"{begin}-{middle}", f"{middle}-{end}")
    return None if any(one in cluster.shards for one in new) else ((name,), new)


def _complete(adversary: Adversary, a: int, b: int) -> str:
    ended = [shard.name for shard in adversary.cluster.shards.values() if not shard.serving and not shard.writable]
    if adversary.resharding is not None or not ended:
        return ""
    adversary.cluster.delete_shards(*ended)
    adversary.excuses.add("old shards were deleted")
    return f"Reshard complete: the shards {', '.join(ended)} are deleted"


def _alter(adversary: Adversary, a: int, b: int) -> str:
    cluster = adversary.cluster
    if adversary.resharding is not None:
        return ""
    cluster.stop_reverse_replication()
    name = adversary.tables[a % len(adversary.tables)]
    key = cluster.tables[name].key
    if name == "p":
        cluster.change_key("p", *reversed(key))
        done = f"the primary key of p is {', '.join(reversed(key))} now"
    elif name == "s":
        collation = "utf8mb4_bin" if b % 2 else "utf8mb4_0900_ai_ci"
        cluster.modify_column("s", "k", f"varchar(10) collate {collation} not null")
        done = f"the key of s has the collation {collation} now"
    elif name == "q" and "z_c" not in cluster.tables["q"].unique:
        cluster.add_unique("q", "z_c", "c")
        done = "q has another unique key, on a smaller column"
    elif name == "u" and b % 4 < 2:
        done = _replace_rows(adversary, as_select=b % 4 == 1)
        if not done:
            return ""
    else:
        column = f"x{len(cluster.tables[name].columns)}"
        cluster.add_column(name, column, "int", default=5)
        return f"{name} gets the column {column}, 5 in all rows"
    adversary.excuses.add(f"{name} was altered")
    adversary.altered.add(name)
    return done


def _replace_rows(adversary: Adversary, *, as_select: bool) -> str:
    """Empties u by a statement. For a connector that goes on after it, the rows are deleted one by one before."""
    cluster = adversary.cluster
    if adversary.ignores_removed_rows:
        cluster.delete("u", lambda _: True)
    if not as_select or tuple(cluster.tables["t"].columns) != tuple(cluster.tables["u"].columns):
        cluster.truncate("u")
        return "truncate u"
    cluster.drop_table("u")
    cluster.create_table_as_select("u", "t")
    return "u is dropped, and made of the rows of t (CREATE TABLE … AS SELECT)"


def _discover(adversary: Adversary, a: int, b: int) -> str:
    adversary.to_discover = True
    return "the user refreshes the source's schema"


def _forget_schema(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    tablet = _replica(shard, b)
    if tablet is None:
        return ""
    if tablet.keeps_known:
        tablet.keeps_known = False
        tablet.known.clear()
        return f"{tablet.alias} of {shard.name} reads its schema again"
    tablet.keeps_known = True
    return f"{tablet.alias} of {shard.name} learns late of every DDL that follows"


def _cut(adversary: Adversary, a: int, b: int) -> str:
    return "the stream breaks"


def _restart(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a).name
    opened = [gateway for gateway in adversary.port.gateways if gateway.restart(shard)]
    if not opened:
        return ""
    return f"VTTablet ends the stream of {shard} (MAX_EXECUTION_TIME), and VTGate opens it again"


def _start_again(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    tablet = shard.tablets[b % len(shard.tablets)]
    if not tablet.running:
        return ""
    tablet.data.start_again(adversary.cluster.clock)
    tablet.restarts += 1
    adversary.cluster.notify()
    return f"MySQL of {tablet.alias} of {shard.name} is started again"


def _kill(adversary: Adversary, a: int, b: int) -> str:
    adversary.loses_state = a % 2 == 1
    return "the sync is killed" + (", and its last state is lost with the rows after it" if a % 2 else "")


def _purge(adversary: Adversary, a: int, b: int) -> str:
    shard = _shard(adversary, a)
    shard.purge()
    adversary.excuses.add(_PURGED)
    return f"the binary logs of {shard.name} are purged"


#: The kinds of steps; their order is a part of schedules that were written down.
KINDS = {
    "write": Kind(20, _write, steady=True),
    "touch": Kind(2, _touch, steady=True),
    "favour": Kind(6, _favour, steady=True),
    "hold": Kind(7, _hold, steady=True),
    "step": Kind(4, _step, steady=True),
    "release": Kind(4, _release, steady=True),
    "kill": Kind(4, _kill),
    "cut": Kind(3, _cut),
    "restart": Kind(4, _restart),
    "emergency": Kind(3, _emergency),
    "planned": Kind(2, _planned),
    "rebuild": Kind(3, _rebuild),
    "errant": Kind(2, _errant, steady=True),
    "down": Kind(2, _down),
    "reshard": Kind(7, _reshard),
    "several": Kind(3, _write_several, steady=True),
    "alter": Kind(3, _alter),
    "schema": Kind(2, _forget_schema, steady=True),
    "complete": Kind(1, _complete),
    "purge": Kind(1, _purge),
    "turns": Kind(7, _take_turns, steady=True),
    "refresh": Kind(8, _refresh, steady=True),
    "discover": Kind(3, _discover, steady=True),
    "stop": Kind(2, _stop, steady=True),
    "mysql": Kind(4, _start_again),
}
NAMES = tuple(KINDS)
WEIGHTS = tuple(kind.weight for kind in KINDS.values())
