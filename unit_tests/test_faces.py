"""The console script and the CDK's class say the same: every command, and every failure that a command can end with."""

from __future__ import annotations

import json
import logging
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import AirbyteLogFormatter
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess import entrypoint
from source_vitess.clock import SystemClock
from source_vitess.mysql.session import VtgateSession
from source_vitess.source import SourceVitess
from unit_tests.syncing import COLUMNS, Syncs, cut_again_and_again, is_row, rows
from unit_tests.test_entrypoint import CATALOG, GOOD, write_files

Json = dict[str, Any]

_TIMES = re.compile(r"\d\d:\d\d:\d\d|[0-9.]+ s\b|[0-9,]+ rows/s|\b[0-9]{10,}\b|port=[0-9]+|:[0-9]{4,5}\b")
#: What the CDK's entrypoint says of its own accord.
_OF_THE_CDK = ("Check succeeded", "Check failed")


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command within the tests' process waits for nothing, and leaves no handlers and its collector on."""
    monkeypatch.setattr(SystemClock, "wait", lambda _, __: None)
    monkeypatch.setattr(entrypoint, "stop_collecting_garbage", lambda: None)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A Vitess of one shard, so that rows have an order, with two tables of a few rows."""
    with Vitess(shards=["0"]) as running:
        for name in ("a", "b"):
            running.create_table(name, COLUMNS, key=["id"])
            running.insert(name, *rows(6))
        yield running


class _Appender(logging.Handler):
    """Puts what is logged among the other messages, as the CDK's own handler writes it."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.setFormatter(AirbyteLogFormatter("%(message)s"))
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


class _Entrypoint(AirbyteEntrypoint):
    @staticmethod
    def validate_connection(*_: object) -> None:
        """Does without the CDK's own words for a configuration that does not fit the JSON schema."""


def through_the_cdk(argv: list[str]) -> tuple[int, list[str]]:
    """Runs a command as `airbyte_cdk.entrypoint.launch` does; returns the exit code and the lines."""
    lines: list[str] = []
    logger, handler = logging.getLogger("airbyte"), _Appender(lines)
    entry = _Entrypoint(SourceVitess())
    logger.addHandler(handler)
    try:
        lines.extend(entry.run(entry.parse_args(argv)))
    except AirbyteTracedException as error:  # as the hook for errors that nobody catches
        lines.append(entry.airbyte_message_to_string(error.as_sanitized_airbyte_message()))
        return 1, lines
    finally:
        logger.removeHandler(handler)
    return 0, lines


def plain(lines: list[str]) -> list[Json]:
    """Returns messages without times, without nulls that the CDK leaves out, and without its own remarks."""
    messages: list[Json] = []
    for line in lines:
        message = json.loads(line, parse_float=lambda text: f"number {text}")
        for told in (message.get("log", {}), message.get("trace", {}).get("error", {})):
            told.update({name: _TIMES.sub("?", told[name]) for name in ("message", "internal_message") if name in told})
        if message["type"] == "LOG" and message["log"]["message"] in _OF_THE_CDK:
            continue
        if message["type"] == "RECORD":
            data = message["record"]["data"]
            message["record"]["data"] = {
                name: value for name, value in data.items() if value is not None and not name.startswith("_ab_cdc_")
            }
            del message["record"]["emitted_at"]
        if message["type"] == "TRACE":
            del message["trace"]["emitted_at"]
            error = message["trace"].get("error", {})
            error.pop("stack_trace", None)
            if error.get("failure_type") == "system_error":
                # The faces are on the way to where it happened, which is what counts.
                error["internal_message"] = error["internal_message"].splitlines()[-2:]
            # Of a check that fails for an unknown reason the CDK writes the trace twice.
            if messages and messages[-1] == message:
                continue
        if message["type"] == "SPEC":
            # Two old members that the CDK adds, and that are false for want of them.
            assert not any(message["spec"].pop(name, False) for name in ("supportsNormalization", "supportsDBT"))
        if message["type"] == "STATE":
            for time in ("cursor", "caught_up_at"):
                message["state"]["global"]["shared_state"].pop(time, None)
        messages.append(message)
    return messages


class Both:
    """Runs commands through both faces."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self._folder = folder
        self._capture = capture

    def __call__(
        self, command: str, files: Json, *options: str, before: Callable[[], object] = lambda: None
    ) -> tuple[int, list[Json]]:
        """Runs a command twice, expects the same of both, and returns the exit code and the messages.

        Args:
            command: The command.
            files: Contents by name, as JSON or text.
            options: More arguments.
            before: What happens before each of the two.
        """
        argv = [command, *options, *write_files(self._folder, files)]
        before()
        self._capture.readouterr()
        code = entrypoint.run(argv)
        written = plain(self._capture.readouterr().out.decode().splitlines())
        before()
        cdk_code, lines = through_the_cdk(argv)
        assert written == plain(lines)
        assert code == cdk_code
        return code, written


@pytest.fixture
def both(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Both:
    """Runs commands through both faces."""
    return Both(tmp_path, capsysbinary)


def kinds(messages: list[Json]) -> set[str]:
    """Returns the types of messages."""
    return {message["type"] for message in messages}


def test_spec(both: Both) -> None:
    """Not a member of the specification is lost or added."""
    code, messages = both("spec", {})

    assert (code, kinds(messages)) == (0, {"SPEC"})


def test_check(both: Both, vitess: Vitess) -> None:
    """One that succeeds, and one that fails with its details in the log."""
    for url, status in ((vitess.url, "SUCCEEDED"), (vitess.url.replace("commerce", "nope"), "FAILED")):
        code, messages = both("check", {"config": {"url": url}})

        assert (code, messages[-1]["connectionStatus"]["status"]) == (0, status)


def test_discover(both: Both, vitess: Vitess) -> None:
    """The catalog, and the warnings before it."""
    vitess.create_table("keyed by a float", {"at": "float"}, key=["at"])
    vitess.create_table("without a key", {"v": "int"}, key=[])

    code, messages = both("discover", {"config": {"url": vitess.url}})

    assert (code, kinds(messages)) == (0, {"LOG", "CATALOG"})


def test_read(both: Both, vitess: Vitess) -> None:
    """A copy, and a sync from its state with a change to read."""
    syncs = Syncs(vitess)
    files = {"config": syncs.connector.config, "catalog": syncs.catalog}

    code, messages = both("read", files)
    assert code == 0
    assert kinds(messages) == {"LOG", "RECORD", "STATE", "TRACE"}
    assert syncs.run() is None
    vitess.insert("a", *rows(2, 50))
    code, messages = both("read", {**files, "state": syncs.store.states[-1]})
    assert (code, len([message for message in messages if message["type"] == "RECORD"])) == (0, 2)


def test_a_stream_that_fails(both: Both, vitess: Vitess) -> None:
    """Its own error, INCOMPLETE, and the error of the whole."""
    syncs = Syncs(vitess)
    vitess.drop_table("b")

    code, messages = both("read", {"config": syncs.connector.config, "catalog": syncs.catalog})

    assert (code, messages[-1]["trace"]["error"]["failure_type"]) == (1, "config_error")


def test_a_server_that_fails(both: Both, vitess: Vitess) -> None:
    """A transient error after some records, the state of what was read, and the details of it."""
    syncs = Syncs(vitess)

    def cut() -> None:
        cut_again_and_again(vitess, 50, is_row)

    code, messages = both("read", {"config": syncs.connector.config, "catalog": syncs.catalog}, before=cut)

    assert (code, messages[-1]["trace"]["error"]["failure_type"]) == (1, "transient_error")
    assert {"RECORD", "STATE"} <= kinds(messages)


@pytest.mark.parametrize("command", ["check", "discover", "read"])
def test_an_error_that_nobody_knows(both: Both, vitess: Vitess, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system error with places in the code and nothing of the exception's text, which may hold values of rows."""
    catalog, value = Syncs(vitess).catalog, "canary: a value of a row"

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError(value)

    monkeypatch.setattr(VtgateSession, "query", broken)

    files = {"config": {"url": vitess.url}, **({"catalog": catalog} if command == "read" else {})}
    code, messages = both(command, files)

    assert (code, messages[-1]["trace"]["error"]["failure_type"]) == (1, "system_error")
    assert "canary" not in json.dumps(messages)


_BAD: list[tuple[str, Json]] = [
    *((command, {"config": config}) for command in ("check", "discover") for config in (None, "{", "[]")),
    ("check", {"config": {}}),
    ("discover", {"config": {}}),
    ("discover", {"config": {"url": 5}}),
    ("discover", {"config": {**GOOD, "password": "canary"}}),
    ("read", {"config": None, "catalog": CATALOG}),
    ("read", {"config": {}, "catalog": CATALOG}),
    ("read", {"config": GOOD, "catalog": None}),
    ("read", {"config": GOOD, "catalog": "]"}),
    ("read", {"config": GOOD, "catalog": "[]"}),
    ("read", {"config": GOOD, "catalog": {"streams": [5]}}),
    ("read", {"config": GOOD, "catalog": {"streams": [{"stream": {"name": "t"}, "sync_mode": "cdc"}]}}),
    ("read", {"config": GOOD, "catalog": CATALOG, "state": None}),
    ("read", {"config": GOOD, "catalog": CATALOG, "state": "{"}),
    ("read", {"config": GOOD, "catalog": CATALOG, "state": [{"type": "STREAM", "stream": {}}]}),
    ("read", {"config": GOOD, "catalog": CATALOG, "state": {"type": "GLOBAL", "global": {"stream_states": 5}}}),
    (
        "read",
        {
            "config": GOOD,
            "catalog": CATALOG,
            "state": {"type": "GLOBAL", "global": {"shared_state": {"version": 7}, "stream_states": []}},
        },
    ),
]


@pytest.mark.parametrize(("command", "files"), _BAD)
def test_bad_input(both: Both, command: str, files: Json) -> None:
    """The same error, word for word."""
    code, messages = both(command, files)

    assert "canary" not in json.dumps(messages)
    if messages[-1]["type"] == "CONNECTION_STATUS":
        assert (code, messages[-1]["connectionStatus"]["status"]) == (0, "FAILED")
    else:
        assert (code, messages[-1]["trace"]["error"]["failure_type"]) == (1, "config_error")
