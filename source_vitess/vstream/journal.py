"""Where changes go on after a reshard.

A shard that was resharded ends in a journal with the new shards' positions, at which VTGate goes on by itself. Where it
cannot, these positions tell why. The journal is streamed from where the position is: `_vt.resharding_journal` holds it
as well, but is not to be read on a primary that answers no queries any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from source_vitess.errors import MergedShardError
from source_vitess.naming import TabletType
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto import binlogdata_pb2
from source_vitess.vstream.binlog_files import BinlogFiles
from source_vitess.vstream.client import VStream, VStreamClient
from source_vitess.vstream.events import Journal
from source_vitess.vstream.request import NO_TABLE, StreamRequest

#: The events that a transaction begins with.
_FIRST = frozenset({binlogdata_pb2.BEGIN, binlogdata_pb2.DDL, binlogdata_pb2.OTHER})

#: Seconds to come to a journal that the stream has been led by already.
JOURNAL_TIMEOUT = 60.0
#: So often VTGate is asked. Before v21 it ends such a stream without waiting until the journal has been read, which can
#: be lost on the way then (go/vt/vtgate/vstream_manager.go, where v21 has stopOnReshardDelay).
_TRIES = 20


def read_journals(
    client: VStreamClient,
    position: Vgtid,
    tablet_type: TabletType,
    cells: str = "",
    *,
    wanted: str | None = None,
    timeout: float = JOURNAL_TIMEOUT,
    watch: Callable[[VStream], AbstractContextManager[None]],
) -> Sequence[Journal]:
    """Returns the journals to which changes lead from a position.

    Args:
        client: The connection.
        position: Of shards that were resharded since, as far as they are asked about.
        tablet_type: The type of tablet that is streamed from.
        cells: As in a request.
        wanted: The new shard that is asked about: what comes after the journal that names it is not read. None for any.
        timeout: Seconds to come to it.
        watch: Entered with the stream while it is open, for somebody else to end it.

    Raises:
        TransientError: The stream broke off, or came to no journal in time.
        ConfigError: VTGate refuses the user.
        PositionLostError: A shard does not exist any more.
    """
    found: list[Journal] = []
    left = _TRIES
    while True:
        try:
            left_at = _read_file(
                client, position, tablet_type, cells, found, wanted=wanted, timeout=timeout, watch=watch
            )
        except MergedShardError:
            left -= 1
            if found or not left:
                raise
            continue
        if left_at is not None:
            position = left_at
            continue
        left -= 1
        if found or not left:
            return found


def _read_file(
    client: VStreamClient,
    position: Vgtid,
    tablet_type: TabletType,
    cells: str,
    found: list[Journal],
    *,
    wanted: str | None,
    timeout: float,
    watch: Callable[[VStream], AbstractContextManager[None]],
) -> Vgtid | None:
    """Reads journals up to the end of a file of a binary log, behind which VTTablet may mix up tables.

    Returns:
        The position there; None if there is no more to read.
    """
    request = StreamRequest(position.keyspace, position.shards, (NO_TABLE,)).to_proto(
        tablet_type=tablet_type, cells=cells
    )
    request.flags.stop_on_reshard = True
    files = BinlogFiles()
    here: binlogdata_pb2.VGtid | None = None
    with client.stream(request, timeout=timeout) as stream, watch(stream):
        for response in stream:
            for event in map(binlogdata_pb2.VEvent.FromString, response.events):
                if event.type in _FIRST and files.left_before(event) is not None and here is not None:
                    return Vgtid(position.keyspace, {entry.shard: entry.gtid for entry in here.shard_gtids})
                if event.type == binlogdata_pb2.VGTID:
                    here = event.vgtid
                if event.type == binlogdata_pb2.JOURNAL:
                    journal = event.journal
                    found.append(
                        Journal(
                            frozenset(shard.shard for shard in journal.participants),
                            {entry.shard: entry.gtid for entry in journal.shard_gtids},
                        )
                    )
            if any(wanted is None or wanted in journal.begun for journal in found):
                return None
    return None
