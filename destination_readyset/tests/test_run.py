"""`run`: source and destination without a platform, killed, refreshed, stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from instruments.scripted_readyset import ScriptedReadyset
from instruments.scripted_vtgate.mysql_server import VtgateMysqlServer
from source_vitess.errors import ConfigError

from destination_readyset import round as rounds
from destination_readyset import runner
from destination_readyset.config import Address
from destination_readyset.health import Health
from destination_readyset.lag import LagReport
from destination_readyset.readable import readable
from destination_readyset.refreshes import Refreshes
from destination_readyset.round import Outcome
from destination_readyset.runner import Runner, RunOptions
from destination_readyset.state_file import Saved, load, save
from tests import scripted_source
from tests.served import Json, Served, catalog
from tests.supervisor import is_running

#: Each round starts two programs, which takes long on a busy machine.
SECONDS = 300.0
pytestmark = pytest.mark.timeout(900 + float(os.environ.get("KILL_SECONDS", "0")))


class Running:
    """The runner with a scripted source, on a thread of the test.

    Attributes:
        lines: What it says.
        changes: The source's keyspace.
        thread: What it runs on.
    """

    def __init__(self, served: Served, folder: Path, *, refresh: bool = False) -> None:
        self.served = served
        self.folder = folder
        self.lines: list[str] = []
        self.changes = folder / "changes.jsonl"
        self.changes.touch()
        for name, content in (
            ("source", {"changes": str(self.changes), "keep_streaming_minutes": 60}),
            ("destination", served.config),
            ("catalog", catalog()),
        ):
            (folder / f"{name}.json").write_text(json.dumps(content))
        self.options = RunOptions(
            source_command=[sys.executable, scripted_source.__file__],
            destination_command=[sys.executable, "-m", "destination_readyset"],
            source=folder / "source.json",
            config=folder / "destination.json",
            catalog=folder / "catalog.json",
            state_file=folder / "state.json",
            refresh=refresh,
        )
        self.health = Health(folder / "health.json", 0)
        self.runner = Runner(self.options, self.health, self.lines.append)
        self.code: int | None = None
        self.error: ConfigError | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.code = self.runner.run()
        except ConfigError as error:
            self.error = error

    def start(self) -> None:
        """Starts."""
        self.thread.start()

    def end(self) -> None:
        """Waits for its end."""
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()
        self.health.close()

    def stop(self) -> None:
        """Ends it, as a supervisor does."""
        self.runner.stop()
        self.end()

    def add(self, *changes: Json) -> None:
        """Changes the keyspace."""
        with self.changes.open("a") as file:
            file.write("".join(json.dumps(change) + "\n" for change in changes))

    def pids(self) -> tuple[int, int]:
        """The process ids of source and destination, once there are any."""
        found: list[tuple[int, int]] = []

        def look() -> bool:
            running = self.runner._round  # noqa: SLF001 - what a supervisor sees of it
            found[:] = [running.pids] if running else []
            return bool(found)

        until(look)
        return found[0]

    def rows(self) -> list[tuple[object, ...]]:
        """What is served; nothing while there is no table."""
        tables = self.served.mysql.sql("SELECT 1 FROM information_schema.tables WHERE table_name = 'customers'")
        return self.served.rows() if tables else []


def until(ready: Callable[[], bool]) -> None:
    """Waits for what happens in other processes."""
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not wait long after a failure."""
    monkeypatch.setattr(runner, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(runner, "BETWEEN_ROUNDS", 0.01)


@pytest.fixture
def running(served: Served, tmp_path: Path) -> Iterator[Running]:
    """The runner, not started yet."""
    one = Running(served, tmp_path)
    yield one
    if one.thread.is_alive():
        one.stop()


def test_changes_are_served_until_it_is_stopped(running: Running) -> None:
    """What the source says is in the log; the state is in the file; nothing is left behind."""
    running.start()
    running.add({"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 1, "gone": True})
    until(lambda: running.rows() == [(2, "b")])
    pids = running.pids()
    running.stop()

    assert running.code == 0
    assert [is_running(pid) for pid in pids] == [False, False]
    assert load(running.options.state_file).states[0]["global"]["shared_state"] == {"n": 3}
    assert running.lines[0].endswith(f"INFO  run: Started as process {os.getpid()}.")
    assert any("INFO  source: reading from 0" in line for line in running.lines)
    assert not any("ERROR" in line for line in running.lines)
    assert not (running.folder / "health.json").exists()


@pytest.mark.parametrize("victim", [0, 1], ids=["source", "destination"])
def test_a_killed_process_is_started_again(running: Running, victim: int) -> None:
    """The other one ends too, and the next round goes on from the last state."""
    running.start()
    running.add({"id": 1, "name": "a"})
    until(lambda: running.rows() == [(1, "a")])
    pids = running.pids()
    os.kill(pids[victim], signal.SIGKILL)
    running.add({"id": 2, "name": "b"})
    until(lambda: running.rows() == [(1, "a"), (2, "b")])

    assert [is_running(pid) for pid in pids] == [False, False]
    assert any("was killed by SIGKILL" in line for line in running.lines)
    running.stop()


def test_rounds_are_repeated(running: Running) -> None:
    """A source that has caught up and ends is started again."""
    running.start()
    running.add({"id": 1, "name": "a"}, {"end": None}, {"id": 2, "name": "b"}, {"end": None}, {"id": 3, "name": "c"})
    until(lambda: len(running.rows()) == 3)
    running.stop()

    assert sum("source: reading from" in line for line in running.lines) >= 3


@pytest.fixture
def standing_still(
    served: Served, tmp_path: Path, fake: ScriptedReadyset, address: Address, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    """The runner, not started yet, each round of which awaits a ReadySet that stays where it is."""
    monkeypatch.setattr(runner, "LOOK_SECONDS", 0.0)
    served.config["readyset"] = {"host": address.host, "port": address.port, "username": "app", "tls": "disabled"}
    fake.offsets = ["binlog.000001:157"]
    one = Running(served, tmp_path)
    yield one
    if one.thread.is_alive():
        one.stop()


def test_now_and_then_a_short_round_awaits_readyset(
    standing_still: Running, fake: ScriptedReadyset, server: VtgateMysqlServer
) -> None:
    """One that stands still is asked again and again at the end, which otherwise no round is long enough to notice."""
    running = standing_still
    running.add({"id": 1, "name": "a"})
    running.start()
    until(lambda: running.rows() == [(1, "a")])
    until(lambda: bool(asked(server)))
    running.add({"id": 2, "name": "b"}, {"end": None})

    until(lambda: asked(server) > 8)

    # A round that does not wait is over by then, and the next one asks once a minute.
    assert sum("source: reading from" in line for line in running.lines) == 1
    fake.offsets = []  # it goes on
    running.stop()
    assert running.code == 0


def test_a_short_round_that_awaits_readyset_is_stopped_at_once(
    standing_still: Running, server: VtgateMysqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is written: it does not wait until it is killed."""
    monkeypatch.setattr(rounds, "ENDING_SECONDS", 3600.0)
    running = standing_still
    running.add({"id": 1, "name": "a"}, {"end": None})
    running.start()
    until(lambda: asked(server) > 8)

    running.stop()

    assert running.code == 0
    assert not any("has been at binlog" in line for line in running.lines)


def test_a_round_without_rows_shows_nothing_of_readyset(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """There was nothing that it had to follow: the next one awaits it as well."""
    awaited: list[bool] = []

    class Recorded(rounds.Round):
        def __init__(self, source: list[str], destination: list[str], *, awaits_readyset: bool) -> None:
            awaited.append(awaits_readyset)
            super().__init__(source, destination, awaits_readyset=awaits_readyset)

    monkeypatch.setattr(runner, "Round", Recorded)
    monkeypatch.setattr(runner, "LOOK_SECONDS", 3600.0)
    running.runner._looked_at -= 3600.0  # noqa: SLF001 - as if it had run for an hour
    running.add({"end": None}, {"id": 1, "name": "a"}, {"end": None})
    running.start()
    until(lambda: len(awaited) == 3)
    running.stop()

    assert awaited == [True, True, False]


def asked(server: VtgateMysqlServer) -> int:
    """How often a ReadySet was asked where it is."""
    return sum(statement.sql == "SHOW READYSET STATUS" for statement in server.statements)


def test_what_passes_is_tried_again(running: Running) -> None:
    """After an error that is nobody's to mend."""
    running.start()
    running.add({"end": "transient_error"}, {"end": "system_error"}, {"id": 1, "name": "a"})
    until(lambda: running.rows() == [(1, "a")])
    running.stop()

    assert running.code == 0
    assert sum("are started again in" in line for line in running.lines) >= 2


def test_what_the_user_has_to_mend_ends_it(running: Running) -> None:
    """With the source's own words; and so does what the destination asks for."""
    running.start()
    running.add({"id": 1, "name": "a"}, {"end": "config_error"})
    running.end()

    assert running.error is not None
    assert running.error.message == "The scripted source was told to fail."
    assert running.rows() == [(1, "a")]
    assert any("ERROR source: The scripted source was told to fail." in line for line in running.lines)


def test_a_table_of_somebody_else_ends_it(running: Running) -> None:
    """The destination's own error is the user's to act on."""
    running.served.mysql.sql("CREATE DATABASE shop")
    running.served.mysql.sql("CREATE TABLE shop.customers (id INT)")
    running.start()
    running.end()

    assert running.error is not None
    assert "did not make" in running.error.message


def test_a_truncated_table_ends_it(running: Running) -> None:
    """Unless the user has said otherwise, nothing is deleted."""
    running.start()
    running.add({"id": 1, "name": "a"}, {"truncate": True}, {"end": "config_error"})
    running.end()

    assert running.error is not None
    assert "Refresh this stream." in running.error.message
    assert running.error.message.endswith("and deletes the rows that are gone.")
    assert running.rows() == [(1, "a")]


def test_a_truncated_table_is_refreshed(served: Served, tmp_path: Path) -> None:
    """With that option: rows that are gone are deleted, what came since is there, and the table stays the same one."""
    running = Running(served, tmp_path, refresh=True)
    running.start()
    running.add({"id": 1, "name": "a"}, {"id": 2, "name": "b"})
    until(lambda: len(running.rows()) == 2)
    served.new_binlog()
    running.add({"truncate": True}, {"id": 3, "name": "c"})
    until(lambda: running.rows() == [(3, "c")])
    running.add({"id": 4, "name": "d"}, {"truncate": True}, {"id": 5, "name": "e"})
    until(lambda: running.rows() == [(5, "e")])
    running.stop()

    assert [info for info in served.binlog("Query") if not info.startswith("BEGIN")] == []
    ((said, again),) = [[line for line in running.lines if "Stream 'customers'" in line]]
    assert said.endswith(
        "WARN  run: Stream 'customers' is copied anew, and rows that are gone are deleted, as --on-refresh-needed "
        "says. Table 'customers' was truncated."
    )
    assert said.partition(" ")[2] == again.partition(" ")[2]
    assert not any("ERROR" in line for line in running.lines)


def test_a_lost_position_ends_it(running: Running) -> None:
    """Unless the user has said otherwise: what was done since is not known, and only a new copy helps."""
    running.start()
    running.add({"id": 1, "name": "a"})
    until(lambda: running.rows() == [(1, "a")])
    running.add({"purge": 1}, {"id": 1, "gone": True})
    running.end()

    assert running.error is not None
    assert running.error.message.startswith(
        "Shard '0' has purged it. Re-sync the data. With --on-refresh-needed refresh"
    )
    assert running.rows() == [(1, "a")]


def test_a_lost_position_is_refreshed(served: Served, tmp_path: Path) -> None:
    """With that option: all is copied anew, rows that are gone are deleted, and the table stays the same one."""
    running = Running(served, tmp_path, refresh=True)
    running.start()
    running.add({"id": 1, "name": "a"}, {"id": 2, "name": "b"})
    until(lambda: len(running.rows()) == 2)
    served.new_binlog()
    running.add({"purge": 2}, {"id": 1, "gone": True}, {"id": 3, "name": "c"}, {"id": 4, "name": "d"})
    until(lambda: running.rows() == [(2, "b"), (3, "c"), (4, "d")])
    running.add({"purge": 1}, {"id": 2, "gone": True}, {"id": 5, "name": "e"})
    until(lambda: running.rows() == [(3, "c"), (4, "d"), (5, "e")])
    running.stop()

    assert [info for info in served.binlog("Query") if not info.startswith("BEGIN")] == []
    said = [line for line in running.lines if "copied anew" in line]
    assert len(said) == 2
    assert said[0].endswith(
        "WARN  run: All streams are copied anew, and rows that are gone are deleted, as --on-refresh-needed says. "
        "Shard '0' has purged it."
    )
    assert not any("ERROR" in line for line in running.lines)
    assert [path.name for path in tmp_path.iterdir() if ".round" in path.name] == []


def test_the_source_is_not_to_begin_anew_by_itself(served: Served, tmp_path: Path) -> None:
    """Its option that leaves rows that are gone is taken back for a refresh, in a file that goes with the round."""
    running = Running(served, tmp_path, refresh=True)
    asked = {
        "changes": str(running.changes),
        "keep_streaming_minutes": 60,
        "invalid_cdc_position_behavior": "Re-sync data",
    }
    running.options.source.write_text(json.dumps(asked))
    running.start()
    running.add({"id": 1, "name": "a"})
    until(lambda: running.rows() == [(1, "a")])
    given = json.loads((tmp_path / ".state.json.round" / "source.json").read_text())
    mode = (tmp_path / ".state.json.round").stat().st_mode & 0o777
    running.stop()

    assert given == {**asked, "invalid_cdc_position_behavior": "Fail sync"}
    assert mode == 0o700
    assert not (tmp_path / ".state.json.round").exists()
    assert json.loads(running.options.source.read_text()) == asked


def test_the_served_mysql_knows_best(running: Running) -> None:
    """A state file that is behind, or gone, loses nothing: the state is in the transaction of its rows."""
    running.start()
    running.add({"id": 1, "name": "a"})
    until(lambda: running.rows() == [(1, "a")])
    running.stop()
    running.options.state_file.unlink()
    again = Running(running.served, running.folder)
    again.add({"id": 1, "gone": True}, {"id": 2, "name": "b"})
    again.start()
    until(lambda: again.rows() == [(2, "b")])
    again.stop()

    assert any("reading from 1" in line for line in again.lines)


def test_a_server_that_is_away_is_awaited(running: Running) -> None:
    """A served MySQL that does not answer is no reason to end."""
    port = running.served.config["port"]
    config = running.folder / "destination.json"
    config.write_text(json.dumps({**running.served.config, "port": 1}))
    running.start()
    until(lambda: sum("are started again in" in line for line in running.lines) >= 2)
    config.with_suffix(".new").write_text(json.dumps({**running.served.config, "port": port}))
    config.with_suffix(".new").replace(config)
    running.add({"id": 1, "name": "a"})
    until(lambda: running.rows() == [(1, "a")])
    running.stop()

    assert any("cannot be made" in line for line in running.lines)


def test_kills_at_random(served: Served, tmp_path: Path) -> None:
    """Runner and children killed at any moment beside a writer: the rows are the keyspace's, and no process is left.

    It lasts as many seconds as KILL_SECONDS says, a few without: `make readyset KILL_SECONDS=600`.
    """
    seed = int(os.environ.get("SOURCE_VITESS_SEED", random.randrange(10**6)))  # noqa: S311 - a test
    print(f"SOURCE_VITESS_SEED={seed}")  # noqa: T201 - to repeat it
    chooser = random.Random(seed)  # noqa: S311 - a test
    made = Running(served, tmp_path, refresh=True)
    rows: dict[int, str] = {}
    argv = [sys.executable, "-m", "destination_readyset", "run", "--on-refresh-needed", "refresh"]
    for option in ("source", "config", "catalog", "state_file"):
        argv += [f"--{option.replace('_', '-')}", str(getattr(made.options, option))]
    argv += ["--source-command", f"{sys.executable} {scripted_source.__file__}"]
    argv += ["--health-file", str(tmp_path / "alive.json")]
    ends_at = time.monotonic() + float(os.environ.get("KILL_SECONDS", "0"))
    seen: set[int] = set()
    kills = 0
    log = (tmp_path / "log.txt").open("wb")
    process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        while kills < 8 or time.monotonic() < ends_at:
            for _ in range(chooser.randrange(1, 30)):
                _change(made, rows, chooser)
            if chooser.random() < 0.5:
                _catch_up(made, rows)
            children = _children(process.pid)
            seen.update(children)
            victim = chooser.choice([process.pid, *children])
            # Between two changes of state of the whole, whichever they are.
            time.sleep(chooser.random() * 0.5)
            if is_running(victim):
                os.kill(victim, signal.SIGKILL)
                kills += 1
            if victim == process.pid:
                process.wait()
                process = subprocess.Popen(argv, stdout=log, stderr=log)
        _catch_up(made, rows)
        seen.update(_children(process.pid))
        # One that has just been started does not listen yet.
        until(lambda: f"Started as process {process.pid}." in (tmp_path / "log.txt").read_text())
        process.terminate()
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        log.close()
        made.health.close()

    until(lambda: not any(is_running(pid) for pid in seen))
    assert load(made.options.state_file).states
    text = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in text
    print(f"{kills} kills, {len(text.splitlines())} lines of log")  # noqa: T201 - for a person


def _change(made: Running, rows: dict[int, str], chooser: random.Random) -> None:
    key = chooser.randrange(30)
    dice = chooser.random()
    if dice < 0.02:
        rows.clear()
        made.add({"truncate": True})
    elif dice < 0.3:
        rows.pop(key, None)
        made.add({"id": key, "gone": True})
    else:
        rows[key] = f"{chooser.random()}"
        made.add({"id": key, "name": rows[key]})


def _catch_up(made: Running, rows: dict[int, str]) -> None:
    until(lambda: made.rows() == sorted(rows.items(), key=str))


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def test_health_is_told_in_a_file_and_on_a_port(tmp_path: Path) -> None:
    """200 while states come, 503 when none has come for long, and no file once it has ended."""
    file = tmp_path / "health.json"
    health = Health(file, 0, seconds=1000)
    health.is_in("running")
    url = f"http://127.0.0.1:{health.port}/"
    with urllib.request.urlopen(url) as answer:
        assert json.loads(answer.read()) == {**json.loads(file.read_text()), "seconds_since_state": 0.0}
    health.close()
    assert not file.exists()

    late = Health(None, 0, seconds=0)
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"http://127.0.0.1:{late.port}/")
    late.close()


def test_the_state_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that fails in the middle leaves the file before; and a plain state, as people save it, is taken."""
    file = tmp_path / "state.json"
    assert load(file) == Saved()
    saved = Saved([{"type": "GLOBAL", "global": {"shared_state": {"n": 1}, "stream_states": []}}], {"customers": 7})
    save(file, saved)
    assert load(file) == saved

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigError, match="No space left"):
        save(file, Saved())
    assert load(file) == saved

    file.write_text(json.dumps({"type": "STATE", "state": saved.states[0]}))
    assert load(file) == Saved(saved.states)
    file.write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        load(file)


def test_messages_become_lines() -> None:
    """Who says it, how grave it is, and what; nothing of what is for platforms only."""
    error = {"message": "It broke.", "failure_type": "config_error", "internal_message": "at 7"}
    trace = {"type": "TRACE", "trace": {"type": "ERROR", "error": {**error, "stream_descriptor": {"name": "a"}}}}

    passing = {"type": "TRACE", "trace": {"type": "ERROR", "error": {**error, "failure_type": "transient_error"}}}

    assert readable({**trace, "from": "source"}).endswith("ERROR source: Stream 'a': It broke. (at 7)")
    assert readable(passing).endswith("WARN  destination: It broke. (at 7)")
    assert readable({"type": "LOG", "log": {"level": "WARN", "message": "a\nb"}}).endswith("WARN  destination: a b")
    assert readable({"type": "STATE", "state": {}}) == ""
    assert readable({"type": "TRACE", "trace": {"type": "ESTIMATE"}}) == ""


@pytest.mark.parametrize(
    ("codes", "trouble"),
    [
        ((0, 0), ""),
        ((-9, 0), "The source was killed by SIGKILL."),
        ((-9, -9), "The source was killed by SIGKILL and the destination was killed by SIGKILL."),
        ((-15, -9), "The destination was killed by SIGKILL."),
        ((1, 1), "The destination ended with 1."),
        ((1, 0), "The source ended with 1."),
    ],
)
def test_what_ended_a_round(codes: tuple[int, int], trouble: str) -> None:
    """A source that ends because the destination has is no cause."""
    assert Outcome(codes).trouble == trouble


def test_an_error_that_means_something_else_is_said() -> None:
    """Of the errors that were held back, those of a stream that the next state does not ask to refresh."""
    refreshes = Refreshes(wanted=True)
    errors = [
        {
            "type": "TRACE",
            "from": "source",
            "trace": {"error": {"message": "…", "failure_type": "config_error", "stream_descriptor": {"name": name}}},
        }
        for name in ("truncated", "other")
    ]
    assert [refreshes.holds(error) for error in errors] == [True, True]

    state = {
        "global": {
            "stream_states": [
                {
                    "stream_descriptor": {"name": "truncated"},
                    "stream_state": {"refresh_needed": "Gone. Refresh this stream."},
                }
            ]
        }
    }
    assert refreshes.take_state(state) == errors[1:]
    assert refreshes.reasons == {"truncated": "Gone."}


def test_the_lag_is_said_now_and_then() -> None:
    """Once a minute: how many records, and how old their changes were."""
    now = [1_767_323_045.0]  # 2026-01-02T03:04:05Z
    report = LagReport(lambda: now[0], every=60)
    now[0] += 3
    assert report.committed(10, "2026-01-02T03:04:05Z") == ""
    now[0] += 60
    assert report.committed(5, "2026-01-02T03:05:07Z") == (
        "15 records were committed in the last 63 s. Their changes were 3 s old then (median; at most 3 s)."
    )
    now[0] += 60
    assert "up to date" in report.committed(0, None)
