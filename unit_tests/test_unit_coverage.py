"""How the tier `unit` judges what it has run: the floors hold, and what was not measured counts as not run."""

from __future__ import annotations

import pytest

from tools import unit_coverage
from tools.unit_coverage import Share


@pytest.fixture(autouse=True)
def floors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rooms with a floor."""
    monkeypatch.setattr(unit_coverage, "FLOORS", {"position": 90.0, "rows": 50.0})


def test_a_room_below_its_floor_is_named() -> None:
    """Lines and branches count together, and only the room that has too few of them fails."""
    rooms = {"position": Share(80, 80, 20, 9), "rows": Share(10, 5, 0, 0), "vstream": Share(10, 0, 4, 0)}

    (sentence,) = unit_coverage.below_floor(rooms)

    assert "89.0 % of source_vitess/position/" in sentence
    assert "90 %" in sentence


def test_a_room_that_was_not_measured_is_below_its_floor() -> None:
    """A room that was moved or renamed does not lose its floor in silence."""
    (sentence,) = unit_coverage.below_floor({"position": Share(1, 1, 0, 0)})

    assert "0.0 % of source_vitess/rows/" in sentence


def test_the_line_adds_the_rooms_up() -> None:
    """The line for people has the sum, each room's share, and where the list is."""
    line = unit_coverage.describe({"": Share(5, 5, 0, 0), "rows": Share(5, 4, 4, 2)})

    assert "90.0 % of 10 lines, 50.0 % of 4 branches" in line
    assert "rows 66.7 %, beside the rooms 100.0 %" in line
    assert ".tmp/coverage.txt" in line
