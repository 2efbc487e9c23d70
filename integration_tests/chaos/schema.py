"""The columns that come and go, beside those that a table always has."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from integration_tests.chaos.tables import Table


@dataclass(frozen=True)
class Extra:
    """A type of an extra column.

    Attributes:
        changes: What it can be changed to. Some hold all of its values, some do not, some are another type to Airbyte.
        literal: Makes a value; empty for a column that is computed.
    """

    changes: tuple[str, ...]
    literal: Callable[[random.Random], str]


def _fraction(rnd: random.Random) -> str:
    return f"{rnd.randrange(10**6) / 1000}"


def _moment(rnd: random.Random) -> str:
    return f"'2024-02-29 23:59:59.{rnd.randrange(10**6):06d}'"


def _word(rnd: random.Random) -> str:
    return rnd.choice(["'x'", "'Straße'", "'名前'", "'a, drop column n'", "repeat('y', 28)"])


#: By declaration. What has a default gives a value to rows that are there already.
EXTRAS: Mapping[str, Extra] = {
    "int default 7": Extra(("bigint default 7", "varchar(30)", "tinyint"), lambda rnd: str(rnd.randrange(120))),
    "int": Extra(("bigint", "int not null"), lambda rnd: str(rnd.randrange(99999))),
    "varchar(30) default 'x'": Extra(("varchar(200)", "varchar(3)", "varchar(30) character set latin1"), _word),
    "varchar(30)": Extra(("varchar(31)", "text", "char(30)"), _word),
    "decimal(9,3) default 1.5": Extra(("decimal(12,3)", "decimal(12,1)", "double"), _fraction),
    "decimal(9,3)": Extra(("decimal(9,2)", "decimal(10,4)"), _fraction),
    "datetime null": Extra(("datetime(6) null",), _moment),
    "datetime(6) null": Extra(("datetime(2) null", "datetime null"), _moment),
    "json": Extra(("longtext",), lambda rnd: f"'[{rnd.randrange(99)}]'"),
    "tinyint(1) not null default 1": Extra(("smallint not null default 2",), lambda rnd: rnd.choice("01")),
    "enum('x','rename_file','drop')": Extra(
        ("enum('x','rename_file','drop','y')", "varchar(20)"),
        lambda rnd: rnd.choice(["'x'", "'rename_file'", "'drop'"]),
    ),
    "set('a','drop')": Extra(("set('a','drop','c')",), lambda rnd: rnd.choice(["'a'", "'a,drop'", "''"])),
    "bigint generated always as (n + 1) stored": Extra(("bigint generated always as (n + 2) stored",), lambda rnd: ""),
    "bigint generated always as (n * 3) virtual": Extra(
        ("bigint generated always as (n * 4) virtual",), lambda rnd: ""
    ),
}


def literal(declaration: str, rnd: random.Random) -> str:
    """Makes a value for a column of any declaration that it may have come to; empty for a column that is computed."""
    if "generated always" in declaration:
        return ""
    for first, extra in EXTRAS.items():
        if declaration in (first, *extra.changes):
            return extra.literal(rnd)
    return "null"


@dataclass
class Schema:
    """The columns that tables have beside those they always have.

    Attributes:
        tables: The tables.
        extras: By table: the extra columns and their declarations.
    """

    tables: Mapping[str, Table]
    extras: dict[str, dict[str, str]] = field(default_factory=dict)
    _names: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.extras = {name: {} for name in self.tables}

    def new_name(self) -> str:
        """Returns a name that no column had before."""
        number = next(self._names)
        return ("x{}", "drop {}", "Add{}", "é{}", "rename to {}")[number % 5].format(number)

    def columns(self, table: str) -> list[str]:
        """Lists a table's columns."""
        return [*self.tables[table].columns, *self.extras[table]]

    def written(self, table: str) -> list[str]:
        """Lists a table's columns that take values."""
        computed = [name for name, declaration in self.extras[table].items() if "generated always" in declaration]
        return [*self.tables[table].written, *(name for name in self.extras[table] if name not in computed)]
