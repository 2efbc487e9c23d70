"""Random tables with random values, extremes among them, to find values that come out wrong.

The session that writes has no strict mode, so that whatever MySQL makes of a value is in the table. Left out is what
VTTablet itself is known to change (docs/types.md): binary values in documents, emoji in labels, a 64th SET member.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from instruments.type_matrix import quote

SQL_MODE = "ALLOW_INVALID_DATES"

_WORDS = (
    "select",
    "order",
    "Key",
    "with space",
    "it's",
    'a "b"',
    "per%cent",
    "größe",
    "名前",
    "back\\slash",
    "a.b",
    "#",
)
_ALPHABETS = (
    "abcXYZ 019",
    "'\"\\`%_;,()",
    "\t\n\r\x00\x01\x1a\x1f\x7f",
    "éÄßøčžŁńğİ",
    "ΑωЖыґאשعبىไท",
    "漢字かなﾊﾝ한국",
    "\u2028\ufeff\u200b\u00a0€“”",
    "😀𠀀",
)
_CHARSETS = (
    *("armscii8", "ascii", "big5", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932", "dec8"),
    *("eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u"),
    *("latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis", "utf16"),
    *("utf16le", "utf32", "utf8mb3", "utf8mb4", "latin1", "utf8mb4"),
)
_INTEGERS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}

Expression = Callable[[], str]


@dataclass(frozen=True)
class RandomColumn:
    """A column: its name, its definition, and expressions for it, another one each time."""

    name: str
    definition: str
    expression: Expression


@dataclass(frozen=True)
class RandomTable:
    """A table.

    Attributes:
        name: Unquoted.
        columns: In order, those of the key among them.
        key: `primary`, `unique` or `none`; a key is the first columns.
        key_length: How many columns.
    """

    name: str
    columns: Sequence[RandomColumn]
    key: str
    key_length: int

    def create(self) -> str:
        """Writes CREATE TABLE."""
        parts = [f"{quote(column.name)} {column.definition}" for column in self.columns]
        key = ", ".join(quote(column.name) for column in self.columns[: self.key_length])
        if self.key != "none":
            parts.append(f"{'primary key' if self.key == 'primary' else 'unique key'} ({key})")
        return f"create table {quote(self.name)} ({', '.join(parts)})"

    def insert(self) -> str:
        """Writes an INSERT; a row whose key is there already is left out by MySQL."""
        names = ", ".join(quote(column.name) for column in self.columns)
        values = ", ".join(column.expression() for column in self.columns)
        return f"insert ignore into {quote(self.name)} ({names}) values ({values})"

    def rewrite(self) -> str:
        """Writes an UPDATE that gives every column of a few rows another value, but for the first of the key."""
        changes = [f"{quote(column.name)} = {column.expression()}" for column in self.columns[1:]]
        return f"update ignore {quote(self.name)} set {', '.join(changes)} order by rand() limit 3"


class Generator:
    """Makes tables; the same ones from the same seed.

    Args:
        seed: Of all choices.
        has_vectors: Whether the server has the type VECTOR, as MySQL from 9.0 on.
    """

    def __init__(self, seed: int, *, has_vectors: bool) -> None:
        self._random = random.Random(seed)  # noqa: S311 - test data
        self._has_vectors = has_vectors
        self._number = 0

    def table(self, name: str) -> RandomTable:
        """Makes a table."""
        rnd = self._random
        columns = []
        key = rnd.choice(["primary", "primary", "primary", "unique", "none"])
        key_length = 0 if key == "none" else rnd.choice([1, 1, 2])
        if key != "none":
            columns.append(self._first_of_key())
            columns += [self._column(1, in_key=True) for _ in range(key_length - 1)]
        else:
            # VTTablet does not send a row of NULLs only, which a table without a key can have (docs/types.md).
            columns.append(RandomColumn("n", "tinyint not null", lambda: str(rnd.randint(-9, 9))))
        columns += [
            self._column(number, keyless=key == "none")
            for number in range(len(columns), len(columns) + rnd.randint(2, 9))
        ]
        return RandomTable(name, columns, key, key_length)

    def _first_of_key(self) -> RandomColumn:
        """Makes a column of many types whose values are all different."""

        def next_number() -> int:
            self._number += 1
            return self._number

        definition, expression = self._random.choice(
            [
                ("bigint", lambda: str(self._random.choice([1, -1]) * next_number())),
                ("int unsigned", lambda: str(4294967295 - next_number())),
                ("bigint unsigned", lambda: str(18446744073709551615 - next_number())),
                ("varchar(30)", lambda: f"'Ké{next_number()}'"),
                ("varchar(30) character set latin1", lambda: f"'é{next_number()}'"),
                ("char(20) collate utf8mb4_bin", lambda: f"'ü{next_number()}'"),
                ("varbinary(9)", lambda: f"x'ff{next_number():08x}00'"),
                ("binary(8)", lambda: f"x'{next_number():08x}'"),
                ("decimal(20,3)", lambda: f"{next_number()}.5"),
                ("datetime(6)", lambda: f"'2026-01-01 00:00:00' + interval {next_number()} microsecond"),
                ("date", lambda: f"'1900-01-01' + interval {next_number()} day"),
                ("bit(40)", lambda: f"b'{next_number():b}'"),
            ]
        )
        return RandomColumn("id", f"{definition} not null", expression)

    def _column(self, number: int, *, in_key: bool = False, keyless: bool = False) -> RandomColumn:
        rnd = self._random
        makers = [self._integer, self._decimal, self._text, self._binary, self._moment, self._bit]
        if not in_key:
            # Without a key, the delete of a copied row with a FLOAT is of other digits than the row.
            makers += [
                self._text if keyless else self._float,
                self._text,
                self._large_text,
                self._label,
                self._labels,
                self._document,
            ]
            makers += [self._blob, self._geometry, *([self._vector] if self._has_vectors else []), self._time]
        definition, expression = rnd.choice(makers)()
        name = f"{rnd.choice(_WORDS)}{number}"
        if in_key:
            return RandomColumn(name, f"{definition} not null", expression)
        nullable = rnd.random() < 0.8
        invisible = " invisible" if rnd.random() < 0.1 else ""
        if not nullable:
            return RandomColumn(name, f"{definition} not null{invisible}", expression)
        return RandomColumn(
            name, f"{definition} null{invisible}", lambda: "null" if rnd.random() < 0.15 else expression()
        )

    def _integer(self) -> tuple[str, Expression]:
        rnd = self._random
        kind = rnd.choice([*_INTEGERS, "tinyint(1)", "year"])
        if kind == "year":
            return kind, lambda: str(rnd.choice([0, 1901, 2155, rnd.randint(1901, 2155)]))
        bits = _INTEGERS[kind.partition("(")[0]]
        unsigned = kind != "tinyint(1)" and rnd.random() < 0.4
        low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        form = rnd.choice([" unsigned", " unsigned", " zerofill"]) if unsigned else ""
        return kind + form, lambda: str(rnd.choice([low, high, 0, rnd.randint(low, high), rnd.randint(0, 99)]))

    def _decimal(self) -> tuple[str, Expression]:
        rnd = self._random
        precision = rnd.choice([1, 9, 10, 18, 27, 30, 65, rnd.randint(1, 65)])
        scale = rnd.randint(0, min(30, precision))

        def expression() -> str:
            digits = "".join(rnd.choice("0000123456789") for _ in range(rnd.randint(1, precision)))
            whole, fraction = digits[: max(1, len(digits) - scale)], digits[max(1, len(digits) - scale) :]
            return f"{rnd.choice(['', '-'])}{whole}{'.' + fraction if fraction else ''}"

        return f"decimal({precision},{scale}){rnd.choice(['', '', ' zerofill'])}", expression

    def _float(self) -> tuple[str, Expression]:
        rnd = self._random

        def any_double() -> str:
            number = struct.unpack("<d", rnd.randbytes(8))[0]
            return repr(number) if number - number == 0 else "1e308"

        def any_single() -> str:
            number = struct.unpack("<f", rnd.randbytes(4))[0]
            return repr(number) if number - number == 0 else "-1e-38"

        def small() -> str:
            return rnd.choice(["0", "-0e0", "0.1", "-1.5", "16777217", "1e-7", f"{rnd.uniform(-1000, 1000)}"])

        kind, any_of = rnd.choice([("float", any_single), ("double", any_double)])
        return rnd.choice(
            [
                (kind, lambda: rnd.choice([any_of, small])()),
                (f"{kind}({rnd.randint(8, 15)},{rnd.randint(0, 7)})", small),
            ]
        )

    def _characters(self, length: int) -> str:
        rnd = self._random
        alphabet = rnd.choice(_ALPHABETS) + rnd.choice(_ALPHABETS)
        return "".join(rnd.choice(alphabet) for _ in range(rnd.randint(0, length)))

    def _text(self) -> tuple[str, Expression]:
        rnd = self._random
        length = rnd.choice([1, 10, 40, 63, 64, 200])
        kind = rnd.choice(["char", "varchar", "varchar"])
        form = self._charset()
        return f"{kind}({length}){form}", lambda: _sql_text(self._characters(length))

    def _large_text(self) -> tuple[str, Expression]:
        rnd = self._random
        kind = rnd.choice(["tinytext", "text", "mediumtext", "longtext"])
        repeat = 1 if kind == "tinytext" else rnd.choice([1, 1, 300])
        return kind + self._charset(), lambda: f"repeat({_sql_text(self._characters(40))}, {rnd.randint(0, repeat)})"

    def _charset(self) -> str:
        rnd = self._random
        charset = rnd.choice(_CHARSETS)
        collation = f" collate {charset}_bin" if rnd.random() < 0.3 else ""
        return rnd.choice(["", f" character set {charset}{collation}"])

    def _binary(self) -> tuple[str, Expression]:
        rnd = self._random
        length = rnd.choice([1, 16, 64, 255])
        return (
            f"{rnd.choice(['binary', 'varbinary'])}({length})",
            lambda: f"x'{rnd.randbytes(rnd.randint(0, length)).hex()}'",
        )

    def _blob(self) -> tuple[str, Expression]:
        rnd = self._random
        kind = rnd.choice(["tinyblob", "blob", "mediumblob", "longblob"])
        return kind, lambda: f"x'{rnd.randbytes(rnd.choice([0, 1, 63, 64, 255])).hex()}'"

    def _bit(self) -> tuple[str, Expression]:
        rnd = self._random
        bits = rnd.choice([1, 2, 8, 9, 63, 64, rnd.randint(1, 64)])
        return f"bit({bits})", lambda: f"b'{rnd.choice([0, 2**bits - 1, rnd.getrandbits(bits)]):b}'"

    def _day(self) -> str:
        rnd = self._random
        year = rnd.choice([0, 1, 1000, 1582, 1969, 1970, 2000, 2026, 2038, 9999])
        return f"{year:04d}-{rnd.choice([0, 1, 2, 6, 12]):02d}-{rnd.choice([0, 1, 28, 29, 30, 31]):02d}"

    def _moment(self) -> tuple[str, Expression]:
        rnd = self._random
        kind = rnd.choice(["date", "datetime", "timestamp"])
        if kind == "date":
            return kind, lambda: f"'{self._day()}'"
        digits = rnd.randint(0, 6)

        def clock() -> str:
            fraction = rnd.choice([0, 1, 500000, 999999, rnd.randint(0, 999999)])
            return f"{rnd.choice([0, 2, 23]):02d}:{rnd.randint(0, 59):02d}:{rnd.randint(0, 59):02d}.{fraction:06d}"

        return f"{kind}({digits})", lambda: f"'{self._day()} {clock()}'"

    def _time(self) -> tuple[str, Expression]:
        rnd = self._random
        return (
            f"time({rnd.randint(0, 6)})",
            lambda: (
                f"'{rnd.choice(['', '-'])}{rnd.choice([0, 1, 24, 99, 100, 838]):02d}:{rnd.randint(0, 59):02d}:"
                f"{rnd.randint(0, 59):02d}.{rnd.choice([0, 1, 500000, 999999]):06d}'"
            ),
        )

    def _members(self, most: int) -> list[str]:
        rnd = self._random
        odd = ["a b", "it''s", "2", "1", "0", r"back\\slash", "é", "ü,ö".replace(",", ";"), "(x)", '"', "x y"]
        return [*rnd.sample(odd, rnd.randint(1, len(odd))), *(f"m{number}" for number in range(rnd.randint(1, most)))]

    def _label(self) -> tuple[str, Expression]:
        rnd = self._random
        members = self._members(rnd.choice([5, 300]))
        definition = "enum(" + ", ".join(f"'{member}'" for member in members) + ")" + rnd.choice(["", _LATIN1, _BIN])
        return definition, lambda: str(rnd.randint(1, len(members)))

    def _labels(self) -> tuple[str, Expression]:
        rnd = self._random
        members = self._members(50)
        definition = "set(" + ", ".join(f"'{member}'" for member in members) + ")" + rnd.choice(["", _LATIN1, _BIN])
        return definition, lambda: str(rnd.getrandbits(len(members)))

    def _document(self) -> tuple[str, Expression]:
        return "json", lambda: _sql_text(json.dumps(self._node(3), ensure_ascii=self._random.random() < 0.5))

    def _node(self, depth: int) -> object:
        rnd = self._random
        numbers = [0, -1, 2**63 - 1, -(2**63), 2**64 - 1, 0.1, 1e100, -1.5, 1e-7, 123456.789]
        leaves = [None, True, False, *numbers, self._characters(12), ""]
        if depth == 0 or rnd.random() < 0.3:
            return rnd.choice(leaves)
        children = [self._node(depth - 1) for _ in range(rnd.randint(0, 4))]
        if rnd.random() < 0.5:
            return children
        return {self._characters(6) + str(number): child for number, child in enumerate(children)}

    def _geometry(self) -> tuple[str, Expression]:
        rnd = self._random

        def point() -> str:
            return f"{rnd.uniform(-80, 80)} {rnd.choice([0, -0.0, 1e-300, rnd.uniform(-80, 80)])}"

        return rnd.choice(
            ["geometry", "point"]
        ), lambda: f"st_geomfromtext('point({point()})'{rnd.choice(['', ', 4326', ', 3857'])})"

    def _vector(self) -> tuple[str, Expression]:
        rnd = self._random
        size = rnd.choice([1, 3, 300])

        def expression() -> str:
            numbers = [struct.unpack("<f", rnd.randbytes(4))[0] for _ in range(rnd.randint(1, size))]
            finite = [number if number - number == 0 else 0.5 for number in numbers]
            return f"x'{struct.pack(f'<{len(finite)}f', *finite).hex()}'"

        return f"vector({size})", expression


_LATIN1 = " character set latin1"
_BIN = " collate utf8mb4_bin"


def _sql_text(text: str) -> str:
    return f"convert(x'{text.encode().hex()}' using utf8mb4)" if text else "''"
