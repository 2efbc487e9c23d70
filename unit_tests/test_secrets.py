"""No secret goes anywhere: not to stdout or stderr, not into states, arguments or files, whatever goes wrong."""

from __future__ import annotations

import base64
import gc
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from instruments.scripted_vtgate.script import Fail, Scripts
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess import entrypoint
from source_vitess.clock import SystemClock
from source_vitess.error_rules import Rule
from source_vitess.mysql.failures import RULES as MYSQL_RULES
from source_vitess.mysql.session import VtgateSession
from source_vitess.settings.config import Config
from source_vitess.source import SourceVitess
from source_vitess.vstream.failures import RULES as VSTREAM_RULES
from source_vitess.vstream.failures import VERDICTS
from unit_tests.syncing import COLUMNS, rows

#: Each needs encoding somewhere, and each is looked for in every form.
PASSWORD = "cänary/pass w:rd"
KEY_PASSWORD = "canary key+pass"
TUNNEL_PASSWORD = "canary@tunnel"
CA = trustme.CA()
CLIENT = CA.issue_cert("airbyte.example")
SSH_KEY = CA.issue_cert("unused.example").private_key_pem.bytes().decode()


def locked_key() -> str:
    """Returns the client's key with a password."""
    key: Any = serialization.load_pem_private_key(CLIENT.private_key_pem.bytes(), None)
    locked: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(KEY_PASSWORD.encode()),
    )
    return locked.decode()


TLS_KEY = locked_key()
TLS = {
    "mode": "required",
    "client_certificate": "".join(blob.bytes().decode() for blob in CLIENT.cert_chain_pems),
    "client_key": TLS_KEY,
    "client_key_password": KEY_PASSWORD,
}
TUNNEL = {
    "tunnel_method": "SSH_PASSWORD_AUTH",
    "tunnel_host": "127.0.0.1",
    "tunnel_port": 1,
    "tunnel_user": "ann",
    "tunnel_user_password": TUNNEL_PASSWORD,
}
KEY_TUNNEL = {
    "tunnel_method": "SSH_KEY_AUTH",
    "tunnel_host": "127.0.0.1",
    "tunnel_port": 1,
    "tunnel_user": "ann",
    "ssh_key": SSH_KEY,
    "ssh_key_passphrase": KEY_PASSWORD,
}
#: Inner lines: parts of a key are secret too.
KEY_LINES = [*TLS_KEY.splitlines()[1:-1], *SSH_KEY.splitlines()[1:-1]]
PASSWORD_FORMS = [
    PASSWORD,
    "c%C3%A4nary%2Fpass%20w%3Ard",
    "c%C3%A4nary/pass%20w%3Ard",
    base64.b64encode(f"bob:{PASSWORD}".encode()).decode(),
]
SECRETS = [
    *PASSWORD_FORMS,
    KEY_PASSWORD,
    TUNNEL_PASSWORD,
    *(line for line in KEY_LINES if len(line) > 15),
]


def leaked(text: str) -> list[str]:
    """Returns the secrets in a text, also if JSON or Python has escaped their letters."""
    forms = {form: secret for secret in SECRETS for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1])}
    return sorted({secret for form, secret in forms.items() if form in text})


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command within the tests' process waits for nothing, and leaves no handlers."""
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


class Run:
    """Runs commands within this process, and looks at all their output."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._capture = capture

    def __call__(self, command: str, config: dict[str, Any], **files: Any) -> str:
        """Runs a command and returns its output; fails if a secret is in it."""
        argv = [command]
        for name, content in {"config": config, **files}.items():
            path = self._folder / f"{name}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            argv += [f"--{name}", str(path)]
        self._capture.readouterr()
        entrypoint.run(argv)
        shown_text = "".join(self._capture.readouterr())
        assert leaked(shown_text) == [], shown_text
        return shown_text


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs commands within this process; what gRPC's C++ code writes is seen too."""
    return Run(tmp_path, capfd)


def config(vitess: Vitess, **fields: Any) -> dict[str, Any]:
    """Returns a configuration with a password."""
    # In VTGate's own headers only ASCII can be sent.
    login = {"username": "bob", "password": PASSWORD, "grpc_authentication": "HTTP basic"}
    return {"url": vitess.url, **login, **fields}


def catalog() -> dict[str, Any]:
    """Returns a configured catalog of the table."""
    return {
        "streams": [
            {
                "stream": {
                    "name": "a",
                    "namespace": "commerce",
                    "json_schema": {"properties": {"id": {}}},
                    "supported_sync_modes": ["full_refresh", "incremental"],
                },
                "sync_mode": "incremental",
                "destination_sync_mode": "append_dedup",
                "primary_key": [["id"]],
                "cursor_field": ["_ab_cdc_cursor"],
            }
        ]
    }


#: What a server that was sent the password might repeat.
ECHO = " ".join(["", *PASSWORD_FORMS])


@pytest.mark.parametrize("rule", MYSQL_RULES, ids=lambda rule: rule.example[:40])
@pytest.mark.parametrize("command", ["check", "discover"])
def test_every_error_of_the_mysql_port(vitess: Vitess, run: Run, rule: Rule, command: str) -> None:
    """A server that repeats all that it was sent is not repeated."""
    number, _, text = rule.example.partition(": ")
    for _ in range(60):
        vitess.mysql.fail_next(max(int(number), 1000), text + ECHO)

    shown_text = run(command, config(vitess))

    assert "FAILED" in shown_text or '"ERROR"' in shown_text


@pytest.mark.parametrize(
    "text",
    [*(rule.example for rule in VSTREAM_RULES), *(f"{code.name}: x" for code in VERDICTS)],
    ids=lambda text: text[:40],
)
def test_every_error_of_the_grpc_port(vitess: Vitess, run: Run, text: str) -> None:
    """The same for every rule and every status of gRPC."""
    code, _, details = text.partition(": ")
    status = next((status for status in grpc.StatusCode if status.name == code), grpc.StatusCode.UNKNOWN)
    if status is grpc.StatusCode.OK:
        status = grpc.StatusCode.UNKNOWN
    vitess.vstream.answer = Scripts(choose=lambda _: [Fail(status, details + ECHO)])

    shown_text = run("check", config(vitess))

    assert "FAILED" in shown_text


@pytest.mark.parametrize(
    "fields",
    [
        {"tls": TLS},
        {"tls": {**TLS, "client_key_password": f"{KEY_PASSWORD} "}},
        {"tls": {**TLS, "client_key": TLS_KEY.replace("MII", "??", 1)}},
        {"tls": {**TLS, "client_key": {"key": TLS_KEY}}},
        {"tls": {**TLS, "client_certificate": TLS_KEY}},
        {"tls": {**TLS, "mode": "verify_ca", "ca_certificate": SSH_KEY}},
        {"tls": {**TLS, "mode": "verify_identity", "server_name": "\n"}},
        {"tunnel_method": TUNNEL},
        {"tunnel_method": {**TUNNEL, "tunnel_user_password": [TUNNEL_PASSWORD]}},
        {"tunnel_method": {**TUNNEL, "tunnel_user_password": f"{TUNNEL_PASSWORD}\n"}},
        {"tunnel_method": {**KEY_TUNNEL, "ssh_key": f"x{SSH_KEY[30:]}"}},
        {"tunnel_method": KEY_TUNNEL},
        {"tunnel_method": {**KEY_TUNNEL, "tunnel_port": "22"}},
        {"password": [PASSWORD]},
        {"password": f"{PASSWORD}\n"},
        {"url": f"vitess://bob:{PASSWORD}@gate/main", "username": None, "password": None},
        {"url": [PASSWORD]},
    ],
    ids=lambda fields: "-".join(fields),
)
@pytest.mark.parametrize("command", ["check", "discover", "read"])
def test_every_kind_of_wrong_configuration(vitess: Vitess, run: Run, fields: dict[str, Any], command: str) -> None:
    """What is wrong is reported by name, and what is secret is not shown."""
    files = {"catalog": catalog()} if command == "read" else {}

    shown_text = run(command, {**config(vitess), **fields}, **files)

    assert "FAILED" in shown_text or '"ERROR"' in shown_text


@pytest.mark.parametrize("command", ["check", "discover", "read"])
def test_an_error_that_nobody_thought_of(
    vitess: Vitess, run: Run, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect is reported by its place in the code; its text may hold anything."""

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError(ECHO)

    monkeypatch.setattr(VtgateSession, "query", broken)

    run(command, config(vitess), **({"catalog": catalog()} if command == "read" else {}))


def test_files_that_are_no_json(vitess: Vitess, run: Run) -> None:
    """A configuration, catalog or state that cannot be parsed is not quoted."""
    broken = json.dumps(config(vitess, tls=TLS))[:-1]

    for text in (broken, f'"{PASSWORD}"', f'["{PASSWORD}"]'):
        run("check", text)  # type: ignore[arg-type] # as a person may have written it
    run("read", config(vitess), catalog=catalog(), state=broken)
    run("read", config(vitess), catalog=broken)


def test_a_sync(vitess: Vitess, run: Run) -> None:
    """Records, states and logs of a sync that works hold none, in every log level."""
    shown_text = run("read", config(vitess), catalog=catalog())

    assert '"STATE"' in shown_text


def test_other_programs_and_files(vitess: Vitess, tmp_path: Path) -> None:
    """`ps` shows no secret while a sync runs, and no file is written."""
    folder, temporary, home = tmp_path / "files", tmp_path / "temporary", tmp_path / "home"
    for path in (folder, temporary, home):
        path.mkdir()
    (folder / "config.json").write_text(json.dumps(config(vitess, keep_streaming_minutes=5)))
    (folder / "catalog.json").write_text(json.dumps(catalog()))
    environment = {**os.environ, "TMPDIR": str(temporary), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    argv = [sys.executable, "-m", "source_vitess", "read", "--config", "config.json", "--catalog", "catalog.json"]
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
    with subprocess.Popen(  # noqa: S603 - this Python
        argv, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if '"STATE"' in line:
                break
        shown = "".join(
            (Path("/proc") / str(process.pid) / name).read_bytes().decode(errors="replace")
            for name in ("cmdline", "environ", "comm")
        )
        during = [path for path in (temporary, home) for _ in path.rglob("*")]
        process.terminate()
        rest, errors = process.communicate(timeout=120)

    assert leaked(seen + rest + errors) == []
    assert leaked(shown) == []
    assert (during, [*temporary.rglob("*")], [*home.rglob("*")]) == ([], [], [])
    assert sorted(path.name for path in folder.iterdir()) == ["catalog.json", "config.json"]


def test_the_filter_knows_every_secret() -> None:
    """What the log's filter hides is what this module looks for."""
    made = Config.from_json(
        {
            "url": "vitess://gate/main",
            "username": "bob",
            "password": PASSWORD,
            "grpc_authentication": "HTTP basic",
            "tls": TLS,
            "tunnel_method": KEY_TUNNEL,
        }
    )

    assert {*SECRETS, SSH_KEY, TLS_KEY} - {TUNNEL_PASSWORD} <= set(made.secrets)


def test_a_secret_hides_nothing_from_another_configuration() -> None:
    """In a process that uses several, a password that is a word of our messages is hidden while it is one."""
    closed = {"url": "vitess://127.0.0.1:1/main?mysql_port=1", "username": "bob"}

    messages = [
        SourceVitess().check(logging.getLogger(), {**closed, "password": password}).message or ""
        for password in ("Nothing", "another")
    ]

    assert [message.split()[0] for message in messages] == ["****", "Nothing"]
