"""MySQL's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_vitess.ddl.tokens import Kind, UnreadableError, readings, tokenize, without_literals


def texts(statement: str) -> list[str]:
    """Lists the tokens' texts."""
    return [token.text for token in tokenize(statement)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("a\t\n\v\f\r b", ["a", "b"]),
        ("1a $b é\u00a0x", ["1a", "$b", "é\u00a0x"]),
        ("a.1b", ["a", ".", "1b"]),
        ("`a``b` 'it''s' \"x\"\"y\"", ["a`b", "it's", 'x"y']),
        (r"'a\'b\n\%'", ["a'b\n\\%"]),
        ("a # b\nc -- d\ne --f", ["a", "c", "e", "-", "-", "f"]),
        ("a --\tb", ["a"]),
        ("a --", ["a"]),
        ("a/* 'b */c", ["a", "c"]),
        ("'/* a */' `# b`", ["/* a */", "# b"]),
        ("a /*!50100 b */ c", ["a", "b", "c"]),
        ("a /*!080400 b */ c", ["a", "b", "c"]),
        ("a /*! b /* c */ d */ e", ["a", "b", "d", "e"]),
        ("a /*!50100b*/ c", ["a", "b", "c"]),
        ("a /*M! b */ /*+ c */ d", ["a", "d"]),
        ("a */ b", ["a", "*", "/", "b"]),
        ("/**/a/***/", ["a"]),
    ],
)
def test_words(statement: str, expected: list[str]) -> None:
    """Names, strings and comments end where MySQL ends them, and conditional comments are open."""
    assert texts(statement) == expected


@pytest.mark.parametrize("statement", ["'a", '"a', "`a", "/* a", "/*!50100 a", r"'a\'", "/*/"])
def test_what_does_not_end(statement: str) -> None:
    """A quotation or a comment without an end is no statement."""
    with pytest.raises(UnreadableError):
        tokenize(statement)


def test_readings() -> None:
    """A backslash can be a character: then a string may end elsewhere. Without one there is one reading."""
    assert len(list(readings("a 'b' \"c\""))) == 1
    assert [[token.text for token in tokens] for tokens in readings(r"'a\' b")] == [["a\\", "b"]]
    assert [[token.text for token in tokens] for tokens in readings(r'"a\"')] == [["a\\"]]


@given(st.text(alphabet="ab'\"`\\/*!-# \n5;,("))
def test_every_character_is_in_a_token_or_between_two(statement: str) -> None:
    """Tokens come in order, hold their text, and leave out nothing but spaces and comments."""
    for tokens in readings(statement):
        at = 0
        for token in tokens:
            assert at <= token.start < token.end <= len(statement)
            left_out = statement[at : token.start].strip()
            assert not left_out or left_out.startswith(("/*", "*/", "#", "--"))
            if token.kind in (Kind.WORD, Kind.SIGN):
                assert statement[token.start : token.end] == token.text
            at = token.end


def test_no_values_for_the_log() -> None:
    """What is in quotation marks is left out, and the rest is cut."""
    assert without_literals("a 'b''c\\'d' \"e\" `f`\n g 'h") == "a '…' '…' `f` g '…'"
    assert len(without_literals("x" * 1000)) == 200
