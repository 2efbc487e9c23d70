"""CHAR, VARCHAR and TEXT."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit_tests.types.encoding import BINARY, UTF8, Outcome, codec, encoder, outcome, parse

_TEXT_TYPES = ["char(10)", "varchar(10)", "tinytext", "text", "mediumtext", "longtext"]


@pytest.mark.parametrize("column_type", _TEXT_TYPES)
@given(text=st.text())
def test_text_comes_back(column_type: str, text: str) -> None:
    """Any text is the same text in JSON: quotes, control characters, emoji, and '' which is not null."""
    assert parse(encoder(column_type, UTF8)(text.encode())) == text


@pytest.mark.parametrize(
    ("collation_id", "python"),
    [(54, "utf-16-be"), (56, "utf-16-le"), (60, "utf-32-be"), (33, "utf-8"), (248, "gb18030"), (11, "ascii")],
)
@given(text=st.text())
def test_text_of_a_character_set_comes_back(collation_id: int, python: str, text: str) -> None:
    """Whatever of the text the character set has; bytes that it does not have are reported."""
    wire = text.encode(python, "ignore")
    assert outcome(encoder("varchar(9)", collation_id), wire) == Outcome(
        encoder("varchar(9)", UTF8)(wire.decode(python).encode())
    )


def test_the_column_type_decides_not_the_wire_type() -> None:
    """Text of a `_bin` collation, which VTTablet announces as BINARY, is text."""
    utf8mb4_bin = 46
    assert codec("char(10)", utf8mb4_bin).json_schema == {"type": ["null", "string"]}
    assert encoder("char(10)", utf8mb4_bin)("é😀".encode()) == '"é😀"'.encode()


def test_text_is_decoded_by_its_own_character_set() -> None:
    """Bytes of latin1, utf16 and gbk columns are not UTF-8."""
    assert encoder("varchar(9)", 8)(b"caf\xe9 \x80") == '"café €"'.encode()
    assert encoder("varchar(9)", 54)("é漢😀".encode("utf-16-be")) == '"é漢😀"'.encode()
    assert encoder("text", 28)("漢字".encode("gbk")) == '"漢字"'.encode()


@pytest.mark.parametrize("announced", [0, BINARY, 9999])
def test_the_schema_s_character_set_counts_where_the_field_event_names_none(announced: int) -> None:
    """VTTablet v24 sends collation 0 for big5, gb18030, gbk and tis620."""
    assert encoder("varchar(9)", announced, charset="tis620")(b"\xc0\xd2\xc9\xd2") == '"ภาษา"'.encode()
    assert encoder("varchar(9)", 8, charset="tis620")(b"\xe9") == '"é"'.encode()
    assert encoder("varchar(9)", announced)("é".encode()) == '"é"'.encode()


@pytest.mark.parametrize(
    ("collation_id", "wire", "text"),
    [(UTF8, b"a\xffb", "a�b"), (11, b"a\xe9b", "a�b"), (54, b"\0a\xd8", "a�"), (87, b"a\x80\xff", "a��")],
)
def test_undecodable_bytes_are_replaced_and_told(collation_id: int, wire: bytes, text: str) -> None:
    """A byte that the character set does not have costs that character, never the value or the stream."""
    result = outcome(encoder("varchar(9)", collation_id), wire)
    assert parse(result.json) == text
    assert result == Outcome(result.json, "bytes that its character set does not have, replaced by U+FFFD")
