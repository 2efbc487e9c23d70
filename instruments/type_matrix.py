"""Every MySQL type with its extremes: what to write, and the JSON that must come out.

The expected values are written by hand, or computed here by other means than the connector's. Nothing of the connector
is imported. A `MatrixTable` becomes a table with one row per value; the n-th row holds the n-th value of each column,
and NULL in columns that have fewer.

The tables here are those of Vitess 24.0.0; `MatrixTable.on` has what another release sends.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Value:
    """A value of a column.

    Attributes:
        sql: The expression to insert.
        copied: The JSON text that a copy gives.
        changed: The JSON text that the change stream gives, where VTTablet does not send the same value.
        copied_altered: The copy's record reports in `meta.changes` that the value is not exact.
        changed_altered: Likewise for the change stream.
        since: The release of Vitess from which on the change stream gives something else than a copy; empty for all.
        mended: The releases of Vitess from which on the change stream gives what a copy gives, the first of each major
            version that got the mend, in order; empty for none yet.
    """

    sql: str
    copied: str
    changed: str = ""
    copied_altered: bool = False
    changed_altered: bool = False
    since: str = ""
    mended: tuple[str, ...] = ()

    @property
    def in_changes(self) -> str:
        """The JSON text that the change stream gives."""
        return self.changed or self.copied

    def on(self, vitess: str) -> Value:
        """Returns the value as a release of Vitess sends it."""
        version = _release(vitess)
        first = [release for release in map(_release, self.mended) if release[0] <= version[0]][-1:]
        is_mended = bool(first) and version >= first[0]
        if not is_mended and (not self.since or version >= _release(self.since)):
            return self
        return replace(self, changed="", changed_altered=self.copied_altered)


@dataclass(frozen=True)
class MatrixColumn:
    """A column.

    Attributes:
        name: Its name, unquoted.
        definition: What follows the name in CREATE TABLE.
        schema: The JSON schema that discover must give.
        values: What to write.
        written: False for generated columns, which INSERT leaves out.
        since: The release of Vitess that is the first to survive such a column; empty if all do.
    """

    name: str
    definition: str
    schema: Mapping[str, Any]
    values: Sequence[Value]
    written: bool = True
    since: str = ""

    def on(self, vitess: str) -> MatrixColumn:
        """Returns the column with the values that a release of Vitess sends."""
        return replace(self, values=[value.on(vitess) for value in self.values])


@dataclass(frozen=True)
class MatrixTable:
    """A table of one family's columns.

    Attributes:
        name: The table's name, unquoted.
        columns: Besides the primary key `id`.
        sql_mode: What the session that writes needs.
    """

    name: str
    columns: Sequence[MatrixColumn]
    sql_mode: str = "STRICT_TRANS_TABLES"

    @property
    def rows(self) -> int:
        """How many rows it takes to hold every value."""
        return max(len(column.values) for column in self.columns)

    def on(self, vitess: str) -> MatrixTable:
        """Returns the table as a release of Vitess, such as `24.0.4`, can hold and send it."""
        columns = [
            column.on(vitess)
            for column in self.columns
            if not column.since or _release(vitess) >= _release(column.since)
        ]
        return replace(self, columns=columns)

    def create(self) -> str:
        """Writes CREATE TABLE."""
        columns = "".join(f", {quote(column.name)} {column.definition}" for column in self.columns)
        return f"CREATE TABLE {quote(self.name)} (id BIGINT NOT NULL PRIMARY KEY{columns})"

    def insert(self, row: int, key: int) -> str:
        """Writes the INSERT of a row, from 0 on, under a primary key."""
        written = [column for column in self.columns if column.written]
        names = "".join(f", {quote(column.name)}" for column in written)
        values = "".join(f", {column.values[row].sql if row < len(column.values) else 'NULL'}" for column in written)
        return f"INSERT INTO {quote(self.name)} (id{names}) VALUES ({key}{values})"

    def expected(self, row: int, *, changed: bool) -> dict[str, str]:
        """Returns a row's expected JSON text by column, without the primary key."""
        return {
            column.name: (
                (column.values[row].in_changes if changed else column.values[row].copied)
                if row < len(column.values)
                else "null"
            )
            for column in self.columns
        }

    def altered(self, row: int, *, changed: bool) -> set[str]:
        """Returns the columns that `meta.changes` must name for a row."""
        return {
            column.name
            for column in self.columns
            if row < len(column.values)
            and (column.values[row].changed_altered if changed else column.values[row].copied_altered)
        }


def quote(name: str) -> str:
    """Quotes an identifier."""
    return "`" + name.replace("`", "``") + "`"


def _release(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _type(json_type: str, **keywords: Any) -> Mapping[str, Any]:
    return {"type": ["null", json_type], **keywords}


INTEGER = _type("integer")
NUMBER = _type("number")
BOOLEAN = _type("boolean")
STRING = _type("string")
BYTES = _type("string", contentEncoding="base64")
DATE = _type("string", format="date")
DATETIME = _type("string", format="date-time", airbyte_type="timestamp_without_timezone")
TIMESTAMP = _type("string", format="date-time", airbyte_type="timestamp_with_timezone")
VECTOR = _type("array", items={"type": "number"})


def _same(*literals: str) -> list[Value]:
    """Values whose literal is their JSON."""
    return [Value(literal, literal) for literal in literals]


def _texts(*texts: str) -> list[Value]:
    return [Value(_sql_text(text), _json_text(text)) for text in texts]


def _sql_text(text: str) -> str:
    return f"CONVERT(x'{text.encode().hex()}' USING utf8mb4)" if text else "''"


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _bytes(*values: bytes) -> list[Value]:
    return [Value(f"x'{value.hex()}'", _base64(value)) for value in values]


def _base64(value: bytes) -> str:
    return f'"{base64.b64encode(value).decode()}"'


def _impossible(*literals: str) -> list[Value]:
    return [Value(f"'{literal}'", "null", copied_altered=True, changed_altered=True) for literal in literals]


INTEGERS = MatrixTable(
    "integers",
    [
        MatrixColumn("tiny", "TINYINT", INTEGER, _same("-128", "127", "0", "-1", "1")),
        MatrixColumn("tiny_unsigned", "TINYINT UNSIGNED", INTEGER, _same("255", "0", "10")),
        MatrixColumn("tiny_one", "TINYINT(1)", INTEGER, _same("0", "1", "-128", "127", "2")),
        MatrixColumn("bool_", "BOOL", INTEGER, [Value("TRUE", "1"), Value("FALSE", "0")]),
        MatrixColumn("small", "SMALLINT", INTEGER, _same("-32768", "32767")),
        MatrixColumn("small_unsigned", "SMALLINT UNSIGNED", INTEGER, _same("65535", "0")),
        MatrixColumn("medium", "MEDIUMINT", INTEGER, _same("-8388608", "8388607", "-1")),
        MatrixColumn("medium_unsigned", "MEDIUMINT UNSIGNED", INTEGER, _same("16777215", "8388608")),
        MatrixColumn("int_", "INT", INTEGER, _same("-2147483648", "2147483647")),
        MatrixColumn("int_unsigned", "INT UNSIGNED", INTEGER, _same("4294967295", "0")),
        MatrixColumn("big", "BIGINT", INTEGER, _same("-9223372036854775808", "9223372036854775807")),
        MatrixColumn("big_unsigned", "BIGINT UNSIGNED", INTEGER, _same("18446744073709551615", "0")),
        MatrixColumn("zerofill_", "INT(8) ZEROFILL", INTEGER, _same("5", "0", "123456789")),
        MatrixColumn("year_", "YEAR", INTEGER, [Value("'0000'", "0"), *_same("1901", "2155", "2026")]),
    ],
)

BITS = MatrixTable(
    "bits",
    [
        MatrixColumn("bit_", "BIT", BOOLEAN, [Value("b'0'", "false"), Value("b'1'", "true")]),
        MatrixColumn("bit_4", "BIT(4)", INTEGER, [Value("b'0'", "0"), Value("b'1111'", "15"), Value("b'10'", "2")]),
        MatrixColumn("bit_9", "BIT(9)", INTEGER, [Value("b'111111111'", "511"), Value("b'1'", "1")]),
        MatrixColumn(
            "bit_64",
            "BIT(64)",
            INTEGER,
            [Value("x'FFFFFFFFFFFFFFFF'", "18446744073709551615"), Value("x'8000000000000000'", "9223372036854775808")],
        ),
    ],
)

_NINES = "9" * 65

DECIMALS = MatrixTable(
    "decimals",
    [
        MatrixColumn(
            "money",
            "DECIMAL(10,2)",
            NUMBER,
            [
                Value("0.5", "0.50"),
                Value("-0.5", "-0.50"),
                Value("0", "0.00"),
                Value("-0.05", "-0.05"),
                *_same("99999999.99", "-99999999.99", "10.00"),
            ],
        ),
        MatrixColumn("whole", "DECIMAL(20,0)", INTEGER, _same("5", "-5", "0", "100000000", "-12345678901234567890")),
        MatrixColumn("short_whole", "DECIMAL(4)", INTEGER, _same("9999", "-1", "0")),
        MatrixColumn(
            "widest",
            "DECIMAL(65,30)",
            NUMBER,
            [
                *_same(f"{_NINES[:35]}.{_NINES[:30]}", f"-{_NINES[:35]}.{_NINES[:30]}"),
                Value("1e-30", "0." + "0" * 29 + "1"),
                Value("0", "0." + "0" * 30),
            ],
        ),
        MatrixColumn("widest_whole", "DECIMAL(65,0)", INTEGER, _same(_NINES, "-" + _NINES, "0")),
        MatrixColumn("only_fraction", "DECIMAL(9,9)", NUMBER, _same("0.000000001", "-0.999999999", "0.000000000")),
        MatrixColumn(
            "zerofill_",
            "DECIMAL(10,2) UNSIGNED ZEROFILL",
            NUMBER,
            [Value("0.5", "0.50"), Value("12.3", "12.30"), Value("0", "0.00")],
        ),
        MatrixColumn("zerofill_whole", "DECIMAL(12,0) ZEROFILL", INTEGER, _same("7", "0")),
    ],
)

FLOATS = MatrixTable(
    "floats",
    [
        MatrixColumn(
            "single",
            "FLOAT",
            NUMBER,
            [
                # MySQL itself gives six digits of a FLOAT in a copy.
                Value("3.14159265", "3.14159", "3.1415927"),
                Value("16777216", "16777200.0", "16777216.0"),
                Value("3.40282346e38", "3.40282e38", "3.4028235e38"),
                Value("-1.17549435e-38", "-1.17549e-38", "-1.1754944e-38"),
                Value("1e-45", "1e-45"),
                Value("0.1", "0.1"),
                Value("-0e0", "-0.0"),
                Value("0", "0.0"),
            ],
        ),
        MatrixColumn(
            "single_declared",
            "FLOAT(10,4)",
            NUMBER,
            [Value("123456.7891", "123456.79"), Value("0.1", "0.1"), Value("-999999.9999", "-1000000.0")],
        ),
        MatrixColumn(
            "double_",
            "DOUBLE",
            NUMBER,
            [
                Value("0.1", "0.1"),
                Value("1e16", "1e16"),
                Value("5e-324", "5e-324"),
                Value("1.7976931348623157e308", "1.7976931348623157e308"),
                Value("-1.7976931348623157e308", "-1.7976931348623157e308"),
                Value("-0e0", "-0.0"),
                Value("9007199254740993e0", "9007199254740992.0"),
                Value("0.30000000000000004e0", "0.30000000000000004"),
            ],
        ),
        MatrixColumn("double_declared", "DOUBLE(10,3)", NUMBER, [Value("1.5", "1.5"), Value("-0.001", "-0.001")]),
    ],
)

_HARD_TEXTS = ("", " ", 'quote " and \\ back', "line\nbreak\ttab\r", "\x00\x01\x1f\x7f", "é€😀", "\u2028\ufeff", "null")

TEXTS = MatrixTable(
    "texts",
    [
        # CHAR drops spaces at the end.
        MatrixColumn("char_", "CHAR(40)", STRING, [Value("'a  '", '"a"'), *_texts(*_HARD_TEXTS[2:])]),
        MatrixColumn("varchar_", "VARCHAR(300)", STRING, [Value("'a  '", '"a  "'), *_texts(*_HARD_TEXTS)]),
        MatrixColumn("char_bin", "CHAR(40) COLLATE utf8mb4_bin", STRING, [Value("'a  '", '"a"'), *_texts("é😀", "")]),
        MatrixColumn("varchar_bin", "VARCHAR(40) COLLATE utf8mb4_bin", STRING, _texts("é😀 ", "", "\x00")),
        MatrixColumn("text_bin", "TEXT COLLATE utf8mb4_0900_bin", STRING, _texts("é😀", "")),
        MatrixColumn("tiny", "TINYTEXT", STRING, _texts("é" * 127, "")),
        MatrixColumn("text_", "TEXT", STRING, _texts(*_HARD_TEXTS)),
        MatrixColumn("medium", "MEDIUMTEXT", STRING, [Value("REPEAT('é', 70000)", _json_text("é" * 70000))]),
        MatrixColumn("long_", "LONGTEXT", STRING, _texts("long")),
    ],
)

# By character set: a text of its own letters, and where it matters bytes at the edges of its mapping.
_CHARSET_TEXTS: Mapping[str, str] = {
    "armscii8": "Հայաստան",
    "ascii": "plain ~ text",
    "big5": "臺灣許功蓋",
    "cp1250": "Příliš žluťoučký €",
    "cp1251": "Съешь ещё €",
    "cp1256": "العربية €",
    "cp1257": "Ąžuolas Ēriks",
    "cp850": "Größe ½ é",
    "cp852": "Łódź čeština",
    "cp866": "Привет ░▒▓",
    "cp932": "日本語①㈱表",
    "dec8": "Ünïcödé œ",
    "eucjpms": "日本語①㈱",
    "euckr": "한국어 갂",
    "gb18030": "汉字𠀀😀€",
    "gb2312": "汉字",
    "gbk": "漢字繁體",
    "geostd8": "საქართველო",
    "greek": "Ελληνικά",
    "hebrew": "עברית",
    "hp8": "Größe é",
    "keybcs2": "Čeština ňŇ",
    "koi8r": "Русский",
    "koi8u": "Українська ґ",
    "latin1": "café €“”",
    "latin2": "Łódź",
    "latin5": "İstanbul ğ",
    "latin7": "Ąžuolas",
    "macce": "Łódź",
    "macroman": "café ∞",
    "sjis": "日本語ｶﾅ表",
    "swe7": "Åäö",
    "tis620": "ภาษาไทย",
    "ucs2": "é漢字",
    "ujis": "日本語ｶﾅ",
    "utf16": "é漢😀",
    "utf16le": "é漢😀",
    "utf32": "é漢😀",
    "utf8mb3": "é漢字",
    "utf8mb4": "é漢😀",
}

CHARSETS = MatrixTable(
    "charsets",
    [
        MatrixColumn(charset, f"VARCHAR(30) CHARACTER SET {charset}", STRING, _texts(text, ""))
        for charset, text in _CHARSET_TEXTS.items()
    ]
    + [
        MatrixColumn(
            "latin1_open",
            "VARCHAR(5) CHARACTER SET latin1",
            STRING,
            [Value("_latin1 x'818D8F909D'", '"\x81\x8d\x8f\x90\x9d"')],
        ),
        MatrixColumn("latin1_bin", "CHAR(9) CHARACTER SET latin1 COLLATE latin1_bin", STRING, _texts("café", "")),
        MatrixColumn("sjis_backslash", "VARCHAR(5) CHARACTER SET sjis", STRING, [Value("_sjis x'815F'", '"\\\\"')]),
        MatrixColumn("text_gbk", "TEXT CHARACTER SET gbk", STRING, _texts("漢字", "")),
    ],
)

#: Changes have labels, and numbers before.
_LABELS_SINCE = "20.0.0"
#: Mends of values in changes that came in the same releases.
_FIRST_MENDED = ("23.0.6", "24.0.3")

_LABELS = tuple(f"m{member}" for member in range(1, 65))
_ALL_LABELS = ",".join(_LABELS)
_ALL_BUT_LAST = ",".join(_LABELS[:63])

ENUMS_AND_SETS = MatrixTable(
    "enums_and_sets",
    [
        MatrixColumn(
            "odd",
            r"ENUM('a,b', 'it''s', '', '2', '1', '0', 'back\\slash', 'new\nline', 'tab	', 'é漢', ')', 'nul\0', '\"')",
            STRING,
            [
                Value("'a,b'", '"a,b"'),
                Value("'it''s'", '"it\'s"'),
                Value("3", '""'),
                Value("'2'", '"2"'),
                Value("'1'", '"1"'),
                Value("'0'", '"0"'),
                Value(r"'back\\slash'", r'"back\\slash"'),
                Value(r"'new\nline'", r'"new\nline"'),
                Value("9", r'"tab\t"'),
                Value("10", '"é漢"'),
                Value("11", '")"'),
                Value("12", r'"nul\u0000"'),
                Value("13", r'"\""'),
                # The invalid value, ordinal 0.
                Value("'no such label'", '""'),
            ],
        ),
        MatrixColumn("latin1_", "ENUM('é', 'ü', 'plain') CHARACTER SET latin1", STRING, _texts("é", "ü", "plain")),
        MatrixColumn(
            "latin1_set",
            "SET('é', 'ü', 'plain') CHARACTER SET latin1",
            STRING,
            [*_texts("é", "é,ü", ""), Value("'plain,é'", '"é,plain"')],
        ),
        MatrixColumn("utf16_", "ENUM('é', 'a') CHARACTER SET utf16", STRING, _texts("é", "a")),
        MatrixColumn("utf16_set", "SET('é', 'a') CHARACTER SET utf16", STRING, _texts("é", "é,a", "")),
        MatrixColumn("gbk_", "ENUM('漢', 'a') CHARACTER SET gbk", STRING, _texts("漢", "a")),
        MatrixColumn("bin_", "ENUM('é', 'a') COLLATE utf8mb4_bin", STRING, _texts("é", "a")),
        MatrixColumn("bin_set", "SET('é', 'a') COLLATE utf8mb4_bin", STRING, _texts("é", "é,a", "")),
        # VTGate 19 ends at it, in its schema tracker.
        MatrixColumn("binary_", "ENUM('é', 'a') CHARACTER SET binary", STRING, _texts("a"), since="20.0.0"),
        # MySQL's information_schema, where VTTablet takes labels from, has `?` for it.
        MatrixColumn("emoji", "ENUM('😀', 'a')", STRING, [Value("1", '"😀"', '"?"'), Value("2", '"a"')]),
        MatrixColumn(
            "ambiguous",
            "ENUM('é', 'Ã©') CHARACTER SET latin1",
            STRING,
            [
                Value("1", '"é"', "null", changed_altered=True, since=_LABELS_SINCE),
                Value("2", "null", '"Ã©"', copied_altered=True),
            ],
        ),
        # VTTablet drops the 64th member in the change stream (vitessio/vitess#20450).
        MatrixColumn(
            "largest_set",
            "SET(" + ", ".join(f"'{label}'" for label in _LABELS) + ")",
            STRING,
            [
                Value(f"'{_ALL_BUT_LAST}'", f'"{_ALL_BUT_LAST}"'),
                Value(
                    f"'{_ALL_LABELS}'",
                    f'"{_ALL_LABELS}"',
                    f'"{_ALL_BUT_LAST}"',
                    since=_LABELS_SINCE,
                    mended=_FIRST_MENDED,
                ),
                Value("'m63'", '"m63"'),
                Value("'m64,m1'", '"m1,m64"', '"m1"', since=_LABELS_SINCE, mended=_FIRST_MENDED),
            ],
        ),
        MatrixColumn("odd_set", "SET('it''s', '2', '1')", STRING, [Value("'it''s,2'", '"it\'s,2"'), Value("4", '"1"')]),
    ],
    sql_mode="",
)


def _documents(*documents: tuple[str, ...]) -> list[Value]:
    """Values from an expression, MySQL's text of it, and VTTablet's where its keys stand in another order."""
    return [_document(*document) for document in documents]


def _document(sql: str, copied: str, changed: str = "") -> Value:
    return Value(sql, _json_text(copied), changed and _json_text(changed))


_DEEP = "[" * 99 + "1" + "]" * 99

DOCUMENTS = MatrixTable(
    "documents",
    [
        MatrixColumn(
            "document",
            "JSON",
            STRING,
            [
                *_documents(
                    ("'{}'", "{}"),
                    ("'[]'", "[]"),
                    ("'null'", "null"),
                    ("'\"\"'", '""'),
                    ("'true'", "true"),
                    ("'18446744073709551615'", "18446744073709551615"),
                    ("'-9223372036854775808'", "-9223372036854775808"),
                    (f"'{_DEEP}'", _DEEP),
                    (
                        """'{"bb": 1, "a": [1, {"é😀": "x"}], "ccc": 1e100}'""",
                        '{"a": [1, {"é😀": "x"}], "bb": 1, "ccc": 1e100}',
                    ),
                    ("""'{"b": 1, "aa": 2}'""", '{"b": 1, "aa": 2}', '{"aa": 2, "b": 1}'),
                    (r"""'"\\u0001\\u000b\\n\\t\\"\\\\/"'""", r'"\u0001\u000b\n\t\"\\/"'),
                    ("JSON_ARRAY(0.5, -0.05, 1.10)", "[0.5, -0.05, 1.10]"),
                    (
                        "JSON_ARRAY(CAST('12345678901234567890.1234500000' AS DECIMAL(65,10)))",
                        "[12345678901234567890.1234500000]",
                    ),
                    ("JSON_OBJECT('k', CAST('0.10' AS DECIMAL(5,2)))", '{"k": 0.10}'),
                    (
                        "JSON_ARRAY(1e15, 1e14, 0.1e0, -1e-7, 5e-324)",
                        "[1e15, 100000000000000.0, 0.1, -0.0000001, 5e-324]",
                    ),
                    (
                        "JSON_ARRAY(CAST('2026-01-02' AS DATE), CAST('2026-01-02 03:04:05.5' AS DATETIME(1)))",
                        '["2026-01-02", "2026-01-02 03:04:05.500000"]',
                    ),
                    ("JSON_EXTRACT(JSON_ARRAY(x'00FF'), '$[0]')", '"base64:type15:AP8="'),
                ),
                # VTTablet loses what comes before a binary value (vitessio/vitess#20625).
                Value(
                    "JSON_OBJECT('a', 1, 'k', x'00FF', 'z', 2)",
                    _json_text('{"a": 1, "k": "base64:type15:AP8=", "z": 2}'),
                    "null",
                    changed_altered=True,
                    mended=_FIRST_MENDED,
                ),
                Value(
                    "JSON_ARRAY(x'00FF')",
                    _json_text('["base64:type15:AP8="]'),
                    "null",
                    changed_altered=True,
                    mended=_FIRST_MENDED,
                ),
                # VTTablet has no negative TIME in documents, and valid text does not show it.
                *_documents(("JSON_ARRAY(CAST('-01:02:03' AS TIME))", '["-01:02:03.000000"]', '[""]')),
                *_documents(("JSON_ARRAY(CAST('01:02:03' AS TIME))", '["01:02:03.000000"]')),
            ],
        )
    ],
)

TIMES = MatrixTable(
    "times",
    [
        MatrixColumn(
            "date_",
            "DATE",
            DATE,
            [
                *(Value(f"'{day}'", f'"{day}"') for day in ("0001-01-01", "9999-12-31", "2024-02-29", "1582-10-10")),
                *_impossible("0000-00-00", "2026-00-00", "2026-01-00", "0000-01-01", "2026-02-31"),
            ],
        ),
        MatrixColumn(
            "datetime_",
            "DATETIME",
            DATETIME,
            [
                Value("'0001-01-01 00:00:00'", '"0001-01-01T00:00:00"'),
                Value("'9999-12-31 23:59:59'", '"9999-12-31T23:59:59"'),
                Value("'2024-03-10 02:30:00'", '"2024-03-10T02:30:00"'),
                *_impossible("0000-00-00 00:00:00", "2026-02-31 01:02:03", "2026-00-01 01:02:03"),
            ],
        ),
        *(
            MatrixColumn(
                f"datetime_{digits}",
                f"DATETIME({digits})",
                DATETIME,
                [
                    Value("'2026-01-02 03:04:05.000006'", f'"2026-01-02T03:04:05.{"000006"[:digits]}"'),
                    Value("'2026-01-02 03:04:05.123456'", f'"2026-01-02T03:04:05.{"123456"[:digits]}"'),
                    Value("'2026-01-02 03:04:05'", f'"2026-01-02T03:04:05.{"0" * digits}"'),
                    *_impossible("0000-00-00 00:00:00", "2026-00-00 00:00:00.9"),
                ],
            )
            for digits in range(1, 7)
        ),
        MatrixColumn(
            "timestamp_",
            "TIMESTAMP NULL",
            TIMESTAMP,
            [
                Value("'1970-01-01 00:00:01'", '"1970-01-01T00:00:01Z"'),
                Value("'2038-01-19 03:14:07'", '"2038-01-19T03:14:07Z"'),
                *_impossible("0000-00-00 00:00:00"),
            ],
        ),
        *(
            MatrixColumn(
                f"timestamp_{digits}",
                f"TIMESTAMP({digits}) NULL",
                TIMESTAMP,
                [
                    Value("'2026-01-02 03:04:05.123456'", f'"2026-01-02T03:04:05.{"123456"[:digits]}Z"'),
                    Value("'2026-01-02 03:04:05'", f'"2026-01-02T03:04:05.{"0" * digits}Z"'),
                    *_impossible("0000-00-00 00:00:00"),
                ],
            )
            for digits in range(1, 7)
        ),
        MatrixColumn(
            "time_",
            "TIME",
            STRING,
            [
                Value(f"'{time}'", f'"{time}"')
                for time in ("00:00:00", "838:59:59", "-838:59:59", "-00:00:01", "25:00:00")
            ],
        ),
        *(
            MatrixColumn(
                f"time_{digits}",
                f"TIME({digits})",
                STRING,
                [
                    Value("'-00:00:00.5'", f'"-00:00:00.{"500000"[:digits]}"'),
                    Value("'01:02:03.123456'", f'"01:02:03.{"123456"[:digits]}"'),
                    Value("'-100:59:59.9'", f'"-100:59:59.{"900000"[:digits]}"'),
                    Value("'838:59:59'", f'"838:59:59.{"0" * digits}"'),
                ],
            )
            for digits in range(1, 7)
        ),
    ],
    # Zero dates, impossible days, and no rounding of fractions.
    sql_mode="ALLOW_INVALID_DATES,TIME_TRUNCATE_FRACTIONAL",
)

_ALL_BYTES = bytes(range(256))

BINARIES = MatrixTable(
    "binaries",
    [
        MatrixColumn(
            "binary_",
            "BINARY(4)",
            BYTES,
            [Value("x'01'", _base64(b"\x01\0\0\0")), Value("''", _base64(bytes(4))), *_bytes(b"\xff\xfe\x00\x80")],
        ),
        MatrixColumn("varbinary_", "VARBINARY(256)", BYTES, _bytes(b"", b"\0", b"a ", _ALL_BYTES)),
        MatrixColumn("tiny", "TINYBLOB", BYTES, _bytes(b"", b"\xff" * 255)),
        MatrixColumn("blob_", "BLOB", BYTES, _bytes(b"", _ALL_BYTES, b"null")),
        MatrixColumn("medium", "MEDIUMBLOB", BYTES, [Value("REPEAT(x'FF00', 40000)", _base64(b"\xff\0" * 40000))]),
        MatrixColumn("long_", "LONGBLOB", BYTES, _bytes(b"\xc3\x28")),
    ],
)


def _point(srid: int, x: float, y: float) -> bytes:
    return struct.pack("<IBIdd", srid, 1, 1, x, y)


_LINE = struct.pack("<IBII4d", 0, 1, 2, 2, 0.0, 0.0, 1.0, 1.5)
_POLYGON = struct.pack("<IBIII8d", 0, 1, 3, 1, 4, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0)

GEOMETRIES = MatrixTable(
    "geometries",
    [
        MatrixColumn(
            "geometry_",
            "GEOMETRY",
            BYTES,
            [
                Value("ST_GeomFromText('POINT(1 2)')", _base64(_point(0, 1.0, 2.0))),
                Value("ST_GeomFromText('LINESTRING(0 0,1 1.5)')", _base64(_LINE)),
            ],
        ),
        # In WKB, longitude stands first.
        MatrixColumn(
            "point_",
            "POINT SRID 4326",
            BYTES,
            [Value("ST_GeomFromText('POINT(10 20)', 4326)", _base64(_point(4326, 20.0, 10.0)))],
        ),
        MatrixColumn("line", "LINESTRING", BYTES, [Value("ST_GeomFromText('LINESTRING(0 0,1 1.5)')", _base64(_LINE))]),
        MatrixColumn(
            "polygon_", "POLYGON", BYTES, [Value("ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')", _base64(_POLYGON))]
        ),
        MatrixColumn(
            "multipoint_",
            "MULTIPOINT",
            BYTES,
            [
                Value(
                    "ST_GeomFromText('MULTIPOINT((1 2))')",
                    _base64(struct.pack("<IBII", 0, 1, 4, 1) + _point(0, 1.0, 2.0)[4:]),
                )
            ],
        ),
        MatrixColumn(
            "multiline",
            "MULTILINESTRING",
            BYTES,
            [
                Value(
                    "ST_GeomFromText('MULTILINESTRING((0 0,1 1.5))')",
                    _base64(struct.pack("<IBII", 0, 1, 5, 1) + _LINE[4:]),
                )
            ],
        ),
        MatrixColumn(
            "multipolygon_",
            "MULTIPOLYGON",
            BYTES,
            [
                Value(
                    "ST_GeomFromText('MULTIPOLYGON(((0 0,0 1,1 1,0 0)))')",
                    _base64(struct.pack("<IBII", 0, 1, 6, 1) + _POLYGON[4:]),
                )
            ],
        ),
        MatrixColumn(
            "collection",
            "GEOMETRYCOLLECTION",
            BYTES,
            [
                Value(
                    "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2))')",
                    _base64(struct.pack("<IBII", 0, 1, 7, 1) + _point(0, 1.0, 2.0)[4:]),
                ),
                Value("ST_GeomFromText('GEOMETRYCOLLECTION EMPTY')", _base64(struct.pack("<IBII", 0, 1, 7, 0))),
            ],
        ),
    ],
)

#: Needs MySQL 9.
VECTORS = MatrixTable(
    "vectors",
    [
        MatrixColumn(
            "vector_",
            "VECTOR(3)",
            VECTOR,
            [
                Value("STRING_TO_VECTOR('[1,-2.5,0.1]')", "[1.0,-2.5,0.1]"),
                Value("STRING_TO_VECTOR('[1e-30,3.4e38,0.3]')", "[1e-30,3.4e38,0.3]"),
                Value("STRING_TO_VECTOR('[0]')", "[0.0]"),
                Value("STRING_TO_VECTOR('[16777216,3.1415927]')", "[16777216.0,3.1415927]"),
            ],
        ),
        MatrixColumn("widest", "VECTOR(16383)", VECTOR, [Value("STRING_TO_VECTOR('[1]')", "[1.0]")]),
    ],
)

COLUMNS = MatrixTable(
    'columns: all "kinds" ☃',
    [
        MatrixColumn("select", "INT", INTEGER, _same("1", "2")),
        MatrixColumn("with space", "INT", INTEGER, _same("3")),
        MatrixColumn("back`tick", "INT", INTEGER, _same("4")),
        MatrixColumn('double"quote', "INT", INTEGER, _same("5")),
        MatrixColumn("per%cent", "INT", INTEGER, _same("6")),
        MatrixColumn("back\\slash", "INT", INTEGER, _same("7")),
        MatrixColumn("größe", "INT", INTEGER, _same("8")),
        MatrixColumn("MixedCase", "INT", INTEGER, _same("9")),
        MatrixColumn("it's", "INT", INTEGER, _same("10")),
        MatrixColumn("hidden", "INT INVISIBLE", INTEGER, _same("11")),
        MatrixColumn(
            "stored",
            "INT GENERATED ALWAYS AS (`select` + 1) STORED",
            INTEGER,
            [Value("", "2"), Value("", "3")],
            written=False,
        ),
        MatrixColumn(
            "virtual",
            "VARCHAR(20) GENERATED ALWAYS AS (CONCAT('é', `select`)) VIRTUAL",
            STRING,
            [Value("", '"é1"'), Value("", '"é2"')],
            written=False,
        ),
    ],
)

#: Every table that MySQL 8.0 takes.
TABLES: Sequence[MatrixTable] = (
    INTEGERS,
    BITS,
    DECIMALS,
    FLOATS,
    TEXTS,
    CHARSETS,
    ENUMS_AND_SETS,
    DOCUMENTS,
    TIMES,
    BINARIES,
    GEOMETRIES,
    COLUMNS,
)
