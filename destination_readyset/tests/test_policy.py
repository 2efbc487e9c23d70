"""Types of the keyspace and of the served table. What rows make of them, `test_vitess` asks real servers."""

from __future__ import annotations

import pytest
from source_vitess.errors import ConfigError

from destination_readyset.policy import KeyspaceColumn, serve_columns

UTF8 = ("utf8mb4", "utf8mb4_0900_ai_ci")
LATIN = ("latin1", "latin1_swedish_ci")


def _type(column_type: str, *charset: str, key: bool = False, exact: bool = False) -> str:
    (served,) = serve_columns("t", [KeyspaceColumn("c", column_type, *charset)], ["c"] if key else [], exact=exact)
    return served.definition


@pytest.mark.parametrize(
    ("column_type", "served"),
    [
        ("tinyint(1)", "tinyint(1)"),
        ("int(8) unsigned zerofill", "int(8) unsigned"),
        ("bigint unsigned", "bigint unsigned"),
        ("bit(12)", "bit(12)"),
        ("decimal(28,28)", "decimal(28,28)"),
        ("decimal(10,2) unsigned zerofill", "decimal(10,2)"),
        ("decimal(29,0)", "varchar(32)"),
        ("decimal(65,30)", "varchar(68)"),
        ("float(10,4)", "float"),
        ("double unsigned", "double"),
        ("year", "smallint"),
        ("time", "time"),
        ("time(3)", "varchar(18)"),
        ("datetime(6)", "datetime(6)"),
        ("timestamp", "timestamp"),
        ("json", "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        ("varbinary(40)", "varbinary(40)"),
        ("longblob", "longblob"),
        ("point", "longblob"),
        ("vector(3)", "blob"),
    ],
)
def test_types_for_readyset(column_type: str, served: str) -> None:
    """What ReadySet takes stays, the rest becomes what holds the same values."""
    assert _type(column_type) == served


def test_json_stays_json_where_that_is_wished() -> None:
    """By the option of its own, or with exact types."""
    column = [KeyspaceColumn("c", "json")]

    assert serve_columns("t", column, [], exact=False, json_as_text=False)[0].definition == "json"
    assert _type("json", exact=True) == "json"


@pytest.mark.parametrize(
    ("column_type", "charset", "key", "served"),
    [
        ("varchar(20)", UTF8, False, "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci"),
        ("varchar(20)", LATIN, False, "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"),
        # A key must tell apart whatever its own collation tells apart.
        ("varchar(20)", LATIN, True, "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        (
            "varchar(20)",
            ("utf8mb3", "utf8mb3_unicode_ci"),
            False,
            "varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
        ),
        ("char(3)", ("latin1", "latin1_bin"), False, "char(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
        # A character may take more bytes than it did.
        ("text", LATIN, False, "mediumtext CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"),
        ("text", UTF8, False, "text CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci"),
        ("set('a','it''s')", UTF8, False, "varchar(7) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci"),
        ("enum('a','it''s')", UTF8, False, "enum('a','it''s') CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci"),
    ],
)
def test_texts_for_readyset(column_type: str, charset: tuple[str, str], key: bool, served: str) -> None:
    """Texts are utf8mb4, with the collation that is nearest."""
    assert _type(column_type, *charset, key=key) == served


@pytest.mark.parametrize("column_type", ["year", "decimal(65,30)", "time(6)", "point", "vector(3)"])
def test_exact_types(column_type: str) -> None:
    """By option, the type is the keyspace's own."""
    assert _type(column_type, exact=True) == column_type
    assert _type("set('a')", *LATIN, exact=True) == "set('a') CHARACTER SET latin1 COLLATE latin1_swedish_ci"


def test_labels_that_mysql_does_not_show() -> None:
    """An ENUM whose labels have a question mark, which may stand for an emoji, is text, by option too."""
    collated = " CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci"
    for exact in (False, True):
        assert _type("enum('abc','?')", *UTF8, exact=exact) == "varchar(4)" + collated


def test_rows_that_would_be_too_long() -> None:
    """The widest texts become TEXT until a row fits, but not those of the key."""
    columns = [
        KeyspaceColumn(name, f"varchar({length})", *LATIN) for name, length in (("k", 700), ("a", 9000), ("b", 9001))
    ]

    served = serve_columns("t", columns, ["k"], exact=False)

    assert [column.definition.partition(" ")[0] for column in served] == ["varchar(700)", "varchar(9000)", "text"]


def test_unknown_types_are_refused() -> None:
    """A type of a newer MySQL could stop ReadySet."""
    with pytest.raises(ConfigError, match="'c' of table 't' is of the type 'quaternion'"):
        _type("quaternion(4)")
