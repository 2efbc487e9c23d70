"""State in every form that platforms pass it, from the file's text to the value that a sync goes on from."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessageSerializer
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.airbyte.configured_catalog import parse_configured_catalog
from source_vitess.airbyte.state import parse_state, state_message, sync_state
from source_vitess.commands import Commands
from source_vitess.errors import ConfigError
from source_vitess.replication.table_state import Copied, CopiedAt
from source_vitess.source import SourceVitess
from unit_tests.syncing import COLUMNS, Syncs, rows, streamed

COPIED: dict[str, Any] = {"copied": True}
GTID = "MySQL56/11111111-1111-1111-1111-111111111111:1-5"
SHARED = {"version": 2, "vgtid": [{"keyspace": "shop", "shard": "0", "gtid": GTID}], "cursor": 2**60 + 1}
STREAMS: dict[str, dict[str, Any]] = {
    "done": COPIED,
    "ahead": {"copied_at": [{"keyspace": "shop", "shard": "0", "gtid": GTID}]},
}
LINE: dict[str, Any] = state_message(SHARED, STREAMS, "shop", 3)
STATE = LINE["state"]
UNDERSCORED = {"type": "GLOBAL", "global_": STATE["global"]}


@pytest.mark.parametrize("value", ["", " \n", "[]", "{}", "null"])
def test_no_state(value: str) -> None:
    """Nothing, an empty list or object, null: a first sync."""
    assert parse_state(value) == []


@pytest.mark.parametrize(
    "value",
    [[STATE], STATE, [LINE], LINE, [UNDERSCORED], UNDERSCORED, {"global": STATE["global"]}],
    ids=["list", "bare", "lines", "line", "global_ in a list", "global_", "without type"],
)
def test_every_form_of_a_state(tmp_path: Path, value: object) -> None:
    """A list, a bare message, a line of output, PyAirbyte's `global_`: the same state, every digit kept."""
    path = tmp_path / "state.json"
    path.write_text(json.dumps(value))

    [message] = SourceVitess.read_state(str(path))

    dumped = AirbyteStateMessageSerializer.dump(message)["global"]
    state = sync_state(
        "shop",
        dumped["shared_state"],
        [
            (entry["stream_descriptor"]["name"], entry["stream_descriptor"]["namespace"], entry["stream_state"])
            for entry in dumped["stream_states"]
        ],
    )
    assert state.cursor == 2**60 + 1
    assert state.tables == {"done": Copied(), "ahead": CopiedAt({"0": GTID})}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{", "not JSON"),
        ("5", "list of state messages"),
        ("[5]", "holds int"),
        ('[{"type": "STREAM", "stream": {}}]', "type STREAM"),
        ('{"stream": {}}', "type STREAM"),
        ('{"type": "LEGACY", "data": {}}', "'data'"),
        ('[{"a": 1}]', "'a'"),
        ("[{}]", "no members"),
    ],
)
def test_what_is_no_state(tmp_path: Path, text: str, found: str) -> None:
    """Anything else is a config error that names what was found."""
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(AirbyteTracedException) as caught:
        SourceVitess.read_state(str(path))

    assert found in str(caught.value.message)
    assert caught.value.failure_type is not None
    assert caught.value.failure_type.value == "config_error"


def test_no_file_is_no_state() -> None:
    """The platform passes no state at all for a first sync."""
    assert SourceVitess.read_state(None) == []


def test_states_of_streams_without_a_position_are_refused() -> None:
    """Without the shared state nobody knows up to where changes were read."""
    with pytest.raises(ConfigError, match="no shared_state"):
        sync_state("shop", None, [("t", "shop", {"copied": True})])
    assert sync_state("shop", None, [("t", "shop", None), ("u", "shop", {})]).tables == {}


def test_a_stream_without_state_needs_a_copy() -> None:
    """A null or empty state is how a platform marks that a stream was cleared: no state of ours is empty."""
    streams: list[tuple[str, str | None, Any]] = [
        ("cleared", "shop", None),
        ("empty", "shop", {}),
        ("done", "shop", COPIED),
        ("x", "other", COPIED),
    ]
    state = sync_state("shop", SHARED, streams)

    assert state.tables == {"done": Copied()}


def _of_another_keyspace(state: dict[str, Any]) -> None:
    for entry in state["global"]["shared_state"]["vgtid"]:
        entry["keyspace"] = "other"


def _of_another_version(state: dict[str, Any]) -> None:
    state["global"]["shared_state"]["version"] = 1


def _without_shared(state: dict[str, Any]) -> None:
    del state["global"]["shared_state"]


def _of_a_stream(state: dict[str, Any]) -> None:
    state["type"] = "STREAM"
    state["stream"] = {"stream_descriptor": {"name": "a"}, "stream_state": {}}
    del state["global"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_of_another_keyspace, "keyspace 'other'"),
        (_of_another_version, "version is 1"),
        (_without_shared, "no shared_state"),
        (_of_a_stream, "not a GLOBAL state"),
    ],
)
def test_states_of_something_else_stop_the_sync(vitess: Vitess, change: Any, found: str) -> None:
    """A state of another keyspace, version or shape is a config error before anything is streamed."""
    vitess.create_table("a", COLUMNS, key=["id"])
    syncs = Syncs(vitess)
    assert syncs.run() is None
    state = copy.deepcopy(syncs.store.states[-1])
    change(state)
    before = len(vitess.vstream.requests)

    with pytest.raises(ConfigError) as caught:
        list(Commands().read(syncs.connector.config, parse_configured_catalog(syncs.catalog), [state]))

    assert found in caught.value.message
    assert len(vitess.vstream.requests) == before


def test_the_state_of_a_stream_that_is_not_selected_is_dropped(vitess: Vitess) -> None:
    """Selected again, it is copied again; the others are not."""
    for name in ("a", "b"):
        vitess.create_table(name, COLUMNS, key=["id"])
        vitess.insert(name, *rows(3))
    syncs = Syncs(vitess)
    both, only_a = syncs.catalog, syncs.connector.configured("a")
    assert syncs.run() is None
    syncs.catalog = only_a
    assert syncs.run() is None
    assert syncs.table_state("b") is None

    syncs.catalog = both
    assert syncs.run() is None

    assert streamed(vitess) == [("a",), ("b",), ("b",)]
    syncs.expect_equal()
