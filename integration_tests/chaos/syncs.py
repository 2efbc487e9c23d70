"""One sync after the other into one store, each ended in another way, as a platform and its machines do.

It holds what every sync must keep: exit code, statuses and errors agree; a stream asks for a refresh only if there
was a reason; no sync is green that has left something out (the comparison tells that).
"""

from __future__ import annotations

import random
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

from instruments.connector import Connector, Json
from instruments.oracle import OracleError, Store
from instruments.validation import RecordValidator
from integration_tests.chaos.ddl import SchemaChanges
from integration_tests.chaos.tables import TABLES
from source_vitess.errors import ConnectorError
from source_vitess.source import sync_settings

#: Seconds after which a sync hangs: longer than all that it may wait for put together.
HANG_SECONDS = 900

#: A slow reader pauses for so many seconds after so many lines.
SLOW_LINES = 500
SLOW_SECONDS = 0.2

#: What a sync says when it rode something out, after which records may have come twice.
_AGAIN = ("opened again", "starts from the beginning", "resharded")


@dataclass(frozen=True)
class Plan:
    """How a sync runs and ends.

    Attributes:
        kind: Its name in the report.
        process: Whether it is a process of its own.
        lines: Lines after which it is killed, or its reader pauses; 0 for never.
        seconds: Seconds after which the process is killed or signalled; 0 for never.
        pause: Seconds for which its reader pauses.
        number: The signal.
        forget: Whether a destination loses what came after the last state, as one that commits with states does.
        checkpoint_records: How often a state is due, in records.
        slow: Whether the reader takes its time, so that faults meet a copy rather than its end.
        config: Other settings.
    """

    kind: str
    process: bool = False
    lines: int = 0
    seconds: float = 0
    pause: float = 0
    number: signal.Signals = signal.SIGKILL
    forget: bool = False
    checkpoint_records: int = 100_000
    slow: bool = False
    config: Json = field(default_factory=dict)

    def __str__(self) -> str:
        """Writes what is not as usual."""
        usual = Plan("")
        given = [f"{name}={value}" for name, value in vars(self).items() if value != getattr(usual, name)]
        return ", ".join(given)


def random_plan(rnd: random.Random) -> Plan:
    """Chooses how the next sync goes."""
    lines = int(10 ** rnd.uniform(0.5, 4.6))
    plan = Plan(
        "to its end",
        forget=rnd.random() < 0.4,
        checkpoint_records=rnd.choice([1, 50, 1000, 100_000]),
        slow=rnd.random() < 0.5,
        config={} if rnd.random() < 0.5 else {"tablet_type": "PRIMARY"},
    )
    streaming = {**plan.config, "keep_streaming_minutes": 1}
    match rnd.choices(range(9), [4, 5, 2, 2, 1, 1, 1, 2, 2])[0]:
        case 0:
            return plan
        case 1:
            return replace(plan, kind="dropped at a message", lines=lines)
        case 2:
            return replace(plan, kind="process, kill -9 at a line", process=True, lines=lines)
        case 3:
            return replace(plan, kind="process, kill -9 at a moment", process=True, seconds=rnd.uniform(1, 8))
        case 4:
            number = rnd.choice([signal.SIGTERM, signal.SIGINT])
            return replace(plan, kind=f"process, {number.name}", process=True, seconds=rnd.uniform(2, 8), number=number)
        case 5:
            pause = rnd.uniform(1, 15)
            return replace(plan, kind="process, its reader pauses", process=True, lines=lines, pause=pause)
        case 6:
            return replace(plan, kind="process, to its end", process=True)
        case 7:
            seconds = rnd.uniform(5, 30)
            return replace(plan, kind="process, streaming, kill -9", process=True, seconds=seconds, config=streaming)
        case _:
            return replace(plan, kind="streaming, dropped at a message", lines=lines, config=streaming)


class Syncs:
    """All syncs of a run.

    Args:
        connector: The connector.
        changes: Knows which streams have a reason to fail.

    Attributes:
        store: What a destination holds.
        ended: How many syncs of each kind ended in each way.
        rode_out: How often a sync opened a broken stream again.
        is_green: Whether the last sync was.
        may_lose_position: Why the saved position may be lost, empty if it may not.
        repeated: Tables without a key of which records may have come twice.
    """

    def __init__(self, connector: Connector, changes: SchemaChanges) -> None:
        self._connector = connector
        self._changes = changes
        self._catalog: Json = {}
        self.store = Store({})
        self.ended: Counter[str] = Counter()
        self.rode_out = 0
        self.may_lose_position = ""
        self.repeated: set[str] = set()
        self._epoch = 0
        self._streams_failed: set[str] = set()
        self._past_misnoted: set[str] = set()
        self._lost = False
        self.is_green = False

    def select_all(self) -> None:
        """Discovers the tables and selects all of them, as a user does first of all."""
        self._catalog = self._connector.configured(*TABLES)
        if len(self._catalog["streams"]) != len(TABLES):
            raise OracleError("discover does not list every table")
        self.store.keys = Store.of_catalog(self._catalog).keys

    def columns(self, table: str) -> set[str]:
        """Returns the columns with which a table is read and whose values are the same in the database."""
        [stream] = [entry["stream"] for entry in self._catalog["streams"] if entry["stream"]["name"] == table]
        read = {name for name in stream["json_schema"]["properties"] if not name.startswith("_ab_cdc_")}
        return read & set(self._changes.schema.columns(table)) - self._changes.columns[table]

    def go_back(self, rnd: random.Random) -> bool:
        """Forgets the last states, as a platform that has not stored them; records stay. Returns whether it did.

        The states that begin tables stay: rows of a table that are kept without one are what docs/state.md excepts.
        """
        states = self.store.states
        if self.may_lose_position or len(states) - 1 <= self._epoch:
            return False
        begun = _named(states[-1])
        first = next(number for number in range(self._epoch, len(states)) if _named(states[number]) >= begun)
        if first + 1 == len(states):
            return False
        del states[rnd.randrange(max(first + 1, len(states) - 6), len(states)) :]
        self._past_misnoted = set()
        self._mark_repeated()
        return True

    def refresh(self, *tables: str) -> None:
        """Does what a user does on being told: refreshes the schema, and streams with removal of old records."""
        self.select_all()
        changed = {table for table in TABLES if self._changes.columns.get(table)}
        for table in {*tables, *changed}:
            self.store.tables.pop(table, None)
            self.store.bags.pop(table, None)
            for state in self.store.states[-1:]:
                shared = state["global"]
                shared["stream_states"] = [
                    entry for entry in shared["stream_states"] if entry["stream_descriptor"]["name"] != table
                ]
            self.repeated.discard(table)
            self._streams_failed.discard(table)
            self._changes.discovered(table)
        self._epoch = len(self.store.states)

    def refresh_failed(self) -> list[str]:
        """Refreshes the streams that asked for it or may be wrong, and everything after a lost position; returns which.

        Where tablets had noted wrong columns, that is of no use before a sync has come past them.
        """
        failed = sorted(TABLES if self._lost else self._streams_failed | self._past_misnoted)
        self._changes.misnoted -= self._past_misnoted
        self._past_misnoted = set()
        if self._lost:
            self.store.states.clear()
            self.may_lose_position = ""
            self._lost = False
        if failed:
            self.refresh(*failed)
        return failed

    def run(self, plan: Plan) -> str:
        """Runs a sync; returns how it ended.

        Raises:
            OracleError: It broke a promise.
        """
        errors, logs = len(self.store.errors), len(self.store.logs)
        self.store.statuses.clear()
        self.store.new_sync()
        lines = _Lines(self.store, forget=plan.forget, slow=plan.slow)
        misnoted = frozenset(self._changes.misnoted)
        ended = self._run_process(plan, lines) if plan.process else self._run_here(plan, lines)
        loose = lines.end(killed=ended in ("dropped", "killed"))
        said = [line for line in self.store.logs[logs:] if any(word in line for word in _AGAIN)]
        self.rode_out += len(said)
        if (ended != "complete" and loose) or said or self._copies_keyless():
            self._mark_repeated()
        self._judge(ended, self.store.errors[errors:])
        self.is_green = ended == "complete"
        if ended == "complete":
            self._epoch = max(self._epoch, len(self.store.states) - 20)
            self._past_misnoted |= misnoted
            self.may_lose_position = ""
        self.ended[f"{plan.kind}: {ended}"] += 1
        return ended

    def _copies_keyless(self) -> bool:
        """Tells whether a copy of a table without a key was left unfinished."""
        for state in self.store.last_state:
            for entry in state["global"]["stream_states"]:
                name = entry["stream_descriptor"]["name"]
                if not TABLES[name].has_key and "copying" in entry["stream_state"]:
                    return True
        return False

    def _mark_repeated(self) -> None:
        self.repeated |= {name for name, table in TABLES.items() if not table.has_key}

    def _run_here(self, plan: Plan, lines: _Lines) -> str:
        connector = self._connector.with_config(**plan.config)

        def settings(config: object) -> object:
            return replace(sync_settings(config), checkpoint_records=plan.checkpoint_records)  # type: ignore[arg-type]

        with patch("source_vitess.source.sync_settings", settings):
            read = connector.lines(self._catalog, self.store.last_state)
            try:
                for number, line in enumerate(read, start=1):
                    lines.apply(line)
                    if number == plan.lines:
                        read.close()  # type: ignore[attr-defined] # a generator
                        return "dropped"
            except ConnectorError as error:
                return type(error).__name__
        return "complete"

    def _run_process(self, plan: Plan, lines: _Lines) -> str:
        errors = len(self.store.errors)
        config = {**plan.config, "checkpoint_interval_seconds": 1}
        connector = self._connector.with_config(**config)
        state = self.store.last_state or None
        with tempfile.TemporaryDirectory() as folder:
            process = connector.process(Path(folder), "read", catalog=self._catalog, state=state)
            with process:
                threading.Thread(target=_drain, args=(process,), daemon=True).start()
                timer = threading.Timer(plan.seconds or HANG_SECONDS, process.send_signal, [plan.number])
                timer.start()
                try:
                    self._read(process, plan, lines)
                finally:
                    timer.cancel()
                code = process.wait()
        lines.end(killed=code < 0)
        return self._verdict(code, self.store.errors[errors:])

    def _read(self, process: subprocess.Popen[bytes], plan: Plan, lines: _Lines) -> None:
        validator = RecordValidator(self._catalog)
        for number, line in enumerate(_whole_lines(process), start=1):
            validator.check_line(line)
            lines.apply(line)
            if number == plan.lines and plan.pause:
                time.sleep(plan.pause)
            elif number == plan.lines:
                process.kill()

    def _verdict(self, code: int, errors: list[Json]) -> str:
        if code == -signal.SIGKILL:
            return "killed"
        if code in (128 + signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGTERM, -signal.SIGINT):
            return "stopped"
        if code == 0:
            return "complete"
        if code != 1:
            raise OracleError(f"exit code {code}")
        whole = [error for error in errors if "stream_descriptor" not in error]
        if len(whole) != 1:
            raise OracleError(f"exit code 1 with {len(whole)} errors of the sync as a whole: {errors}")
        return {
            "transient_error": "TransientError",
            "config_error": "PositionLostError" if "position" in whole[-1]["message"] else "ConfigError",
            "system_error": "InternalError",
        }[whole[-1]["failure_type"]]

    def _judge(self, ended: str, errors: list[Json]) -> None:
        """Checks that what a sync says of itself agrees, and that it had a reason."""
        statuses = self.store.statuses
        failed = {error["stream_descriptor"]["name"]: error["message"] for error in errors if _is_config(error)}
        for name, message in failed.items():
            if name not in self._changes.allowed and name not in self._changes.misnoted:
                raise OracleError(f"stream {name} failed without a reason: {message}")
        self._streams_failed |= set(failed)
        match ended:
            case "complete":
                if set(statuses.values()) != {"COMPLETE"} or len(statuses) != len(TABLES) or failed:
                    raise OracleError(f"a green sync with statuses {statuses} and errors {sorted(failed)}")
            case "ConfigError":
                if not failed:
                    raise OracleError(f"the sync asks for help without a stream: {errors}")
            case "PositionLostError":
                if not self.may_lose_position:
                    raise OracleError(f"the position was lost without a reason: {errors}")
                self._lost = True
            case "TransientError" | "StreamCancelledError" | "stopped" | "dropped" | "killed":
                pass
            case _:
                raise OracleError(f"the sync ended with {ended}: {errors}")
        if ended not in ("dropped", "killed", "stopped"):
            unfinished = {name for name, status in statuses.items() if status not in ("COMPLETE", "INCOMPLETE")}
            if unfinished:
                raise OracleError(f"streams without an end after {ended}: {sorted(unfinished)}")


def _named(state: Json) -> set[str]:
    """Returns the streams that a state names: those whose copy was begun."""
    return {entry["stream_descriptor"]["name"] for entry in state["global"]["stream_states"]}


class _Lines:
    """What has come and whether a destination keeps it."""

    def __init__(self, store: Store, *, forget: bool, slow: bool) -> None:
        self._store = store
        self._forget = forget
        self._slow = slow
        self._count = 0
        self._held: list[bytes] = []
        self._loose = False

    def apply(self, line: bytes) -> None:
        """Takes a line in."""
        self._count += 1
        if self._slow and self._count % SLOW_LINES == 0:
            time.sleep(SLOW_SECONDS)
        if line.startswith(b'{"type":"RECORD"'):
            self._loose = True
        if not self._forget:
            self._store.apply([line])
            self._loose = self._loose and not line.startswith(b'{"type":"STATE"')
            return
        self._held.append(line)
        if line.startswith(b'{"type":"STATE"'):
            self._flush()

    def end(self, *, killed: bool) -> bool:
        """Ends a sync; returns whether records were kept that no state contains."""
        if killed and self._forget:
            self._held = [line for line in self._held if not line.startswith(b'{"type":"RECORD"')]
            self._loose = False
        self._flush_rest()
        return self._loose

    def _flush(self) -> None:
        self._flush_rest()
        self._loose = False

    def _flush_rest(self) -> None:
        self._store.apply(self._held)
        self._held = []


def _whole_lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yields the lines of stdout; the last one of a killed process may be half a line."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith(b"\n"):
            yield line


def _drain(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr is not None
    for _ in process.stderr:
        pass


def _is_config(error: Json) -> bool:
    return "stream_descriptor" in error and error["failure_type"] == "config_error"
