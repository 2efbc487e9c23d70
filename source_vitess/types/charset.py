"""Character sets: from a collation id to a name, from a name to text.

- A FIELD event names a collation by its id; the ids are MySQL's own and never change. VTTablet sends 0 for those that
  Vitess itself does not know: all of big5, gb18030, gbk and tis620.
- Every character set of MySQL 8 and 9 decodes. Python has a codec for most; what MySQL does otherwise, and the sets
  that Python does not know, are in `charset_tables`. All were compared with a server's own conversion, byte by byte.
- A byte that MySQL itself cannot decode is an error of decoding, so that it can be reported.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from functools import cache

from source_vitess.types import charset_tables

#: Decodes bytes; the second argument is `strict` or `replace`.
TextDecoder = Callable[[bytes, str], str]

#: VTTablet's id for a collation that it does not know. No collation has it.
NO_COLLATION = 0

# SELECT character_set_name, id FROM information_schema.collations (MySQL 9.7; the ids of 8.0 and 5.7 are among them).
_COLLATION_IDS: Mapping[str, str] = {
    "armscii8": "32 64",
    "ascii": "11 65",
    "big5": "1 84",
    "binary": "63",
    "cp1250": "26 34 44 66 99",
    "cp1251": "14 23 50-52",
    "cp1256": "57 67",
    "cp1257": "29 58-59",
    "cp850": "4 80",
    "cp852": "40 81",
    "cp866": "36 68",
    "cp932": "95-96",
    "dec8": "3 69",
    "eucjpms": "97-98",
    "euckr": "19 85",
    "gb18030": "248-250",
    "gb2312": "24 86",
    "gbk": "28 87",
    "geostd8": "92-93",
    "greek": "25 70",
    "hebrew": "16 71",
    "hp8": "6 72",
    "keybcs2": "37 73",
    "koi8r": "7 74",
    "koi8u": "22 75",
    "latin1": "5 8 15 31 47-49 94",
    "latin2": "2 9 21 27 77",
    "latin5": "30 78",
    "latin7": "20 41-42 79",
    "macce": "38 43",
    "macroman": "39 53",
    "sjis": "13 88",
    "swe7": "10 82",
    "tis620": "18 89",
    "ucs2": "35 90 128-151 159",
    "ujis": "12 91",
    "utf16": "54-55 101-124",
    "utf16le": "56 62",
    "utf32": "60-61 160-183",
    "utf8mb3": "33 76 83 192-215 223",
    "utf8mb4": "45-46 224-247 255-271 273-275 277-294 296-298 300 303-323",
}

_PYTHON_CODECS: Mapping[str, str] = {
    "ascii": "ascii",
    "big5": "big5",
    "cp1250": "cp1250",
    "cp1251": "cp1251",
    "cp1256": "cp1256",
    "cp1257": "cp1257",
    "cp850": "cp850",
    "cp852": "cp852",
    "cp866": "cp866",
    "cp932": "cp932",
    "eucjpms": "euc_jp",
    "euckr": "cp949",
    "gb18030": "gb18030",
    "gb2312": "gb2312",
    "gbk": "gbk",
    "greek": "iso8859_7",
    "hebrew": "iso8859_8",
    "hp8": "hp_roman8",
    "koi8r": "koi8_r",
    "koi8u": "koi8_u",
    "latin1": "cp1252",
    "latin2": "iso8859_2",
    "latin5": "iso8859_9",
    "latin7": "iso8859_13",
    "macce": "mac_latin2",
    "macroman": "mac_roman",
    "sjis": "shift_jis",
    "tis620": "tis_620",
    "ucs2": "utf_16_be",
    "ujis": "euc_jp",
    "utf16": "utf_16_be",
    "utf16le": "utf_16_le",
    "utf32": "utf_32_be",
}


def _expand(ids: str) -> list[int]:
    expanded: list[int] = []
    for part in ids.split():
        first, _, last = part.partition("-")
        expanded.extend(range(int(first), int(last or first) + 1))
    return expanded


_CHARSETS: Mapping[int, str] = {
    collation_id: charset for charset, ids in _COLLATION_IDS.items() for collation_id in _expand(ids)
}


def charset_of(collation_id: int) -> str | None:
    """Returns MySQL's name of a collation's character set; None for an id that MySQL 9 does not have."""
    return _CHARSETS.get(collation_id)


@cache
def decoder_of(charset: str) -> TextDecoder | None:
    """Makes the decoder of a character set.

    Returns:
        None for UTF-8. So are names that MySQL 9 does not have, since every character set that MySQL has got since
        2004 is a form of Unicode, and `binary`, in which labels come that have no character set of their own.
    """
    if charset in ("utf8mb4", "utf8mb3", "binary") or charset not in _COLLATION_IDS:
        return None
    codec = _PYTHON_CODECS.get(charset)
    table = charset_tables.single_byte_table(charset, codec)
    if table is not None:
        return _table_decoder(table)
    assert codec is not None, f"{charset} has neither a table nor a codec"  # noqa: S101 - a test walks through all
    return _codec_decoder(charset, codec)


def _table_decoder(table: str) -> TextDecoder:
    charmap_decode = codecs.charmap_decode

    def decode(value: bytes, errors: str) -> str:
        return charmap_decode(value, errors, table)[0]

    return decode


def _codec_decoder(charset: str, codec: str) -> TextDecoder:
    codec_decode = codecs.lookup(codec).decode
    corrections = charset_tables.corrections(charset, codec)
    error_handlers = charset_tables.error_handlers(charset)

    def decode(value: bytes, errors: str) -> str:
        text = codec_decode(value, error_handlers.get(errors, errors))[0]
        return text.translate(corrections) if corrections else text

    return decode
