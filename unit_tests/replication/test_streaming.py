"""Changes that are read as they happen, for a time after everything has been caught up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from source_vitess.commands import Commands
from source_vitess.errors import ConfigError, TransientError
from source_vitess.keyspace import LiveVitess
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication import change_stream
from unit_tests.replication.conftest import Settings
from unit_tests.syncing import Syncs, cut_again_and_again, is_commit, is_row, rows, streamed, table_state

#: What a test does with each message; it returns True when it has seen enough.
React = Callable[[dict[str, Any]], object]

MINUTES = 30


class StandingClock:
    """The sync's clock, which moves only when a test says so."""

    def __init__(self) -> None:
        # Whole seconds: adding to a fraction may be inexact, and then sixty seconds later is less than a minute later.
        self.seconds = float(round(time.monotonic()))

    def skip(self, seconds: float) -> None:
        """Lets time go by."""
        self.seconds += seconds

    def end(self) -> None:
        """Lets the time for streaming go by."""
        self.skip(MINUTES * 60)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StandingClock:
    """Has time stand still."""
    standing = StandingClock()
    monkeypatch.setattr(SystemClock, "monotonic", lambda _: standing.seconds)
    return standing


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[Commands]:
    """Those that tests make, to stop them."""
    made: list[Commands] = []
    real = Commands.__init__

    def init(one: Commands) -> None:
        real(one)
        made.append(one)

    monkeypatch.setattr(Commands, "__init__", init)
    return made


@pytest.fixture
def syncs(vitess: Vitess) -> Syncs:
    """Tables `a` and `b` with rows, to be copied and then streamed."""
    vitess.insert("a", *rows(6))
    vitess.insert("b", *rows(4))
    return Syncs(vitess, keep_streaming_minutes=MINUTES)


def read(syncs: Syncs, react: React) -> Iterator[dict[str, Any]]:
    """Runs a sync to its end, letting a test act on each message once it is caught up; yields those messages."""
    caught_up = False
    for line in syncs.lines():
        message = orjson.loads(line)
        syncs.store.apply([line])
        if caught_up or says_caught_up(message):
            caught_up = True
            yield message
            react(message)


def says_caught_up(message: dict[str, Any]) -> bool:
    """Tells the line after which changes are read as they happen."""
    return "as they happen" in message.get("log", {}).get("message", "")


def kinds(messages: list[dict[str, Any]]) -> str:
    """Returns the messages' first letters: Record, State, Trace, Log."""
    return "".join(message["type"][0] for message in messages)


def test_each_burst_is_followed_by_a_state(vitess: Vitess, syncs: Syncs, clock: StandingClock) -> None:
    """Records come as they are written, a state with each burst, and at the end of the time the sync is complete."""
    bursts: list[Callable[[], object]] = [
        lambda: vitess.insert("a", *rows(1, 50)),
        lambda: vitess.delete("a", {"id": 1}),
    ]

    def react(message: dict[str, Any]) -> None:
        if message["type"] == "RECORD":
            clock.skip(1)
        elif says_caught_up(message) or message["type"] == "STATE":
            if bursts:
                bursts.pop(0)()
            else:
                clock.end()

    messages = list(read(syncs, react))

    assert kinds(messages) == "LRSRS" + "LS" + "TT"
    syncs.expect_equal()
    assert set(syncs.store.statuses.values()) == {"COMPLETE"}


def test_a_busy_keyspace_has_no_state_for_each_transaction(vitess: Vitess, syncs: Syncs, clock: StandingClock) -> None:
    """A hundred transactions within a second: their records at once, one state for all of them a second later."""
    seen = []

    def react(message: dict[str, Any]) -> None:
        if says_caught_up(message):
            for number in range(100):
                vitess.insert("a", {"id": 100 + number})
        elif message["type"] == "RECORD":
            seen.append(1)
            if len(seen) == 100:
                clock.skip(1)
        elif message["type"] == "STATE":
            clock.end()

    messages = list(read(syncs, react))

    assert kinds(messages) == "L" + "R" * 100 + "S" + "LS" + "TT"
    syncs.expect_equal()


def test_changes_back_to_back_have_a_state_each(vitess: Vitess, syncs: Syncs, clock: StandingClock) -> None:
    """Who writes a change when the last one can be read waits for none of them until a heartbeat comes."""
    left = 40

    def react(message: dict[str, Any]) -> None:
        nonlocal left
        if message["type"] == "RECORD":
            clock.skip(0.03)
        elif says_caught_up(message) or message["type"] == "STATE":
            left -= 1
            if left >= 0:
                vitess.insert("a", {"id": 100 + left})
            else:
                clock.end()

    messages = list(read(syncs, react))

    assert kinds(messages) == "L" + "RS" * 40 + "LS" + "TT"


def test_states_of_many_small_transactions_are_bounded(vitess: Vitess, syncs: Syncs, clock: StandingClock) -> None:
    """A thousand transactions a second have some fifty states, and a few more at their beginning."""
    seen = 0

    def react(message: dict[str, Any]) -> None:
        nonlocal seen
        if says_caught_up(message):
            for number in range(1000):
                vitess.insert("a", {"id": 100 + number})
        elif message["type"] == "RECORD":
            seen += 1
            clock.skip(0.001)
            if seen == 1000:
                clock.end()

    messages = list(read(syncs, react))

    assert 50 <= kinds(messages).count("S") <= 65


def test_states_of_a_heavy_load_are_a_quarter_of_a_second_apart(
    vitess: Vitess, syncs: Syncs, clock: StandingClock
) -> None:
    """Of transactions of a thousand rows, twenty of which come in a second, not each has a commit of its own."""
    seen = 0

    def react(message: dict[str, Any]) -> None:
        nonlocal seen
        if says_caught_up(message):
            for number in range(20):
                vitess.insert("a", *rows(1000, 100 + 1000 * number))
        elif message["type"] == "RECORD":
            seen += 1
            if seen % 1000 == 0:
                clock.skip(0.05)
            if seen == 20_000:
                clock.end()

    messages = list(read(syncs, react))

    assert kinds(messages).count("S") <= 8


def test_the_last_of_a_burst_waits_for_no_other_change(vitess: Vitess, syncs: Syncs, clock: StandingClock) -> None:
    """A transaction right after a state, and then nothing: a heartbeat brings its state."""

    def react(message: dict[str, Any]) -> None:
        if says_caught_up(message):
            vitess.insert("a", {"id": 100}, shard="-80")
            vitess.insert("a", {"id": 101}, shard="-80")
        elif message["type"] == "RECORD" and message["record"]["data"]["id"] == 100:
            clock.skip(1)
        elif message["type"] == "RECORD":
            threading.Timer(0.1, clock.skip, [1]).start()
        elif message["type"] == "STATE" and len(syncs.store.tables["a"]) == 8:
            clock.end()

    messages = list(read(syncs, react))

    assert kinds(messages) == "LRSRS" + "LS" + "TT"
    syncs.expect_equal()


def test_an_idle_keyspace_has_a_state_now_and_then(syncs: Syncs, clock: StandingClock) -> None:
    """Nothing happens: states at the usual interval, as signs of life, and no record."""
    states = []

    def react(message: dict[str, Any]) -> None:
        if says_caught_up(message) or message["type"] == "STATE":
            states.append(1)
            clock.skip(60 if len(states) < 4 else MINUTES * 60)

    messages = list(read(syncs, react))

    assert kinds(messages) == "L" + "SSS" + "S" * (len(messages) - 8) + "LS" + "TT"
    syncs.expect_equal()


@pytest.mark.parametrize("how", ["cut", "eof"])
def test_it_goes_on_after_a_break(vitess: Vitess, syncs: Syncs, clock: StandingClock, how: str) -> None:
    """The stream breaks off between and within transactions, again and again: nothing is missing, nothing fails."""
    vitess.rows_per_event = 1
    vitess.events_per_response = 1
    numbers = iter(range(8))

    def write() -> None:
        number = next(numbers, None)
        if number is None:
            clock.end()
            return
        when = is_row if number % 2 else is_commit
        if how == "cut":
            vitess.faults.cut_after(when)
        else:
            vitess.faults.eof_after(when)
        vitess.insert("a", *rows(3, 100 + 10 * number), shard="-80")

    def react(message: dict[str, Any]) -> None:
        if message["type"] == "RECORD":
            clock.skip(1)
        elif message["type"] == "STATE" or says_caught_up(message):
            write()

    list(read(syncs, react))

    syncs.expect_equal()
    assert set(syncs.store.statuses.values()) == {"COMPLETE"}


def test_a_stream_that_breaks_for_ever(vitess: Vitess, syncs: Syncs, waits: list[float]) -> None:
    """Six tries without getting anywhere, then a transient error and a state to go on from: no endless loop."""

    def react(message: dict[str, Any]) -> None:
        if says_caught_up(message):
            vitess.insert("a", *rows(3, 50), shard="-80")
            cut_again_and_again(vitess, 20, is_row)

    with pytest.raises(TransientError):
        list(read(syncs, react))

    assert waits == [0.5, 1, 2, 4, 8, 16]
    assert set(syncs.store.statuses.values()) == {"INCOMPLETE"}
    vitess.faults = type(vitess.faults)()
    syncs.connector = syncs.connector.with_config(keep_streaming_minutes=0)
    assert syncs.run() is None
    syncs.expect_equal()


def test_a_shard_that_is_stuck_is_noticed(
    vitess: Vitess, syncs: Syncs, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard sends nothing though it has changes, while the other one is busy: an error with advice, in the end."""
    settings(streaming_seconds=3600, no_progress_seconds=0.2, retries=0)
    monkeypatch.setattr(change_stream, "STREAMING_TARGET_SECONDS", 0.05)
    numbers = iter(range(100, 100_000))
    real = LiveVitess.current

    def stuck(live: LiveVitess) -> Vgtid:
        position = real(live)
        unseen = f"{position.shards['80-']},ffffffff-ffff-ffff-ffff-ffffffffffff:1-5"
        return Vgtid(position.keyspace, {**position.shards, "80-": unseen})

    def react(message: dict[str, Any]) -> None:
        if says_caught_up(message):
            monkeypatch.setattr(LiveVitess, "current", stuck)
        vitess.insert("a", {"id": next(numbers)}, shard="-80")

    with pytest.raises(TransientError, match="--grpc-max-message-size"):
        list(read(syncs, react))


def test_a_reshard_is_followed(vitess: Vitess, syncs: Syncs, clock: StandingClock) -> None:
    """A shard is split while changes are read as they happen: the new shards are followed."""

    def react(message: dict[str, Any]) -> None:
        if says_caught_up(message):
            vitess.reshard(["80-"], ["80-c0", "c0-"])
            vitess.insert("a", *rows(9, 300))
        elif message["type"] == "RECORD":
            clock.skip(1)
        elif message["type"] == "STATE" and len(syncs.store.tables["a"]) == 15:
            clock.end()

    list(read(syncs, react))

    syncs.expect_equal()
    assert len(streamed(vitess)) == 3
    shards = syncs.store.states[-1]["global"]["shared_state"]["vgtid"]
    assert [entry["shard"] for entry in shards] == ["-80", "80-c0", "c0-"]


def test_a_stream_that_fails_leaves_the_others(vitess: Vitess, syncs: Syncs, clock: StandingClock) -> None:
    """A table is emptied meanwhile: told at once, and the other one is streamed on to the end."""

    def react(message: dict[str, Any]) -> None:
        if says_caught_up(message):
            vitess.truncate("a")
        elif message.get("trace", {}).get("type") == "ERROR":
            vitess.insert("b", *rows(3, 50))
        elif message["type"] == "RECORD":
            clock.skip(1)
        elif message["type"] == "STATE" and len(syncs.store.tables["b"]) == 7:
            clock.end()
        elif message["type"] == "STATE":
            told.append(table_state(message["state"], "a") or {})

    told: list[dict[str, Any]] = []
    with pytest.raises(ConfigError):
        list(read(syncs, react))

    # Whoever can refresh a stream need not wait for the next state of the usual interval.
    assert "refresh_needed" in told[0]
    assert syncs.store.statuses == {"a": "INCOMPLETE", "b": "COMPLETE"}
    assert "refresh_needed" in (table_state(syncs.store.states[-1], "a") or {})
    syncs.expect_equal("b")


def test_stop_is_no_failure(vitess: Vitess, syncs: Syncs, commands: list[Commands]) -> None:
    """`stop` while nothing happens: a state, and every stream complete, since all of them were caught up."""

    def react(message: dict[str, Any]) -> None:
        if says_caught_up(message):
            vitess.insert("a", *rows(3, 50))
        elif message["type"] == "STATE" and len(syncs.store.tables["a"]) == 9:
            commands[-1].stop()

    messages = list(read(syncs, react))

    assert kinds(messages).endswith("LSTT")
    assert set(syncs.store.statuses.values()) == {"COMPLETE"}
    syncs.expect_equal()


def test_nothing_to_follow(vitess: Vitess, clock: StandingClock) -> None:
    """Full refreshes only: there are no changes to wait for, and the sync ends."""
    vitess.insert("a", *rows(6))
    syncs = Syncs(vitess, "a", mode="full_refresh", keep_streaming_minutes=MINUTES)

    list(read(syncs, lambda _: None))

    syncs.expect_equal()
    assert set(syncs.store.statuses.values()) == {"COMPLETE"}
    assert clock.seconds < time.monotonic() + 1
