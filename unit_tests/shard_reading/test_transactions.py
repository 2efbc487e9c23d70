"""The arithmetic of spans, against plain sets of transactions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.errors import InternalError
from source_vitess.position.gtid import GtidSet
from source_vitess.shard_reading.transactions import SpanTransactions

A, B = (f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2))
NOTHING = GtidSet({})

Transaction = tuple[str, int]


def gtids(transactions: object) -> GtidSet:
    """Returns transactions as a GTID set."""
    return GtidSet.parse(",".join(f"{uuid}:{number}" for uuid, number in transactions))  # type: ignore[attr-defined]


orders = st.lists(st.tuples(st.sampled_from([A, B]), st.integers(1, 12)), unique=True, min_size=1, max_size=16)


@given(order=orders, data=st.data())
def test_whatever_the_order_the_same_transactions_are_taken(order: list[Transaction], data: st.DataObject) -> None:
    """Those of the end that are not in the start, each once, wherever streams break off."""
    start = data.draw(st.sets(st.sampled_from(order)))
    end = start | data.draw(st.sets(st.sampled_from(order)))
    span = SpanTransactions(gtids(start), gtids(end))
    taken: list[str] = []
    attempts = data.draw(st.integers(1, 3))
    for attempt in range(attempts):
        here = GtidSet.parse(span.position)
        span.opened(span.position, NOTHING)
        sent = [one for one in order if not gtids([one]) <= here]
        stop = len(sent) if attempt == attempts - 1 else data.draw(st.integers(0, len(sent)))
        for one in sent[:stop]:
            here |= gtids([one])
            if transaction := span.take(str(here)):
                taken.append(str(transaction))

    assert sorted(taken) == sorted(str(gtids([one])) for one in end - start)
    assert span.are_complete


@pytest.mark.parametrize(
    ("end", "taken"),
    [("1-3", None), ("1-4", f"{A}:4"), ("1-2", None)],
)
def test_a_transaction_without_a_position_comes_with_the_next(end: str, taken: str | None) -> None:
    """The rows that were read are the last one's: a table of an engine without positions is not read."""
    span = SpanTransactions(GtidSet.parse(f"{A}:1-2"), GtidSet.parse(f"{A}:{end}"))
    span.opened(f"{A}:1-2", NOTHING)

    transaction = span.take(f"{A}:1-4")

    assert (str(transaction) if transaction else None) in (taken, f"{A}:3-4" if taken else None)
    assert span.are_complete


def test_transactions_of_two_servers_with_one_position() -> None:
    """Which one came last is not known."""
    span = SpanTransactions(NOTHING, GtidSet.parse(f"{A}:1"))
    span.opened("", NOTHING)

    with pytest.raises(InternalError, match="one position to transactions of several servers"):
        span.take(f"{A}:1,{B}:1")


def test_a_span_without_an_end_takes_all_but_errant_ones() -> None:
    """It is never complete by itself; the journal ends it."""
    span = SpanTransactions(GtidSet.parse(f"{A}:1"), None)
    span.opened(f"{A}:1", GtidSet.parse(f"{B}:1-9"))

    assert span.take(f"{A}:1,{B}:7") is None
    assert str(span.take(f"{A}:1-2,{B}:7")) == f"{A}:2"
    assert span.position == f"MySQL56/{A}:1-2"
    assert not span.are_complete


def test_a_journal_is_passed_whether_or_not_it_is_of_the_span() -> None:
    """The stream that is opened next must not come to it again."""
    span = SpanTransactions(GtidSet.parse(f"{A}:1"), GtidSet.parse(f"{A}:1,{B}:1"))
    span.opened(f"{A}:1", NOTHING)
    assert span.take(f"{A}:1-2") is None

    span.pass_journal()

    assert span.position == f"MySQL56/{A}:1-2"
