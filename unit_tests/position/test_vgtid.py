"""The position of a keyspace."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.errors import GtidError
from source_vitess.position.gtid import GtidSet
from source_vitess.position.vgtid import Distance, Vgtid, contains

A = "11111111-1111-1111-1111-111111111111"
C = "abcdefab-cdef-abcd-efab-cdefabcdefab"
B = "22222222-2222-2222-2222-222222222222"


def gtid(*parts: str) -> str:
    """Writes a position as VTGate does."""
    return "MySQL56/" + ",".join(parts)


def test_covers_is_decided_shard_by_shard() -> None:
    """One shard that is behind, or missing, is enough for a target not to be reached."""
    here = Vgtid("ks", {"-80": gtid(f"{A}:1-10"), "80-": gtid(f"{B}:1-5")})

    assert here.covers(Vgtid("ks", {"-80": gtid(f"{A}:1-10"), "80-": gtid(f"{B}:1-4")}))
    assert here.covers(Vgtid("ks", {"80-": gtid(f"{B}:5")}))
    assert not here.covers(Vgtid("ks", {"-80": gtid(f"{A}:1-11")}))
    assert not here.covers(Vgtid("ks", {"-40": gtid(f"{A}:1")}))


def test_containment_is_not_equality() -> None:
    """After a failover a position holds another server's transactions too, and still contains the old end."""
    assert contains(gtid(f"{A}:1-10", f"{B}:1-3"), gtid(f"{A}:1-10"))
    assert not contains(gtid(f"{A}:1-10"), gtid(f"{A}:1-10", f"{B}:1"))


@pytest.mark.parametrize("shards", [{}, {"-80": ""}, {"-80": "current"}, {"": gtid(f"{A}:1")}])
def test_a_position_that_nothing_continues_from(shards: dict[str, str]) -> None:
    """No shard, a shard without a position, and a position without a shard's name are none."""
    with pytest.raises(GtidError):
        Vgtid("ks", shards)


transactions = st.sets(st.tuples(st.sampled_from([A, B, C]), st.integers(1, 12)))


@given(st.none() | transactions, transactions, st.lists(transactions, max_size=6))
def test_a_target_is_reached_when_it_is_contained(
    start: set[tuple[str, int]] | None, target: set[tuple[str, int]], steps: list[set[tuple[str, int]]]
) -> None:
    """Reading only some servers of a position that grows says the same as comparing all of it."""

    def text(members: set[tuple[str, int]]) -> str:
        return f"MySQL56/{GtidSet.parse(','.join(f'{uuid}:{number}' for uuid, number in members))}"

    distance = Distance(None if start is None else text(start), text(target))
    here = set(start or ())
    for step in steps:
        here |= step
        assert distance.reached(text(here)) == contains(text(here), text(target))


@pytest.mark.parametrize("position", ["", "current", f"{A}:1-5"])
def test_a_position_that_cannot_be_continued_from_cannot_be_built(position: str) -> None:
    """`current` and the empty position ask VTGate for something else than to go on, so they never reach a state."""
    with pytest.raises(GtidError, match="80-"):
        Vgtid("ks", {"-80": gtid(f"{A}:1"), "80-": position})


def test_union_adds_what_shards_have_in_common() -> None:
    """Positions of other shards are left out: they say nothing about these."""
    union = Vgtid("ks", {"-80": gtid(f"{A}:1-3")}).union({"-80": gtid(f"{A}:5", f"{B}:1"), "80-": gtid(f"{B}:9")})

    assert union == Vgtid("ks", {"-80": gtid(f"{A}:1-3:5", f"{B}:1")})


def test_json_round_trip() -> None:
    """What a state holds is read back equal."""
    vgtid = Vgtid("ks", {"-80": gtid(f"{A}:1-3"), "80-": gtid(f"{B}:1")})

    assert Vgtid.from_json(vgtid.to_json()) == vgtid


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        ["x"],
        [{"keyspace": "ks", "shard": "0"}],
        [{"keyspace": "ks", "shard": "0", "gtid": 5}],
        [{"keyspace": "ks", "shard": "0", "gtid": "nonsense"}],
        [{"keyspace": "ks", "shard": "0", "gtid": gtid(f"{A}:1")}] * 2,
        [
            {"keyspace": "ks", "shard": "-80", "gtid": gtid(f"{A}:1")},
            {"keyspace": "other", "shard": "80-", "gtid": gtid(f"{A}:1")},
        ],
    ],
)
def test_other_json_is_refused(value: Any) -> None:
    """A position of another shape is refused, never guessed at."""
    with pytest.raises(GtidError):
        Vgtid.from_json(value)
