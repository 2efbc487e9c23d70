"""MySQL's text for types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.types.column_type import ColumnType, parse_column_type


@pytest.mark.parametrize(
    ("text", "column_type"),
    [
        ("int", ColumnType("int")),
        ("INT(8) UNSIGNED ZEROFILL", ColumnType("int", (8,), unsigned=True, zerofill=True)),
        ("tinyint(1)", ColumnType("tinyint", (1,))),
        ("decimal(10,2) unsigned zerofill", ColumnType("decimal", (10, 2), unsigned=True, zerofill=True)),
        ("double", ColumnType("double")),
        ("double(10, 3)", ColumnType("double", (10, 3))),
        ("bit(1)", ColumnType("bit", (1,))),
        ("datetime(6)", ColumnType("datetime", (6,))),
        ("geomcollection", ColumnType("geomcollection")),
        ("vector(3)", ColumnType("vector", (3,))),
        ("year", ColumnType("year")),
        # As MySQL 9.7 wrote it: a doubled quote, a backslash before itself, newline, return and NUL; a tab as it is.
        (
            r"enum('it''s','a,b','','back\\slash','new\nline','re\rturn','nul\0x','tab	','paren)','''')",
            ColumnType(
                "enum",
                members=(("it's", "a,b", "", "back\\slash", "new\nline", "re\rturn", "nul\0x", "tab\t", "paren)", "'")),
            ),
        ),
        ("set('a','b')", ColumnType("set", members=("a", "b"))),
        ("SET( 'a' , 'b' )", ColumnType("set", members=("a", "b"))),
        ("enum('unsigned')", ColumnType("enum", members=("unsigned",))),
        # Nothing that MySQL writes.
        ("enum('a',b)", ColumnType("enum")),
        ("enum('a", ColumnType("enum")),
        ("enum", ColumnType("enum")),
        ("int(x)", ColumnType("int")),
        ("int(99999999999)", ColumnType("int")),
        ("", ColumnType("")),
        ("(1)", ColumnType("", (1,))),
        ("no such type", ColumnType("no")),
    ],
)
def test_parses(text: str, column_type: ColumnType) -> None:
    """Name, numbers, labels and attributes are taken from any text, and what is not understood is left out."""
    assert parse_column_type(text) == column_type


@given(st.lists(st.text(), min_size=1))
def test_labels_of_any_characters_come_back(labels: list[str]) -> None:
    """Whatever a label holds, it survives MySQL's quoting."""
    quoted = ",".join(f"'{_quote(label)}'" for label in labels)
    assert parse_column_type(f"enum({quoted})").members == tuple(labels)


def _quote(label: str) -> str:
    """Quotes as MySQL's append_unescaped() does."""
    return label.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")


@given(st.text() | st.from_regex(r"(enum|set|int|decimal)\(['a\\,0-9 ]*\)?[a-z ]*", fullmatch=True))
def test_never_fails(text: str) -> None:
    """Any text at all is a type, if an unknown one."""
    assert isinstance(parse_column_type(text), ColumnType)


def test_missing_arguments_have_defaults() -> None:
    """`decimal` is `decimal(10,0)`: who asks for an argument gives what MySQL takes without it."""
    assert parse_column_type("decimal").argument(1, 0) == 0
    assert parse_column_type("decimal(5,3)").argument(1, 0) == 3
