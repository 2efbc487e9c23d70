"""The position that VTGate sends with each transaction: of every shard, and read only as far as it is asked for."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import DecodeError

from source_vitess.errors import InternalError
from source_vitess.position.vgtid import Vgtid
from source_vitess.proto import binlogdata_pb2

#: How the fields `shard` and `gtid` of a ShardGtid begin, which follow each other.
_SHARD, _GTID = bytes([2 << 3 | 2]), bytes([3 << 3 | 2])


def parse_event(raw: bytes) -> binlogdata_pb2.VEvent:
    """Returns an event of a response.

    Raises:
        InternalError: The bytes are none.
    """
    try:
        return binlogdata_pb2.VEvent.FromString(raw)
    except DecodeError as error:
        # Its text names the place, and nothing of the content.
        raise InternalError("VTGate sent an event that is none of the VStream protocol's.", detail=str(error)) from None


class ShardPlaces:
    """Where each shard's position is in the VGTIDs of a stream of changes.

    VTGate names all shards with each transaction, in the same order and nearly always at the same length. Of a thousand
    it is the one that spoke that counts, and it is where it was the last time. A place is believed only if the shard's
    name is there, between the marks of its field and the next one: these are no characters, and a stream of changes has
    nothing but names and positions around them. VGTIDs of a copy hold values of rows besides (lastpk): not for those.
    """

    def __init__(self) -> None:
        #: By shard, its name with the marks around it, and where that was last.
        self._places: dict[str, tuple[bytes, int]] = {}

    def gtid(self, raw: bytes, shard: str, begin: int = 0, end: int | None = None) -> str | None:
        """Returns a shard's position in a VGTID event, None if it is not found in this way.

        Args:
            raw: The event, or what it is a part of.
            shard: The shard.
            begin: Where the event begins.
            end: Where it ends.
        """
        mark, at = self._places.get(shard) or (_mark(shard), 0)
        if not raw.startswith(mark, begin + at, end):
            found = raw.find(mark, begin, end)
            if found < 0:
                return None
            at = found - begin
            self._places[shard] = mark, at
        start = begin + at + len(mark)
        head = raw[start : start + 1]
        if head < b"\x80" and head:
            length, start = head[0], start + 1
        else:
            length, start = _varint_at(raw, start)
        text = raw[start : start + length]
        try:
            return text.decode() if len(text) == length else None
        except UnicodeDecodeError:
            return None


def _mark(shard: str) -> bytes:
    name = shard.encode()
    return _SHARD + _varint(len(name)) + name + _GTID


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _varint_at(raw: bytes, at: int) -> tuple[int, int]:
    """Returns the number at a place, and the place behind it."""
    number = shift = 0
    for byte in raw[at : at + 10]:
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return number, at


class StreamPosition:
    """The position that VTGate sent with a transaction.

    Args:
        raw: A VGTID event.
    """

    __slots__ = ("_message", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._message: binlogdata_pb2.VGtid | None = None

    @property
    def _shards(self) -> Sequence[binlogdata_pb2.ShardGtid]:
        if self._message is None:
            self._message = self._parse()
        return self._message.shard_gtids

    def _parse(self) -> binlogdata_pb2.VGtid:
        return parse_event(self._raw).vgtid

    def gtid(self, shard: str) -> str | None:
        """Returns the shard's position, None if the shard is not part of the stream any more.

        Raises:
            InternalError: As the other methods: the event is not one.
        """
        # Not by the property: this is asked for with each transaction.
        message = self._message
        if message is None:
            message = self._message = self._parse()
        for entry in message.shard_gtids:
            if entry.shard == shard:
                return entry.gtid
        return None

    def lastpk(self, shard: str, table: str) -> bytes | None:
        """Returns how far the table's copy is on the shard, None if no copy of it is under way there."""
        for entry in self._shards:
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
        return Vgtid(keyspace, {entry.shard: entry.gtid for entry in self._shards})


class PlacedPosition(StreamPosition):
    """A position of many shards, of which a single one is read without parsing the others.

    Args:
        raw: A VGTID event of a stream of changes, or a response that it is a part of.
        places: Where the stream's shards were in the events before.
        begin: Where the event begins.
        end: Where it ends.
    """

    __slots__ = ("_begin", "_end", "_places")

    def __init__(self, raw: bytes, places: ShardPlaces, begin: int = 0, end: int | None = None) -> None:
        super().__init__(raw)
        self._places = places
        self._begin = begin
        self._end = end

    def gtid(self, shard: str) -> str | None:
        """Returns the shard's position; see `StreamPosition.gtid`."""
        found = self._places.gtid(self._raw, shard, self._begin, self._end)
        return found if found is not None else super().gtid(shard)

    def _parse(self) -> binlogdata_pb2.VGtid:
        return parse_event(self._raw[self._begin : self._end]).vgtid
