"""Airbyte's GLOBAL state: reading what a platform or client passes back.

Platforms differ in how they pass it: a list of one message, a bare message, `global_` for `global` (PyAirbyte), an
empty list or object, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from source_vitess.errors import ConfigError
from source_vitess.replication.state import SyncState


def parse_state(text: str) -> list[dict[str, Any]]:
    """Reads a state file's text to state messages, each with `type` and, where it is GLOBAL, `global`.

    Raises:
        ConfigError: It is not JSON, or not a state of any form that Airbyte has.
    """
    if not text.strip():
        return []
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigError(
            f"The state file is not JSON: {error}. Give the last STATE message that was written, or an empty file "
            "to begin anew."
        ) from None
    except RecursionError:
        raise ConfigError("The state file is nested too deeply.") from None
    if isinstance(value, dict):
        value = [value] if value else []
    if value is None:
        return []
    if not isinstance(value, list):
        raise ConfigError(f"The state file must hold a list of state messages, found {type(value).__name__}.")
    return [_message(entry) for entry in value]


def _message(entry: Any) -> dict[str, Any]:
    if isinstance(entry, dict) and entry.get("type") == "STATE" and isinstance(entry.get("state"), dict):
        entry = entry["state"]  # a line of this connector's output, as people save it
    if not isinstance(entry, dict):
        raise ConfigError(f"The state file holds {type(entry).__name__} where a state message should be.")
    shared = entry.get("global") or entry.get("global_")
    if isinstance(shared, dict):
        _check_global(shared)
        return {"type": "GLOBAL", "global": shared}
    if "stream" in entry or entry.get("type") == "STREAM":
        raise ConfigError(
            "The state is of type STREAM, and this connector writes GLOBAL states. Give the state that it wrote "
            "last for this connection, or clear the connection's data to copy everything again."
        )
    raise ConfigError(
        f"The state has no 'global' member; it has {', '.join(map(repr, entry)) or 'no members'}. Give the state that "
        "this connector wrote last for this connection, or clear the connection's data to copy everything again."
    )


def _check_global(state: Mapping[str, Any]) -> None:
    """Refuses what is not of the protocol's form, before its members are looked at."""
    entries = state.get("stream_states")
    if not isinstance(entries, list):
        raise _misformed("global.stream_states is not a list")
    for number, entry in enumerate(entries, 1):
        descriptor = entry.get("stream_descriptor") if isinstance(entry, dict) else None
        if not isinstance(descriptor, dict) or not isinstance(descriptor.get("name"), str):
            raise _misformed(f"number {number} of global.stream_states has no stream_descriptor with a name")
        if not isinstance(descriptor.get("namespace"), str | None):
            raise _misformed(f"the namespace of stream {descriptor['name']!r} is not text")
        if not isinstance(entry.get("stream_state"), dict | None):
            raise _misformed(f"the stream_state of stream {descriptor['name']!r} is not an object")
    if not isinstance(state.get("shared_state"), dict | None):
        raise _misformed("global.shared_state is not an object")


def _misformed(what: str) -> ConfigError:
    return ConfigError(
        f"The state file does not hold a state message: {what}. Give the last STATE message that was written, or an "
        "empty file to begin anew."
    )


def sync_state(keyspace: str, shared: Any, streams: list[tuple[str, str | None, Any]]) -> SyncState:
    """Returns the state to go on from.

    Args:
        keyspace: The keyspace that is read.
        shared: The shared state as JSON, None or empty without a state.
        streams: Name, namespace and state of each stream.

    Raises:
        ConfigError: The state is of another version, keyspace or shape.
    """
    if not shared:
        if any(state for _, _, state in streams):
            raise ConfigError(
                "The saved state cannot be used: it has states of streams and no shared_state. Give the state that "
                "this connector wrote last for this connection, or clear the connection's data."
            )
        return SyncState(keyspace)
    return SyncState.from_json(
        keyspace,
        shared,
        # A platform that clears a stream may leave its name with a null, and may take an empty state for none.
        {name: state for name, namespace, state in streams if state and namespace in (None, keyspace)},
    )


def state_from_messages(keyspace: str, messages: Sequence[Mapping[str, Any]]) -> SyncState:
    """Returns the state to go on from.

    Args:
        keyspace: The keyspace that is read.
        messages: State messages, as `parse_state` returns them.

    Raises:
        ConfigError: The state is not GLOBAL, or of another version, keyspace or shape.
    """
    shared = None
    streams: list[tuple[str, str | None, Any]] = []
    for message in messages:
        if not (state := message.get("global")):
            raise ConfigError(
                "The saved state is not a GLOBAL state. Give the state that this connector wrote last for this "
                "connection, or clear the connection's data to copy everything again."
            )
        if state.get("shared_state") is not None:
            shared = state["shared_state"]
        streams += [
            (
                entry["stream_descriptor"]["name"],
                entry["stream_descriptor"].get("namespace"),
                entry.get("stream_state"),
            )
            for entry in state["stream_states"]
        ]
    return sync_state(keyspace, shared, streams)


def state_message(
    shared: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]], keyspace: str, records: int
) -> Any:
    """Returns a GLOBAL state message as JSON.

    Args:
        shared: The shared state.
        tables: By table, its state.
        keyspace: The streams' namespace.
        records: Records emitted since the state before.
    """
    return {
        "type": "STATE",
        "state": {
            "type": "GLOBAL",
            "global": {
                "shared_state": shared,
                "stream_states": [
                    {"stream_descriptor": {"name": name, "namespace": keyspace}, "stream_state": state}
                    for name, state in tables.items()
                ],
            },
            # The protocol wants a float here.
            "sourceStats": {"recordCount": float(records)},
        },
    }
