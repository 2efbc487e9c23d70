"""What a VStream tells, as the sync sees it. Rows are JSON already, and no protobuf class is needed to make one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from source_vitess.errors import StreamError
from source_vitess.position.vgtid import Vgtid


@dataclass(frozen=True)
class FieldChange:
    """A value that was emitted in another form than it has, for a record's `meta.changes`.

    Attributes:
        field: The column.
        change: NULLED or TRUNCATED.
        reason: Why, for the log.
    """

    field: str
    change: str
    reason: str


@dataclass
class Rows:
    """Rows of one table, in the order of the binlog or of the copy.

    Attributes:
        shard: Where they are from.
        table: The table, without the keyspace.
        timestamp: Seconds since 1970 of their transaction; 0 for rows of a copy.
        members: Per row the members of its JSON object, each followed by a comma: `"id":1,"name":"x",`.
        deleted: Indexes into `members` of the before images of rows that are gone.
        altered: By index, the values that could not be emitted as they are.
    """

    shard: str
    table: str
    timestamp: int
    members: list[bytes]
    deleted: frozenset[int] = frozenset()
    altered: Mapping[int, tuple[FieldChange, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Fields:
    """The columns of a table were told, before its first row or again.

    Attributes:
        shard: For which shard.
        table: The table.
        columns: Their names.
        exist: Whether the tablet's table has all of them now: a change of before may have had more.
    """

    shard: str
    table: str
    columns: tuple[str, ...]
    exist: bool = True


class ShardGtidMessage(Protocol):
    """The parts of binlogdata.ShardGtid that are read here."""

    @property
    def keyspace(self) -> str: ...  # noqa: D102
    @property
    def shard(self) -> str: ...  # noqa: D102
    @property
    def gtid(self) -> str: ...  # noqa: D102
    @property
    def table_p_ks(self) -> Sequence[TableLastPKMessage]: ...  # noqa: D102


class TableLastPKMessage(Protocol):
    """The parts of binlogdata.TableLastPK that are read here."""

    @property
    def table_name(self) -> str: ...  # noqa: D102
    @property
    def lastpk(self) -> bytes: ...  # noqa: D102


class VGtidMessage(Protocol):
    """The part of binlogdata.VGtid that is read here."""

    @property
    def shard_gtids(self) -> Sequence[ShardGtidMessage]: ...  # noqa: D102


class StreamPosition:
    """The position that VTGate sent with a transaction, read only as far as it is asked for."""

    __slots__ = ("_message",)

    def __init__(self, message: VGtidMessage) -> None:
        self._message = message

    def gtid(self, shard: str) -> str | None:
        """Returns the shard's position, None if the shard is not part of the stream any more."""
        for entry in self._message.shard_gtids:
            if entry.shard == shard:
                return entry.gtid
        return None

    def lastpk(self, shard: str, table: str) -> bytes | None:
        """Returns how far the table's copy is on the shard, None if no copy of it is under way there."""
        for entry in self._message.shard_gtids:
            if entry.shard == shard:
                for copy in entry.table_p_ks:
                    if copy.table_name == table:
                        return copy.lastpk
        return None

    def to_vgtid(self, keyspace: str) -> Vgtid:
        """Returns the position as one that can be stored.

        Raises:
            GtidError: A shard has not spoken yet, so that its position is `current` or empty.
        """
        return Vgtid(keyspace, {entry.shard: entry.gtid for entry in self._message.shard_gtids})


@dataclass(frozen=True)
class Committed:
    """A transaction ended: everything before this is complete at `position`.

    Attributes:
        shard: The shard whose transaction it was; empty when VTGate did not say.
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
    """VTGate had nothing to send for a while. Says nothing about the tablets, whose heartbeats it keeps to itself."""


Event = Rows | Fields | Committed | Ddl | CopyCompleted | TableFailed | Heartbeat
