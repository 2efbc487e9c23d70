"""From one position to the next, as one batch: limits, and reshards as borders."""

from __future__ import annotations

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, TransientError
from source_vitess.position.vgtid import Vgtid, contains, gtid_set
from source_vitess.shard_reading.changes import Span
from source_vitess.shard_reading.steps import next_position, spans
from unit_tests.shard_reading.conftest import Reading
from unit_tests.syncing import rows


def test_nothing_to_read(reading: Reading) -> None:
    """The position is the one of before."""
    here = reading.all()

    assert next_position(reading.live, here, here) is here
    assert list(spans(here, here)) == []


def test_a_position_that_lags_is_no_step_back(vitess: Vitess, reading: Reading) -> None:
    """Another tablet may have answered."""
    earlier = reading.all()
    vitess.insert("a", *rows(3))
    here = reading.all()

    assert next_position(reading.live, here, earlier) is here


def test_limits_count_transactions_of_each_shard(vitess: Vitess, reading: Reading) -> None:
    """So many, in the order of their numbers; several of a server that was replaced are not torn apart."""
    here = reading.all()
    for row in rows(5):
        vitess.insert("a", row, shard="-80")
    target = reading.all()

    steps = [here]
    while (after := next_position(reading.live, steps[-1], target, 2)) is not steps[-1]:
        steps.append(after)

    lengths = [len(gtid_set(step.shards["-80"])) - len(gtid_set(here.shards["-80"])) for step in steps]
    assert lengths == [0, 2, 4, 5]
    assert list(spans(here, steps[1])) == [Span("commerce", "-80", here.shards["-80"], steps[1].shards["-80"])]

    vitess.reparent("-80")
    vitess.insert("a", *rows(2, start=9), shard="-80")
    across = next_position(reading.live, here, reading.all(), 2)
    assert contains(across.shards["-80"], reading.position())


def test_a_limit_over_a_gap(reading: Reading) -> None:
    """Numbers that a server has left out do not count."""
    uuid = "00000000-0000-0000-0000-000000000001"
    here = Vgtid("commerce", {"-80": f"MySQL56/{uuid}:1-2:5", "80-": f"MySQL56/{uuid}:1"})
    target = Vgtid("commerce", {"-80": f"MySQL56/{uuid}:1-9", "80-": f"MySQL56/{uuid}:1"})

    reached = next_position(reading.live, here, target, 3)

    assert reached.shards == {"-80": f"MySQL56/{uuid}:1-6", "80-": f"MySQL56/{uuid}:1"}


def test_a_split_is_a_border(vitess: Vitess, reading: Reading) -> None:
    """Up to the journal first, and from where the new shards begin afterwards. The other shard goes on."""
    here = reading.all()
    vitess.insert("a", *rows(9))
    vitess.reshard(["-80"], ["-40", "40-80"])
    vitess.insert("a", *rows(9, start=20))
    target = reading.all()

    border = next_position(reading.live, here, target)

    assert set(border.shards) == {"-40", "40-80", "80-"}
    assert {(span.shard, span.end is None) for span in spans(here, border)} == {("-80", True), ("80-", False)}
    after = next_position(reading.live, border, target)
    assert after.covers(target)
    assert {span.shard for span in spans(border, after)} <= {"-40", "40-80"}


def test_a_merge_is_a_border_of_both(vitess: Vitess, reading: Reading) -> None:
    """Both end in the same batch, each in a stream of its own."""
    here = reading.all()
    vitess.insert("a", *rows(9))
    vitess.reshard(["-80", "80-"], ["-"])
    vitess.insert("a", *rows(9, start=20))

    border = next_position(reading.live, here, reading.all())

    assert set(border.shards) == {"-"}
    for span in spans(here, border):
        reading.changes(span.start, span.end, span.shard)
    assert sorted(reading.rows) == list(range(1, 10))


def test_a_merge_with_a_shard_that_is_still_to_come(vitess: Vitess, reading: Reading) -> None:
    """The shard waits at its journal until the other one is here: the reshards are passed one after the other."""
    here = reading.all()
    vitess.insert("a", *rows(9))
    vitess.reshard(["80-"], ["80-c0", "c0-"])
    vitess.insert("a", *rows(9, start=20))
    vitess.reshard(["-80", "80-c0"], ["-c0"])
    vitess.insert("a", *rows(9, start=40))
    target = reading.all()

    at = here
    passed = []
    while (after := next_position(reading.live, at, target)) is not at:
        for span in spans(at, after):
            reading.changes(span.start, span.end, span.shard)
        at = after
        passed.append(sorted(at.shards))

    assert passed == [["-80", "80-c0", "c0-"], ["-c0", "c0-"], ["-c0", "c0-"]]
    assert sorted(reading.rows) == sorted(int(str(row["id"])) for row in vitess.rows("a"))


def test_shards_that_were_not_read_before(reading: Reading) -> None:
    """Of a position that left one out, changes would be skipped in silence."""
    now = reading.all()
    here = Vgtid(now.keyspace, {"-80": now.shards["-80"]})

    with pytest.raises(ConfigError, match="is not of the shard 80-"):
        next_position(reading.live, here, now)


def test_a_merge_of_which_a_part_never_comes(vitess: Vitess, reading: Reading) -> None:
    """It says so, instead of going on without it."""
    now = reading.all()
    here = Vgtid(now.keyspace, {"-80": now.shards["-80"]})
    vitess.reshard(["-80", "80-"], ["-"])

    with pytest.raises(TransientError, match="The reshard of shard -80 is not over yet"):
        next_position(reading.live, here, reading.all())
