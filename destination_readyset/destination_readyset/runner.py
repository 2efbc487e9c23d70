"""`run`: source and destination without a platform, round after round, for a supervisor to start and stop.

- A round begins from the state that the served MySQL keeps, in one transaction with its rows: it is exactly what the
  tables hold. The state file is written at each state, and counts where the served MySQL has none.
- A stream that has to be refreshed is, if the user wishes, and so are all when the saved position is lost: its state
  is left out of the next round, and its table gets rows of a new generation, which erases the old ones in the
  transaction of the first new ones. That a refresh was begun is in the state file; that it has come as far as that, in
  the served MySQL.
- What can pass is tried again, with a growing pause; what only the user can mend ends the program.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from source_vitess.airbyte.files import read_json
from source_vitess.errors import ConfigError, ConnectorError

from destination_readyset.bookkeeping import Bookkeeping, states_scope
from destination_readyset.config import Config
from destination_readyset.health import Health
from destination_readyset.readable import line, readable
from destination_readyset.refreshes import FAIL, LOST_POSITION, REFRESH_ADVICE, RESYNC, Refreshes
from destination_readyset.round import Outcome, Round
from destination_readyset.served import connect
from destination_readyset.state_file import Saved, load, replace_file, save

#: Seconds before the first try after a failure, and at most.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
#: Seconds between two rounds of a source that does not stream.
BETWEEN_ROUNDS = 1.0
#: Seconds after which a round has to await ReadySet at its end: shorter ones see nothing stand still by themselves.
LOOK_SECONDS = 300.0

Json = dict[str, Any]


@dataclass(frozen=True)
class RunOptions:
    """What `run` is asked to do.

    Attributes:
        source_command: The words that start the source.
        destination_command: The words that start the destination.
        source: The source's configuration.
        config: The destination's.
        catalog: The configured catalog.
        state_file: Where the state is kept.
        refresh: Whether streams that have to be refreshed are.
    """

    source_command: Sequence[str]
    destination_command: Sequence[str]
    source: Path
    config: Path
    catalog: Path
    state_file: Path
    refresh: bool = False


class Runner:
    """Runs rounds until it is stopped, or cannot go on.

    Args:
        options: What is asked for.
        health: Is told how it goes.
        say: Takes lines for a person.
    """

    def __init__(self, options: RunOptions, health: Health, say: Callable[[str], None]) -> None:
        self._options = options
        self._health = health
        self._say = say
        self._stopped = threading.Event()
        self._round: Round | None = None
        self._saved = Saved()
        self._refreshes = Refreshes(wanted=options.refresh)
        #: The highest generation of rows that any table has.
        self._generation = 0
        #: Of the round that runs, or ran last: how many records were committed.
        self._records = 0
        #: The end of the last round that could see whether ReadySet makes progress.
        self._looked_at = time.monotonic()

    def stop(self) -> None:
        """Ends after the state that comes next. Any thread may call."""
        self._stopped.set()
        current = self._round
        if current is not None:
            current.stop()

    def run(self) -> int:
        """Runs rounds.

        Returns:
            The exit code: 0 after `stop`.

        Raises:
            ConfigError: The user has to act.
        """
        self._saved = load(self._options.state_file)
        self._log("INFO", f"Started as process {os.getpid()}.")
        failures = losses = 0
        while not self._stopped.is_set():
            outcome, trouble = Outcome(), ""
            self._refreshes = Refreshes(wanted=self._options.refresh)
            try:
                outcome = self._run_round()
                trouble = outcome.trouble
            except ConfigError:
                raise
            except ConnectorError as error:
                trouble = error.message
            if self._stopped.is_set():
                break
            losses = losses + 1 if self._refreshes.is_position_lost else 0
            if self._begin_refreshes():
                # A position that is lost again and again is not to empty the tables every second.
                self._stopped.wait(_pause(losses - 1))
                continue
            if outcome.is_config_error:
                raise ConfigError(f"{outcome.advice} {REFRESH_ADVICE if self._refreshes.reasons else ''}".strip())
            if not trouble:
                failures = 0
                self._stopped.wait(BETWEEN_ROUNDS)
                continue
            failures = 1 if outcome.states else min(failures + 1, 10)
            pause = _pause(failures)
            self._health.is_in("waiting after a failure")
            self._log("WARN", f"{trouble} Both are started again in {pause:.0f} s.")
            self._stopped.wait(pause)
        self._log("INFO", f"Stopped. The state is in {self._options.state_file}.")
        return 0

    def _run_round(self) -> Outcome:
        options = self._options
        catalog = read_json(options.catalog, "configured catalog")
        states = self._begin_from(catalog)
        self._refreshes = Refreshes(
            wanted=options.refresh,
            followed=[
                entry["stream"]["name"] for entry in catalog["streams"] if entry.get("sync_mode") == "incremental"
            ],
        )
        # Always the same folder, so that whoever is killed leaves one at most.
        files = options.state_file.with_name(f".{options.state_file.name}.round")
        try:
            source = self._source_config(files)
            shared = ["--catalog", str(_write(files / "catalog.json", catalog))]
            state = _write(files / "state.json", states)
            if self._stopped.is_set():
                return Outcome()
            self._health.is_in("running")
            self._records = 0
            began = time.monotonic()
            awaits_readyset = began - self._looked_at >= LOOK_SECONDS
            self._round = Round(
                [*options.source_command, "read", "--config", str(source), *shared, "--state", str(state)],
                [*options.destination_command, "write", "--config", str(options.config), *shared],
                awaits_readyset=awaits_readyset,
            )
            try:
                if self._stopped.is_set():
                    self._round.stop()
                outcome = self._round.run(self._take)
            finally:
                self._round = None
            # Without records there was nothing that ReadySet had to follow.
            if (awaits_readyset and self._records) or time.monotonic() - began >= LOOK_SECONDS:
                self._looked_at = time.monotonic()
            return outcome
        finally:
            shutil.rmtree(files, ignore_errors=True)

    def _source_config(self, files: Path) -> Path:
        """Returns the source's configuration: it is not to begin anew by itself where rows that are gone shall go."""
        config = read_json(self._options.source, "source's configuration")
        if not self._options.refresh or config.get(LOST_POSITION) != RESYNC:
            return self._options.source
        return _write(files / "source.json", {**config, LOST_POSITION: FAIL})

    def _take(self, message: Json) -> None:
        if message.get("type") == "STATE":
            state = {name: value for name, value in message["state"].items() if not name.endswith("Stats")}
            self._saved = Saved([state], self._saved.refreshing)
            save(self._options.state_file, self._saved)
            self._health.has_state()
            self._records += int(message["state"]["destinationStats"]["recordCount"])
            self._say_all(self._refreshes.take_state(state))
            if self._refreshes.reasons and self._options.refresh and self._round is not None:
                self._round.stop()
        elif not self._is_obeyed(message) and not self._refreshes.holds(message):
            self._say_all([message])

    def _say_all(self, messages: Sequence[Json]) -> None:
        for message in messages:
            if text := readable(message):
                self._say(text)

    def _is_obeyed(self, message: Json) -> bool:
        """Tells whether a message only says that the source was asked to stop, which is no error here."""
        if self._round is None or not self._round.is_stopping or message.get("type") != "TRACE":
            return False
        error = message["trace"].get("error") or {}
        return bool(error.get("failure_type") == "transient_error")

    def _begin_from(self, catalog: Json) -> list[Mapping[str, Any]]:
        """Returns the states to begin from, and gives the catalog the generations of the streams to refresh."""
        config = Config.from_json(read_json(self._options.config, "configuration"))
        bookkeeping = Bookkeeping(config.bookkeeping_database)
        streams = [entry["stream"] for entry in catalog["streams"]]
        connection = connect(config.mysql)
        with connection:
            bookkeeping.create(connection)
            known = bookkeeping.known(connection)
            kept = bookkeeping.state(connection, states_scope(stream.get("namespace") for stream in streams))
        states = [json.loads(kept)] if kept is not None else list(self._saved.states)
        self._generation = max((table.generation or 0 for table in known.values()), default=0)
        refreshing: dict[str, int] = {}
        for entry in catalog["streams"]:
            name = entry["stream"]["name"]
            wanted = self._saved.refreshing.get(name)
            table = known.get((config.database(entry["stream"].get("namespace")), name))
            if wanted is None or (table is not None and table.generation == wanted):
                continue
            refreshing[name] = wanted
            entry.update(generation_id=wanted, minimum_generation_id=wanted)
            states = [_without(state, name) for state in states]
        self._saved = Saved(states, refreshing)
        save(self._options.state_file, self._saved)
        return states

    def _begin_refreshes(self) -> bool:
        """Notes that the streams that need it are refreshed from the next round on, and returns whether any is."""
        reasons = self._refreshes.reasons
        if not reasons or not self._options.refresh:
            return False
        # Higher than any that a platform has given out, or an earlier refresh.
        generation = max(int(time.time()), self._generation + 1)
        what = "copied anew, and rows that are gone are deleted, as --on-refresh-needed says."
        if self._refreshes.is_position_lost:
            self._log("WARN", f"All streams are {what} {next(iter(reasons.values()))}")
        else:
            for name, reason in reasons.items():
                self._log("WARN", f"Stream {name!r} is {what} {reason}")
        self._saved = Saved(self._saved.states, {**self._saved.refreshing, **dict.fromkeys(reasons, generation)})
        save(self._options.state_file, self._saved)
        return True

    def _log(self, level: str, text: str) -> None:
        self._say(line("run", level, text))


def _without(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns a state without that of one stream, which is then copied anew."""
    shared = state.get("global") or {}
    left = [stream for stream in shared.get("stream_states") or [] if stream["stream_descriptor"]["name"] != name]
    return {**state, "global": {**shared, "stream_states": left}}


def _write(path: Path, content: Any) -> Path:
    """Writes a file into a folder that is made, for this user alone."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, exist_ok=True)
    replace_file(path, json.dumps(content), durable=False)
    return path


def _pause(failures: int) -> float:
    """Returns the seconds to wait after so many failures on end."""
    return min(FIRST_PAUSE * 2.0 ** (failures - 1), LONGEST_PAUSE) if failures > 0 else 0.0
