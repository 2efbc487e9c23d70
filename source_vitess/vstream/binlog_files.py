"""Where a shard's transactions go over to another file of the tablet's binary log, as at each start of MySQL.

MySQL numbers the tables in its binary log anew when it starts. VTTablet keeps what it knows of a table by that number
for as long as a stream lasts, and looks at the name only (go/vt/vttablet/tabletserver/vstreamer/vstreamer.go,
parseEvent): behind a start, a table that has the number of one that is not streamed is left out, and one that has its
own number of before an ALTER is read by its columns of then. Nothing in the stream tells of a start. But MySQL begins a
new file with it, and counts transactions in each file from 1, which VTTablet sends along from Vitess 23 on.
"""

from __future__ import annotations

from typing import NamedTuple

from source_vitess.proto import binlogdata_pb2
from source_vitess.vstream.events import CLOCKS_APART, BinlogLeft


class Beginning(NamedTuple):
    """What the first event of a transaction says of it; see binlogdata.VEvent for each."""

    shard: str
    sequence_number: int
    event_gtid: str
    timestamp: int
    current_time: int


class BinlogFiles:
    """Follows the numbers of the transactions of a stream's shards."""

    def __init__(self) -> None:
        #: By shard, the first event of its last transaction.
        self._last: dict[str, binlogdata_pb2.VEvent | Beginning] = {}

    def left_before(self, event: binlogdata_pb2.VEvent | Beginning) -> BinlogLeft | None:
        """Takes the first event of a transaction, and tells whether the one before was of another file."""
        number = event.sequence_number
        if not number:
            return None
        last = self._last.get(event.shard)
        self._last[event.shard] = event
        # CREATE TABLE … SELECT shows its one transaction twice, and a stream that VTGate opened again may do so.
        if last is None or number > last.sequence_number or event.event_gtid == last.event_gtid:
            return None
        # A session can give its changes any time.
        is_true = last.timestamp <= last.current_time // 10**9 + CLOCKS_APART
        return BinlogLeft(event.shard, last.timestamp if is_true else 0)
