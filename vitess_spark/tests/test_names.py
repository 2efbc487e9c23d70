"""Names in options: in backticks where a comma, a space at an end or a backtick would mean something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitess_spark.names import read_name, read_names, written

NAMES = st.text(st.sampled_from("ab`, .\n\"'é"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ("a",)),
        (" a , b c,d.e", ("a", "b c", "d.e")),
        ("`a,b`", ("a,b",)),
        ("c, `a,b` ,d", ("c", "a,b", "d")),
        ("` a `,b", (" a ", "b")),
        ("a`b,c`", ("a`b", "c`")),
        ("```a`, ````", ("`a", "`")),
    ],
)
def test_a_list(text: str, names: tuple[str, ...]) -> None:
    """Backticks count where a name begins with one."""
    assert read_names(text) == names


@pytest.mark.parametrize("text", ["", " ", ",", "a,", ",a", "a,,b", "`a", "``", "`", "`a`b", "`a` b,c", "`a```b`"])
def test_what_is_no_list(text: str) -> None:
    """A name is missing, or does not end where its backticks do."""
    with pytest.raises(ValueError, match="not names"):
        read_names(text)


@pytest.mark.parametrize(("text", "name"), [(" a,b ", "a,b"), ("` a`", " a"), ("a\nb", "a\nb"), ("`a``b`", "a`b")])
def test_one_name(text: str, name: str) -> None:
    """A comma needs no backticks."""
    assert read_name(text) == name


@pytest.mark.parametrize("text", ["", " ", "`a", "`a`b`", "``"])
def test_what_is_no_name(text: str) -> None:
    """It is said so."""
    with pytest.raises(ValueError, match="not a name"):
        read_name(text)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_what_is_written_is_read(names: list[str]) -> None:
    """Whatever the names hold."""
    assert read_names(",".join(map(written, names))) == tuple(names)
    assert read_name(written(names[0])) == names[0]


def test_ordinary_names_are_written_as_they_are() -> None:
    """Without backticks."""
    assert [written(name) for name in ("a", "a b", "a`b", "a,b", " a")] == ["a", "a b", "a`b", "`a,b`", "` a`"]
