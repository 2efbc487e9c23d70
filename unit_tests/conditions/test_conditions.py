"""Conditions on rows: what is read, what it is written as anew, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.conditions.parser import LONGEST, parse_condition
from source_vitess.conditions.values import AnyOf, Between, Comparison, Condition, Literal, NullTest, Operator, Term
from source_vitess.errors import WrongConditionError
from unit_tests.examples import at_least, reached

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=64)
LITERALS: st.SearchStrategy[Literal] = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12),
    st.integers(-(10**65) + 1, 10**65 - 1).map(Decimal),
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), max_size=20),
    st.binary(max_size=20),
).map(lambda value: abs(value) if isinstance(value, Decimal) and not value else value)
TERMS: st.SearchStrategy[Term] = st.one_of(
    st.builds(Comparison, NAMES, st.sampled_from(Operator), LITERALS),
    st.builds(AnyOf, NAMES, st.lists(LITERALS, min_size=1, max_size=5).map(tuple)),
    st.builds(Between, NAMES, LITERALS, LITERALS),
    st.builds(NullTest, NAMES, st.booleans()),
)


def refusal(text: str) -> str:
    """Returns why a text is no condition."""
    with pytest.raises(WrongConditionError) as caught:
        parse_condition(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "anew"),
    [
        ("a = 1", "`a` = 1"),
        (" a\n<>\t-1.50 ", "`a` != -1.50"),
        ("A>=+7 aNd b<'it''s'", "`A` >= 7 AND `b` < 'it''s'"),
        ("`a ``b` in (1, 'x' ,X'00ff')", "`a ``b` IN (1, 'x', x'00ff')"),
        ("a between 1 and 2 and b is null", "`a` BETWEEN 1 AND 2 AND `b` IS NULL"),
        ("größe is not null", "`größe` IS NOT NULL"),
        ("`select` = x''", "`select` = x''"),
        ("a = -0.00", "`a` = 0.00"),
        ("a = '-- ; /* \" ` and'", "`a` = '-- ; /* \" ` and'"),
        ("a = ''''", "`a` = ''''"),
    ],
)
def test_a_condition_is_written_anew(text: str, anew: str) -> None:
    """By its value, in one form: names in backquotes, texts with nothing in them that could end them."""
    assert str(parse_condition(text)) == anew
    assert str(parse_condition(anew)) == anew


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "its end instead of the name of a column"),
        ("a", "its end instead of =, !=, <"),
        ("a = ", "its end instead of a literal"),
        ("a = 1 and", "its end instead of the name of a column"),
        ("a = 1 or b = 2", "At character 7 stands 'or b = 2' instead of AND or the end"),
        ("not a = 1", "stands 'not a = 1' instead of the name of a column"),
        ("a not in (1)", "stands 'not in (1)' instead of =, !=, <"),
        ("a not between 1 and 2", "instead of =, !=, <"),
        ("a like 'x%'", "stands \"like 'x%'\" instead of"),
        ("a <=> 1", "stands '> 1' instead of a literal"),
        ("a = null", "stands 'null' instead of a literal"),
        ("a = true", "stands 'true' instead of a literal"),
        ("1 = a", "stands '1 = a' instead of the name of a column"),
        ("a = b", "stands 'b' instead of a literal"),
        ("a + 1 = 2", "cannot be read"),
        ("upper(a) = 'X'", "stands \"(a) = 'X'\" instead of"),
        ("a = now()", "stands 'now()' instead of a literal"),
        ("a = (select 1)", "stands '(select 1)' instead of a literal"),
        ("a in (select b from c)", "stands 'select b from c)' instead of a literal"),
        ("exists (select 1)", "instead of the name of a column"),
        ("(a = 1)", "instead of the name of a column"),
        ("a in ()", "stands ')' instead of a literal"),
        ("a in (1", "its end instead of a comma"),
        ("t.a = 1", "cannot be read"),
        ("a = 1; drop table t", "stands '; drop table t', which cannot be read"),
        ("a = 1 -- b", "stands '-- b', which cannot be read"),
        ("a = 1 # b", "cannot be read"),
        ("a = 1 /* b */", "cannot be read"),
        ("a = 'x' or '1' = '1'", "stands \"or '1' = '1'\" instead of AND or the end"),
        ("a = 'x", "cannot be read"),
        ("a = 'x\\' or 1=1'", "without backslashes"),
        ("a = 'x''", "cannot be read"),
        ('a = "x"', "cannot be read"),
        ("a = 'x\n'", "cannot be read"),
        ("a = 'x\0'", "cannot be read"),
        ("a = '\ud800'", "cannot be read"),
        ("a = _latin1'x'", "instead of a literal"),
        ("a = 'x' collate utf8mb4_bin", "instead of AND or the end"),
        ("a = x'f'", "cannot be read"),
        ("a = 0xff", "cannot be read"),
        ("a = 1e5", "cannot be read"),
        ("a = .5", "cannot be read"),
        ("a = - 5", "cannot be read"),
        ("a = :v1", "cannot be read"),
        ("a = ?", "cannot be read"),
        ("`a = 1", "cannot be read"),
        ("`` = 1", "cannot be read"),
        ("`" + "a" * 65 + "` = 1", "instead of the name of a column"),
        ("a = " + "9" * 66, "instead of a literal"),
        ("a = 0." + "0" * 31, "instead of a literal"),
        ("a = 1" + " and a = 1" * 50, "more than 50 terms"),
        ("a in (1" + ", 1" * 500 + ")", "more than 500 literals"),
        ("a = '" + "x" * 10_000 + "'", f"It has 10,006 characters; at most {LONGEST:,} are read"),
    ],
)
def test_what_is_no_condition(text: str, words: str) -> None:
    """The place and what stands there; nothing is guessed, and nothing left out."""
    assert words in refusal(text)


@at_least(0.5)
@given(st.lists(TERMS, min_size=1, max_size=5).map(lambda terms: Condition(tuple(terms))))
def test_what_is_written_is_read_as_what_it_was(condition: Condition) -> None:
    """Any value comes back from its text, whatever stands in its names and texts."""
    text = str(condition)
    if len(text) > LONGEST:
        return
    reached()

    assert parse_condition(text) == condition


@at_least(0.02)
@given(
    st.lists(
        st.sampled_from(
            ["a", "`b`", "=", "<", "in", "(", ")", ",", "1", "'x'", "and", "is", "not", "null", "between", "--"]
        ),
        min_size=3,
        max_size=9,
    ).map(" ".join)
    | st.text("a='x1`<>()\\;-", max_size=12)
    | st.builds(
        "{} {} {}".format, st.sampled_from(["a", "`b`"]), st.sampled_from([*"=<>"]), st.sampled_from(["1", "'x'"])
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    """What is read means what its text anew means."""
    try:
        condition = parse_condition(text)
    except WrongConditionError:
        return
    reached()
    assert parse_condition(str(condition)) == condition
