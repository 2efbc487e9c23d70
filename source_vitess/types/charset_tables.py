"""Where MySQL's character sets are not Python's: what a server's own conversion to UTF-32 gave for every byte.

Sets of one byte a character become tables of 256 characters. The others keep Python's codec, with single characters
changed after decoding (`corrections`) and sequences added that the codec refuses (`error_handlers`).
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import chain

#: In a table: the byte is not a character.
_NONE = "\ufffe"

_Changes = tuple[tuple[int, str], ...]

# By character set: a base, and the runs of characters that differ from it, each with its first byte.
_UNKNOWN_TO_PYTHON: Mapping[str, tuple[str, _Changes]] = {
    "armscii8": (
        "latin1",
        (
            (0xA1, "\u2741§\u0589)(»«—.\u055d,-\u055f…\u055c\u055b\u055e"),
            (0xB2, "".join(chr(0x531 + letter) + chr(0x561 + letter) for letter in range(38))),
            (0xFE, "\u2019'"),
        ),
    ),
    "dec8": (
        "latin1",
        (
            *((byte, _NONE) for byte in (0xA4, 0xA6, 0xAC, 0xAD, 0xAE, 0xAF, 0xB4, 0xB8, 0xBE, 0xD0, 0xF0)),
            (0xA8, "¤"),
            (0xD7, "Œ"),
            (0xDD, "Ÿ" + _NONE),
            (0xF7, "œ"),
            (0xFD, "ÿ" + _NONE * 2),
        ),
    ),
    "geostd8": (
        "cp1252",
        (
            *((byte, _NONE) for byte in (0x83, 0x88, 0x8A, 0x8C, 0x8E, 0x98, 0x99, 0x9A, 0x9C, 0x9E, 0x9F)),
            (0xC0, "აბგდევზჱთიკლმნჲოპჟრსტჳუფქღყშჩცძწჭხჴჯჰჵ" + _NONE * 23 + "№" + _NONE * 2),
        ),
    ),
    "keybcs2": (
        "cp437",
        (
            (0x80, "Č"),
            (0x83, "ď"),
            (0x85, "ĎŤčěĚĹÍľĺ"),
            (0x8F, "Á"),
            (0x91, "žŽ"),
            (0x95, "ÓůÚý"),
            (0x9B, "ŠĽÝŘť"),
            (0xA4, "ňŇŮÔšřŕŔ"),
        ),
    ),
    "swe7": ("ascii", ((0x40, "É"), (0x5B, "ÄÖÅÜ"), (0x60, "é"), (0x7B, "äöåü" + _NONE))),
}

# Likewise, over Python's codec of the set. MySQL's latin1 is cp1252 with the five bytes that it leaves open.
_CHANGED: Mapping[str, _Changes] = {
    "cp866": ((0xFC, "ⁿ²"),),
    "greek": ((0xA1, "\u02bd\u02bc"),),
    "hebrew": ((0xAF, "\u203e"),),
    "koi8u": ((0x95, "•"),),
    "latin1": tuple((byte, chr(byte)) for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D)),
}

_SEVERAL_BYTES = frozenset(
    {"big5", "cp932", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis"}
    | {"ucs2", "utf16", "utf16le", "utf32"}
)

# By character set of several bytes: sequences that Python's codec reads as another character than MySQL.
_CORRECTIONS: Mapping[str, Mapping[bytes, str]] = {
    "eucjpms": {
        b"\xa1\xc1": "\uff5e",
        b"\xa1\xc2": "\u2225",
        b"\xa1\xdd": "\uff0d",
        b"\xa1\xf1": "\uffe0",
        b"\xa1\xf2": "\uffe1",
        b"\xa2\xcc": "\uffe2",
        b"\x8f\xa2\xc3": "\uffe4",
    },
    "gb18030": {b"\xa8\xbc": "\u1e3f", b"\x81\x35\xf4\x37": "\ue7c7"},
    "sjis": {b"\x81\x5f": "\\"},
    "ujis": {b"\xa1\xc0": "\\"},
}

# eucjpms: the characters of IBM's extension, one cell after the other from <8F F3 F3> on.
# In escapes: what normalising this file would change, and what looks like something else.
_IBM = (
    "ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩ\uff07\uff02㈱№℡炻仼僴凬匇匤﨎咊坙﨏\ufa10增寬峵嵓﨑德悅愠敎昻晥\ufa12\uf929栁﨓﨔"
    "橫櫢淸淲瀨\ufa15\ufa16甁皂皞\ufa17礰\ufa18\ufa19\ufa1a\ufa1b竧\ufa1c\ufa1d綠緖\ufa1e荢﨟薰\ufa20﨡蠇\ufa22譿賴赶﨣﨤\ufa25郞\ufa26鄕﨧﨨閒\uf9dc﨩霻靍靑\ufa2a\ufa2b\ufa2c馞髙魲\ufa2d黑"
)

# EUC: a cell is two bytes of this range, after <8F> for the second plane. Rows from this lead byte on are for
# characters of the users' own.
_FIRST, _LAST = 0xA1, 0xFE
_THREE_BYTES = 0x8F
_USER_LEAD = 0xF5


def single_byte_table(charset: str, codec: str | None) -> str | None:
    """Returns the 256 characters of a set of one byte a character; None for a set of several."""
    if charset in _SEVERAL_BYTES:
        return None
    base, changes = (codec, _CHANGED.get(charset, ())) if codec is not None else _UNKNOWN_TO_PYTHON[charset]
    table = list(bytes(range(256)).decode(base, "replace").replace("\ufffd", _NONE))
    for first, characters in changes:
        table[first : first + len(characters)] = characters
    return "".join(table)


def corrections(charset: str, codec: str) -> Mapping[int, str]:
    """Returns what to change in text that Python's codec decoded, for `str.translate`."""
    return {ord(sequence.decode(codec)): right for sequence, right in _CORRECTIONS.get(charset, {}).items()}


def error_handlers(charset: str) -> Mapping[str, str]:
    """Returns the error handlers to use instead of `strict` and `replace`, by those names."""
    added = _added(charset)
    if not added:
        return {}
    handlers = {errors: f"source_vitess_{charset}_{errors}" for errors in ("strict", "replace")}
    for errors, name in handlers.items():
        codecs.register_error(name, _error_handler(added, codecs.lookup_error(errors)))
    return handlers


_ErrorHandler = Callable[[UnicodeError], tuple[str | bytes, int]]


def _error_handler(added: Mapping[bytes, str], otherwise: _ErrorHandler) -> _ErrorHandler:
    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - only decoders get this handler
        end = error.start + (3 if error.object[error.start] == _THREE_BYTES else 2)
        character = added.get(error.object[error.start : end])
        return (character, end) if character else otherwise(error)

    return handle


def _added(charset: str) -> Mapping[bytes, str]:
    """Returns the sequences that MySQL decodes and Python's codec of the set does not."""
    if charset == "big5":
        # ETEN's seven characters.
        return {
            sequence: sequence.decode("cp950") for sequence in (bytes((0xF9, trail)) for trail in range(0xD6, 0xDD))
        }
    if charset == "ujis":
        return _user_rows()
    if charset == "eucjpms":
        return {**_user_rows(), **_nec_row(), **_ibm_rows()}
    return {}


def _cells(first: tuple[int, int], prefix: bytes = b"") -> Iterator[bytes]:
    """Walks through EUC's cells from one on, 94 a row."""
    lead, trail = first
    while lead <= _LAST:
        yield prefix + bytes((lead, trail))
        lead, trail = (lead, trail + 1) if trail < _LAST else (lead + 1, _FIRST)


def _user_rows() -> Mapping[bytes, str]:
    sequences = chain(_cells((_USER_LEAD, _FIRST)), _cells((_USER_LEAD, _FIRST), bytes((_THREE_BYTES,))))
    return {sequence: chr(0xE000 + place) for place, sequence in enumerate(sequences)}


def _nec_row() -> Mapping[bytes, str]:
    # cp932 has the same row at 0x8740, with a gap at 0x7F and without some cells.
    row = {}
    for sequence, trail in zip(_cells((0xAD, _FIRST)), chain(range(0x40, 0x7F), range(0x80, 0x9F)), strict=False):
        with suppress(UnicodeDecodeError):
            row[sequence] = bytes((0x87, trail)).decode("cp932")
    return row


def _ibm_rows() -> Mapping[bytes, str]:
    return dict(zip(_cells((0xF3, 0xF3), bytes((_THREE_BYTES,))), _IBM, strict=False))
