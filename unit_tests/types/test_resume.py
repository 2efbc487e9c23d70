"""Values of keys that a copy can be continued after."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.types import resume
from source_vitess.types.column_type import parse_column_type

LABELS = "'small','medium','large'"


def after(
    column_type: str, value: bytes | str, *, charset: str = "utf8mb4", presorted: bool = True
) -> bytes | int | None:
    """Returns what to send in place of a value."""
    wire = value.encode() if isinstance(value, str) else value
    return resume.after(parse_column_type(column_type), charset, wire, presorted=presorted)


@pytest.mark.parametrize(
    ("column_type", "value"),
    [
        ("tinyint", "-128"),
        ("bigint unsigned", "18446744073709551615"),
        ("int(8) unsigned zerofill", "00000042"),
        ("bit(9)", b"\1\xff"),
        ("decimal(65,30)", "-0.000000000000000000000000000001"),
        ("double", "-4.9406564584124654e-324"),
        ("year", "0000"),
        ("date", "1000-01-01"),
        ("datetime(6)", "2024-02-29 23:59:58.000001"),
        ("timestamp", "1970-01-01 00:00:01"),
        ("time(3)", "-838:59:59.000"),
        ("char(3)", ""),
        ("varchar(20)", "a\\%'\0"),
        ("binary(2)", b"\0\xff"),
        ("varbinary(2)", b""),
    ],
)
def test_most_values_go_back_as_they_came(column_type: str, value: bytes | str) -> None:
    """MySQL reads them back as the same values, and compares them as it sorts them."""
    assert after(column_type, value) == (value.encode() if isinstance(value, str) else value)


@pytest.mark.parametrize(
    ("column_type", "value", "number"),
    [
        (f"enum({LABELS})", "small", 1),
        (f"enum({LABELS})", "large", 3),
        (f"enum({LABELS})", "", 0),
        ("enum('3','2','1')", "1", 3),
        (f"set({LABELS})", "", 0),
        (f"set({LABELS})", "medium", 2),
        (f"set({LABELS})", "small,large", 5),
    ],
)
def test_labels_go_back_as_numbers(column_type: str, value: str, number: int) -> None:
    """ENUM and SET are sorted by number; the invalid value of an ENUM is 0."""
    assert after(column_type, value) == number


def test_labels_of_any_character_set() -> None:
    """A copy has labels in the column's character set, the column type has them in UTF-8."""
    assert after("enum('ß','é','表')", "é".encode("latin-1"), charset="latin1") == 2
    assert after("enum('ß','é','表')", "表".encode("shift-jis"), charset="sjis") == 3
    assert after("set('ß','é','表')", "ß,表".encode("utf-16-be"), charset="utf16") == 5


@given(st.integers(1, 64).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, 2**count - 1))))
def test_every_set(case: tuple[int, int]) -> None:
    """A SET's number has a bit for each of its labels, up to 64."""
    count, number = case
    labels = [f"m{index}" for index in range(count)]
    quoted = ",".join(f"'{label}'" for label in labels)
    shown = ",".join(label for index, label in enumerate(labels) if number >> index & 1)
    assert after(f"set({quoted})", shown) == number


@pytest.mark.parametrize(
    ("column_type", "value"),
    [
        ("enum('a','','b')", ""),
        ("enum('a','','b')", "b"),
        ("set('','b')", ""),
        ("enum('a','?')", "😀"),
        ("enum('a','b')", "c"),
        ("enum('a','b')", b"\xff"),
        ("set('a','b')", "a,c"),
        ("float", "0.5"),
        ("float(7,3)", "0.500"),
        ("double(10,3)", "0.500"),
        ("date", "0000-00-00"),
        ("date", "2024-00-15"),
        ("datetime", "2024-02-31 00:00:00"),
        ("timestamp", "0000-00-00 00:00:00"),
        ("date", b"\xff\xff"),
        ("text", "a"),
        ("blob", "a"),
        ("inet6", "::1"),
    ],
)
def test_other_values_are_none_to_go_on_after(column_type: str, value: bytes | str) -> None:
    """What MySQL would compare in another way, refuse, or take for another value, and what nobody has tried."""
    assert after(column_type, value) is None


@pytest.mark.parametrize("column_type", ["char(3)", "varchar(20)", "binary(2)", "varbinary(2)"])
def test_strings_that_mysql_has_to_sort(column_type: str) -> None:
    """Without an index in the key's order MySQL sorts by the first bytes, and compares all of them."""
    assert after(column_type, "ab", presorted=False) is None


def test_numbers_that_mysql_has_to_sort() -> None:
    """What is no string is sorted by the whole value, with and without an index."""
    assert after("int", "7", presorted=False) == b"7"
    assert after("enum('b','a')", "a", presorted=False) == 2
