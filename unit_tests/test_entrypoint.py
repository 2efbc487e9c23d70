"""The command line: exit codes, what goes to stdout and stderr, signals, and what never goes anywhere."""

from __future__ import annotations

import array
import ctypes
import fcntl
import gc
import json
import os
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess import entrypoint
from source_vitess.clock import SystemClock
from source_vitess.commands import Commands
from source_vitess.rows import compiled
from unit_tests.syncing import COLUMNS, Syncs, is_row, rows

#: A password that needs percent-encoding in a URL.
PASSWORD = "canary/p@ss wörd"
ENCODED = "canary%2Fp%40ss%20w%C3%B6rd"


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command within the tests' process waits for nothing, and leaves no handlers and no switched-off collector."""
    monkeypatch.setattr(SystemClock, "wait", lambda _, __: None)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.enable()
    gc.unfreeze()


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A Vitess with a table of a few rows."""
    with Vitess() as running:
        running.create_table("a", COLUMNS, key=["id"])
        running.insert("a", *rows(6))
        yield running


class Ran:
    """A command that has ended, and what it left.

    Attributes:
        code: The exit code.
        messages: The messages on stdout; every line must be one.
        text: All of stdout and stderr.
    """

    def __init__(self, code: int, out: bytes, err: bytes) -> None:
        self.code = code
        self.messages: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]
        self.text = out.decode() + err.decode()
        assert all(
            message["type"] in ("SPEC", "CONNECTION_STATUS", "CATALOG", "RECORD", "STATE", "TRACE", "LOG")
            for message in self.messages
        )
        assert b"Traceback" not in err
        assert "canary" not in self.text

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Returns the messages of a type."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors that were traced."""
        return [message["trace"]["error"] for message in self.of("TRACE") if message["trace"]["type"] == "ERROR"]


class Run:
    """Runs commands within this process, their files in a folder."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self._folder = folder
        self._capture = capture

    def __call__(self, command: str, **files: object) -> Ran:
        """Runs a command; a file's content is given as JSON or as its text."""
        self._capture.readouterr()
        code = entrypoint.run([command, *write_files(self._folder, files)])
        captured = self._capture.readouterr()
        return Ran(code, captured.out, captured.err)


def write_files(folder: Path, files: dict[str, object]) -> list[str]:
    """Writes files and returns the arguments that name them."""
    arguments = []
    for name, content in files.items():
        path = folder / f"{name}.json"
        if content is not None:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        arguments += [f"--{name}", str(path)]
    return arguments


@pytest.fixture
def run(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs commands within this process."""
    return Run(tmp_path, capsysbinary)


def test_spec(run: Run) -> None:
    """One message, and the exit code 0."""
    ran = run("spec")

    assert ran.code == 0
    assert len(ran.of("SPEC")) == 1


def test_check(run: Run, vitess: Vitess) -> None:
    """A failed check is an answer, not a failure: exit code 0, and the message names the problem."""
    ran = run("check", config={"url": vitess.url})
    assert "MemoryMonitor" not in ran.text
    assert (ran.code, ran.of("CONNECTION_STATUS")[0]["connectionStatus"]["status"]) == (0, "SUCCEEDED")

    ran = run("check", config={"url": vitess.url.replace("commerce", "nope")})
    assert ran.code == 0
    [status] = ran.of("CONNECTION_STATUS")
    assert status["connectionStatus"]["status"] == "FAILED"
    assert "nope" in status["connectionStatus"]["message"]


def test_discover(run: Run, vitess: Vitess) -> None:
    """One catalog."""
    ran = run("discover", config={"url": vitess.url})

    assert ran.code == 0
    assert [stream["name"] for stream in ran.of("CATALOG")[0]["catalog"]["streams"]] == ["a"]


def test_read(run: Run, vitess: Vitess) -> None:
    """Records and a state, and the exit code 0."""
    syncs = Syncs(vitess)

    ran = run("read", config=syncs.connector.config, catalog=syncs.catalog, state=[])

    assert ran.code == 0
    assert len(ran.of("RECORD")) == 6
    again = run("read", config=syncs.connector.config, catalog=syncs.catalog, state=[ran.of("STATE")[-1]["state"]])
    assert (again.code, again.of("RECORD")) == (0, [])


def test_the_compiled_decoder_is_not_installed(run: Run, vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it gets an error before anything is read; who does not gets the records, and a line in the log."""
    syncs = Syncs(vitess)
    monkeypatch.setattr(compiled, "_imported", lambda: "is not installed")

    monkeypatch.setenv(compiled.VARIABLE, "1")
    ran = run("read", config=syncs.connector.config, catalog=syncs.catalog)
    assert (ran.code, ran.of("RECORD")) == (1, [])
    [error] = ran.errors
    assert error["failure_type"] == "config_error"
    assert "SOURCE_VITESS_COMPILED is 1, but the compiled decoder is not installed." in error["message"]

    monkeypatch.delenv(compiled.VARIABLE)
    ran = run("read", config=syncs.connector.config, catalog=syncs.catalog)
    assert (ran.code, len(ran.of("RECORD"))) == (0, 6)
    assert "Rows are decoded in Python: the compiled decoder, which is faster, is not installed." in ran.text


def test_a_partial_success_is_not_green(run: Run, vitess: Vitess) -> None:
    """One stream fails and another is complete: exit code 1, and a config error for the sync as a whole."""
    vitess.create_table("b", COLUMNS, key=["id"])
    syncs = Syncs(vitess)
    vitess.drop_table("b")

    ran = run("read", config=syncs.connector.config, catalog=syncs.catalog)

    assert ran.code == 1
    of_b, of_all = ran.errors
    assert of_b["stream_descriptor"]["name"] == "b"
    assert "stream_descriptor" not in of_all
    assert of_all["failure_type"] == "config_error"
    assert ran.of("STATE")


GOOD: dict[str, object] = {"url": "vitess://127.0.0.1:1/shop"}
CATALOG: dict[str, object] = {"streams": []}


@pytest.mark.parametrize(
    ("command", "files", "found"),
    [
        ("discover", {"config": None}, ["configuration file", "config.json", "cannot be read"]),
        ("discover", {"config": "{"}, ["configuration file", "is not JSON"]),
        ("discover", {"config": "[" + "1" * 5000 + "]"}, ["configuration file", "a number of thousands of digits"]),
        ("discover", {"config": "[]"}, ["configuration file", "JSON object", "list"]),
        ("discover", {"config": {}}, ["The field url is missing"]),
        ("discover", {"config": {"url": 5}}, ["The field url must be text, found a number"]),
        ("discover", {"config": {"url": "http://gate/shop"}}, ["url"]),
        ("discover", {"config": {**GOOD, "shards": "-80"}}, ["The field shards must be", "found '-80'"]),
        ("discover", {"config": {**GOOD, "password": "canary"}}, ["The field password is set", "username"]),
        ("read", {"config": None, "catalog": CATALOG}, ["configuration file", "cannot be read"]),
        ("read", {"config": {**GOOD, "tablet_type": 1}, "catalog": CATALOG}, ["The field tablet_type must be"]),
        ("read", {"config": GOOD, "catalog": None}, ["configured catalog file", "catalog.json", "cannot be read"]),
        ("read", {"config": GOOD, "catalog": "]"}, ["configured catalog file", "is not JSON"]),
        ("read", {"config": GOOD, "catalog": "[]"}, ["configured catalog", "JSON object with a list of streams"]),
        ("read", {"config": GOOD, "catalog": {"type": "CATALOG"}}, ["looks like the output of discover"]),
        ("read", {"config": GOOD, "catalog": {"streams": [5]}}, ["configured catalog cannot be used"]),
        ("read", {"config": GOOD, "catalog": CATALOG, "state": None}, ["state file", "cannot be read"]),
        ("read", {"config": GOOD, "catalog": CATALOG, "state": "{"}, ["state file is not JSON"]),
        ("read", {"config": GOOD, "catalog": CATALOG, "state": "5"}, ["list of state messages", "int"]),
        ("read", {"config": GOOD, "catalog": CATALOG, "state": [{"type": "STREAM", "stream": {}}]}, ["type STREAM"]),
        ("read", {"config": GOOD, "catalog": CATALOG, "state": {"a": 1}}, ["'a'"]),
        (
            "read",
            {
                "config": GOOD,
                "catalog": CATALOG,
                "state": {"type": "GLOBAL", "global": {"shared_state": {"version": 7}, "stream_states": []}},
            },
            ["its version is 7"],
        ),
        (
            "read",
            {"config": GOOD, "catalog": CATALOG, "state": {"type": "GLOBAL", "global": {"stream_states": "x"}}},
            ["state file does not hold a state message"],
        ),
    ],
)
def test_bad_input(run: Run, command: str, files: dict[str, object], found: list[str]) -> None:
    """Exit code 1 and one config error that names the file or the field and what was found; no stack trace."""
    ran = run(command, **files)

    assert ran.code == 1
    [error] = ran.errors
    assert error["failure_type"] == "config_error"
    for text in found:
        assert text in error["message"]
    assert "Traceback" not in error["message"]
    assert "File " not in error["message"]


def test_secrets_go_nowhere(run: Run, vitess: Vitess) -> None:
    """A password, plain or encoded, in its field or in a URL that is refused: it is nowhere on stdout or stderr."""
    address = vitess.url.removeprefix("vitess://")
    beside = {"url": vitess.url, "username": "bob", "password": "canary-p4ss"}
    inside = {"url": f"vitess://bob:{ENCODED}@{address}"}
    refused = {"url": f"vitess://bob:canary%zz@{address}"}
    closed = {"url": "vitess://127.0.0.1:1/shop?mysql_port=1", "username": "bob", "password": PASSWORD}
    catalog = Syncs(vitess).catalog
    for config in (beside, inside, refused, closed, {**inside, "password": PASSWORD}):
        for command in ("check", "discover", "read"):
            run(command, config=config, **({"catalog": catalog} if command == "read" else {}))  # `Ran` looks for it


def test_wrong_arguments(run: Run, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """No command, or no configuration: exit code 2, help on stderr, nothing on stdout."""
    assert entrypoint.run([]) == 2
    with pytest.raises(SystemExit) as ended:
        entrypoint.run(["read"])

    assert ended.value.code == 2
    captured = capsysbinary.readouterr()
    assert captured.out == b""
    assert b"--help" in captured.err


def test_help(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Only what this connector has, and `--version` names it."""
    outputs = []
    for argv in (["--version"], ["--help"], ["read", "--help"]):
        with pytest.raises(SystemExit) as ended:
            entrypoint.run(argv)
        assert ended.value.code == 0
        outputs.append(capsysbinary.readouterr().out.decode())

    version, _, read = outputs
    assert re.fullmatch(r"source-vitess \d+\.\d+\.\d+\n", version)
    assert "manifest" not in read
    assert "--state" in read


def test_an_unknown_error_quotes_no_values(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program: a system error that holds places in the code, and nothing of the exception's text."""
    value = "canary: a value of a row"

    def fail(_: object, __: object) -> None:
        raise RuntimeError(value)

    monkeypatch.setattr(Commands, "discover", fail)

    ran = run("discover", config=GOOD)

    assert ran.code == 1
    assert [error["failure_type"] for error in ran.errors] == ["system_error"]


@pytest.fixture
def started(vitess: Vitess, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that are ended after the test."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def start(
    vitess: Vitess, folder: Path, state: object = None, *, before: Callable[[], object] = lambda: None
) -> subprocess.Popen[bytes]:
    """Starts a read, after something that is not to happen to the discovery for its catalog."""
    syncs = Syncs(vitess)
    files: dict[str, object] = {"config": syncs.connector.config, "catalog": syncs.catalog}
    if state is not None:
        files["state"] = state
    argv = [sys.executable, "-m", "source_vitess", "read", *write_files(folder, files)]
    before()
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ.copy())  # noqa: S603


@pytest.mark.parametrize("where", ["copy", "changes"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals(
    vitess: Vitess,
    tmp_path: Path,
    run: Run,
    started: list[subprocess.Popen[bytes]],
    number: signal.Signals,
    where: str,
) -> None:
    """During a copy, or while changes are waited for: a state, a transient error, exit code 128 + the number."""
    state = None
    if where == "changes":
        syncs = Syncs(vitess)
        state = [run("read", config=syncs.connector.config, catalog=syncs.catalog).of("STATE")[-1]["state"]]
        vitess.insert("a", *rows(3, 50))
    gate = vitess.faults.pause_after(is_row)
    process = start(vitess, tmp_path, state)
    started.append(process)
    gate.wait_reached(60)

    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    ran = Ran(process.returncode, out, err)
    assert ran.code == 128 + number
    assert [error["failure_type"] for error in ran.errors] == ["transient_error"]
    assert ran.messages.index(ran.of("STATE")[-1]) > max(map(ran.messages.index, ran.of("RECORD")), default=0)
    ended = [m["trace"]["stream_status"]["status"] for m in ran.of("TRACE") if m["trace"]["type"] == "STREAM_STATUS"]
    assert ended[-1] == "INCOMPLETE"


@pytest.mark.parametrize("after", [0, 5])
def test_a_signal_while_a_statement_has_no_answer(
    vitess: Vitess, tmp_path: Path, started: list[subprocess.Popen[bytes]], after: int
) -> None:
    """A hung shard makes MySQL statements wait for minutes; a signal does not wait with them."""
    hung: list[threading.Event] = []
    process = start(vitess, tmp_path, before=lambda: hung.append(vitess.mysql.hang_next(after=after)))
    started.append(process)
    assert hung[0].wait(60)

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)

    ran = Ran(process.returncode, out, err)
    assert ran.code == 128 + signal.SIGTERM
    assert [error["failure_type"] for error in ran.errors] == ["transient_error"]


def start_unread(vitess: Vitess, tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Starts a copy of which nobody reads more than the beginning."""
    vitess.insert("a", *rows(20_000, 100))
    process = start(vitess, tmp_path)
    started.append(process)
    assert process.stdout is not None
    while b'"RECORD"' not in process.stdout.readline():
        pass
    return process


def test_a_signal_while_nobody_reads_stdout(
    vitess: Vitess, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """It ends before an orchestrator would kill it."""
    process = start_unread(vitess, tmp_path, started)

    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 128 + signal.SIGTERM


def test_a_signal_that_another_thread_takes(
    vitess: Vitess, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """A main thread that waits for who reads stdout does not hear it, as when a signal comes just before it waits."""
    process = start_unread(vitess, tmp_path, started)
    # Until the kernel's queue is full, and whoever writes waits.
    assert process.stdout is not None
    unread = array.array("i", [0])
    while unread[0] < fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ) - select.PIPE_BUF:
        fcntl.ioctl(process.stdout, termios.FIONREAD, unread)
        time.sleep(0.01)
    others = [int(each.name) for each in Path(f"/proc/{process.pid}/task").iterdir() if each.name != str(process.pid)]
    tgkill = ctypes.CDLL(None, use_errno=True).tgkill

    assert tgkill(process.pid, min(others), signal.SIGTERM) == 0

    assert process.wait(60) == 128 + signal.SIGTERM


def test_a_closed_stdout_ends_it(vitess: Vitess, tmp_path: Path, started: list[subprocess.Popen[bytes]]) -> None:
    """Nobody reads any more: the process ends by itself, without a traceback."""
    vitess.insert("a", *rows(20_000, 100))
    process = start(vitess, tmp_path)
    started.append(process)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(60) == 1
    assert b"Traceback" not in process.stderr.read()


def test_a_second_signal_ends_it_at_once(
    vitess: Vitess, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    """When nobody reads stdout, the first signal waits some seconds for that; the second one does not."""
    process = start_unread(vitess, tmp_path, started)
    process.send_signal(signal.SIGTERM)
    while is_pending(process.pid):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)

    # The end of the grace has the first one's number.
    assert process.wait(60) == 128 + signal.SIGINT


def is_pending(pid: int) -> bool:
    """Whether a signal was sent to a process that it has not taken yet."""
    status = Path(f"/proc/{pid}/status").read_text()
    return any(int(mask, 16) for mask in re.findall(r"^(?:SigPnd|ShdPnd):\s*(\w+)", status, re.MULTILINE))


def test_an_error_that_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed stdout when the last error is to be written: the exit code shows it, and no traceback does."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        code = entrypoint.run(["discover", "--config", "/nowhere.json"])
        monkeypatch.undo()

    assert code == 1
