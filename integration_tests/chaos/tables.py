"""The tables that runs have in common, and statements that change them; each run adds some of its own (`keys.py`).

Each table has a number `n` that no other row has, and a sharding column that never changes and is part of the key, so
that no two shards hold the same key. Rows are written as SQL literals.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from instruments.type_matrix import quote

#: Words whose letters are equal under MySQL's usual collation, and differ byte by byte.
_WORDS = ("Straße", "strasse", "STRASSE", "é", "É", "e", "Ångström", "angstrom", "名前", "😀", "a ", "a", "'", "\\")
#: The same for latin1.
_LATIN = ("Straße", "é", "É", "Ångström", "ÿ", "a", "A")

#: How many sharding values there are, where the sharding column is not the key itself.
_HOMES = 40

PARTITIONED = "partitioned"

PARTITIONS = (
    "partition by range (part) (partition p0 values less than (1), partition `drop` values less than (2), "
    "partition p2 values less than (3), partition `rest` values less than maxvalue)"
)


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Its name, unquoted, as all names here.
        columns: The columns that it always has, in order, with their declarations.
        constraint: The end of its CREATE TABLE: keys.
        vindex: The sharding column.
        rows: How many rows it has at the start.
        literals: Makes the values of a new row from its number.
        update: Makes the SET clause of an update that leaves the key alone.
        rekey: Makes the SET clause of one that changes the key of a row, if the key can be changed.
        options: What stands behind its columns: partitions, engine, comment.
    """

    name: str
    columns: dict[str, str]
    constraint: str
    vindex: str
    rows: int
    literals: Callable[[random.Random, int], tuple[str, ...]]
    update: Callable[[random.Random, int], str]
    rekey: Callable[[random.Random, int], str] | None = None
    options: str = ""

    @property
    def create(self) -> str:
        """The statement that creates it."""
        return f"create table {quote(self.name)} {self.definition}"

    @property
    def definition(self) -> str:
        """What stands behind its name in that statement."""
        parts = [f"{quote(name)} {declaration}" for name, declaration in self.columns.items()]
        return f"({', '.join([*parts, *filter(None, [self.constraint])])}) {self.options}"

    @property
    def written(self) -> list[str]:
        """The columns that take values."""
        return [name for name, declaration in self.columns.items() if "generated always" not in declaration]

    @property
    def is_transactional(self) -> bool:
        """Whether its engine has transactions."""
        return "myisam" not in self.options

    @property
    def can_be_replicated(self) -> bool:
        """Whether VReplication, which reshards and online schema changes are made by, keeps its rows.

        It writes in transactions, and loses rows whose key has a computed column (docs/vstream-observations.md).
        """
        return self.is_transactional and len(self.written) == len(self.columns)

    @property
    def is_partitioned(self) -> bool:
        """Whether it has partitions."""
        return "partition by" in self.options

    @property
    def converts(self) -> bool:
        """Whether its text columns can be given another character set: none is in its key, or has a set of its own."""
        return self.name in ("customers", "aliases", "events", PARTITIONED)


def _text(rnd: random.Random, words: tuple[str, ...] = _WORDS, number: object = "") -> str:
    text = f"{rnd.choice(words)}{number}"
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _bytes(rnd: random.Random, length: int) -> str:
    return f"x'{rnd.randbytes(length).hex()}'" if length else "''"


def _home(number: int) -> str:
    return str(number % _HOMES)


COMMON = {
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
            9_000,
            lambda rnd, n: (
                str(n),
                str(n),
                _text(rnd),
                rnd.choice(["null", f"'2024-02-1{n % 10} 10:00:00.{n % 1000000:06d}'"]),
                rnd.choice(["null", "''", f"repeat({_text(rnd)}, {rnd.randrange(40)})"]),
            ),
            lambda rnd, n: (
                f"name = {_text(rnd, number=n)}, note = repeat('n', {int(1.1 ** rnd.randrange(100))}), "
                f"seen = {('seen', 'null', f'{chr(39)}2024-02-1{n % 10} 11:00:00{chr(39)}')[n % 3]}"
            ),
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
        ),
        Table(
            PARTITIONED,
            {"id": "bigint not null", "part": "tinyint not null", "n": "bigint not null", "v": "varchar(30)"},
            "primary key (id, part)",
            "id",
            1500,
            lambda rnd, n: (str(n * 7), str(n % 4), str(n), _text(rnd, number=n)),
            lambda rnd, n: f"v = {_text(rnd, number=n)}",
            options=PARTITIONS,
        ),
    )
}

#: These are in every run; of the others some are.
ALWAYS = ("customers", "events", PARTITIONED)
