"""GTID sets of the model, in the plainest way that is quick enough.

Independent of the connector's own algebra on purpose: a mistake there must not hide itself here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: What VTGate writes before a position.
FLAVOR = "MySQL56/"

#: The first and the last number.
Interval = tuple[int, int]


class GtidFormatError(ValueError):
    """A text is not a GTID set; the message is Vitess'."""


class Gtids:
    """An immutable set of GTIDs: by server, intervals that neither touch nor overlap, in order."""

    def __init__(self, intervals: Mapping[str, Sequence[Interval]] | None = None) -> None:
        merged = {uuid: _merge(held) for uuid, held in (intervals or {}).items()}
        self._intervals = {uuid: held for uuid, held in merged.items() if held}

    @classmethod
    def parse(cls, text: str) -> Gtids:
        """Reads MySQL's text, `uuid:1-5:7,uuid:…`, with any white space.

        Raises:
            GtidFormatError: It is something else.
        """
        read: dict[str, list[Interval]] = {}
        for part in "".join(text.split()).split(","):
            if not part:
                continue
            uuid, *intervals = part.lower().split(":")
            if not intervals:
                raise GtidFormatError(f'invalid MySQL 5.6 GTID set ("{text}"): expected uuid:interval')
            for interval in intervals:
                first, _, last = interval.partition("-")
                if not first.isdigit() or (last and not last.isdigit()):
                    raise GtidFormatError(f'invalid MySQL 5.6 GTID set ("{text}"): invalid interval {interval}')
                read.setdefault(uuid, []).append((int(first), int(last or first)))
        return cls(read)

    def with_gtid(self, uuid: str, number: int) -> Gtids:
        """Returns the set with one more."""
        return Gtids({**self._intervals, uuid: (*self._intervals.get(uuid, ()), (number, number))})

    def contains(self, uuid: str, number: int) -> bool:
        """Tells whether one GTID is in the set."""
        return any(first <= number <= last for first, last in self._intervals.get(uuid, ()))

    def minus(self, other: Gtids) -> Gtids:
        """Returns what is not in `other`."""
        left: dict[str, list[Interval]] = {}
        for uuid, held in self._intervals.items():
            left[uuid] = []
            for first, last in held:
                for out_first, out_last in other._intervals.get(uuid, ()):
                    if out_last < first or out_first > last:
                        continue
                    left[uuid].append((first, out_first - 1))
                    first = out_last + 1
                left[uuid].append((first, last))
        return Gtids(left)

    def __le__(self, other: Gtids) -> bool:
        return not self.minus(other)

    def __bool__(self) -> bool:
        return bool(self._intervals)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Gtids) and self._intervals == other._intervals

    def __hash__(self) -> int:
        return hash(frozenset(self._intervals.items()))

    def __str__(self) -> str:
        return ",".join(
            uuid + "".join(f":{first}" if first == last else f":{first}-{last}" for first, last in held)
            for uuid, held in sorted(self._intervals.items())
        )

    def __len__(self) -> int:
        """How many GTIDs there are."""
        return sum(last - first + 1 for held in self._intervals.values() for first, last in held)

    def intersection(self, other: Gtids) -> Gtids:
        """Returns the GTIDs that are in both."""
        return self.minus(self.minus(other))

    def union(self, other: Gtids) -> Gtids:
        """Returns the GTIDs of both."""
        return Gtids(
            {
                uuid: (*self._intervals.get(uuid, ()), *other._intervals.get(uuid, ()))
                for uuid in {*self._intervals, *other._intervals}
            }
        )

    @property
    def position(self) -> str:
        """The text with Vitess' flavor."""
        return FLAVOR + str(self)


def _merge(intervals: Sequence[Interval]) -> tuple[Interval, ...]:
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if last < first:
            continue
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return tuple(merged)


def parse_position(text: str) -> Gtids:
    """Reads a position of a VGTID.

    Raises:
        GtidFormatError: It has no known flavor, or is no GTID set.
    """
    flavor, slash, gtids = text.partition("/")
    if not slash:
        raise GtidFormatError(f'parse error: unknown GTIDSet flavor "{text}"')
    if flavor + "/" != FLAVOR:
        raise GtidFormatError(f'parse error: unknown GTIDSet flavor "{flavor}"')
    return Gtids.parse(gtids)
