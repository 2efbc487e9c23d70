"""What the demo of destination-readyset takes for the same rows."""

from __future__ import annotations

from decimal import Decimal

from demo.readyset import comparable


def test_json_is_compared_as_a_document() -> None:
    """A document that has changed has its keys in alphabetical order, where MySQL has the shorter ones first."""
    served = (1, "bell", Decimal("8.50"), '{"colour": "red", "kg": 5.84}')
    assert comparable([served]) == comparable([(1, "bell", Decimal("8.50"), '{"kg": 5.84, "colour": "red"}')])
    assert comparable([served]) != comparable([(1, "bell", Decimal("8.50"), '{"kg": 5.85, "colour": "red"}')])
    assert comparable([served]) != comparable([(1, "bell", Decimal("8.51"), '{"colour": "red", "kg": 5.84}')])


def test_rows_have_no_order() -> None:
    """Neither side orders them; a row twice is not a row once."""
    assert comparable([(1, "a"), (2, None)]) == comparable([(2, None), (1, "a")])
    assert comparable([(1, "a"), (1, "a")]) != comparable([(1, "a")])
