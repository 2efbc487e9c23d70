"""Patterns of tables' names, as of SQL's LIKE."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.errors import ConfigError
from source_vitess.settings import table_patterns
from source_vitess.settings.table_patterns import FORM, choose_tables, matches
from unit_tests.examples import at_least, reached

NAMES = ("order", "orders", "order_items", "orderXitems", "Order", "100%", "a\\b")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("order", ["order"]),
        ("order%", ["order", "orders", "order_items", "orderXitems"]),
        ("%s", ["orders", "order_items", "orderXitems"]),
        ("order_items", ["order_items", "orderXitems"]),
        (r"order\_items", ["order_items"]),
        (r"100\%", ["100%"]),
        (r"a\\b", ["a\\b"]),
        (r"\o\r\der", ["order"]),
        ("_rder", ["order", "Order"]),
        ("%%", [*NAMES]),
        ("%r%r%", ["order", "orders", "order_items", "orderXitems", "Order"]),
    ],
)
def test_patterns(pattern: str, expected: list[str]) -> None:
    """Wildcards, and the backslash before them; upper and lower case differ."""
    assert [name for name in NAMES if matches(pattern, name)] == expected


@at_least(0.2)
@given(st.text("ab%_\\", max_size=12), st.text("ab%_\\", max_size=12))
def test_a_pattern_matches_what_a_regular_expression_does(pattern: str, name: str) -> None:
    """By another way to say the same."""
    if not FORM.fullmatch(pattern):
        return
    reached()
    parts = re.findall(r"\\.|.", pattern)
    same = "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)

    assert matches(pattern, name) == bool(re.fullmatch(same, name, re.DOTALL))


def test_many_wildcards_take_no_time() -> None:
    """A pattern that is made to be slow is not: a regular expression would not come back."""
    assert not matches("%a" * 100 + "%b", "a" * 5000)


@at_least(0.2)
@given(
    st.lists(st.text("ab_%\\", min_size=1, max_size=6), min_size=1, max_size=9),
    st.sets(st.text("ab_%", max_size=6), min_size=1),
)
def test_what_is_chosen_is_what_matches(tried: list[str], names: set[str]) -> None:
    """However the choice is made quick: the names that match any of the patterns, one by one."""
    patterns = [one for one in tried if FORM.fullmatch(one) and any(matches(one, name) for name in names)]
    if not patterns:
        return
    reached()
    ordered = sorted(names)

    chosen = choose_tables(patterns, ordered)

    assert chosen == tuple(name for name in ordered if any(matches(pattern, name) for pattern in patterns))


def test_hundreds_of_patterns_beside_thousands_of_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` has 15 seconds: of the names few are looked at character by character."""
    names = [f"table_{number:05d}" for number in range(10_000)]
    patterns = names[::40]
    real, looked = vars(table_patterns)["_match"], []

    def match(parts: Sequence[tuple[str, bool]], name: str) -> bool:
        looked.append(name)
        return bool(real(parts, name))

    monkeypatch.setattr(table_patterns, "_match", match)

    assert choose_tables(patterns, names) == tuple(patterns)
    assert len(looked) < 2 * len(patterns)


def test_tables_are_chosen_by_any_pattern() -> None:
    """In their order, once each; all without a pattern."""
    assert choose_tables(["orders", "order%", "100%"], NAMES) == (
        "order",
        "orders",
        "order_items",
        "orderXitems",
        "100%",
    )
    assert choose_tables([], NAMES) == NAMES


def test_a_pattern_without_a_table_is_named() -> None:
    """It is a mistake, which an empty list of streams would hide."""
    with pytest.raises(ConfigError, match=r"table_patterns has the pattern 'custmer%', which none of the 7 tables"):
        choose_tables(["order%", "custmer%"], NAMES)
