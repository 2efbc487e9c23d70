"""A position that the user gives for changes to begin at.

It is JSON, in one of the forms in which such a position is at hand:

- a list of `{"keyspace", "shard", "gtid"}`, as `vgtid` in this connector's state and as VStream's clients write it;
- an object with that list as `vgtid`, `shard_gtids` or `shardGtids`: this connector's `shared_state`, VStream's VGtid;
- an object whose `vgtid` is that list as text: the offset of Debezium's connector;
- an object with such offsets as `offsets`, of a connector's tasks: Kafka Connect's answer to the question for them.

A GTID set may come without Vitess' `MySQL56/`, as MySQL itself and its dumps write it.
"""

from __future__ import annotations

import json
from typing import Any

from source_vitess.errors import ConfigError, GtidError
from source_vitess.position.gtid import FLAVOR
from source_vitess.position.vgtid import CURRENT, Vgtid

_MEMBERS = ("vgtid", "shard_gtids", "shardGtids")
#: How far a copy has come, in the two spellings of protobuf's JSON.
_LASTPKS = ("table_p_ks", "tablePKs")
#: Characters of the field that a message shows.
_SHOWN = 80


def parse_start_position(text: str, keyspace: str) -> Vgtid:
    """Reads the field start_position.

    Args:
        text: The field.
        keyspace: The keyspace that is read.

    Raises:
        ConfigError: It is no position, or one of another keyspace.
    """
    try:
        position = Vgtid.from_json([_entry(entry) for entry in _entries(_parse(text))])
    except GtidError as error:
        raise start_refused(f"cannot be used: {error}", text) from None
    if position.keyspace != keyspace:
        raise start_refused(f"is of keyspace {position.keyspace!r}, and the source reads {keyspace!r}", text)
    return position


def start_refused(what: str, value: str) -> ConfigError:
    """Returns the error for a start position that cannot be used: why, and what was found."""
    shown = value if len(value) <= _SHOWN else value[: _SHOWN - 3] + "..."
    return ConfigError(f"The field start_position {what}. Found {shown!r}.")


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise GtidError("it is not JSON") from None


def _entries(value: Any) -> list[Any]:
    if isinstance(value, dict) and "offsets" in value:
        return [entry for offset in _offsets(value["offsets"]) for entry in _entries(offset)]
    if isinstance(value, dict):
        found = [value[name] for name in _MEMBERS if name in value]
        if len(found) != 1:
            raise GtidError("an object with a position has it as vgtid or shard_gtids")
        [value] = found
        if isinstance(value, str):
            value = _parse(value)
    if not isinstance(value, list):
        raise GtidError("a position is a list with an entry for each shard")
    return value


def _offsets(value: Any) -> list[dict[str, Any]]:
    """Returns the offsets of a Kafka connector's partitions: one, or one for each of Debezium's tasks."""
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        offsets = [part.get("offset") for part in value]
        if all(isinstance(offset, dict) and "offsets" not in offset for offset in offsets):
            return offsets
    raise GtidError("offsets of Kafka Connect are a list of partition and offset")


def _entry(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    if any(entry.get(name) for name in _LASTPKS):
        raise GtidError("it is of a copy that is not finished: it has table_p_ks")
    gtid = entry.get("gtid")
    if isinstance(gtid, str) and gtid and gtid != CURRENT and "/" not in gtid:
        return {**entry, "gtid": f"{FLAVOR}/{gtid}"}
    return entry
