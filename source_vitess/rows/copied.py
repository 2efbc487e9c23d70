"""The events of copied rows, taken apart without parsing them.

VTGate sends each row of a copy as an event of its own, and all events of a table and shard are alike but for the row.
So, once one of them has been parsed as usual, an event's length tells the bytes around its row: one `unpack` takes it
apart, three comparisons tell that it is what it looks like. That is a quarter of the cost of protobuf's objects.
Whatever does not look like that is left to protobuf.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from source_vitess.proto import binlogdata_pb2

#: A field of bytes is its tag (number << 3 | 2), its length and its content (protobuf's encoding guide).
_ROW_EVENT, _TABLE_NAME, _ROW_CHANGE, _AFTER, _LENGTHS, _VALUES = b"\x2a", b"\x0a", b"\x12", b"\x12", b"\x0a", b"\x12"
_TYPE_ROW = bytes([1 << 3, binlogdata_pb2.ROW])

#: Event lengths that are remembered for a table. Others cost more, not less than parsing; rows are seldom that diverse.
_KEPT = 8192

#: Takes an event apart: what is before the row's lengths, the lengths, what is between, the values, what is after.
Unpack = Callable[[bytes], tuple[bytes, bytes, bytes, bytes, bytes]]
#: `unpack`, and what has to be before the lengths and between.
Shape = tuple[Unpack, bytes, bytes]


class CopiedShapes(dict[int, Shape]):
    """By an event's length, how it looks if it is a row like the one that this was learnt from.

    Looking up a new length finds its shape out; for one that no such event has, the shape of none.

    Attributes:
        tail: What has to be after the values, in all events.
    """

    def __init__(
        self, name: bytes, rest: int, tail: bytes, lengths: int, siblings: dict[int, CopiedShapes] | None = None
    ) -> None:
        super().__init__()
        self.tail = tail
        self._name = name
        self._rest = rest
        self._lengths = lengths
        self._siblings = {lengths: self} if siblings is None else siblings

    @classmethod
    def learn(cls, raw: bytes, event: binlogdata_pb2.VEvent) -> CopiedShapes | None:
        """Learns from a ROW event, in bytes and parsed; None if it is not of the form of copied rows."""
        changes = event.row_event.row_changes
        row = changes[0].after if len(changes) == 1 else None
        if row is None or not row.lengths or not row.values:
            return None
        change = _field(_ROW_CHANGE, _field(_AFTER, _field(_LENGTHS, row.lengths) + _field(_VALUES, row.values)))
        name = _field(_TABLE_NAME, event.row_event.table_name.encode())
        start, found, tail = raw.partition(name + change)
        # How many bytes of the tail belong to the row event.
        for rest in range(len(tail) + 1 if found else 0):
            if start == _TYPE_ROW + _ROW_EVENT + _varint(len(found) + rest):
                return cls(name, rest, tail, len(row.lengths))
        return None

    def sibling(self, raw: bytes, head: bytes) -> CopiedShapes | None:
        """Returns the shapes for an event that differs from its shape: there, lengths may take another number of bytes.

        Args:
            raw: The event.
            head: What its shape would have before the lengths.
        """
        end = len(head) - 1
        if end < 0 or self._lengths > 0x7F or raw[:end] != head[:end] or raw[end] in (0, self._lengths):
            return None
        lengths = raw[end]
        if lengths > 0x7F:
            return None
        if lengths not in self._siblings:
            self._siblings[lengths] = CopiedShapes(self._name, self._rest, self.tail, lengths, self._siblings)
        return self._siblings[lengths]

    def __missing__(self, length: int) -> Shape:
        shape = self._find(length)
        if len(self) < _KEPT:
            self[length] = shape
        return shape

    def _find(self, length: int) -> Shape:
        row = _LENGTHS + _varint(self._lengths)
        most = length - len(_TYPE_ROW + _ROW_EVENT + self._name + row + self.tail) - self._lengths
        # The rest are three tags and four numbers of at most five bytes.
        for values in range(most, max(0, most - 23), -1):
            middle = _VALUES + _varint(values)
            after = len(row) + self._lengths + len(middle) + values
            change = _AFTER + _varint(after)
            inner = _ROW_CHANGE + _varint(len(change) + after) + change
            body = len(self._name) + len(inner) + after + self._rest
            head = _TYPE_ROW + _ROW_EVENT + _varint(body) + self._name + inner + row
            parts = (len(head), self._lengths, len(middle), values, len(self.tail))
            if sum(parts) == length:
                return Struct("".join(f"{part}s" for part in parts)).unpack, head, middle
        return Struct(f"{length}s0s0s0s0s").unpack, b"", b""


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
