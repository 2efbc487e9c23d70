"""The journal at which a shard ends, where VTGate ends the stream before it was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import cast

import pytest

from source_vitess.errors import MergedShardError
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto import binlogdata_pb2, raw_pb2
from source_vitess.vstream.client import VStreamClient
from source_vitess.vstream.events import Journal
from source_vitess.vstream.journal import read_journals

JOURNAL = binlogdata_pb2.VEvent(
    type=binlogdata_pb2.JOURNAL,
    journal=binlogdata_pb2.Journal(
        participants=[binlogdata_pb2.KeyspaceShard(keyspace="main", shard=shard) for shard in ("-80", "80-")],
        shard_gtids=[binlogdata_pb2.ShardGtid(keyspace="main", shard="-", gtid="MySQL56/x:1-9")],
    ),
)
NOT_ALL = MergedShardError("main/-80", "not all are there")


class Client:
    """A VTGate whose streams come to these ends, one after the other, and the last one again and again."""

    def __init__(self, *ends: Sequence[binlogdata_pb2.VEvent] | Exception) -> None:
        self._ends = list(ends)
        self.asked = 0

    @contextmanager
    def stream(self, _request: object, *, timeout: float) -> Iterator[list[raw_pb2.VStreamResponse]]:
        """Opens a stream."""
        assert timeout == 3
        self.asked += 1
        end = self._ends.pop(0) if len(self._ends) > 1 else self._ends[0]
        if isinstance(end, Exception):
            raise end
        yield [raw_pb2.VStreamResponse(events=[event.SerializeToString() for event in end])]


def ask(client: Client) -> Sequence[Journal]:
    """Asks for the journals of a shard."""
    return read_journals(
        cast("VStreamClient", client),
        Vgtid("main", {"-80": "MySQL56/x:1-5"}),
        "REPLICA",
        timeout=3,
        watch=lambda _: nullcontext(),
    )


@pytest.mark.parametrize("lost", [[], NOT_ALL], ids=["as-if-over", "as-a-merge"])
def test_a_journal_that_was_lost_on_the_way_is_asked_for_again(
    lost: Sequence[binlogdata_pb2.VEvent] | Exception,
) -> None:
    """VTGate before v21 ends the stream at the journal at once, and the journal may not have been sent by then."""
    client = Client(lost, lost, [JOURNAL])

    [journal] = ask(client)

    assert journal == Journal(frozenset({"-80", "80-"}), {"-": "MySQL56/x:1-9"})
    assert client.asked == 3


def test_a_journal_that_never_comes() -> None:
    """It is not asked for without end; how the last stream ended is the answer."""
    over, merged = Client([]), Client(NOT_ALL)

    assert ask(over) == []
    with pytest.raises(MergedShardError):
        ask(merged)
    assert over.asked == merged.asked == 20
