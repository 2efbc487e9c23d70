"""Plays a schedule: syncs while things happen, then syncs in peace, then the comparison with what SELECT would give."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

from instruments.model_search.adversary import Adversary, EndlessError, KilledError
from instruments.model_search.tables import FULL_REFRESH, SHAPES
from source_vitess.airbyte.catalog import to_catalog
from source_vitess.airbyte.configured_catalog import ConfiguredCatalog, parse_configured_catalog
from source_vitess.airbyte.selection import select_streams
from source_vitess.commands import sync_settings
from source_vitess.errors import ConfigError, ConnectorError
from source_vitess.keyspace import LiveVitess
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.snapshot import read_schema
from source_vitess.proto import vtgate_pb2
from source_vitess.replication import held_rows
from source_vitess.replication.messages import Checkpoint, Completed, Failed, Log, Message, Records
from source_vitess.replication.patience import ask_again
from source_vitess.replication.state import SyncState
from source_vitess.replication.sync import Sync
from source_vitess.schema import Schema
from source_vitess.settings.config import Config, TruncateBehavior
from source_vitess.types.codec import TypeOptions

#: Syncs while things happen, and in peace: a schedule that needs more of the first is cut off there.
SYNCS, PEACEFUL_SYNCS = 14, 6

_OPTIONS = TypeOptions()
#: Rows and bytes of each table, as far as the connector knows.
_ESTIMATE = 100
_META = ("_ab_cdc_updated_at", "_ab_cdc_deleted_at", "_ab_cdc_cursor")
#: The warning that a statement may have changed values of a column (source_vitess/replication/rewritten_values.py).
_REWRITTEN = re.compile(r"Table '(\w+)' was altered in shard .* may have changed values of column '(\w+)'")

#: Schemas by what the tables look like: reading them takes longer than a sync.
_SCHEMAS: dict[object, Schema] = {}

Row = dict[str, Any]


@dataclass
class Outcome:
    """What became of a schedule.

    Attributes:
        kind: `equal`, `not comparable` (a failover took rows back of which nobody can know, or a table has no key),
            or what is wrong: `differs`, `false alarm`, `never ends`, `broke` (a fault of the program).
        text: More about it.
        trace: What was done.
        syncs: How many syncs there were.
        moments: How many moments.
        steps: How many steps, by kind.
        compared: How many streams reached the comparison.
    """

    kind: str
    text: str
    trace: list[str]
    syncs: int
    moments: int
    steps: dict[str, int]
    compared: int = 0

    @property
    def is_wrong(self) -> bool:
        """Whether the connector has failed."""
        return self.kind in WRONG


WRONG = ("differs", "false alarm", "never ends", "broke")


class Destination:
    """What a destination would hold: rows by key, or how often each is there.

    Attributes:
        state: The last state that came; None before the first.
        earlier: The one before it.
    """

    def __init__(self, keys: Mapping[str, Sequence[str]]) -> None:
        self._keys = keys
        self.rows: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in keys}
        self.bags: dict[str, Counter[str]] = {name: Counter() for name in keys}
        self.state: Checkpoint | None = None
        self.earlier: Checkpoint | None = None
        self._then = self.rows, self.bags
        self._cursor = 0

    def apply(self, records: Records) -> None:
        """Applies records."""
        name, key = records.stream, self._keys[records.stream]
        for text in records.data:
            row = json.loads(text)
            if row["_ab_cdc_cursor"] <= self._cursor:
                raise AssertionError(f"a cursor of {name} is not above those before it")
            self._cursor = row["_ab_cdc_cursor"]
            deleted = row["_ab_cdc_deleted_at"] is not None
            for meta in _META:
                del row[meta]
            if not key:
                self.bags[name][json.dumps(row, sort_keys=True)] += -1 if deleted else 1
            elif deleted:
                self.rows[name].pop(tuple(row[column] for column in key), None)
            else:
                self.rows[name][tuple(row[column] for column in key)] = row

    def acknowledge(self, state: Checkpoint) -> None:
        """Takes a state."""
        # As it is stored, and not as the sync goes on to change it.
        self.earlier, self.state = self.state, Checkpoint(_json(state.shared), _json(state.tables))
        self._then = (
            {name: dict(rows) for name, rows in self.rows.items()},
            {name: Counter(bag) for name, bag in self.bags.items()},
        )

    def clear(self, names: Iterable[str]) -> None:
        """Forgets streams and their rows, as a refresh with removal of records does."""
        for name in names:
            self.rows[name], self.bags[name] = {}, Counter()
        if self.state is not None:
            left = {name: state for name, state in self.state.tables.items() if name not in names}
            self.state = Checkpoint(self.state.shared, left)
        self.earlier = None

    def lose_last_state(self) -> None:
        """Goes back to the state before the last one, and keeps the rows up to the last one.

        As when it is stopped between the rows and the state that follows them. Rows that come after a state are not
        kept without it (docs/state.md).
        """
        if self.earlier is not None:
            self.state = self.earlier
            self.rows, self.bags = self._then


@dataclass
class Player:
    """Plays one schedule.

    Attributes:
        schedule: It.
        adversary: Who takes its steps.
        syncs: How many syncs there were.
    """

    schedule: Sequence[int]
    adversary: Adversary = field(init=False)
    syncs: int = 0
    # Shards of which the last sync has read nothing new, because nobody has replicated it.
    _stale: tuple[str, ...] = ()
    # Shards of which the last sync holds what a failover had lost when it was still reading.
    _holds_lost: tuple[str, ...] = ()
    _refreshed: set[str] = field(default_factory=set)
    _whole: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # Tables and columns of which a warning advises a refresh that has not come.
    _rewritten: set[tuple[str, str]] = field(default_factory=set)
    # The full refresh under way: whether it began in this sync, and the rows that there were when its copy began.
    _afresh: bool = False
    _there: Counter[str] | None = None
    _last_there: Counter[str] | None = None

    def play(self) -> Outcome:
        """Returns what became of it."""
        self.adversary = Adversary(self.schedule)
        with self.adversary.port.connected(), _held_bytes(self.adversary):
            try:
                return self._play()
            except EndlessError:
                return self._outcome("never ends", "a sync goes round in circles")
            except ConnectorError as error:
                return self._outcome("broke", f"{type(error).__name__}: {error.message} {error.detail}")
            except Exception as error:  # noqa: BLE001 # whatever the connector does wrong is a finding
                return self._outcome("broke", _where(error))

    def _play(self) -> Outcome:
        adversary = self.adversary
        self._config = Config.from_json(
            {
                "url": f"vitess://127.0.0.1:1/{adversary.cluster.keyspace}?mysql_port=2",
                "tablet_type": adversary.tablet_type,
                "no_progress_timeout_seconds": 30,
                "truncate_behavior": (
                    TruncateBehavior.IGNORE if adversary.ignores_removed_rows else TruncateBehavior.REFRESH
                ).value,
            }
        )
        self._settings = replace(
            sync_settings(self._config),
            checkpoint_records=(1, 3, 100)[adversary.setup["checkpoint"]],
            streaming_seconds=adversary.streaming_seconds,
        )
        self._catalog = _configured(self._schema())
        self._destination = Destination({name: SHAPES[name].identity for name in adversary.tables})
        adversary.port.opened = self._opened
        adversary.port.asked = self._asked
        adversary.calm = False
        while not adversary.over and self.syncs < SYNCS:
            _, _, completed = self._sync()
            if self._stale and completed:
                return self._outcome(
                    "differs",
                    f"a sync is complete, and all the while no replica of {', '.join(self._stale)} has replicated",
                )
            if self._holds_lost and completed:
                return self._outcome(
                    "differs",
                    f"a sync is complete, and holds what a failover of {', '.join(self._holds_lost)} had lost before "
                    "its last stream ended",
                )
            if FULL_REFRESH in completed and (missing := self._missing_after_refresh()):
                return self._outcome(
                    "differs",
                    f"table {FULL_REFRESH}: a full refresh has not read {', '.join(sorted(missing)[:3])}, "
                    "which existed all the while",
                )
        adversary.make_calm()
        adversary.trace.append("  peace: everything replicates, nothing fails any more")
        return self._end()

    def _end(self) -> Outcome:
        """Syncs in peace until all streams are complete; those that fail with a reason once more after a refresh."""
        outcome = self._until_reported()
        if not isinstance(outcome, dict):
            return outcome
        if not self.adversary.excuses:
            return self._outcome("false alarm", "; ".join(outcome.values()))
        names = self.adversary.tables if "" in outcome else tuple(outcome)
        self.adversary.trace.append(f"  the user refreshes {', '.join(names)}")
        self._refresh(names)
        self._refreshed.update(names)
        again = self._until_reported()
        if isinstance(again, dict):
            return self._outcome("false alarm", f"after a refresh: {'; '.join(again.values())}")
        return again

    def _until_reported(self) -> Outcome | dict[str, str]:
        """Syncs until all streams are complete, and compares; or returns what was reported, by stream or for all."""
        before: dict[str, str] = {}
        last: ConnectorError | dict[str, str] | None = None
        for _ in range(PEACEFUL_SYNCS):
            error, failed, completed = self._sync()
            last = error or failed
            if isinstance(error, ConfigError):
                return {"": error.message}
            if error is None and FULL_REFRESH in self.adversary.tables and not self._afresh:
                continue  # it went on with an earlier one
            if error is None and (not failed or failed == before):
                outcome = self._compare(completed)
                return outcome if outcome.is_wrong or not failed else failed
            before = failed if error is None else {}
        return self._outcome("never ends", f"{PEACEFUL_SYNCS} syncs in peace, and the last one: {last}")

    def _compare(self, completed: Sequence[str]) -> Outcome:
        adversary = self.adversary
        compared = 0
        for name in completed:
            if not SHAPES[name].identity and adversary.unsteady:
                continue
            if adversary.blind and name not in self._refreshed:
                continue
            # A column that was selected after the copy had begun is empty in rows from before.
            columns = tuple(
                column
                for column in self._whole[name]
                if column in adversary.cluster.tables[name].columns and (name, column) not in self._rewritten
            )
            wanted = Counter(
                json.dumps({column: row[column] for column in columns}, sort_keys=True)
                for row in adversary.cluster.rows(name)
            )
            got = self._held(name, columns)
            if wanted != got:
                missing, ghosts = wanted - got, got - wanted
                return self._outcome(
                    "differs",
                    f"table {name}: {sum(missing.values())} rows are missing or old "
                    f"({', '.join(sorted(missing)[:3])}), "
                    f"{sum(ghosts.values())} are too many ({', '.join(sorted(ghosts)[:3])})",
                )
            compared += 1
        outcome = self._outcome("equal" if compared else "not comparable", "")
        outcome.compared = compared
        return outcome

    def _held(self, name: str, columns: Sequence[str]) -> Counter[str]:
        if SHAPES[name].identity:
            rows = self._destination.rows[name].values()
            return Counter(json.dumps({column: row.get(column) for column in columns}, sort_keys=True) for row in rows)
        held: Counter[str] = Counter()
        for text, count in self._destination.bags[name].items():
            row = json.loads(text)
            held[json.dumps({column: row.get(column) for column in columns}, sort_keys=True)] += count
        return Counter({row: count for row, count in held.items() if count})

    def _sync(self) -> tuple[ConnectorError | None, dict[str, str], list[str]]:
        """Runs a sync; returns its error, what failed streams reported, and which ones are complete."""
        adversary, destination = self.adversary, self._destination
        self.syncs += 1
        self._stale = self._holds_lost = ()
        self._begin_full_refresh()
        if adversary.to_refresh:
            self._refresh(adversary.to_refresh)
            adversary.to_refresh.clear()
        if adversary.to_discover:
            with suppress(ConnectorError):  # no tablet answers; the user tries again
                self._catalog = _configured(self._schema())
                adversary.to_discover = False
        for stream in self._catalog.streams:
            if destination.state is None or stream.name not in destination.state.tables:
                columns = stream.json_schema["properties"]
                self._whole[stream.name] = tuple(column for column in columns if column not in _META)
        still = adversary.standing_still()
        adversary.sync_begins()
        adversary.clock.seconds += 1  # a process takes its time to start, and cursors are of it
        adversary.trace.append(f"sync {self.syncs}")
        failed: dict[str, str] = {}
        completed: list[str] = []
        try:
            for message in self._messages():
                adversary.moment(f"the destination gets {_named(message)}")
                if isinstance(message, Records):
                    destination.apply(message)
                elif isinstance(message, Checkpoint):
                    destination.acknowledge(message)
                    adversary.acknowledge(_positions(destination.state))
                    adversary.copying = any("copying" in table for table in message.tables.values())
                elif isinstance(message, Failed) and message.error is not None:
                    failed[message.stream] = message.error.message
                elif isinstance(message, Completed):
                    completed.append(message.stream)
                elif isinstance(message, Log) and (told := _REWRITTEN.match(message.text)):
                    self._rewritten.add((told[1], told[2]))
        except KilledError:
            if adversary.loses_state:
                destination.lose_last_state()
            adversary.killed(_positions(destination.state))
            adversary.port.gateways.clear()
            return None, {}, []
        except ConnectorError as error:
            adversary.unsteady = True
            adversary.trace.append(f"  {type(error).__name__}: {error.message}")
            return error, failed, completed
        if destination.state is not None and not failed:
            shared = {entry["shard"]: entry["gtid"] for entry in destination.state.shared.get("vgtid", ())}
            self._holds_lost = adversary.known_lost(shared)
        now = adversary.standing_still()
        self._stale = tuple(shard for shard, tablets in still.items() if now.get(shard) == tablets)
        adversary.trace.append(
            "  " + ("; ".join(f"{name} failed: {text}" for name, text in failed.items()) or "complete")
        )
        return None, failed, completed

    def _refresh(self, names: Collection[str]) -> None:
        self._destination.clear(names)
        self._rewritten = {(name, column) for name, column in self._rewritten if name not in names}

    def _begin_full_refresh(self) -> None:
        """Empties what is overwritten, unless an earlier attempt is gone on with."""
        state = self._destination.state
        self._afresh = state is None or "refreshing" not in state.tables.get(FULL_REFRESH, {})
        self._there = self._last_there = None
        if self._afresh and FULL_REFRESH in self.adversary.tables:
            self._destination.rows[FULL_REFRESH] = {}

    def _asked(self, statement: str) -> None:
        if self._there is None and statement == "show vitess_shards" and FULL_REFRESH in self.adversary.tables:
            self._last_there = self._held_by_primaries(FULL_REFRESH)

    def _opened(self, request: vtgate_pb2.VStreamRequest) -> None:
        if self._there is None and any(rule.match == FULL_REFRESH for rule in request.filter.rules):
            # What is written between that question and this, when traffic is switched in between, is on other shards.
            self._there = self._last_there

    def _missing_after_refresh(self) -> Counter[str]:
        """Returns the rows that a full refresh has left out, although they existed, and the same, from its start."""
        adversary = self.adversary
        if not self._afresh or self._there is None or (adversary.tablet_type != "PRIMARY" and adversary.uneven):
            return Counter()
        columns = tuple(SHAPES[FULL_REFRESH].columns)
        return (self._there & self._held_by_primaries(FULL_REFRESH)) - self._held(FULL_REFRESH, columns)

    def _held_by_primaries(self, name: str) -> Counter[str]:
        columns = tuple(SHAPES[name].columns)
        return Counter(
            json.dumps({column: row[column] for column in columns}, sort_keys=True)
            for row in self.adversary.cluster.rows(name)
        )

    def _messages(self) -> Iterator[Message]:
        clock = self.adversary.clock
        with (
            yield from ask_again(lambda: LiveVitess.connect(self._config, clock), clock, self._settings.retries)
        ) as vitess:
            selection = select_streams(self._catalog, self._schema(), _OPTIONS)
            state = self._destination.state
            sync_from = (
                SyncState(self._config.keyspace)
                if state is None
                else SyncState.from_json(self._config.keyspace, _json(state.shared), _json(state.tables))
            )
            sync = Sync(vitess, clock, self._settings, selection.streams, sync_from, selection.refused)
            yield from sync.run()

    def _schema(self) -> Schema:
        """Returns the schema as the connector discovers it; nothing happens meanwhile."""
        tables = self.adversary.cluster.tables.values()
        shape = tuple(
            (table.name, tuple(table.columns.items()), table.key, tuple(table.unique.items()), table.engine)
            for table in tables
        )
        if shape not in _SCHEMAS:
            with self.adversary.time_stands_still():
                schema = read_schema(VtgateSession.connect(self._config), self._config.keyspace)
            # Else a schedule would depend on how many rows there were in another one.
            estimated = {
                name: replace(table, estimated_rows=_ESTIMATE, estimated_bytes=_ESTIMATE)
                for name, table in schema.tables.items()
            }
            _SCHEMAS[shape] = replace(schema, tables=estimated)
        return _SCHEMAS[shape]

    def _outcome(self, kind: str, text: str) -> Outcome:
        adversary = self.adversary
        return Outcome(kind, text, adversary.trace, self.syncs, adversary.moments, adversary.steps)


def _configured(schema: Schema) -> ConfiguredCatalog:
    return parse_configured_catalog(
        {
            "streams": [
                {
                    "stream": stream,
                    "sync_mode": "full_refresh" if stream["name"] == FULL_REFRESH else "incremental",
                    "destination_sync_mode": "overwrite"
                    if stream["name"] == FULL_REFRESH
                    else "append_dedup"
                    if "source_defined_primary_key" in stream
                    else "append",
                    "primary_key": stream.get("source_defined_primary_key"),
                }
                for stream in to_catalog(schema, _OPTIONS)["streams"]
            ]
        }
    )


@contextmanager
def _held_bytes(adversary: Adversary) -> Iterator[None]:
    """Lets nearly every transaction be too large to hold back, in some schedules."""
    if not adversary.setup["held"]:
        yield
        return
    with mock.patch.object(held_rows, "MEMORY_BYTES", 20):
        yield


def _positions(state: Checkpoint | None) -> dict[str, list[str]]:
    """Returns all positions in a state, by shard."""
    found: dict[str, list[str]] = {}

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("shard"), str) and isinstance(value.get("gtid"), str):
                found.setdefault(value["shard"], []).append(value["gtid"])
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    if state is not None:
        look(state.shared)
        look(state.tables)
    return found


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _named(message: Message) -> str:
    if isinstance(message, Records):
        return f"{len(message.data)} records of {message.stream}"
    return f"a {type(message).__name__.lower()}"


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    places = []
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__}: {error} ({' '.join(places[-4:])})"


def play(schedule: Sequence[int]) -> Outcome:
    """Plays a schedule."""
    return Player(schedule).play()
