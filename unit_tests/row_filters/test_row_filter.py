"""Conditions beside the columns that they name: what is sent of them, and what is refused because it is not certain."""

from __future__ import annotations

import pytest

from source_vitess.conditions.parser import parse_condition
from source_vitess.errors import StreamError
from source_vitess.row_filters.row_filter import ColumnDetails, RowFilter, RowFilters
from source_vitess.schema import Column, Table
from source_vitess.vitess_release import VitessRelease

COLLATION_IDS = {
    None: 63,
    "utf8mb4_0900_ai_ci": 255,
    "utf8mb4_0900_as_cs": 278,
    "utf8mb4_general_ci": 45,
    "latin1_bin": 47,
}
COLUMNS = {
    "id": ("bigint", None),
    "n": ("int", None),
    "huge": ("bigint unsigned", None),
    "flag": ("tinyint(1)", None),
    "price": ("decimal(10,2)", None),
    "total": ("decimal(30,2)", None),
    "yr": ("year", None),
    "day": ("date", None),
    "at": ("datetime(3)", None),
    "seen": ("timestamp", None),
    "name": ("varchar(20)", "utf8mb4_0900_ai_ci"),
    "code": ("char(3)", "utf8mb4_0900_as_cs"),
    "padded": ("varchar(20)", "utf8mb4_general_ci"),
    "old": ("varchar(20)", "latin1_bin"),
    "raw": ("varbinary(9)", None),
    "status": ("enum('new','a b')", "latin1_bin"),
    "strange": ("enum('ä','a')", "utf8mb4_0900_ai_ci"),
    "alike": ("enum('a','A')", "utf8mb4_0900_as_cs"),
    "set_of": ("set('x')", "utf8mb4_0900_ai_ci"),
    "single": ("float", None),
    "ratio": ("double", None),
    "tm": ("time", None),
    "bits": ("bit(8)", None),
    "doc": ("json", None),
    "note": ("text", "utf8mb4_0900_ai_ci"),
    "blob_of": ("mediumblob", None),
    "shape": ("geometry", None),
    "sum": ("int", None),
}
TABLE = Table(
    "t",
    tuple(
        Column(name, kind, (collation or "").partition("_")[0] or None, True)
        for name, (kind, collation) in COLUMNS.items()
    ),
    ("id",),
)
DETAILS = {"t": {name: ColumnDetails(collation, name == "sum") for name, (_, collation) in COLUMNS.items()}}


def made(text: str, table: Table = TABLE, version: str = "24.0.4") -> RowFilter:
    """Returns the filter of a condition."""
    found = RowFilters({"t": parse_condition(text)}, DETAILS, VitessRelease(version)).of(table)
    assert found is not None
    return found


def refusal(text: str, version: str = "24.0.4") -> str:
    """Returns why a condition is refused."""
    with pytest.raises(StreamError) as caught:
        made(text, version=version)
    assert caught.value.stream == "t"
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("n = 5", "`n` = 5"),
        ("N = -5", "`n` = '-5'"),
        ("n in (1, -2)", "`n` in (1, '-2')"),
        ("n between -3 and 4", "`n` >= '-3' and `n` <= 4"),
        ("id > -9007199254740991", "`id` > '-9007199254740991'"),
        ("huge <= 18446744073709551615", "`huge` <= 18446744073709551615"),
        ("n = 1.0", "`n` = 1"),
        ("flag != 0", "`flag` != 0"),
        ("price >= 1.50", "`price` >= 1.50"),
        ("price < -1.505", "`price` < '-1.505'"),
        ("total = 99999999999999999999.99", "`total` = 99999999999999999999.99"),
        ("yr = 2026", "`yr` = 2026"),
        ("day between '2026-02-01' and '2026-12-31'", "`day` >= '2026-02-01' and `day` <= '2026-12-31'"),
        (
            "day in ('2026-02-01', '2026-03-01') and day != '2026-03-02'",
            "`day` in ('2026-02-01', '2026-03-01') and `day` != '2026-03-02'",
        ),
        ("day >= '2026-01-01'", "`day` >= '2026-01-01' and in_keyrange(`day`, 'binary', '323032362d30312d3031-')"),
        ("day > '2026-01-01'", "`day` > '2026-01-01' and in_keyrange(`day`, 'binary', '323032362d30312d303101-')"),
        ("day < '2026-01-01'", "`day` < '2026-02-01' and in_keyrange(`day`, 'binary', '-323032362d30312d3031')"),
        ("day <= '2026-01-31'", "`day` < '2026-02-01' and in_keyrange(`day`, 'binary', '-323032362d30312d333101')"),
        (
            "day = '2026-01-01'",
            "`day` = '2026-01-01' and in_keyrange(`day`, 'binary', '323032362d30312d3031-323032362d30312d303101')",
        ),
        ("at >= '2026-02-01'", "`at` >= '2026-02-01 00:00:00'"),
        (
            "at < '2026-01-01'",
            f"`at` < '2026-02-01 00:00:00' and in_keyrange(`at`, 'binary', '-{b'2026-01-01 00:00:00.000'.hex()}')",
        ),
        ("at = '2026-11-01 10:20:30.5'", "`at` = '2026-11-01 10:20:30.5'"),
        ("seen in ('2026-01-01')", "`seen` in ('2026-01-01 00:00:00')"),
        ("seen < '2026-01-01 10:20:30'", "`seen` < '2026-01-01 10:20:30'"),
        ("name in ('it''s', '')", "`name` in ('it''s', '')"),
        ("code > 'x'", "`code` > 'x'"),
        ("raw = x'00ff' and raw != 'abc'", "`raw` = x'00ff' and `raw` != 'abc'"),
        ("status in ('new', 'a b')", "`status` in ('new', 'a b')"),
        (
            "padded is null and old is not null and ratio is null",
            "`padded` is null and `old` is not null and `ratio` is null",
        ),
        ("strange is null and tm is null and bits is null", "`strange` is null and `tm` is null and `bits` is null"),
    ],
)
def test_what_is_sent(text: str, sent: str) -> None:
    """Columns by their own names, literals as VTTablet takes them, and what has each image judged by itself."""
    first = sent.split(" ")[0]
    assert made(text).where == f"{sent} and in_keyrange({first}, 'null', '-')"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nope = 1", "The table has no column 'nope'"),
        ("n = '5'", "Column 'n' is int. An INT is compared with numbers, without quotation marks"),
        ("n = 1.5", "An integer is compared with a whole number"),
        ("id > -9007199254740992", "whole number from -9007199254740991 to 18446744073709551615"),
        ("huge < 18446744073709551616", "whole number from"),
        ("price = 'x'", "A DECIMAL is compared with numbers"),
        ("total < -1", "A negative number is compared with a DECIMAL of at most 15 digits"),
        ("price < -1234567890.123456", "A negative number is compared with a DECIMAL of at most 15 digits"),
        ("yr = 26", "from 1901 to 2155"),
        ("day != '2026-01-01'", "a literal in January by =, <, <=, >, >= and BETWEEN, not by != and IN"),
        ("at in ('2026-02-01', '2026-01-01')", "a literal in January by"),
        ("day > '0999-12-31'", "A DATE is compared with a date"),
        ("day = '2026-02-30'", "A DATE is compared with a date such as '2026-01-31'"),
        ("day = '0000-00-00'", "A DATE is compared with a date"),
        ("day = '2026-1-2'", "A DATE is compared with a date"),
        ("day = '2026-01-02 00:00:00'", "A DATE is compared with a date"),
        ("day = 20260102", "A DATE is compared with a date"),
        ("at = '2026-01-02T03:04:05'", "A DATETIME is compared with a moment"),
        ("at = '2026-01-02 24:00:00'", "A DATETIME is compared with a moment"),
        ("at = '2026-01-02 03:04:05.1234'", "The column has 3 digits of a second's fraction"),
        ("seen = '2026-01-02 03:04:05+00:00'", "A TIMESTAMP is compared with a moment such as '2026-01-31' or"),
        ("seen = 'now'", "in UTC"),
        ("name = 5", "A VARCHAR is compared with texts in quotation marks"),
        ("name = x'00'", "A VARCHAR is compared with texts"),
        ("padded = 'x'", "like this one is not compared in the same way"),
        ("old = 'x'", "a collation of utf8mb4_0900_ai_ci"),
        ("raw = 'ä'", "x'bytes', or with a text of ASCII"),
        ("raw = 1", "x'bytes', or with a text of ASCII"),
        ("status = 'nope'", "'nope' is none"),
        ("status = 'NEW'", "'NEW' is none"),
        ("status = 1", "and 1 is none"),
        ("status < 'new'", "An ENUM is compared by =, != and IN"),
        ("status between 'a b' and 'new'", "An ENUM is compared by =, != and IN"),
        ("strange = 'a'", "only IS NULL and IS NOT NULL"),
        ("alike = 'a'", "only IS NULL and IS NOT NULL"),
        ("set_of = 'x'", "A SET like this one"),
        ("single = 1", "A FLOAT like this one"),
        ("ratio > 1", "A DOUBLE like this one"),
        ("tm > '10:00:00'", "A TIME like this one"),
        ("bits = 1", "A BIT like this one"),
        ("doc is null", "no condition on it is certain"),
        ("note is not null", "no condition on it is certain"),
        ("blob_of is null", "no condition on it is certain"),
        ("shape is null", "no condition on it is certain"),
        ("sum = 1", "computed from others"),
        ("n = 1 and sum is null", "computed from others"),
    ],
)
def test_what_is_not_certain_is_refused(text: str, words: str) -> None:
    """With the field, the table, the condition, and what the column can be compared with."""
    message = refusal(text)
    assert message.startswith("The field row_filters has the condition `")
    assert "for table 't'" in message
    assert words in message


def test_an_old_vitess_is_refused() -> None:
    """Up to v21 VTTablet takes no IN and no IS NULL; one that does not tell its version is taken for a new one."""
    assert "Vitess 21.0.6 does not choose rows as it has to" in refusal("n = 1", version="21.0.6")
    assert made("n = 1", version="22.0.0") == made("n = 1", version="")


def test_two_columns_that_vitess_takes_for_one() -> None:
    """VTTablet compares lower-case forms, and takes the first."""
    table = Table("t", (Column("ẞ", "int", None, True), Column("ß", "int", None, True)), ())

    with pytest.raises(StreamError, match="several columns that Vitess takes for 'ß'"):
        made("ß = 1", table)


def test_tables_without_a_condition() -> None:
    """They are read whole."""
    assert RowFilters({"u": parse_condition("a = 1")}).of(TABLE) is None
    assert RowFilters().of(TABLE) is None


@pytest.mark.parametrize(
    ("column", "column_type", "collation_id", "fits"),
    [
        ("n", "int", 63, True),
        ("n", "bigint unsigned", 63, True),
        ("n", "decimal(10,2)", 63, False),
        ("n", "", 0, False),
        ("m", "int", 63, False),
        ("name", "varchar(200)", 255, True),
        ("name", "varchar(20)", 278, False),
        ("name", "varchar(20)", 45, False),
        ("name", "text", 255, False),
        ("price", "decimal(12,2)", 63, True),
        ("price", "decimal(30,2)", 63, False),
        ("status", "enum('new','a b','c')", 8, True),
        ("status", "enum('new','a b','ä')", 8, False),
        ("ratio", "float", 63, True),
        ("ratio", "text", 255, False),
    ],
)
def test_columns_that_are_announced(column: str, column_type: str, collation_id: int, fits: bool) -> None:
    """A wider type is compared in the same way, another kind or collation is not."""
    names = ("n", "name", "price", "status", "ratio")
    row_filter = made("n = 1 and name = 'x' and price < -1 and status = 'new' and ratio is null")
    now = {name: (COLUMNS[name][0], COLLATION_IDS[COLUMNS[name][1]]) for name in names}
    assert row_filter.misfit(now) is None

    if column not in now:
        del now["n"]
    now[column] = (column_type, collation_id)

    assert row_filter.misfit(now) == (None if fits else column if column in names else "n")
