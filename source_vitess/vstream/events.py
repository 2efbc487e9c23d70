"""What a VStream brings, as the sync sees it. Rows are JSON already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from source_vitess.errors import StreamError
from source_vitess.proto import query_pb2
from source_vitess.rows.columns import Rows
from source_vitess.vstream.stream_position import StreamPosition

#: Seconds by which the clocks of a shard's servers may differ.
CLOCKS_APART = 300


class KeyColumn(NamedTuple):
    """What decides how VTTablet orders a copy by a column, and how it goes on after one of its values.

    Attributes:
        name: The column.
        type: The number of its type (query.Type).
        collation: The number of its collation.
    """

    name: str
    type: int
    collation: int


@dataclass(frozen=True)
class Fields:
    """The columns of a table were announced, before its first row or again.

    Attributes:
        shard: For which shard.
        table: The table.
        columns: Their names.
        exist: Whether the tablet's table has all of them now: a change of before may have had more.
        kinds: Of each column, what VTTablet compares keys by: see `KeyColumn`.
        types: Of each column, MySQL's text for its type, which names the labels of an ENUM in their order. In changes
            it is the column's of now, and empty if there is none any more.
        copying: Whether they are those of a copy's rows.
    """

    shard: str
    table: str
    columns: tuple[str, ...]
    exist: bool = True
    kinds: tuple[KeyColumn, ...] = ()
    types: tuple[str, ...] = ()
    copying: bool = False

    @property
    def definitions(self) -> Mapping[str, tuple[str, int]]:
        """By column, MySQL's text for its type, and the id of its collation."""
        return {
            name: (column_type, kind.collation)
            for name, column_type, kind in zip(self.columns, self.types, self.kinds, strict=True)
        }


@dataclass(frozen=True)
class Snapshot:
    """The rows of a copy that follow are of a position, on one shard. It holds for no other tablet."""

    shard: str
    position: StreamPosition


@dataclass(frozen=True)
class Begun:
    """A transaction begins, in a stream that asked for that.

    Attributes:
        ended: The position of the one before, if that has come and its end has not: it is complete. None if it has
            ended, and also if it breaks off, because VTGate has gone over to another tablet and sends it again.
    """

    ended: StreamPosition | None


@dataclass(frozen=True)
class BinlogLeft:
    """The transaction that comes next is of another file of the tablet's binary log; see `vstream.binlog_files`.

    Attributes:
        shard: The shard.
        at: When the one before began, in seconds since 1970: a replica has written it later. 0 if that is not known.
    """

    shard: str
    at: int

    def may_be_a_start(self, last_starts: Mapping[str, float]) -> bool:
        """Returns whether MySQL may have been started here, and not just have begun another file.

        Args:
            last_starts: By shard, when the last MySQL was started, in seconds since 1970, where that is known. It may
                have been started before, too, and on another tablet.
        """
        last_start = last_starts.get(self.shard)
        return last_start is None or self.at <= last_start + CLOCKS_APART


@dataclass(frozen=True)
class Unpositioned:
    """A transaction ended to which VTGate gave no position: its tables' storage engine knows no transactions.

    VTTablet sends a VGTID for what ends with an Xid, and MySQL ends these with a COMMIT statement
    (go/vt/vttablet/tabletserver/vstreamer/vstreamer.go). The shard's next VGTID contains it.

    Attributes:
        shard: The shard.
        gtid: Its own GTID, `<server>:<number>`; empty before Vitess 23.
    """

    shard: str
    gtid: str = ""


def key_of_lastpk(lastpk: bytes | None) -> tuple[KeyColumn, ...]:
    """Returns the columns that VTGate's bytes for the last row copied have values of, in the order of the key.

    VTTablet takes the values by their place (go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go), so a copy can go on
    only while the table's key has the same columns in the same order, and compares them in the same way.
    """
    if not lastpk:
        return ()
    fields = query_pb2.QueryResult.FromString(lastpk).fields
    return tuple(KeyColumn(field.name, field.type, field.charset) for field in fields)


class Committed(NamedTuple):
    """A transaction ended: everything before this is complete at `position`.

    There is one for each transaction, and a tuple is made in half the time of a frozen dataclass.

    Attributes:
        shard: The shard whose transaction it was; empty when VTGate did not name it.
        position: Of all shards.
        timestamp: Seconds since 1970; 0 in a copy.
    """

    shard: str
    position: StreamPosition
    timestamp: int


@dataclass(frozen=True)
class Ddl:
    """A statement changed the schema, or VTGate sent it for the filter's sake. A `Committed` follows.

    Attributes:
        shard: Where it ran.
        statement: The statement's text.
    """

    shard: str
    statement: str


@dataclass(frozen=True)
class ShardEnded:
    """The shard ends in the journal of a reshard, in a stream that asked for that. A `Committed` of it follows.

    Attributes:
        shard: The shard.
    """

    shard: str


@dataclass(frozen=True)
class Journal:
    """The end of shards by a reshard.

    Attributes:
        participants: The shards that end together.
        begun: By new shard, the position at which it begins.
    """

    participants: frozenset[str]
    begun: Mapping[str, str]


@dataclass(frozen=True)
class CopyCompleted:
    """The copy of a shard is complete; without a shard, of all shards."""

    shard: str


@dataclass(frozen=True)
class TableFailed:
    """A table's rows cannot be read any more in this stream; other tables' can.

    Attributes:
        table: The table.
        error: What is wrong, and what the user can do.
    """

    table: str
    error: StreamError


@dataclass(frozen=True)
class Heartbeat:
    """VTGate had nothing to send for a while. Shows nothing of the tablets, whose heartbeats it keeps to itself."""


Event = (
    Rows
    | Fields
    | Snapshot
    | Begun
    | BinlogLeft
    | Committed
    | Unpositioned
    | Ddl
    | ShardEnded
    | CopyCompleted
    | TableFailed
    | Heartbeat
)
