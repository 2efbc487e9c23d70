"""GTID sets: which transactions of which servers a position contains.

A set maps a server's UUID to intervals of transaction numbers (MySQL manual, "GTID Format and Storage"). Sets are
only partially ordered: two positions of the same shard can each hold transactions that the other lacks. So there is
`<=` for "is contained in", and no sorting.

Vitess writes a set as `MySQL56/<set>` (go/mysql/replication/mysql56_gtid_set.go); plain MySQL text is read as well.
Tagged GTIDs (`uuid:tag:1-5`, MySQL ≥ 8.3) are refused: Vitess cannot stream from a server that has any.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from source_vitess.errors import GtidError

#: Vitess' name for the position format of MySQL ≥ 5.6 (go/mysql/replication/mysql56_gtid_set.go, Mysql56FlavorID).
FLAVOR = "MySQL56"

#: Half-open: (first, last + 1).
Interval = tuple[int, int]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NUMBERS = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
#: After a server's name, the last number of its intervals.
_LAST_OF_SERVER = re.compile(r":(?:[^,]*[-:])?([0-9]{1,19})(?:,|$)")
#: MySQL's own bound for a transaction number, 2^63 - 1.
_LAST_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class GtidSet:
    """A set of transactions.

    Attributes:
        intervals: By lower-case server UUID in ascending order: intervals, ascending, neither touching nor empty.
            Build it through `parse` or the operators, which keep that form.
    """

    intervals: Mapping[str, tuple[Interval, ...]]

    @classmethod
    def parse(cls, text: str) -> GtidSet:
        """Reads `MySQL56/<set>` or MySQL's `<set>`; the empty set is the empty text.

        Raises:
            GtidError: The text is something else, or holds tagged GTIDs.
        """
        flavor, slash, body = text.partition("/")
        if not slash:
            body = text
        elif flavor != FLAVOR:
            raise GtidError(f"position of an unsupported kind: {flavor[:40]!r}, expected {FLAVOR}")
        found: dict[str, list[Interval]] = {}
        for part in body.split(","):
            part = part.strip()  # MySQL breaks long sets over lines
            if part:
                uuid, intervals = _parse_server(part)
                found.setdefault(uuid, []).extend(intervals)
        return cls({uuid: _merged(found[uuid]) for uuid in sorted(found)})

    def __str__(self) -> str:
        """Returns MySQL's canonical text, without the flavor."""
        return ",".join(
            uuid + "".join(f":{a}" if b == a + 1 else f":{a}-{b - 1}" for a, b in intervals)
            for uuid, intervals in self.intervals.items()
        )

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __hash__(self) -> int:
        return hash(tuple(self.intervals.items()))

    def __le__(self, other: GtidSet) -> bool:
        """Returns whether every transaction of this set is in the other one."""
        for uuid, mine in self.intervals.items():
            theirs = other.intervals.get(uuid)
            if theirs is None or not is_within(mine, theirs):
                return False
        return True

    def __ge__(self, other: GtidSet) -> bool:
        return other <= self

    def __or__(self, other: GtidSet) -> GtidSet:
        """Returns the transactions that are in either set."""
        both = {**self.intervals}
        for uuid, theirs in other.intervals.items():
            both[uuid] = _merged([*both.get(uuid, ()), *theirs])
        return GtidSet({uuid: both[uuid] for uuid in sorted(both)})

    def __sub__(self, other: GtidSet) -> GtidSet:
        """Returns the transactions of this set that are not in the other one."""
        left = {uuid: _without(mine, other.intervals.get(uuid, ())) for uuid, mine in self.intervals.items()}
        return GtidSet({uuid: intervals for uuid, intervals in left.items() if intervals})

    def __and__(self, other: GtidSet) -> GtidSet:
        """Returns the transactions that are in both sets."""
        return self - (self - other)

    def __len__(self) -> int:
        """Counts the transactions."""
        return sum(b - a for intervals in self.intervals.values() for a, b in intervals)

    def isdisjoint(self, other: GtidSet) -> bool:
        """Returns whether no transaction is in both sets."""
        return not self & other


def last_number(text: str, uuid: str) -> int:
    """Returns the last number in a set's text of one server, which is the largest one; 0 if it has none.

    Vitess keeps and writes intervals in ascending order (go/mysql/replication/mysql56_gtid_set.go), so that most
    positions on the way to a target are recognised by it without a look at their intervals.

    Args:
        text: A set as Vitess writes it.
        uuid: In lower case.
    """
    start = text.find(uuid + ":")
    if start < 0:
        return 0
    match = _LAST_OF_SERVER.match(text, start + len(uuid))
    # What is no number is for who reads the intervals.
    return int(match[1]) if match else _LAST_NUMBER


def intervals_of(text: str, uuid: str) -> tuple[Interval, ...]:
    """Returns what a set's text has of one server, without reading the others': a set can be of hundreds.

    Args:
        text: A set as Vitess writes it.
        uuid: In lower case.

    Raises:
        GtidError: What it has is no list of intervals.
    """
    start = text.find(uuid + ":")
    if start < 0:
        return ()
    end = text.find(",", start)
    return _merged(_parse_server(text[start:] if end < 0 else text[start:end])[1])


def _parse_server(part: str) -> tuple[str, Iterator[Interval]]:
    uuid, *numbers = (piece.strip().lower() for piece in part.split(":"))
    if not _UUID.fullmatch(uuid) or not numbers:
        raise GtidError(f"not a GTID set: {part[:80]!r}")
    return uuid, (_parse_interval(piece, part) for piece in numbers)


def _parse_interval(text: str, part: str) -> Interval:
    match = _NUMBERS.fullmatch(text)
    if match is None:
        if re.fullmatch(r"[a-z_][a-z0-9_]{0,31}", text):
            raise GtidError(
                f"the GTID set holds a tagged GTID (tag {text!r}), which Vitess cannot stream; do not set gtid_next "
                "to tagged values"
            )
        raise GtidError(f"not an interval of transaction numbers: {text[:40]!r} in {part[:80]!r}")
    first = int(match[1])
    last = int(match[2] or first)
    if not 1 <= first <= last <= _LAST_NUMBER:
        raise GtidError(f"not an interval of transaction numbers: {text!r} in {part[:80]!r}")
    return first, last + 1


def _merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    out: list[Interval] = []
    for a, b in sorted(intervals):
        if out and a <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        else:
            out.append((a, b))
    return tuple(out)


def is_within(mine: tuple[Interval, ...], theirs: tuple[Interval, ...]) -> bool:
    """Returns whether intervals are contained in others of the same server."""
    at = 0
    for a, b in mine:
        while at < len(theirs) and theirs[at][1] < b:
            at += 1
        if at == len(theirs) or theirs[at][0] > a:
            return False
    return True


def _without(mine: tuple[Interval, ...], theirs: tuple[Interval, ...]) -> tuple[Interval, ...]:
    out: list[Interval] = []
    for a, b in mine:
        for c, d in theirs:
            if d <= a:
                continue
            if c >= b:
                break
            if a < c:
                out.append((a, c))
            a = d
            if a >= b:
                break
        if a < b:
            out.append((a, b))
    return tuple(out)
