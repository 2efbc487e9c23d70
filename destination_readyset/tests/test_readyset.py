"""A running ReadySet, played by a scripted one: tables that come online, and caches that are kept deep."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from instruments.scripted_readyset import ScriptedReadyset
from instruments.scripted_vtgate.mysql_server import VtgateMysqlServer
from source_vitess.errors import ConfigError

from destination_readyset import caches, companion, readyset, standstill
from destination_readyset.cache_statement import CacheStatement
from destination_readyset.companion import Companion
from destination_readyset.config import Address
from destination_readyset.destination import DestinationReadyset
from destination_readyset.readyset import Caches, Replication, list_caches, parse_name, read_replication
from destination_readyset.sender import Sender
from destination_readyset.served import Connection, connect, query
from destination_readyset.standstill import StandstillWatch
from tests.readyset_server import in_a_hurry
from tests.served import SCHEMA, Served, catalog, record, state, stream

CACHE = "CREATE DEEP CACHE by_id FROM SELECT name FROM customers WHERE id = ?"
OTHER = "CREATE DEEP CACHE counted FROM SELECT count(*) FROM orders"


@pytest.fixture
def with_readyset(served: Served, address: Address, monkeypatch: pytest.MonkeyPatch) -> Served:
    """The destination with that ReadySet and a cache, in a hurry."""
    monkeypatch.setattr("destination_readyset.destination.AFTER_CHANGE", (0.0, 0.01))
    in_a_hurry(monkeypatch, patience=5.0)
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


class Counted:
    """What was written, as a test counts it.

    Args:
        changes: Returns how many transactions were sent.
        committed: Returns how many of them were committed; None if all were.
    """

    unreplicated: frozenset[str] = frozenset()

    def __init__(self, changes: Callable[[], int], committed: Callable[[], int] | None = None) -> None:
        self._changes = changes
        self._committed = committed or changes

    @property
    def changes(self) -> int:
        """How many were sent."""
        return self._changes()

    @property
    def committed(self) -> int:
        """How many were committed."""
        return self._committed()


class Keeping:
    """What looks after a ReadySet, and what it says.

    Attributes:
        logs: Levels and texts.
        said: Set whenever something is said.
    """

    def __init__(
        self,
        address: Address,
        statements: Sequence[str],
        *,
        patience: float = 5.0,
        watch: float = 60,
        standstill: float = 60,
        answer: float = 60,
        changes: Callable[[], int] = lambda: 0,
        committed: Callable[[], int] | None = None,
    ) -> None:
        self.logs: list[tuple[str, str]] = []
        self.said = threading.Event()
        parsed = [CacheStatement.parse(text) for text in statements]
        self.companion = Companion(
            address,
            parsed,
            self._log,
            Counted(changes, committed),
            patience=patience,
            pause=0.001,
            watch=watch,
            standstill=standstill,
            answer=answer,
        )

    def _log(self, level: str, text: str) -> None:
        self.logs.append((level, text))
        self.said.set()

    def round(self) -> Keeping:
        """Looks at the caches once."""
        self.companion.start([0.0])
        self.companion.wait()
        return self


def test_a_cache_is_tried_until_it_is_deep(fake: ScriptedReadyset, address: Address) -> None:
    """A deep cache that fails while the schema's generation changes is tried again, and never becomes a shallow one."""
    fake.mismatches = 3

    keeping = Keeping(address, [CACHE]).round()

    assert fake.kinds == {"by_id": "deep"}
    assert keeping.logs == [("INFO", "1 deep cache is in ReadySet, made now: by_id.")]


def test_a_plain_statement_makes_a_deep_cache(fake: ScriptedReadyset, address: Address) -> None:
    """ReadySet itself makes a shallow cache of it when the deep one fails, and says that it succeeded."""
    plain = CACHE.replace(" DEEP", "")
    fake.mismatches = 1
    with connect(address, session=False) as connection:
        assert query(connection, plain)[0][-1] == "shallow"
    fake.caches.clear()
    fake.mismatches = 1

    Keeping(address, [plain]).round()

    assert fake.kinds == {"by_id": "deep"}


def test_a_shallow_cache_is_made_deep(fake: ScriptedReadyset, address: Address) -> None:
    """One of the name, or of the query, whose answers are as old as its time to live."""
    with connect(address, session=False) as connection:
        query(connection, CACHE.replace("DEEP", "SHALLOW"))
        query(connection, OTHER.replace("DEEP", "SHALLOW").replace("counted", "of_the_same_query"))
    assert set(fake.kinds.values()) == {"shallow"}

    Keeping(address, [CACHE, OTHER]).round()

    assert fake.kinds == {"by_id": "deep", "counted": "deep"}


def test_an_existing_cache_is_left_as_it_is(fake: ScriptedReadyset, address: Address) -> None:
    """ReadySet would drop it first, and its queries would go to VTGate while it is made again."""
    Keeping(address, [CACHE, OTHER]).round()

    keeping = Keeping(address, [CACHE, OTHER]).round()

    assert fake.created == ["by_id", "counted"]
    assert fake.rebuilt == []
    assert keeping.logs == [("INFO", "2 deep caches are in ReadySet, all there already.")]


def test_only_what_is_lacking_is_made(fake: ScriptedReadyset, address: Address) -> None:
    """After a table was changed, the caches of others are left alone."""
    Keeping(address, [CACHE, OTHER]).round()
    fake.alter("customers")
    assert list(fake.caches) == ["counted"]

    keeping = Keeping(address, [CACHE, OTHER]).round()

    assert fake.created == ["by_id", "counted", "by_id"]
    assert keeping.logs == [("INFO", "2 deep caches are in ReadySet, made now: by_id.")]


def test_a_cache_with_another_query_is_made_anew(fake: ScriptedReadyset, address: Address) -> None:
    """The configuration gives the name to another query now."""
    Keeping(address, [CACHE]).round()

    Keeping(address, [CACHE.replace("name", "id")]).round()

    assert fake.rebuilt == ["by_id"]
    assert fake.caches["by_id"].query == "SELECT id FROM customers WHERE id = ?"


def test_caches_without_a_name_are_known_again(fake: ScriptedReadyset, address: Address) -> None:
    """Of a statement without a name, the name is made from the query."""
    nameless = CACHE.replace(" by_id", "")
    Keeping(address, [nameless]).round()
    Keeping(address, [nameless]).round()

    (name,) = fake.created
    assert name.startswith("airbyte_")
    assert fake.kinds == {name: "deep"}


def test_an_older_release_has_deep_caches_only(fake: ScriptedReadyset, address: Address) -> None:
    """It does not know the word, and lists caches in other columns."""
    fake.typed = False

    Keeping(address, [CACHE]).round()
    Keeping(address, [CACHE]).round()

    assert fake.created == ["by_id"]


def test_patience_ends(fake: ScriptedReadyset, address: Address) -> None:
    """A cache that cannot be made is an error that names it, with ReadySet's reason; the others are made."""
    fake.refused["customers"] = "Unsupported: this query"

    keeping = Keeping(address, [CACHE, OTHER], patience=0.05).round()

    assert fake.kinds == {"counted": "deep"}
    ((level, text),) = keeping.logs
    assert level == "ERROR"
    assert "1 of 2 caches are not deep in ReadySet" in text
    assert "by_id (Unsupported: this query)" in text
    assert "counted" not in text


def test_a_lost_storage_is_noticed(fake: ScriptedReadyset, address: Address) -> None:
    """While a sync goes on, caches that are gone come back; and what has not changed is not said again."""
    keeping = Keeping(address, [CACHE], watch=0.001)
    keeping.companion.start([0.0])
    assert keeping.said.wait(10)
    keeping.said.clear()
    fake.lose_storage()
    assert keeping.said.wait(10)
    keeping.companion.wait()

    assert fake.kinds == {"by_id": "deep"}
    assert [text for _, text in keeping.logs] == ["1 deep cache is in ReadySet, made now: by_id."] * 2


def test_a_snapshot_that_does_not_go_on_is_told(fake: ScriptedReadyset, address: Address) -> None:
    """Deep caches answer without the rows that it lacks: the table is named, once, with what to do."""
    fake.tables = [[("`shop`.`orders`", "Snapshotting", "9.05%"), ("`shop`.`customers`", "Online", "")]]
    keeping = Keeping(address, [CACHE], watch=0.001, standstill=0.0)
    keeping.companion.start([0.0] * 3)
    keeping.companion.wait()

    warnings = [text for level, text in keeping.logs if level == "WARN"]
    assert len(warnings) == 1
    assert "'Snapshotting 9.05%' of the table shop.orders" in warnings[0]
    assert "empty its storage directory" in warnings[0]


def test_a_snapshot_that_goes_on_is_none_of_that(fake: ScriptedReadyset, address: Address) -> None:
    """Each look finds it farther, until it is there."""
    fake.tables = [
        [("`shop`.`orders`", "Snapshotting", "9.05%")],
        [("`shop`.`orders`", "Snapshotting", "9.06%")],
        [("`shop`.`orders`", "Online", "")],
    ]
    keeping = Keeping(address, [CACHE], standstill=1e-9)
    keeping.companion.start([0.0] * 4)
    keeping.companion.wait()

    assert [level for level, _ in keeping.logs] == ["INFO"]


def test_a_place_in_the_binlog_that_stays_is_told(fake: ScriptedReadyset, address: Address) -> None:
    """A replicator that fails at one place for good says nothing of it; its place stays though rows change."""
    fake.offsets = ["binlog.000002:4684"]
    keeping = Keeping(address, [CACHE], patience=0.05, standstill=0.0, changes=itertools.count().__next__)
    keeping.companion.start([0.0] * 4)
    keeping.companion.wait()

    (warning,) = [text for level, text in keeping.logs if level == "WARN"]
    assert "has been at binlog.000002:4684 of the served MySQL's binlog" in warning
    assert "empty its storage directory" in warning


def test_it_is_told_again_of_another_place(fake: ScriptedReadyset, address: Address) -> None:
    """It went on, and stands still once more."""
    fake.offsets = ["binlog.000002:4684"] * 3 + ["binlog.000002:5000"]
    keeping = Keeping(address, [], patience=0.05, standstill=0.0, changes=itertools.count().__next__)
    keeping.companion.start([0.0] * 6)
    keeping.companion.wait()

    assert [text.split()[4] for level, text in keeping.logs if level == "WARN"] == [
        "binlog.000002:4684",
        "binlog.000002:5000",
    ]


def test_a_place_that_moves_with_the_changes_is_none_of_that(fake: ScriptedReadyset, address: Address) -> None:
    """Rows changed before the second look, and the third one finds it farther: the sync's end waits for nothing."""
    fake.offsets = ["binlog.000002:4684", "binlog.000002:4684", "binlog.000002:5000"]
    keeping = Keeping(address, [CACHE], patience=0.05, changes=lambda: len(fake.offsets) < 2)
    keeping.companion.start([0.0] * 3)
    keeping.companion.wait()

    assert [level for level, _ in keeping.logs] == ["INFO"]


def test_a_place_may_stay_without_changes(fake: ScriptedReadyset, address: Address) -> None:
    """For as long as nothing is written."""
    fake.offsets = ["binlog.000002:4684"]
    keeping = Keeping(address, [CACHE], patience=0.05, standstill=0.0, changes=lambda: 7)
    keeping.companion.start([0.0] * 4)
    keeping.companion.wait()

    assert [level for level, _ in keeping.logs] == ["INFO"]


def test_a_place_may_stay_during_a_commit(fake: ScriptedReadyset, address: Address) -> None:
    """MySQL may wait for space on the disk of its binlog: ReadySet cannot see the rows before that is over."""
    fake.offsets = ["binlog.000002:4684"]
    keeping = Keeping(
        address, [CACHE], patience=0.05, standstill=0.0, changes=itertools.count().__next__, committed=lambda: 0
    )
    keeping.companion.start([0.0] * 4)
    keeping.companion.wait()

    assert [level for level, _ in keeping.logs] == ["INFO"]


class _Connection:
    """One that runs nothing; what its sender has counted is kept at each COMMIT."""

    open = False

    def __init__(self) -> None:
        self.counted: list[tuple[int, int]] = []
        self.sender: Sender | None = None

    def query(self, _sql: bytes) -> int:
        """One row is changed."""
        return 1

    def commit(self) -> None:
        """Looks at the sender."""
        assert self.sender is not None
        self.counted.append((self.sender.changes, self.sender.committed))


def test_a_commit_is_counted_before_and_after() -> None:
    """Who sees its rows finds it sent; and it is not done before MySQL says so."""
    connection = _Connection()
    sender = Sender(cast("Connection", connection))
    connection.sender = sender
    for _ in range(2):
        sender.execute(b"INSERT", "customers")
        sender.commit(lambda: None)
    sender.commit(lambda: None)
    sender.finish()

    assert connection.counted == [(1, 0), (2, 1), (2, 2)]
    assert (sender.changes, sender.committed) == (2, 2)


@pytest.mark.parametrize("after", [0, 3])
def test_one_that_hangs_does_not_hold_up_the_end(server: VtgateMysqlServer, address: Address, after: int) -> None:
    """It takes connections and answers nothing, at the first look or at the last one."""
    hung = server.hang_next(after=after)
    keeping = Keeping(address, [CACHE] if after == 0 else [], patience=0.05, answer=0.5)
    keeping.round()

    assert hung.is_set()
    assert [level for level, _ in keeping.logs] == (["ERROR"] if after == 0 else [])


class Looking:
    """A watch over a ReadySet without a server, at moments that the test gives.

    Attributes:
        logs: What was said.
        statuses: Of tables.
        found: The place and the error.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 0.0
        self.logs: list[str] = []
        self.statuses: dict[tuple[str, ...], str] = {}
        self.found = Replication("binlog.000002:4684")
        monkeypatch.setattr(standstill, "list_statuses", lambda _: self.statuses)
        monkeypatch.setattr(standstill, "read_replication", lambda _: self.found)
        monkeypatch.setattr(standstill, "time", SimpleNamespace(monotonic=lambda: self._now))
        counted = Counted(itertools.count().__next__)
        self._watch = StandstillWatch(lambda _, text: self.logs.append(text), counted, seconds=120)

    def at(self, *moments: float) -> list[str]:
        """Looks, and returns what was said until then."""
        for self._now in moments:
            self._watch.look(cast("Connection", None))
        return self.logs


def test_each_place_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that moves now and then, as with large transactions, is never told."""
    looking = Looking(monkeypatch)
    assert looking.at(1000, 1060) == []
    looking.found = Replication("binlog.000002:5000")
    assert looking.at(1120, 1180) == []

    assert "binlog.000002:5000 of the served MySQL's binlog for 120 s" in "".join(looking.at(1240))


@pytest.mark.parametrize("busy", ["Initializing", "Compacting", "Creating index"])
def test_a_table_that_is_busy_for_long_is_told(monkeypatch: pytest.MonkeyPatch, busy: str) -> None:
    """The binlog may wait for it, and there is nothing to see of what else."""
    looking = Looking(monkeypatch)
    looking.statuses = {("shop", "orders"): busy, ("shop", "items"): busy, ("shop", "customers"): "Online"}
    assert looking.at(1000, 1600, 2200, 2780) == []

    assert f"ReadySet has said '{busy}' of the table shop.orders and of 1 more for 1800 s." in "".join(looking.at(2800))
    assert len(looking.at(2860)) == 1
    assert "empty its storage" not in looking.logs[0]


def test_tables_may_wait_for_one_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As those that come later in a long snapshot: nobody is told of each of them."""
    looking = Looking(monkeypatch)
    for number in range(90):
        looking.statuses = {("shop", "orders"): f"Compacting {number}.00%", ("shop", "items"): "Initializing"}
        assert looking.at(60.0 * number) == []


def test_a_snapshot_is_told_of_a_table_that_was_busy_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has waited, which was told, and then breaks off."""
    looking = Looking(monkeypatch)
    looking.statuses = {("shop", "orders"): "Initializing"}
    looking.at(1000, 2800)
    looking.statuses = {("shop", "orders"): "Snapshotting 9.05%"}

    assert "9.05%' of the table shop.orders for 120 s" in looking.at(2860, 2980)[-1]


def test_a_snapshot_is_told_again_after_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repair was done, and its snapshot has broken off as well."""
    looking = Looking(monkeypatch)
    for number in (1, 2):
        looking.statuses = {("shop", "orders"): "Snapshotting 9.05%"}
        assert len(looking.at(1000 * number, 1000 * number + 120, 1000 * number + 180)) == number
        looking.statuses = {("shop", "orders"): "Online"}
        looking.at(1000 * number + 240)


def test_both_ends_of_the_place_count(fake: ScriptedReadyset, address: Address) -> None:
    """A table that catches up moves the lower one only."""
    fake.offsets, fake.lowest = ["binlog.000002:4684"], "binlog.000001:99"

    with connect(address, session=False) as connection:
        assert read_replication(connection).place == "binlog.000001:99 to binlog.000002:4684"


def test_one_that_was_stopped_is_nowhere(fake: ScriptedReadyset, address: Address) -> None:
    """ALTER READYSET STOP REPLICATION was somebody's wish."""
    fake.replication, fake.error = "Stopped", "connection refused"

    with connect(address, session=False) as connection:
        assert read_replication(connection) == Replication()


@pytest.mark.parametrize("busy", ["Initializing", "Snapshotting", "Compacting", "Creating index"])
def test_the_binlog_may_wait_for_a_table(fake: ScriptedReadyset, address: Address, busy: str) -> None:
    """While rows of a table are read, or an index is made, the place may stay for hours."""
    fake.offsets = ["binlog.000002:4684"]
    fake.tables = [[("`shop`.`orders`", busy, f"{number}.00%")] for number in range(9)]
    keeping = Keeping(address, [CACHE], standstill=1e-9, changes=itertools.count().__next__)
    keeping.companion.start([0.0] * 4)
    keeping.companion.wait()

    assert [level for level, _ in keeping.logs] == ["INFO"]


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("Binlog error before position binlog.000002:99: TME not found for table ID 109", "Stop ReadySet, empty its"),
        (
            "Access denied for user 'readyset'@'%'",
            "Mend that; if that is not possible, stop ReadySet, empty its storage",
        ),
    ],
    ids=["within a transaction", "a right that was taken"],
)
def test_what_the_replicator_says_is_told(fake: ScriptedReadyset, address: Address, error: str, advice: str) -> None:
    """Its error is a sign without changes, too: a restarted one that fails is behind for good, and keeps no cache."""
    fake.offsets, fake.error = ["binlog.000002:4684"], error
    keeping = Keeping(address, [CACHE], patience=0.05, standstill=0.0)
    keeping.companion.start([0.0] * 2)
    keeping.companion.wait()

    (warning,) = [text for level, text in keeping.logs if level == "WARN"]
    assert f"Its replicator says: {error}." in warning
    assert advice in warning
    assert "rows have changed" not in warning


def test_an_error_that_is_over_is_none_of_that(fake: ScriptedReadyset, address: Address) -> None:
    """ReadySet has gone on since it was seen."""
    fake.error = "connection refused"
    keeping = Keeping(address, [CACHE], standstill=0.0)
    keeping.companion.start([0.0] * 4)
    keeping.companion.wait()

    assert [level for level, _ in keeping.logs] == ["INFO"]


@pytest.fixture
def standing_still(with_readyset: Served, fake: ScriptedReadyset, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A destination that has written a row, and a ReadySet that stays where it is from then on."""
    in_a_hurry(monkeypatch, patience=0.05)
    with_readyset.write(catalog(), [record({"id": 1}), state(1)])
    assert "binlog" not in with_readyset.logs
    fake.offsets = ["binlog.000001:157"]
    return with_readyset


def test_a_short_sync_waits_for_readyset_to_move(standing_still: Served) -> None:
    """It is over long before anything could be said to stand still: so its end waits, if ReadySet has not moved."""
    standing_still.write(catalog(), [record({"id": 2}), state(2)])

    assert "has been at binlog.000001:157 of the served MySQL's binlog" in standing_still.logs


def test_what_the_binlog_has_no_row_of_is_not_waited_for(standing_still: Served) -> None:
    """A state, and a row that is as it was: ReadySet notes such a transaction once in ten seconds only."""
    standing_still.write(catalog(), [record({"id": 1}), state(2)])

    assert "of the served MySQL's binlog" not in standing_still.logs


def test_most_rounds_of_run_do_not_wait_for_it(standing_still: Served) -> None:
    """The next one looks again, and the changes must not wait meanwhile."""
    standing_still.write(catalog(), [record({"id": 2}), state(2)], finish=Companion.stop)

    assert "of the served MySQL's binlog" not in standing_still.logs


def test_a_sync_begins_with_a_look(
    server: VtgateMysqlServer, address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written afterwards has to move ReadySet; what it had read before cannot be told from it later."""
    monkeypatch.setattr(companion, "_FIRST_LOOK", 60.0)
    keeping = Keeping(address, [])
    keeping.companion.start([0.0])

    assert "SHOW READYSET STATUS" in [statement.sql for statement in server.statements]
    keeping.companion.stop()


def test_a_table_that_is_left_out_is_not_waited_for(standing_still: Served, fake: ScriptedReadyset) -> None:
    """As with `--replication-tables`: its rows do not move ReadySet, but for once in ten seconds."""
    fake.tables = [[("`shop`.`customers`", "Not replicated", "filtered"), ("`shop`.`orders`", "Online", "")]]
    standing_still.write(catalog(), [record({"id": 2}), state(2)])
    assert "of the served MySQL's binlog" not in standing_still.logs

    fake.tables = [[*fake.tables[0], ("`other`.`customers`", "Online", "")]]
    standing_still.write(catalog(), [record({"id": 3}), state(3)])
    assert "of the served MySQL's binlog" in standing_still.logs


def test_a_readyset_is_looked_at_without_caches(standing_still: Served) -> None:
    """Those that were made by hand answer with old rows as well."""
    del standing_still.config["readyset"]["caches"]
    standing_still.emitted.clear()

    standing_still.write(catalog(), [record({"id": 2}), state(2)])

    assert "has been at binlog.000001:157" in standing_still.logs
    assert "cache" not in standing_still.logs.replace("its caches answer", "")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("create cache c from select 1", "CREATE DEEP CACHE c FROM select 1"),
        (" CREATE DEEP CACHE\n`a``b` FROM q_123 ; ", "CREATE DEEP CACHE `a``b` FROM q_123"),
        ("CREATE CACHE ALWAYS CONCURRENTLY c FROM SELECT 1", "CREATE DEEP CACHE ALWAYS c FROM SELECT 1"),
        (
            "CREATE CACHE c WITH (UNTIL WRITE) FROM SELECT 1 FROM t",
            "CREATE DEEP CACHE c WITH (UNTIL WRITE) FROM SELECT 1 FROM t",
        ),
    ],
)
def test_what_is_sent(text: str, sent: str) -> None:
    """The statement as it was written, but deep, and not to be done behind the answer."""
    assert CacheStatement.parse(text).sql() == sent


@pytest.mark.parametrize(
    "text", ["DROP CACHE c", "CREATE CACHE c", "CREATE CACHE c FROM ", "CREATE SHALLOW CACHE c FROM SELECT 1"]
)
def test_statements_that_are_refused(text: str) -> None:
    """What is no CREATE CACHE, or would make a shallow one."""
    with pytest.raises(ConfigError, match=r"readyset\.caches"):
        CacheStatement.parse(text)


def test_caches_are_made_again_after_an_alter(with_readyset: Served, fake: ScriptedReadyset) -> None:
    """They are looked at repeatedly after a change of tables, as ReadySet drops a changed table's caches some time."""
    with_readyset.write(catalog(), [record({"id": 1}), state(1)])
    with_readyset.write(catalog(), [record({"id": 2}), state(2)])
    assert fake.created == ["by_id"]
    looks = iter([lambda: None, lambda: fake.alter("customers")])

    def look(connection: Connection) -> Caches:
        next(looks, lambda: None)()
        return list_caches(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caches, "list_caches", look)
        altered = stream(schema={**SCHEMA, "more": {"type": "integer"}})
        with_readyset.write(catalog(altered), [record({"id": 3}), state(3)])

    assert fake.created == ["by_id", "by_id"]


def test_a_sync_goes_on_without_readyset(with_readyset: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ReadySet that is away does not hold up its data."""
    in_a_hurry(monkeypatch, patience=0.05)
    with_readyset.config["readyset"]["port"] = 1

    with_readyset.write(catalog(), [record({"id": 1}), state(1)])

    assert with_readyset.rows() == [(1, None)]
    assert "1 of 1 caches are not deep in ReadySet" in with_readyset.logs


def test_a_readyset_that_is_away_is_told_without_caches(address: Address) -> None:
    """Whether it makes progress is not known then: once, and the sync goes on."""
    keeping = Keeping(replace(address, port=1), [])
    keeping.companion.start([0.0] * 3)
    keeping.companion.wait()

    ((level, text),) = keeping.logs
    assert level == "WARN"
    assert text.startswith("ReadySet cannot be asked whether it makes progress: ")


def _check(served: Served) -> tuple[str, str]:
    answer = DestinationReadyset().check(logging.getLogger("airbyte.tests"), served.config)
    return answer.status.value, answer.message or ""


@pytest.fixture
def checked(with_readyset: Served, caplog: pytest.LogCaptureFixture) -> Served:
    """A destination that has made its table, and a check whose log is kept."""
    with_readyset.write(catalog(), [record({"id": 1}), state(1)])
    caplog.set_level(logging.INFO, "airbyte.tests")
    return with_readyset


@pytest.mark.parametrize("word", ["Initializing", "Snapshotting", "Compacting", "Dropped"])
def test_check_waits_for_tables(
    checked: Served,
    fake: ScriptedReadyset,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
) -> None:
    """It tells how far ReadySet is, and is content when the table is online."""
    # It is online at the fourth question, however long these take.
    monkeypatch.setattr("destination_readyset.check._ONLINE_SECONDS", 60)
    fake.tables = [
        [],
        [("`shop`.`customers`", word, "")],
        [("`shop`.`customers`", word, "50.00%")],
        [("`shop`.`customers`", "Online", "")],
    ]

    assert _check(checked) == ("SUCCEEDED", "")

    said = [text for text in caplog.messages if "taking in" in text]
    assert [text.partition("tables: ")[2] for text in said] == [
        "shop.customers: not known yet.",
        f"shop.customers: {word}.",
        f"shop.customers: {word} 50.00%.",
    ]
    assert "1 tables are online in ReadySet." in caplog.messages


def test_an_index_that_is_made_is_no_failure(checked: Served, fake: ScriptedReadyset) -> None:
    """A table that serves has an index made for each new cache."""
    fake.tables = [[("`shop`.`customers`", "Creating index", "12.00%")]]

    assert _check(checked) == ("SUCCEEDED", "")


def test_a_long_snapshot_is_no_failure(checked: Served, fake: ScriptedReadyset) -> None:
    """What is under way when the wait is over will be done some time."""
    fake.tables = [[("`shop`.`customers`", "Snapshotting", "3.00%")]]

    assert _check(checked) == ("SUCCEEDED", "")


def test_a_table_that_is_not_replicated_is_named(checked: Served, fake: ScriptedReadyset) -> None:
    """With ReadySet's reason, which it tells only of all tables; or without, if it does not know the table at all."""
    fake.tables = [[("`shop`.`customers`", "Not replicated", "unsupported type")]]
    status, message = _check(checked)
    assert status == "FAILED"
    assert "shop.customers: Not replicated unsupported type" in message

    fake.tables = [[]]
    assert "shop.customers: not replicated" in _check(checked)[1]


def test_names_with_any_character_are_found(checked: Served, fake: ScriptedReadyset) -> None:
    """ReadySet quotes names with backticks: a double quote or a point in one is a part of it."""
    assert parse_name('`a"b`.`c``d.e`') == ('a"b', "c`d.e")
    name = 'cust"o.mers'
    checked.write(catalog(stream(), stream(name)), [record({"id": 1}, name), state(2)])
    fake.tables = [[("`shop`.`customers`", "Online", ""), (f"`shop`.`{name}`", "Online", "")]]

    assert _check(checked) == ("SUCCEEDED", "")


def test_nothing_is_made_where_all_is_there(checked: Served, fake: ScriptedReadyset) -> None:
    """Neither a start nor a check writes a statement about tables into the binlog: it would break deep caches."""
    fake.tables = [[("`shop`.`customers`", "Online", "")]]
    checked.new_binlog()

    checked.write(catalog(), [record({"id": 2}), state(2)])
    assert _check(checked) == ("SUCCEEDED", "")

    assert [info for info in checked.binlog("Query") if not info.startswith("BEGIN")] == []
