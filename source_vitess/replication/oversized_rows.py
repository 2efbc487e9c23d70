"""Nothing comes although there is something to send: is a row too large for VTGate, or do the tablets not stream?

VTGate opens a tablet's stream again about once a second, in silence, when a message is larger than gRPC's limit
(go/vt/vtgate/vstream_manager.go): each time the stream begins, its count of failures starts over. A hung or lost tablet
ends the call with an error within about 100 s (docs/vstream-observations.md). So silence has few causes, and this one
differs from the others: the stream does not get on when it is opened anew, but it does with the same transactions
without the tables' rows, or the same rows without their wide columns, which fit into any message.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from source_vitess.errors import ConfigError, ConnectorError, MessageTooLargeError, RowTooLargeError, StallError
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.interfaces import Clock, Vitess
from source_vitess.schema import Table
from source_vitess.vstream.events import Committed
from source_vitess.vstream.request import NO_TABLE, StreamRequest

#: Seconds that a stream without large messages has to get on. A server may first have to search its binary logs.
PROBE_SECONDS = 30.0

#: Characters of a position that an error shows; one of many servers is much longer.
_SHOWN = 200

_REMEDY = (
    "An insert or delete holds the row once, an update twice, before and after. Raise --grpc-max-message-size (16 MiB "
    "unless set) of the vttablets and of vtgate above twice the table's largest row and sync again"
)


def stalled(seconds: float, positions: Mapping[str, str], shards: Collection[str], what: str = "") -> StallError:
    """Returns the error for a stream that brought nothing of some shards for too long.

    Args:
        seconds: How long.
        positions: By shard, where the stream is; empty before the first one.
        shards: Those of which nothing comes.
        what: What the stream copies, for the message; empty for changes.
    """
    where = ", ".join(f"{shard!r} (at {_shown(positions.get(shard, ''))})" for shard in sorted(shards))
    return StallError(
        f"VTGate sent nothing{what} of shard {where} for {seconds:.0f} s, although there is something to send. A "
        "throttled tablet and one that waits for its replication or for a lock look like this; the tablet's log "
        "shows which. So does a row larger than --grpc-max-message-size of vttablet or vtgate (16 MiB unless set; "
        "an update holds its row twice), which VTGate's log shows.",
        positions,
        {shard: positions.get(shard, "") for shard in shards},
    )


#: How VTGate says whose tablet an error is of.
_TARGET = re.compile(r"target: \S+\.(?P<shard>[^.\s]+)\.(?:primary|replica|rdonly)\b", re.IGNORECASE)


def blamed_shards(error: MessageTooLargeError, shards: Collection[str]) -> tuple[str, ...]:
    """Returns which of some shards an error is of: the one that it names, else any of them.

    VTGate up to v21 ends the stream with it, instead of being silent.
    """
    match = _TARGET.search(error.detail)
    return (match["shard"],) if match and match["shard"] in shards else tuple(sorted(shards))


def explain_changes(
    vitess: Vitess,
    clock: Clock,
    start: Vgtid,
    stalled: Collection[str],
    tables: Sequence[str],
    where: Mapping[str, str] = MappingProxyType({}),
) -> ConfigError | None:
    """Finds out whether a change that is too large holds the change stream up.

    Args:
        vitess: The keyspace.
        clock: Time.
        start: From where nothing comes.
        stalled: The shards of which nothing comes.
        tables: The tables that are followed.
        where: By table, the condition on its rows, as a request has it.

    Returns:
        What to report. None if the stream gets on when it is opened anew, or the tablets send nothing without the
        tables' rows either.

    Raises:
        TransientError: The sync is asked to stop.
    """

    def passing(names: tuple[str, ...], shards: Collection[str], seconds: float) -> set[str]:
        return _passing(vitess, clock, StreamRequest(start.keyspace, start.shards, names, where=where), shards, seconds)

    silent = set(stalled) - passing(tuple(tables), stalled, PROBE_SECONDS)
    began = clock.monotonic()
    blocked = sorted(passing((NO_TABLE,), silent, PROBE_SECONDS))
    if not blocked:
        return None
    patience = min(4 + 3 * (clock.monotonic() - began), PROBE_SECONDS)
    shard, suspects = blocked[0], tuple(tables)
    while len(suspects) > 1:
        half = suspects[: len(suspects) // 2]
        suspects = suspects[len(half) :] if passing(half, [shard], patience) else half
    found = not passing(suspects, [shard], patience)
    what = f"table {suspects[0]!r}" if found else "a table"
    return ConfigError(
        f"VTGate cannot deliver a change of {what} in shard {shard!r}: nothing came after the position "
        f"{_shown(start.shards.get(shard, ''))}, while the same transactions without the tables' "
        f"rows come at once. The row is larger than Vitess' servers may send each other. {_REMEDY}; nothing is lost. "
        "Or deselect the stream: then the others get through."
    )


def explain_copy(
    vitess: Vitess, clock: Clock, request: StreamRequest, stalled: Collection[str], table: Table
) -> RowTooLargeError | None:
    """Finds out whether a row that is too large holds a table's copy up.

    Args:
        vitess: The keyspace.
        clock: Time.
        request: The stream of which nothing comes.
        stalled: The shards of which nothing comes.
        table: The table.

    Returns:
        What to report. None if the copy gets on when it is opened anew, or its keys alone are not sent either.

    Raises:
        TransientError: The sync is asked to stop, or the tablets do not answer.
        ConfigError: VTGate refuses to answer.
    """
    # A copy that VTGate has dropped (see `TableCopy`) gets on when it is opened anew.
    silent = set(stalled) - _passing(vitess, clock, request, stalled, PROBE_SECONDS)
    if table.key:
        keys_only = replace(request, columns=tuple(table.key))
        blocked = sorted(_passing(vitess, clock, keys_only, silent, PROBE_SECONDS))
        why = "while the keys of the same rows come at once. The row is"
    else:
        # All its columns are its key to VTGate. That the tablets answer is the most that can be known.
        vitess.current()
        blocked = sorted(silent)
        why = "although its tablets answer. Unless they are throttled, a row is"
    if not blocked:
        return None
    return RowTooLargeError(
        table.name,
        f"VTGate delivers no more rows of table {table.name!r} in shard {blocked[0]!r}, {why} larger than Vitess' "
        f"servers may send each other. {_REMEDY}. Or deselect the stream.",
    )


def _shown(gtid: str) -> str:
    return (gtid[:_SHOWN] + "…" if len(gtid) > _SHOWN else gtid) or "its beginning"


def _passing(vitess: Vitess, clock: Clock, request: StreamRequest, shards: Collection[str], seconds: float) -> set[str]:
    """Returns the shards of which a stream brings a transaction in time."""
    passed: set[str] = set()
    if not shards:
        return passed
    deadline = clock.monotonic() + seconds
    try:
        with vitess.stream(request, {}) as events:
            for event in events:
                if isinstance(event, Committed) and event.shard in shards:
                    passed.add(event.shard)
                if len(passed) == len(shards) or clock.monotonic() >= deadline:
                    break
    except ConnectorError:
        if clock.stopping:
            raise
    return passed
