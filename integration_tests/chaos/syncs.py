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
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from instruments.connector import Connector, Json
from instruments.oracle import OracleError, Store
from instruments.validation import RecordValidator
from integration_tests.chaos.advice import Advice
from integration_tests.chaos.ddl import SchemaChanges
from integration_tests.chaos.lines import Lines
from integration_tests.chaos.plans import Plan
from source_vitess.commands import sync_settings
from source_vitess.errors import ConnectorError

#: Seconds after which a sync hangs: longer than all that it may wait for put together.
HANG_SECONDS = 900

#: What a sync says when it rode something out, after which records may have come twice.
_AGAIN = ("opened again", "starts from the beginning", "resharded")


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
        may_stall: Why replicas may not replicate, empty if all do.
        repeated: Streams without a key of which records may have come twice; a unique key over a prefix makes none.
        advice: What the log advises.
    """

    def __init__(self, connector: Connector, changes: SchemaChanges) -> None:
        self._connector = connector
        self._changes = changes
        self._tables = changes.schema.tables
        self.advice = Advice()
        self._catalog: Json = {}
        self.store = Store({})
        self.ended: Counter[str] = Counter()
        self.rode_out = 0
        self.may_lose_position = ""
        self.may_stall = ""
        self.repeated: set[str] = set()
        self._epoch = 0
        self._streams_failed: set[str] = set()
        self._past_misnoted: set[str] = set()
        self._lost = False
        self.is_green = False

    def select_all(self) -> None:
        """Discovers the tables and selects all of them, as a user does first of all."""
        self._catalog = self._connector.configured(*self._tables)
        if len(self._catalog["streams"]) != len(self._tables):
            raise OracleError("discover does not list every table")
        self.store.keys = Store.of_catalog(self._catalog).keys

    def columns(self, table: str) -> set[str]:
        """Returns the columns with which a table is read and whose values must be the same in the database.

        Left out is what the log says may be old, and of that only what a statement has touched.
        """
        [stream] = [entry["stream"] for entry in self._catalog["streams"] if entry["stream"]["name"] == table]
        read = {name for name in stream["json_schema"]["properties"] if not name.startswith("_ab_cdc_")}
        touched, advice, declarations = self._changes.columns[table], self.advice, self._changes.declarations(table)
        excused = advice.columns.get(table, set()) | (touched if table in advice.online else set())
        if table in advice.texts:
            excused |= {name for name, how in declarations.items() if "char" in how or "text" in how}
        if table in advice.computed:
            excused |= {name for name, how in declarations.items() if "generated always" in how}
        return (read & set(declarations)) - (excused & touched)

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
        """Does what a user does on being told: refreshes the schema, and streams with removal of old records.

        With columns that were not read before, the log's advice is followed for all streams: what it names has rows
        without them, or with old values.
        """
        self.select_all()
        for table in {*tables, *self.advice.tables() & self._tables.keys()}:
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
            self.advice.followed(table)
        self._epoch = len(self.store.states)

    def passed_all(self) -> None:
        """Notes that a sync has come past every statement: it was green, and nothing lagged."""
        self._changes.ahead.clear()

    def refresh_failed(self) -> list[str]:
        """Refreshes the streams that asked for it or may be wrong, and everything after a lost position; returns which.

        Where tablets had noted wrong columns, that is of no use before a sync has come past them.
        """
        failed = sorted(self._tables if self._lost else self._streams_failed | self._past_misnoted)
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
        lines = Lines(self.store, forget=plan.forget, slow=plan.slow)
        misnoted = frozenset(self._changes.misnoted)
        copied = self._copied()
        ended = self._run_process(plan, lines) if plan.process else self._run_here(plan, lines)
        loose = lines.end(killed=ended in ("dropped", "killed"))
        said = [line for line in self.store.logs[logs:] if any(word in line for word in _AGAIN)]
        self.advice.read(self.store.logs[logs:])
        self.rode_out += len(said)
        if (ended != "complete" and loose) or said or self._copies_keyless():
            self._mark_repeated()
        self._judge(ended, self.store.errors[errors:], copied)
        self.is_green = ended == "complete"
        if ended == "complete":
            self._epoch = max(self._epoch, len(self.store.states) - 20)
            self._past_misnoted |= misnoted
            self.may_lose_position = ""
        self.ended[f"{plan.kind}: {ended}"] += 1
        return ended

    def _copied(self) -> set[str]:
        """Returns the streams whose copy is over."""
        return {
            entry["stream_descriptor"]["name"]
            for state in self.store.last_state
            for entry in state["global"]["stream_states"]
            if entry["stream_state"].get("copied")
        }

    def _copies_keyless(self) -> bool:
        """Tells whether a copy of a table without a key was left unfinished."""
        for state in self.store.last_state:
            for entry in state["global"]["stream_states"]:
                name = entry["stream_descriptor"]["name"]
                if not self.store.keys[name] and "copying" in entry["stream_state"]:
                    return True
        return False

    def _mark_repeated(self) -> None:
        self.repeated |= {name for name in self._tables if not self.store.keys[name]}

    def _run_here(self, plan: Plan, lines: Lines) -> str:
        connector = self._connector.with_config(**plan.config)

        def settings(config: object) -> object:
            return replace(sync_settings(config), checkpoint_records=plan.checkpoint_records)  # type: ignore[arg-type]

        with patch("source_vitess.commands.sync_settings", settings):
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

    def _run_process(self, plan: Plan, lines: Lines) -> str:
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

    def _read(self, process: subprocess.Popen[bytes], plan: Plan, lines: Lines) -> None:
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

    def _judge(self, ended: str, errors: list[Json], copied: set[str]) -> None:
        """Checks that what a sync says of itself agrees, and that it had a reason.

        Args:
            ended: How it ended.
            errors: Its errors.
            copied: The streams whose copy was over when it began. One that is copied needs all of its columns.
        """
        statuses = self.store.statuses
        failed = {error["stream_descriptor"]["name"]: error["message"] for error in errors if _is_config(error)}
        for name, message in failed.items():
            lacks_column = name not in copied and self._changes.gone.get(name)
            reasons = {*self._changes.allowed, *self._changes.ahead, *self._changes.misnoted}
            if name not in reasons and not lacks_column:
                raise OracleError(f"stream {name} failed without a reason: {message}")
        self._streams_failed |= set(failed)
        match ended:
            case "complete":
                if set(statuses.values()) != {"COMPLETE"} or len(statuses) != len(self._tables) or failed:
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
            case "StallError":
                # VTGate may choose a replica that has stopped, twice.
                if not self.may_stall:
                    raise OracleError(f"the sync stalled without a reason: {errors}")
            case _:
                raise OracleError(f"the sync ended with {ended}: {errors}")
        if ended not in ("dropped", "killed", "stopped"):
            unfinished = {name for name, status in statuses.items() if status not in ("COMPLETE", "INCOMPLETE")}
            if unfinished:
                raise OracleError(f"streams without an end after {ended}: {sorted(unfinished)}")


def _named(state: Json) -> set[str]:
    """Returns the streams that a state names: those whose copy was begun."""
    return {entry["stream_descriptor"]["name"] for entry in state["global"]["stream_states"]}


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
