"""The algebra of GTID sets, against Python's own sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.errors import GtidError
from source_vitess.position.gtid import GtidSet, intervals_of, last_number
from unit_tests.examples import at_least, reached

A = "11111111-1111-1111-1111-111111111111"
B = "22222222-2222-2222-2222-222222222222"
C = "abcdefab-cdef-abcd-efab-cdefabcdefab"

transactions = st.sets(st.tuples(st.sampled_from([A, B, C]), st.integers(1, 30)))


def make(members: set[tuple[str, int]]) -> GtidSet:
    """Builds a set through its text, one interval for each transaction."""
    return GtidSet.parse(",".join(f"{uuid}:{number}" for uuid, number in members))


def members(gtids: GtidSet) -> set[tuple[str, int]]:
    """Lists a set's transactions."""
    return {
        (uuid, number) for uuid, intervals in gtids.intervals.items() for a, b in intervals for number in range(a, b)
    }


@given(transactions, transactions)
def test_operators_agree_with_sets(x: set[tuple[str, int]], y: set[tuple[str, int]]) -> None:
    """Union, difference, intersection, containment and size are those of sets of transactions."""
    a, b = make(x), make(y)

    assert members(a | b) == x | y
    assert members(a - b) == x - y
    assert members(a & b) == x & y
    assert (a <= b) == (x <= y)
    assert (a >= b) == (x >= y)
    assert a.isdisjoint(b) == x.isdisjoint(y)
    assert len(a) == len(x)
    assert bool(a) == bool(x)


@given(transactions, transactions)
def test_equal_sets_are_equal_values(x: set[tuple[str, int]], y: set[tuple[str, int]]) -> None:
    """However a set came about, it has one form, one text and one hash."""
    union = make(x) | make(y)

    assert union == make(x | y)
    assert hash(union) == hash(make(x | y))
    assert GtidSet.parse(str(union)) == union


def test_text_is_mysqls() -> None:
    """Touching intervals are merged, single numbers stand alone, servers are in order."""
    parsed = GtidSet.parse(f"MySQL56/{B.upper()}:7-9:5:6,\n {A}:1-3:4-5:9")

    assert str(parsed) == f"{A}:1-5:9,{B}:5-9"


@pytest.mark.parametrize(
    "text",
    [
        "MariaDB/0-1-2",
        "FilePos/binlog.000001:4",
        "current",
        f"{A}",
        f"{A}:",
        f"{A}:0",
        f"{A}:3-2",
        f"{A}:1-",
        f"{A}:1-99999999999999999999",
        f"{A}:-5",
        "1111:1-5",
        f"{A}:1-5;{B}:1",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    """A position that is not a GTID set is refused instead of being half understood."""
    with pytest.raises(GtidError):
        GtidSet.parse(text)


def test_tagged_gtids_are_refused_with_the_reason() -> None:
    """Vitess cannot stream from a server with tagged GTIDs; the message says that it is the tag."""
    with pytest.raises(GtidError, match="tagged GTID"):
        GtidSet.parse(f"{A}:batch:1-5")


_ODD = st.sampled_from([":0", ":5-3", ":x", "", ":1-", ",", "::"]) | st.text(max_size=3)
_SOUND = st.builds(lambda start, more: f":{start}-{start + more}", st.integers(1, 99), st.integers(0, 99))
_PARTS = st.builds("{}{}{}".format, st.sampled_from([A, B]), _SOUND, st.one_of(_SOUND, _SOUND, st.just(""), _ODD))


@at_least(0.2)
@given(st.lists(_PARTS, min_size=1, max_size=2).map(",".join) | st.text(max_size=60))
def test_any_text_is_a_set_or_refused(text: str) -> None:
    """No text makes the parser fail in another way."""
    try:
        parsed = GtidSet.parse(text)
    except GtidError:
        return
    reached()
    assert GtidSet.parse(str(parsed)) == parsed


def test_one_server_is_read_without_the_others() -> None:
    """The intervals and the last number of a server come from the text alone, and none of a server that it lacks."""
    text = f"MySQL56/{A}:1-5:7,{B}:9"

    assert (intervals_of(text, A), last_number(text, A)) == (((1, 6), (7, 8)), 7)
    assert (intervals_of(text, B), last_number(text, B)) == (((9, 10),), 9)
    assert (intervals_of(text, C), last_number(text, C)) == ((), 0)
