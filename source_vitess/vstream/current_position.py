"""The position of a keyspace now: where a bounded read ends, and where following changes begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import grpc

from source_vitess.errors import TransientError
from source_vitess.naming import TabletType
from source_vitess.position.vgtid import CURRENT
from source_vitess.proto import binlogdata_pb2
from source_vitess.vstream.client import VStream, VStreamClient
from source_vitess.vstream.request import NO_TABLE, StreamRequest

#: Seconds for all shards to answer. Each takes about 50 ms; VTGate looks for a tablet again every 30 s
#: (go/vt/discovery/tablet_picker.go), so that a shard in a failover may need that long.
CURRENT_TIMEOUT = 40.0

#: A tablet that loads a table's columns holds up every stream that begins at `current` until it has them
#: (go/vt/vttablet/tabletserver/schema/engine.go, vstreamer/uvstreamer.go), and MySQL gives it none of a locked table.
_LOCKED = (
    " One reason is a table that a session has locked since a DDL statement: the tablet waits for it. Look for "
    "'Waiting for table metadata lock' in SHOW PROCESSLIST of its MySQL, and end the session that holds the lock."
)


def read_current_position(
    client: VStreamClient,
    keyspace: str,
    shards: Sequence[str],
    tablet_type: TabletType,
    cells: Sequence[str] = (),
    *,
    timeout: float = CURRENT_TIMEOUT,
    watch: Callable[[VStream], AbstractContextManager[None]] | None = None,
) -> Mapping[str, str]:
    """Returns the position of each shard, as the tablets that are streamed from have it.

    Args:
        client: The connection.
        keyspace: The keyspace.
        shards: Its shards, at least one.
        tablet_type: The type of tablet that will be streamed from: a replica's position is its own.
        cells: As in the configuration.
        timeout: Seconds for all shards together.
        watch: Entered with the stream while it is open, for somebody else to end it.

    Raises:
        TransientError: A shard did not answer in time, or the connection was lost.
        ConfigError: VTGate refuses the user, or does not know the keyspace.
        PositionLostError: A shard does not exist.
    """
    request = StreamRequest(keyspace, dict.fromkeys(shards, CURRENT), (NO_TABLE,))
    wanted = frozenset(shards)
    found: dict[str, str] = {}
    try:
        proto = request.to_proto(tablet_type=tablet_type, cells=",".join(cells))
        with client.stream(proto, timeout=timeout) as stream, watch(stream) if watch else nullcontext():
            for response in stream:
                for event in map(binlogdata_pb2.VEvent.FromString, response.events):
                    for entry in event.vgtid.shard_gtids:
                        if entry.gtid != CURRENT and entry.shard in wanted:
                            found[entry.shard] = entry.gtid
                if len(found) == len(wanted):
                    return found
    except TransientError as error:
        silent = [shard for shard in shards if shard not in found]
        raise TransientError(
            f"The {tablet_type} tablets of shard {', '.join(silent)} of keyspace {keyspace} did not report their "
            f"position. {error.message}{_hint(error)}",
            detail=error.detail,
        ) from error
    raise TransientError("VTGate ended the stream before every shard had reported its position.")


def _hint(error: TransientError) -> str:
    timed_out = (error.detail or "").startswith(grpc.StatusCode.DEADLINE_EXCEEDED.name)
    return _LOCKED if timed_out else ""
