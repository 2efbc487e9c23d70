"""Consecutive ROW events of one table as one batch of JSON rows.

VTGate sends a copy as an event for each row. Everything behind the reader works on batches, so that what is done per
event there costs next to nothing per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from source_vitess.errors import PartialImageError
from source_vitess.proto import binlogdata_pb2, query_pb2
from source_vitess.rows.columns import NULL_LENGTH, FieldChange, Rows
from source_vitess.rows.decoder import RowDecoder, unpack_lengths


class RowBatch:
    """Collects rows that belong together.

    Args:
        shard: Where they are from.
        table: Their table.
        timestamp: Seconds since 1970 of their transaction; 0 in a copy.
        decoder: For the table's columns in that shard.
        raw_name: The table as VTGate names it in the events.
    """

    def __init__(self, shard: str, table: str, timestamp: int, decoder: RowDecoder, raw_name: str) -> None:
        self.shard = shard
        self.table = table
        self.timestamp = timestamp
        # Rows of a copy are those without a time.
        self._decoder = decoder if timestamp else decoder.for_copy
        self._raw_name = raw_name.encode()
        self._raw_shard = shard.encode()
        self._members: list[bytes] = []
        self._deleted: list[int] = []
        self._altered: dict[int, tuple[FieldChange, ...]] = {}

    def to_rows(self) -> Rows:
        """Returns the batch as an event."""
        return Rows(
            self.shard,
            self.table,
            self.timestamp,
            self._members,
            frozenset(self._deleted),
            self._altered,
            tuple([name for name, integers in self._decoder.large_integers if integers.seen]),
        )

    def add(self, events: list[bytes], index: int, changes: Iterable[binlogdata_pb2.RowChange]) -> int:
        """Adds the rows of an event, and of those behind it that need no look in Python.

        Args:
            events: ROW events and others.
            index: The event.
            changes: Its rows.

        Returns:
            The index of the first event that is not added.

        Raises:
            MisfitError: A row does not have the form that the columns announced.
            PartialImageError: A row image lacks a selected column.
        """
        end = self._decoder.ordinary.append(
            events, index, self._raw_name, self._raw_shard, self.timestamp, self._members, self._deleted
        )
        if end > index:
            return end
        for change in changes:
            self._add(change)
        return index + 1

    def add_ordinary(self, response: bytes, start: int, end: int) -> bool:
        """Adds the rows of the events within a part of a response.

        Returns:
            Whether none of them needs a look in Python. If one does, the batch is of no use any more.
        """
        return self._decoder.ordinary.append_within(
            response, start, end, self._raw_name, self._raw_shard, self.timestamp, self._members, self._deleted
        )

    def _add(self, change: binlogdata_pb2.RowChange) -> None:
        if not self.timestamp:  # a copy's rows are whole, and only there after
            self._append(change.after)
            return
        before, after = change.HasField("before"), change.HasField("after")
        if after:
            self._check_complete(change)
        if before and (not after or self._moved(change.before, change.after)):
            self._check_before(change.before)
            self._deleted.append(len(self._members))
            self._append(change.before)
        if after:
            self._append(change.after)

    def _append(self, row: query_pb2.Row) -> None:
        members, changes = self._decoder.decode(row.lengths, row.values)
        if changes:
            self._altered[len(self._members)] = changes
        self._members.append(members)

    def _moved(self, before: query_pb2.Row, after: query_pb2.Row) -> bool:
        """Tells whether the row of `before` does not exist any more under the same key.

        Without a key no later record could tell that it is gone.
        """
        if not self._decoder.has_key:
            return True
        key = self._decoder.key
        return key(before.lengths, before.values) != key(after.lengths, after.values)

    def _check_complete(self, change: binlogdata_pb2.RowChange) -> None:
        """Refuses a row image that leaves out a selected column: it must not become a null.

        `data_columns` has a bit for each column of the table, `json_partial_values` one for each JSON column.
        """
        if change.HasField("data_columns"):
            present = _bits(change.data_columns)
            for column, given in zip(self._decoder.columns, present, strict=False):
                # Without the key it cannot be told whether the row has moved.
                if (column.codec or column.key) and not given:
                    raise PartialImageError(f"column {column.name!r} is missing, as with binlog_row_image=NOBLOB")
        if change.HasField("json_partial_values") and any(_bits(change.json_partial_values)):
            raise PartialImageError("a JSON column holds a partial update, as with PARTIAL_JSON")

    def _check_before(self, row: query_pb2.Row) -> None:
        """Refuses the image of a row that is gone if it leaves out a column.

        Up to v24 there is no bitmap for it (vitessio/vitess#21067): a column that is left out looks like a NULL, and is
        known only where a NULL cannot be.
        """
        # The length of a NULL is one byte; the same byte within a larger length only costs time.
        if NULL_LENGTH not in row.lengths:
            return
        lengths = unpack_lengths(row.lengths)
        for column, length in zip(self._decoder.columns, lengths, strict=False):
            if column.always_given and length < 0:
                raise PartialImageError(
                    f"column {column.name!r} is missing from a row that is gone, as with binlog_row_image=NOBLOB"
                )


def _bits(bitmap: binlogdata_pb2.RowChange.Bitmap) -> Sequence[bool]:
    cols = bitmap.cols
    return [bool(cols[i >> 3] >> (i & 7) & 1) if i >> 3 < len(cols) else False for i in range(bitmap.count)]
