"""What a decoder reads and what it gives: columns, and rows as members of JSON objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from source_vitess.types.codec import Codec

#: Zigzag of -1: the length of a NULL.
NULL_LENGTH = 1


@dataclass(frozen=True)
class DecodedColumn:
    """A column as a decoder reads it.

    Attributes:
        name: The column's name, the member's name in JSON.
        codec: How its values become JSON; None for a column that is not selected.
        key: It is part of the key that identifies a row.
        always_given: A NULL of it in a before image means that the binary log left the value out.
    """

    name: str
    codec: Codec | None
    key: bool
    always_given: bool = False


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
        large_integers: Columns that have held an integer beyond 64 bits with a sign, in these rows or before.
    """

    shard: str
    table: str
    timestamp: int
    members: list[bytes]
    deleted: frozenset[int] = frozenset()
    altered: Mapping[int, tuple[FieldChange, ...]] = field(default_factory=dict)
    large_integers: tuple[str, ...] = ()
