"""Tables of a run's own: keys of every type that a key can have, in any order, under names that look like SQL.

Key columns are chosen with their collations, also over prefixes and descending; a run's tables depend on its seed only.
What a key cannot be is left out: JSON, spatial columns and vectors. FLOAT has values of at most six digits, since a
copy does not tell others apart (docs/state.md).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from instruments.type_matrix import quote
from integration_tests.chaos.tables import ALWAYS, COMMON, Table

#: Names of tables. All but a few have to be quoted.
NAMES = ("order", "drop table", "rename to", "Add Column", "partition p0", "größe", "it's", "alter", "a-b", "rides")

#: Names of columns beside the ones that each table has.
COLUMNS = ("k", "key", "drop", "order by", "Add", "é", "rename to", "it's")

#: What stands in comments and labels.
NASTY = (
    "please rename to remark later",
    "drop location of the ride",
    "it''s, drop column k",
    ", DROP PARTITION p0",
    "é",
)

#: How many tables of its own, and of the common ones beside those that are always there, a run has.
OWN = 4
SHARED = 2

#: Texts by what their character set can hold.
_LETTERS: Mapping[str, tuple[str, ...]] = {
    "": ("a", "A", "Straße", "strasse", "é", "E", "Ж", "名前", "a b", "-"),
    "ascii": ("a", "A", "Zz", "a b", "~", "_%"),
    "western": ("a", "A", "Straße", "strasse", "é", "ÿ", "Ö", "oe"),
    "czech": ("a", "ch", "C", "č", "ď", "H"),
    "cyrillic": ("a", "Ж", "ж", "Привет", "Z"),
    "greek": ("a", "Ω", "ω", "Z"),
    "hebrew": ("a", "ש", "א", "Z"),
    "thai": ("a", "ก", "ไท", "Z"),
    "chinese": ("a", "漢字", "中", "Z"),
    "japanese": ("a", "漢字", "かな", "Z"),
    "korean": ("a", "한국", "Z"),
}

#: Collations of text in a key, each with its letters.
COLLATIONS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin", "utf8mb4_bin", "utf8mb4_general_ci"),
            *("utf8mb4_unicode_ci", "utf8mb4_unicode_520_ci", "utf8mb4_de_pb_0900_ai_ci", "utf8mb4_ja_0900_as_cs_ks"),
            *("utf8mb4_zh_0900_as_cs", "utf8mb4_tr_0900_ai_ci", "utf8mb3_general_ci", "utf8mb3_unicode_ci"),
            *("ucs2_general_ci", "utf16_unicode_ci", "utf16le_bin", "utf32_general_ci", "gb18030_chinese_ci"),
        ),
        "",
    ),
    **dict.fromkeys(
        ("latin1_german1_ci", "latin1_german2_ci", "latin1_bin", "latin1_general_cs", "cp850_bin"), "western"
    ),
    "ascii_general_ci": "ascii",
    "ascii_bin": "ascii",
    "latin2_czech_cs": "czech",
    "cp1250_general_ci": "czech",
    "cp1251_general_cs": "cyrillic",
    "koi8r_general_ci": "cyrillic",
    "greek_general_ci": "greek",
    "hebrew_bin": "hebrew",
    "tis620_thai_ci": "thai",
    "gbk_chinese_ci": "chinese",
    "big5_chinese_ci": "chinese",
    "sjis_japanese_ci": "japanese",
    "ujis_japanese_ci": "japanese",
    "cp932_bin": "japanese",
    "euckr_korean_ci": "korean",
}

Literal = Callable[[random.Random, int], str]


@dataclass(frozen=True)
class KeyColumn:
    """A column of a key.

    Attributes:
        kind: What it is, for the log.
        declaration: Its type.
        literal: Makes a value from a row's number.
        length: How much of it the key takes; 0 for all.
        is_distinct: Whether different numbers make different values.
    """

    kind: str
    declaration: str
    literal: Literal
    length: int = 0
    is_distinct: bool = True


def _columns_by_kind() -> dict[str, Callable[[random.Random], KeyColumn]]:
    def plain(declaration: str, literal: Literal, *, distinct: bool = True) -> Callable[[random.Random], KeyColumn]:
        return lambda _: KeyColumn(declaration, declaration, literal, is_distinct=distinct)

    return {
        "bigint": plain("bigint", lambda _, n: str(-n if n % 2 else n)),
        "int unsigned": plain("int unsigned", lambda _, n: str(4294967295 - n)),
        "bigint unsigned": plain("bigint unsigned", lambda _, n: str(18446744073709551615 - n)),
        "smallint": plain("smallint", lambda _, n: str(n % 65536 - 32768), distinct=False),
        "tinyint": plain("tinyint", lambda _, n: str(n % 7 - 3), distinct=False),
        "decimal": plain("decimal(65,30)", lambda rnd, n: f"{'-' if n % 3 else ''}{n}.{rnd.randrange(10**30):030d}"),
        "float": plain("float", lambda _, n: str(n % 4000 / 4), distinct=False),
        "double": plain("double", lambda _, n: repr(n / 7)),
        "bit": plain("bit(40)", lambda _, n: f"b'{n * 257:b}'"),
        "year": plain("year", lambda _, n: str(1901 + n % 255), distinct=False),
        "date": plain("date", lambda _, n: f"'1800-01-01' + interval {n} day"),
        "datetime": plain("datetime(6)", lambda _, n: f"'1999-12-31 23:59:59.5' + interval {n * 7919} microsecond"),
        "timestamp": plain("timestamp(3)", lambda _, n: f"'2026-03-28 23:00:00' + interval {n} second"),
        "time": plain("time(2)", lambda _, n: f"sec_to_time({n % 100_000} - 50000)", distinct=False),
        "binary": plain("binary(8)", lambda _, n: f"x'{n * 0x9E3779B97F4A7C15 % 2**64:016x}'"),
        "varbinary": plain("varbinary(12)", lambda _, n: f"x'ff{n:08x}{'00' * (n % 3)}'"),
        "enum": _enum,
        "set": _set,
        "char": lambda rnd: _text(rnd, "char"),
        "varchar": lambda rnd: _text(rnd, "varchar"),
        "text prefix": lambda rnd: _text(rnd, "text"),
        "blob prefix": lambda rnd: KeyColumn(
            "blob prefix",
            "blob",
            lambda rnd, n: f"x'{n:08x}{rnd.randbytes(rnd.randrange(60)).hex()}'",
            rnd.choice([4, 9]),
        ),
        "generated": lambda _: KeyColumn(
            "generated", "varchar(20) generated always as (concat('k', n)) stored", lambda _, n: ""
        ),
    }


def _enum(rnd: random.Random) -> KeyColumn:
    labels = ["small", "medium", "large", "rename file", "it''s", "é"]
    rnd.shuffle(labels)
    return KeyColumn(
        "enum",
        f"enum({', '.join(f'{chr(39)}{label}{chr(39)}' for label in labels)})",
        lambda _, n: str(n % 6 + 1),
        0,
        False,
    )


def _set(rnd: random.Random) -> KeyColumn:
    labels = ["c", "a", "drop column", "b"]
    rnd.shuffle(labels)
    return KeyColumn(
        "set", f"set({', '.join(f'{chr(39)}{label}{chr(39)}' for label in labels)})", lambda _, n: str(n % 16), 0, False
    )


def _text(rnd: random.Random, kind: str) -> KeyColumn:
    collation = rnd.choice(list(COLLATIONS))
    letters = _LETTERS[COLLATIONS[collation]]
    declaration = kind if kind == "text" else f"{kind}(40)"
    length = rnd.choice([12, 20]) if kind == "text" or rnd.random() < 0.2 else 0

    def literal(rnd: random.Random, n: int) -> str:
        tail = rnd.choice(letters) * rnd.randrange(4) if length else ""
        # The number stands first where only a prefix counts.
        text = f"{n}{rnd.choice(letters)}{tail}" if length else f"{rnd.choice(letters)}{n}"
        return "'" + text.replace("'", "''") + "'"

    return KeyColumn(
        f"{kind} {collation}{f' prefix {length}' if length else ''}",
        f"{declaration} character set {collation.partition('_')[0]} collate {collation}",
        literal,
        length,
    )


KINDS = _columns_by_kind()


class Tables(dict[str, Table]):
    """The tables of a run, by name.

    Args:
        seed: Of the choice.
        reshards: Whether there are only those that Vitess can reshard; else one is of an engine without transactions.
    """

    def __init__(self, seed: int, *, reshards: bool) -> None:
        rnd = random.Random(seed)  # noqa: S311 - test data
        super().__init__({name: COMMON[name] for name in ALWAYS})
        self.update((name, COMMON[name]) for name in rnd.sample(sorted(COMMON.keys() - {*ALWAYS}), SHARED))
        names = iter(rnd.sample(NAMES, len(NAMES)))
        # Each kind has its turn before one comes again.
        kinds = _shuffled(rnd, [kind for kind in KINDS if not (reshards and kind == "generated")])
        for number in range(OWN if reshards else OWN + 1):
            table = _table(rnd, next(names), kinds, "engine=MyISAM" if number == OWN else "")
            self[table.name] = table

    def __str__(self) -> str:
        """Lists the tables with their keys."""
        return "; ".join(f"{name}: {table.constraint}, {table.columns}" for name, table in self.items())


def _shuffled(rnd: random.Random, kinds: list[str]) -> Iterator[str]:
    return itertools.chain.from_iterable(rnd.sample(kinds, len(kinds)) for _ in itertools.count())


def _table(rnd: random.Random, name: str, kinds: Iterator[str], options: str) -> Table:
    parts = [KINDS[next(kinds)](rnd) for _ in range(rnd.choice([1, 2, 2, 3]))]
    names = rnd.sample(COLUMNS, len(parts))
    columns = {
        **{column: f"{part.declaration} not null{_comment(rnd)}" for column, part in zip(names, parts, strict=True)},
        "home": "int not null",
        "n": f"bigint not null{_comment(rnd)}",
        "label": f"enum('rename file', ', DROP PARTITION p0', 'it''s', 'é'){_comment(rnd)}",
        "v": f"varchar(40){_comment(rnd)}",
    }
    ordered = _order(rnd, columns)
    written = [column for column in ordered if "generated always" not in ordered[column]]
    by_name = dict(zip(names, parts, strict=True))
    # MyISAM has no keys that descend.
    directions = ["", "", "", "" if options else " desc"]
    key = [
        quote(column) + (f"({part.length})" if part.length else "") + rnd.choice(directions)
        for column, part in by_name.items()
    ]
    key.insert(rnd.choice([len(key), len(key), 0]), "home")
    if not any(part.is_distinct and not part.length for part in parts):
        key.append("n")

    def literals(rnd: random.Random, n: int) -> tuple[str, ...]:
        values = {"home": str(n % 40), "n": str(n), "label": str(n % 4 + 1), "v": f"'v{n}'"}
        return tuple(by_name[column].literal(rnd, n) if column in by_name else values[column] for column in written)

    changed = [column for column in names if column in written]

    def rekey(rnd: random.Random, n: int) -> str:
        column = rnd.choice(changed)
        return f"{quote(column)} = {by_name[column].literal(rnd, n + rnd.choice([0, 1, 10**6]))}"

    return Table(
        name,
        ordered,
        f"{rnd.choice(['primary key', 'primary key', 'primary key', 'unique key'])} ({', '.join(key)})",
        "home",
        rnd.choice([200, 500, 900]),
        literals,
        lambda rnd, n: f"label = {n % 4 + 1}, v = {rnd.choice(['null', f'{chr(39)}w{n}{chr(39)}'])}",
        rekey if changed else None,
        options=f"{options} comment '{rnd.choice(NASTY)}'",
    )


def _comment(rnd: random.Random) -> str:
    return rnd.choice(["", f" comment '{rnd.choice(NASTY)}'"])


def _order(rnd: random.Random, columns: dict[str, str]) -> dict[str, str]:
    """Puts columns in any order, what is computed from others last."""
    names = rnd.sample(list(columns), len(columns))
    names.sort(key=lambda name: "generated always" in columns[name])
    return {name: columns[name] for name in names}
