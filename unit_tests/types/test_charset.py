"""Character sets, held to what MySQL 9.7 itself converts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.charset import charset_by_id

from source_vitess.types.charset import charset_of, decoder_of

_TABLES: Mapping[str, str] = json.loads(
    (Path(__file__).parent / "fixtures" / "single_byte_charsets.json").read_text(encoding="utf-8")
)["tables"]
_NONE, _REPLACED = "\ufffe", "\ufffd"

# SELECT HEX(CONVERT(… USING charset)).
_SAMPLES = [
    ("big5", "BB4FC657B35CA55CBB5C", "臺灣許功蓋"),
    ("big5", "F9D6F9DC", "碁嫺"),
    ("cp932", "93FA967B8CEA8740878A955C", "日本語①㈱表"),
    ("eucjpms", "C6FCCBDCB8ECADA1ADEA", "日本語①㈱"),
    ("eucjpms", "A1C18FF3F38FF4FE8FF4B8F5A18FF5A1", "\uff5e\u2170黑\ufa10\ue000\ue3ac"),
    ("euckr", "C7D1B1B9BEEE208141", "한국어 갂"),
    ("gb18030", "BABAD7D6953282369439FC36A2E3", "汉字𠀀😀€"),
    ("gb18030", "A8BC8135F437", "\u1e3f\ue7c7"),
    ("gb2312", "BABAD7D6", "汉字"),
    ("gbk", "9D68D7D6B7B1F377", "漢字繁體"),
    ("sjis", "93FA967B8CEAB6C5955C815F", "日本語ｶﾅ表\\"),
    ("ucs2", "00E96F225B57", "é漢字"),
    ("ujis", "C6FCCBDCB8EC8EB68EC5A1C0", "日本語ｶﾅ\\"),
    ("ujis", "F5A1FEFE8FF5A18FFEFE", "\ue000\ue3ab\ue3ac\ue757"),
    ("utf16", "00E96F22D83DDE00", "é漢😀"),
    ("utf16le", "E900226F3DD800DE", "é漢😀"),
    ("utf32", "000000E900006F220001F600", "é漢😀"),
]
_CHARSETS = sorted({charset for charset in map(charset_of, range(1, 400)) if charset})


@pytest.mark.parametrize("charset", sorted(_TABLES))
def test_every_byte_is_what_mysql_converts_it_to(charset: str) -> None:
    """Sets of one byte a character decode as MySQL decodes them, where MySQL does."""
    decode = decoder_of(charset)
    assert decode is not None
    for byte, character in enumerate(_TABLES[charset]):
        if character not in (_NONE, _REPLACED):
            assert decode(bytes((byte,)), "strict") == character


@pytest.mark.parametrize(("charset", "wire", "text"), _SAMPLES)
def test_sequences_are_what_mysql_converts_them_to(charset: str, wire: str, text: str) -> None:
    """Sets of several bytes a character decode as MySQL does, where Python's own codecs would not, too."""
    decode = decoder_of(charset)
    assert decode is not None
    assert decode(bytes.fromhex(wire), "strict") == text


def test_every_character_set_of_mysql_is_held_to_it() -> None:
    """No character set is without a table or a sample here, but for UTF-8 and binary, which need no decoder."""
    assert len(_CHARSETS) == 41
    held = set(_TABLES) | {charset for charset, _, _ in _SAMPLES}
    assert set(_CHARSETS) - held == {charset for charset in _CHARSETS if decoder_of(charset) is None}
    assert set(_CHARSETS) - held == {"utf8mb4", "utf8mb3", "binary"}


def test_collation_ids_agree_with_pymysql() -> None:
    """The ids are MySQL's: those that PyMySQL lists too have the same character set there."""
    compared = 0
    for collation_id in range(1, 400):
        try:
            known = charset_by_id(collation_id)
        except KeyError:
            continue
        assert charset_of(collation_id) == known.name  # type: ignore[attr-defined] # the stubs lack it
        compared += 1
    assert compared > 100


@pytest.mark.parametrize(
    ("collation_id", "charset"),
    [(255, "utf8mb4"), (309, "utf8mb4"), (323, "utf8mb4"), (54, "utf16"), (183, "utf32"), (63, "binary"), (0, None)],
)
def test_collation_ids_that_pymysql_lacks(collation_id: int, charset: str | None) -> None:
    """The ids of utf16, utf32, ucs2 and of MySQL 8's own collations are known as well; 0 is none."""
    assert charset_of(collation_id) == charset


@pytest.mark.parametrize("charset", _CHARSETS)
@given(value=st.binary())
def test_any_bytes_decode_with_replacements(charset: str, value: bytes) -> None:
    """Strict decoding fails in one way only, and then the lenient one gives text that can be written as UTF-8."""
    decode = decoder_of(charset)
    if decode is None:
        return
    try:
        text = decode(value, "strict")
    except UnicodeDecodeError:
        text = decode(value, "replace")
        assert _REPLACED in text
    text.encode()


def test_names_that_mysql_9_does_not_have_are_utf8() -> None:
    """A character set of a newer MySQL is taken for a form of UTF-8 until it is known."""
    assert decoder_of("utf8mb5") is None
