"""The command line."""

import argparse
import datetime
import decimal
import json
import signal

import pytest

from vitess_local.argument_types import join_shards
from vitess_local.cli import main, parser
from vitess_local.commands import json_value
from vitess_local.servers.keyspaces import KeyspaceSpec


def parse(*words: str) -> argparse.Namespace:
    """Parse a command line as `main` does."""
    return parser().parse_args(join_shards(words))


def test_up_takes_keyspaces_flags_and_settings() -> None:
    """Everything that can be repeated can be repeated."""
    arguments = parse(
        "up", "--name", "x", "--keyspace", "commerce:2", "--keyspace", "main", "--replicas", "1",
        "--vttablet-arg=--a=1", "--vttablet-arg=--b", "--mysql-setting", "x = y", "--no-track-schema-versions",
    )  # fmt: skip

    assert arguments.keyspace == [KeyspaceSpec("commerce", ("-80", "80-")), KeyspaceSpec("main", ("0",))]
    assert arguments.replicas == 1
    assert arguments.vttablet_arg == ["--a=1", "--b"]
    assert arguments.mysql_setting == [("x", "y")]
    assert arguments.track_schema_versions is False


def test_shards_may_begin_with_a_hyphen() -> None:
    """By itself, argparse takes `-80,80-` for an option."""
    arguments = parse("reshard", "--keyspace", "k", "--from", "-80,80-", "--to", "-")

    assert arguments.sources == ("-80", "80-")
    assert arguments.targets == ("-",)
    assert parse("add-shard", "--keyspace", "k", "--shards", "-40").shards == ("-40",)


def test_no_complete_is_stopping_before_complete() -> None:
    """The shorter way to write it."""
    words = ["reshard", "--keyspace", "k", "--from", "-", "--to", "-80,80-"]

    assert parse(*words, "--no-complete").stop_before == "complete"
    assert parse(*words, "--stop-before", "switch").stop_before == "switch"
    assert parse(*words).stop_before is None


@pytest.mark.parametrize("text", ["KILL", "kill", "SIGKILL"])
def test_signals_are_written_as_people_write_them(text: str) -> None:
    """With or without SIG."""
    assert parse("kill-tablet", "100", "--signal", text).signal is signal.SIGKILL


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["up", "--keyspace", "commerce:-40"], "without gap"),
        (["up", "--mysql-setting", "x"], "NAME=VALUE"),
        (["kill-tablet", "100", "--signal", "nope"], "no signal nope"),
        (["reparent", "--shard", "commerce"], "keyspace/shard"),
        (["purge-binlogs"], "required"),
        ([], "required"),
    ],
)
def test_wrong_usage_is_explained(words: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is shown, not only that the value is invalid."""
    with pytest.raises(SystemExit) as raised:
        parse(*words)

    assert raised.value.code == 2
    assert reason in capsys.readouterr().err


def test_a_failure_is_one_message_and_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """No traceback for what a person can put right."""
    monkeypatch.setenv("SOURCE_VITESS_CACHE", str(tmp_path))

    assert main(["status", "--name", "unheard-of"]) == 1
    error = capsys.readouterr().err
    assert error == "vitess-local: error: There is no cluster unheard-of (known: none).\n"


def test_down_of_an_unknown_cluster_is_no_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """What a script wants after `down` is then true already."""
    monkeypatch.setenv("SOURCE_VITESS_CACHE", str(tmp_path))

    assert main(["down", "--name", "unheard-of"]) == 0
    assert "no cluster" in capsys.readouterr().err


def test_values_json_lacks_are_written_as_mysql_does() -> None:
    """Bytes in hexadecimal, everything else as its text."""
    row = [b"\x00\xff", decimal.Decimal("1.50"), datetime.date(2026, 1, 2), datetime.timedelta(hours=-25)]

    assert json.loads(json.dumps(row, default=json_value)) == ["0x00ff", "1.50", "2026-01-02", "-25:00:00"]
    with pytest.raises(TypeError, match="object"):
        json.dumps(object(), default=json_value)
