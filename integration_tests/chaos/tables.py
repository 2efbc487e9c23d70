"""The tables of a run: every kind of key that a copy may have to go on after, and statements that change them.

Each table has a number `n` that no other row has, and a sharding column that never changes and is part of the key, so
that no two shards hold the same key. Rows are written as SQL literals.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

#: Words whose letters are equal under MySQL's usual collation, and differ byte by byte.
_WORDS = ("Straße", "strasse", "STRASSE", "é", "É", "e", "Ångström", "angstrom", "名前", "😀", "a ", "a", "'", "\\")
#: The same for latin1.
_LATIN = ("Straße", "é", "É", "Ångström", "ÿ", "a", "A")

#: How many sharding values there are, where the sharding column is not the key itself.
_HOMES = 40


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Its name.
        columns: The columns that it always has, in order, with their declarations.
        constraint: The end of its CREATE TABLE: keys.
        vindex: The sharding column.
        rows: How many rows it has at the start.
        literals: Makes the values of a new row from its number.
        update: Makes the SET clause of an update that leaves the key alone.
        rekey: Makes the SET clause of one that changes the key of a row, if the key can be changed.
        has_key: Whether repeated records can be told from equal rows.
    """

    name: str
    columns: dict[str, str]
    constraint: str
    vindex: str
    rows: int
    literals: Callable[[random.Random, int], tuple[str, ...]]
    update: Callable[[random.Random, int], str]
    rekey: Callable[[random.Random, int], str] | None = None
    has_key: bool = True

    @property
    def create(self) -> str:
        """The statement that creates it."""
        parts = [f"{name} {declaration}" for name, declaration in self.columns.items()]
        return f"create table {self.name} ({', '.join([*parts, *filter(None, [self.constraint])])})"


def _text(rnd: random.Random, words: tuple[str, ...] = _WORDS, number: object = "") -> str:
    text = f"{rnd.choice(words)}{number}"
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _bytes(rnd: random.Random, length: int) -> str:
    return f"x'{rnd.randbytes(length).hex()}'" if length else "''"


def _home(number: int) -> str:
    return str(number % _HOMES)


TABLES = {
    table.name: table
    for table in (
        Table(
            "customers",
            {
                "id": "bigint unsigned not null",
                "n": "bigint not null",
                "name": "varchar(60)",
                "seen": "timestamp(6) null",
                "note": "mediumtext",
            },
            "primary key (id)",
            "id",
            15_000,
            lambda rnd, n: (
                str(n),
                str(n),
                _text(rnd),
                rnd.choice(["null", f"'2024-02-1{n % 10} 10:00:00.{n % 1000000:06d}'"]),
                rnd.choice(["null", "''", f"repeat({_text(rnd)}, {rnd.randrange(40)})"]),
            ),
            lambda rnd, n: f"name = {_text(rnd, number=n)}, note = repeat('n', {int(1.1 ** rnd.randrange(100))})",
        ),
        Table(
            "order_items",
            {
                "line": "smallint not null",
                "order_id": "bigint not null",
                "n": "bigint not null",
                "sku": "varbinary(16) not null",
                "price": "decimal(12,2)",
            },
            "primary key (line, order_id)",
            "order_id",
            4000,
            lambda rnd, n: (str(n % 3), str(n // 3), str(n), _bytes(rnd, n % 16), f"{rnd.randint(-9999, 9999) / 100}"),
            lambda rnd, n: f"price = {rnd.choice(['null', str(n / 4)])}",
            lambda rnd, _: f"line = line + {rnd.randint(3, 90)}",
        ),
        Table(
            "codes",
            {
                "code": "varchar(40) character set utf8mb4 collate utf8mb4_0900_ai_ci not null",
                "home": "int not null",
                "n": "bigint not null",
                "kind": "enum('in','out','é')",
                "flags": "set('a','b','c')",
            },
            "primary key (code, home)",
            "home",
            2000,
            lambda rnd, n: (_text(rnd, number=n), _home(n), str(n), "'é'", rnd.choice(["''", "'a,c'", "null"])),
            lambda rnd, _: f"kind = {rnd.choice(['null', '1', '2', '3'])}, flags = 'b'",
            lambda rnd, _: rnd.choice(["code = upper(code)", "code = lower(code)", "code = concat('z', code)"]),
        ),
        Table(
            "digests",
            {"id": "binary(8) not null", "n": "bigint not null", "bits": "bit(9)", "body": "blob", "doc": "json"},
            "primary key (id)",
            "id",
            2000,
            lambda rnd, n: (
                # Bytes that are no text in any character set, in every place; MySQL compares them as they are.
                f"x'{(n * 0x9E3779B97F4A7C15 % 2**64):016x}'",
                str(n),
                f"{n % 512}",
                rnd.choice(["null", _bytes(rnd, rnd.randrange(60))]),
                f'\'{{"n": {n}, "x": [1.50, null, "é"]}}\'',
            ),
            lambda rnd, n: f"body = {_bytes(rnd, rnd.randrange(30))}, doc = '[{n}]'",
        ),
        Table(
            "words",
            {
                "word": "varchar(30) character set latin1 collate latin1_swedish_ci not null",
                "home": "int not null",
                "n": "bigint not null",
                "shown": "char(10) character set cp1251",
            },
            "primary key (word, home)",
            "home",
            2000,
            lambda rnd, n: (_text(rnd, _LATIN, n), _home(n), str(n), rnd.choice(["null", "'Привет'"])),
            lambda rnd, _: f"shown = {rnd.choice(['null', _text(rnd, ('мир', 'Ж', ''))])}",
            lambda rnd, _: rnd.choice(["word = upper(word)", "word = concat(word, 'ß')"]),
        ),
        Table(
            "rates",
            {
                "rate": "decimal(30,12) not null",
                "home": "int not null",
                "n": "bigint not null",
                "f": "float",
                "d": "double",
                "at": "datetime(3)",
            },
            "primary key (rate, home)",
            "home",
            2000,
            lambda rnd, n: (
                f"{'-' if n % 2 else ''}{n}.{rnd.randrange(10**12):012d}",
                _home(n),
                str(n),
                repr(rnd.choice([0.1, -1e20, 0.5, n % 1000 / 4])),
                repr(rnd.choice([0.1, 1e300, -1 / 3, n / 7])),
                f"'2025-12-31 23:59:5{n % 10}.{n % 1000:03d}'",
            ),
            lambda rnd, n: f"d = {rnd.random()!r}, f = {n % 1000}",
            lambda rnd, _: f"rate = rate + {rnd.choice(['0.000000000001', '1000000', '-0.5'])}",
        ),
        Table(
            "aliases",
            {"x": "int not null", "n": "bigint not null", "v": "varchar(20)"},
            "unique key (x)",
            "x",
            1000,
            lambda rnd, n: (str(n), str(n), _text(rnd)),
            lambda rnd, _: f"v = {_text(rnd)}",
        ),
        Table(
            "events",
            {"home": "int not null", "n": "bigint not null", "kind": "varchar(10)", "at": "time(3)"},
            "",
            "home",
            1000,
            lambda rnd, n: (_home(n), str(n // 2), _text(rnd), f"'-{n % 800}:10:00.5'"),
            lambda rnd, _: f"kind = {_text(rnd)}",
            has_key=False,
        ),
    )
}

#: Types of the columns that come and go, with other types that they are changed to.
EXTRA_TYPES = {
    "int default 7": ("bigint default 7", "varchar(30)"),
    "varchar(30) default 'x'": ("varchar(200)", "varchar(30) character set latin1"),
    "decimal(9,3) default 1.5": ("decimal(12,3)", "double"),
    "datetime null": ("datetime(6) null",),
    "json": ("longtext",),
    "tinyint(1) not null default 1": ("smallint not null default 2",),
}


@dataclass
class Schema:
    """The columns that tables have beside those they always have.

    Attributes:
        extras: By table: the extra columns and their declarations.
    """

    extras: dict[str, dict[str, str]] = field(default_factory=lambda: {name: {} for name in TABLES})
    _names: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def new_name(self) -> str:
        """Returns a name that no column had before."""
        return f"x{next(self._names)}"

    def columns(self, table: str) -> list[str]:
        """Lists a table's columns."""
        return [*TABLES[table].columns, *self.extras[table]]
