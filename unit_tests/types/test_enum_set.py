"""ENUM and SET, in the three forms they come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit_tests.types.encoding import BINARY, UTF8, Outcome, encoder, outcome, parse

LATIN1, UTF16, GBK = 8, 54, 28
_MEMBERS = [f"m{member}" for member in range(1, 65)]
_LARGEST = "set(" + ",".join(f"'{member}'" for member in _MEMBERS) + ")"


@pytest.mark.parametrize("label", ["it's", "a,b", "", "2", "1", "0", "back\\slash", "new\nline", ")"])
def test_labels_are_text(label: str) -> None:
    """A label is itself, whatever it holds; one that looks like a number is never taken for an ordinal."""
    encode = encoder(r"enum('it''s','a,b','','2','1','0','back\\slash','new\nline',')')", UTF8)
    assert parse(encode(label.encode())) == label


def test_the_invalid_value_is_empty() -> None:
    """What MySQL stores for a label that it does not have is '', also where '' is no label."""
    assert encoder("enum('a')", UTF8)(b"") == b'""'
    assert encoder("enum('a')", UTF8, labels=False)(b"0") == b'""'
    assert encoder("set('a')", UTF8)(b"") == b'""'
    assert encoder("set('a')", UTF8, labels=False)(b"0") == b'""'


@pytest.mark.parametrize("charset", [(LATIN1, "latin-1"), (UTF16, "utf-16-be")])
@pytest.mark.parametrize("column_type", ["enum('é','ü','plain')", "set('é','ü','plain')"])
def test_a_copy_and_the_change_stream_give_the_same_label(column_type: str, charset: tuple[int, str]) -> None:
    """A copy sends labels in the column's character set, the change stream in UTF-8: seen on Vitess v24."""
    collation_id, codec = charset
    encode = encoder(column_type, collation_id)
    labels = ["é", "ü", "plain"] + (["é,ü", "é,plain", ""] if column_type.startswith("set") else [])
    for label in labels:
        assert parse(encode(label.encode(codec))) == parse(encode(label.encode())) == label


def test_bytes_that_could_be_two_labels_are_null_and_told() -> None:
    """`é` in UTF-8 is `Ã©` in latin1. With both as labels nobody can decide; the value is not guessed."""
    encode = encoder("enum('é','Ã©')", LATIN1)
    assert encode(b"\xe9") == '"é"'.encode()
    assert outcome(encode, b"\xc3\xa9") == Outcome(b"null", "bytes of one label that are another label's in UTF-8")


def test_labels_that_the_column_type_does_not_show_are_text() -> None:
    """MySQL's column type has `?` for an emoji; a copy sends the emoji."""
    assert encoder("enum('?','a')", UTF8)("😀".encode()) == '"😀"'.encode()
    assert encoder("enum('?','a')", GBK)("漢".encode("gbk")) == '"漢"'.encode()


def test_labels_without_a_character_set_are_utf8() -> None:
    """`CHARACTER SET binary` leaves ENUM an ENUM."""
    assert encoder("enum('é','a')", BINARY)("é".encode()) == '"é"'.encode()


def _declared(kind: str, labels: list[str]) -> str:
    """Writes a column type as MySQL's append_unescaped() does (sql/sql_show.cc)."""
    escapes = {"'": "''", "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\0": "\\0"}
    quoted = ("".join(escapes.get(character, character) for character in label) for label in labels)
    return f"{kind}({','.join(chr(39) + label + chr(39) for label in quoted)})"


# Of characters that are in latin1 and in UTF-16, and that MySQL's column types can show.
_LABELS = st.lists(st.text("ab,'\\\"()\n\r\0 0123éüÿ", min_size=1, max_size=6), unique=True, min_size=1, max_size=20)


@given(_LABELS, st.data())
def test_any_label_comes_back_in_every_form(labels: list[str], data: st.DataObject) -> None:
    """In UTF-8, in the column's own character set, and as the ordinal of an old server."""
    column_type = _declared("enum", labels)
    ordinal = data.draw(st.integers(1, len(labels)))
    label = labels[ordinal - 1]
    assert parse(encoder(column_type, UTF8)(label.encode())) == label
    assert parse(encoder(column_type, UTF8, labels=False)(b"%d" % ordinal)) == label
    assert parse(encoder(column_type, UTF16)(label.encode("utf-16-be"))) == label
    read = outcome(encoder(column_type, LATIN1), label.encode("latin-1"))
    assert parse(read.json) == label or (read.reason and parse(read.json) is None)


@given(st.lists(st.text("ab'\\\"()\n 01é", min_size=1, max_size=6), unique=True, min_size=1, max_size=64), st.data())
def test_any_set_comes_back_in_every_form(labels: list[str], data: st.DataObject) -> None:
    """As labels and as the bitmap of an old server, in the order of the column type."""
    column_type = _declared("set", labels)
    bitmap = data.draw(st.integers(0, 2 ** len(labels) - 1))
    text = ",".join(label for bit, label in enumerate(labels) if bitmap >> bit & 1)
    assert parse(encoder(column_type, UTF8)(text.encode())) == text
    assert parse(encoder(column_type, UTF8, labels=False)(b"%d" % bitmap)) == text


@given(st.integers(0, 9))
def test_ordinals_of_old_servers(ordinal: int) -> None:
    """Servers up to v19 send ordinals in the change stream: labels by place, 0 for the invalid value."""
    labels = ["", *"jihgfedcb"]
    encode = encoder("enum(" + ",".join(f"'{label}'" for label in labels[1:]) + ")", UTF8, labels=False)
    assert parse(encode(b"%d" % ordinal)) == labels[ordinal]


@given(st.integers(0, 2**64 - 1))
def test_bitmaps_of_old_servers(bitmap: int) -> None:
    """They send a SET as 64 unsigned bits, the 64th member among them."""
    labels = [label for place, label in enumerate(_MEMBERS) if bitmap & (1 << place)]
    assert parse(encoder(_LARGEST, UTF8, labels=False)(b"%d" % bitmap)) == ",".join(labels)


@pytest.mark.parametrize("column_type", ["enum('a','b')", "set('a','b')"])
@pytest.mark.parametrize("wire", [b"4", b"-1", b"a", b"", b"99999999999999999999999", b"9" * 5000])
def test_numbers_without_a_label_are_null_and_told(column_type: str, wire: bytes) -> None:
    """An ordinal or bitmap that the column type has no label for is no value."""
    result = outcome(encoder(column_type, UTF8, labels=False), wire)
    assert result.json == b"null"
    assert result.reason


def test_a_set_with_ever_new_combinations_does_not_fill_the_memory() -> None:
    """Combinations are remembered to a limit; beyond it they still come out right."""
    encode = encoder(_LARGEST, UTF8, labels=False)
    for bitmap in range(10_000):
        encode(b"%d" % bitmap)
    assert encode(b"9999") == b'"m1,m2,m3,m4,m9,m10,m11,m14"'
    assert len(encode.__self__) < 5000  # type: ignore[attr-defined] # a bound method
