"""What one task reads: a shard's part of a table, or the changes of all tables in a span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from source_vitess.clock import SystemClock
from source_vitess.errors import InternalError
from source_vitess.position.vgtid import gtid_set
from source_vitess.rows.columns import Rows
from source_vitess.shard_reading.changes import Span, read_changes
from source_vitess.shard_reading.copies import ShardPart, read_copy

from vitess_spark.connection import connected
from vitess_spark.options import ReadOptions
from vitess_spark.tables import ReadTables

#: Of a row's place in the order of its key: above these bits the batch, in them the row's number within its task.
ROW_BITS = 36

COPY, UPSERT, DELETE = "copy", "upsert", "delete"


@dataclass(frozen=True)
class Part:
    """What one task reads.

    Attributes:
        what: A shard's part of a table, or a span of its changes.
        number: How many batches come before.
        tables: The tables that it is of; one, if it is a part of that.
        row_images: By shard, MySQL's `binlog_row_image`.
    """

    what: ShardPart | Span
    number: int
    tables: tuple[str, ...]
    row_images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PartRows:
    """Rows of a part, with what all of them have in common.

    Attributes:
        table: Their table.
        members: Per row the members of its JSON object, each followed by a comma.
        operations: Per row what was done: `copy`, `upsert` or `delete`.
        first: `_vt_seq` of the first row; each of the others has the next one.
        shard: Their shard.
        seconds: When they were changed, in seconds since 1970; None in a copy.
        position: The position that they are of, or the transaction that changed them.
    """

    table: str
    members: Sequence[bytes]
    operations: Sequence[str]
    first: int
    shard: str
    seconds: int | None
    position: str


def read_part(
    options: ReadOptions, tables: ReadTables, part: Part, clock: SystemClock | None = None
) -> Iterator[PartRows]:
    """Yields the rows of a part.

    Args:
        options: What is read.
        tables: The tables of the part, perhaps among others.
        part: The part.
        clock: Time, and the wish to stop; None for the machine's.

    Raises:
        ConnectorError: It cannot be read, or not now; see `shard_reading`.
    """
    clock = clock or SystemClock()
    with connected(options.config, clock) as vitess:
        vitess.row_images = part.row_images
        seconds = options.config.no_progress_timeout_seconds
        number = part.number << ROW_BITS
        streamed = tables.only(part.tables).streamed()
        if isinstance(part.what, Span):
            for change in read_changes(vitess, clock, streamed, part.what, no_progress_seconds=seconds):
                yield _part_rows(change.rows, number, change.transaction)
                number += len(change.rows.members)
        else:
            [table] = streamed
            position = short = ""
            for copied in read_copy(vitess, clock, table, part.what, no_progress_seconds=seconds):
                if copied.position != position:
                    position, short = copied.position, str(gtid_set(copied.position))
                yield _part_rows(copied.rows, number, short)
                number += len(copied.rows.members)
        if number - (part.number << ROW_BITS) >= 1 << ROW_BITS:
            raise InternalError("A task has read more rows than can be numbered.")


def _part_rows(rows: Rows, first: int, position: str) -> PartRows:
    if not rows.timestamp:
        return PartRows(rows.table, rows.members, (COPY,) * len(rows.members), first, rows.shard, None, position)
    operations = [DELETE if index in rows.deleted else UPSERT for index in range(len(rows.members))]
    return PartRows(rows.table, rows.members, operations, first, rows.shard, rows.timestamp, position)
