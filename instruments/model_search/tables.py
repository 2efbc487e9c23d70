"""The tables that schedules are about: each has something that was taken for granted once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from instruments.scripted_vtgate.model.cluster import Cluster
from instruments.scripted_vtgate.model.values import Given

#: Rows are numbered; so many numbers there are.
ROWS = 9

_WORDS = ("b", "A", "d", "C", "f", "E", "h", "G", "i")
_SIZES = ("small", "medium", "large")


@dataclass(frozen=True)
class Shape:
    """A kind of table.

    Attributes:
        columns: Its declaration.
        key: Its primary key.
        unique: Its unique keys.
        engine: Its storage engine.
        sharded_by: The column that decides where a row belongs.
        identity: The columns that tell its rows apart; empty for none.
    """

    columns: Mapping[str, str]
    key: tuple[str, ...]
    sharded_by: str
    identity: tuple[str, ...]
    unique: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    engine: str = "InnoDB"

    def keys(self, number: int) -> dict[str, Given]:
        """Returns what identifies the row of a number."""
        values: dict[str, Given] = {
            "id": number,
            "a": number,
            "g": ROWS + number,
            "b": ROWS - number,
            "c": (number * 4) % (ROWS + 2),
            "k": _WORDS[number % ROWS],
            "size": _SIZES[number % 3],
        }
        return {column: values[column] for column in self.identity or ("a",)}

    def row(self, number: int, value: int) -> dict[str, Given]:
        """Returns a whole row."""
        row = dict(self.keys(number))
        if "c" in self.columns:
            row["c"] = (number * 4) % (ROWS + 2)
        row["v"] = value
        return row


#: By the letter that names the table.
SHAPES = {
    "t": Shape({"id": "bigint", "v": "int"}, ("id",), "id", ("id",)),
    "u": Shape({"id": "bigint", "v": "int"}, ("id",), "id", ("id",)),
    "p": Shape({"g": "int not null", "b": "int not null", "v": "int"}, ("g", "b"), "g", ("g", "b")),
    "s": Shape({"k": "varchar(10)", "v": "int"}, ("k",), "k", ("k",)),
    "e": Shape(
        {"size": "enum('small','medium','large')", "id": "int", "v": "int"}, ("size", "id"), "id", ("size", "id")
    ),
    "q": Shape({"a": "bigint not null", "c": "smallint not null", "v": "int"}, (), "a", ("a",), {"a_key": ("a",)}),
    "f": Shape({"id": "bigint", "v": "int"}, ("id",), "id", ("id",)),
    "n": Shape({"a": "int not null", "v": "int"}, (), "a", ()),
    "m": Shape({"id": "bigint", "v": "int"}, ("id",), "id", ("id",), engine="MyISAM"),
}

#: Which tables a schedule has, by its first number.
SETS = ("t", "tu", "tp", "ts", "te", "tq", "tn", "tu", "tf", "tm")

#: The table whose stream is a full refresh that overwrites.
FULL_REFRESH = "f"


def create(cluster: Cluster, names: str) -> None:
    """Makes the tables."""
    for name in names:
        shape = SHAPES[name]
        cluster.create_table(name, shape.columns, key=shape.key, unique=shape.unique, engine=shape.engine)
        cluster.sharded_by[name] = shape.sharded_by
