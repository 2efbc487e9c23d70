"""Tables of the model: columns, keys, the order of a copy, and `lastpk`, how far a copy has come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from instruments.scripted_vtgate.model import values
from instruments.scripted_vtgate.model.values import Given, Value
from instruments.scripted_vtgate.wire import (
    ColumnType,
    field_of,
    parse_column_type,
    row_of,
    values_of,
)
from source_vitess.proto import query_pb2

#: Engines whose changes are no part of a transaction.
_UNTRANSACTIONAL = ("MyISAM", "MEMORY", "CSV", "ARCHIVE")

_NUMBERS = (query_pb2.INT64, query_pb2.UINT64)

#: go/vt/mysqlctl/schema.go; other types cost 1000.
_TYPE_COSTS = {
    "enum": 0,
    "tinyint": 1,
    "year": 2,
    "smallint": 3,
    "date": 4,
    "mediumint": 5,
    "time": 6,
    "int": 7,
    "set": 8,
    "timestamp": 9,
    "bigint": 10,
    "float": 11,
    "double": 12,
    "decimal": 13,
    "datetime": 14,
    "binary": 30,
    "char": 31,
    "varbinary": 60,
    "varchar": 61,
    "tinyblob": 80,
    "tinytext": 81,
}

#: A row: values in the order of the columns.
Row = tuple[Value, ...]


@dataclass(frozen=True)
class Table:
    """A table's definition. Every change of it makes a new one with another `table_id`, as in MySQL.

    Attributes:
        name: Its name.
        columns: Types by name, in order.
        key: The primary key's columns, empty without one.
        unique: The other unique keys by name.
        table_id: Changes with the definition; FIELD comes again when it does.
        comment: The table comment; sequences have `vitess_sequence`.
        view: It is a view.
        engine: Its storage engine.
        cascades: A foreign key deletes its rows with those of another table. The model does not: it is said only.
    """

    name: str
    columns: Mapping[str, ColumnType]
    key: tuple[str, ...] = ()
    unique: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    table_id: int = 0
    comment: str = ""
    view: bool = False
    engine: str = "InnoDB"
    cascades: bool = False

    @classmethod
    def declare(
        cls,
        name: str,
        columns: Mapping[str, str],
        *,
        key: Iterable[str] = (),
        unique: Mapping[str, Sequence[str]] | None = None,
        comment: str = "",
        view: bool = False,
        engine: str = "InnoDB",
        cascades: bool = False,
    ) -> Table:
        """Makes a table from declarations such as `{"id": "bigint", "name": "varchar(20) not null"}`."""
        keys = tuple(key)
        parsed = {column: parse_column_type(text) for column, text in columns.items()}
        for column in keys:
            parsed[column] = replace(parsed[column], not_null=True)
        return cls(
            name,
            parsed,
            keys,
            {index: tuple(names) for index, names in (unique or {}).items()},
            comment=comment,
            view=view,
            engine=engine,
            cascades=cascades,
        )

    @property
    def has_transactions(self) -> bool:
        """Whether its engine has transactions."""
        return self.engine not in _UNTRANSACTIONAL

    @cached_property
    def copy_key(self) -> tuple[str, ...]:
        """What a copy is ordered by: the primary key, the cheapest unique key without NULLs, else all columns.

        The costs are those of the columns' types; between equal ones MySQL's order decides, here the key's name
        (go/vt/mysqlctl/schema.go, GetPrimaryKeyEquivalentColumns).
        """
        if self.key:
            return self.key
        fit = [
            (sum(_TYPE_COSTS.get(self.columns[name].name, 1000) for name in names), len(names), index, names)
            for index, names in self.unique.items()
            if all(self.columns[name].not_null for name in names)
        ]
        return min(fit)[-1] if fit else tuple(self.columns)

    @cached_property
    def _copy_key_indexes(self) -> tuple[int, ...]:
        names = list(self.columns)
        return tuple(names.index(name) for name in self.copy_key)

    def row(self, given: Mapping[str, Given]) -> Row:
        """Makes a row; columns that are not given are NULL.

        Raises:
            ValueError: A column is unknown, or NULL where it must not be.
        """
        unknown = given.keys() - self.columns.keys()
        if unknown:
            raise ValueError(f"table {self.name} has no columns {sorted(unknown)}")
        made = tuple(values.normalize(column, given.get(name)) for name, column in self.columns.items())
        for (name, column), value in zip(self.columns.items(), made, strict=True):
            if value is None and column.not_null:
                raise ValueError(f"{self.name}.{name} is NOT NULL")
        return made

    def as_mapping(self, row: Row) -> dict[str, Value]:
        """Returns the row's values by column."""
        return dict(zip(self.columns, row, strict=True))

    def identity(self, row: Row) -> Row:
        """Returns what tells rows apart: the primary key, or all values."""
        names = self.key or tuple(self.columns)
        mapping = self.as_mapping(row)
        return tuple(mapping[name] for name in names)

    def sort_key(self, row: Row) -> tuple[tuple[bool, object], ...]:
        """Returns what orders rows in a copy, NULLs first; ENUM and SET by their numbers."""
        types = list(self.columns.values())
        return tuple(_comparable(types[index], row[index]) for index in self._copy_key_indexes)

    def fields(self, database: str) -> list[query_pb2.Field]:
        """Returns the columns as a FIELD event has them."""
        return [
            field_of(name, column, table=self.name, database=database, primary_key=name in self.key)
            for name, column in self.columns.items()
        ]

    @property
    def has_enum_or_set(self) -> bool:
        """Whether a FIELD event of the change stream announces ENUM and SET as text."""
        return any(column.name in ("enum", "set") for column in self.columns.values())

    def copied(self, row: Row) -> query_pb2.Row:
        """Returns a row as a copy writes it."""
        pairs = zip(self.columns.values(), row, strict=True)
        return row_of([values.copied(column, value) for column, value in pairs])

    def changed(self, row: Row) -> query_pb2.Row:
        """Returns a row as the change stream writes it."""
        pairs = zip(self.columns.values(), row, strict=True)
        return row_of([values.changed(column, value) for column, value in pairs])

    def lastpk(self, row: Row) -> bytes:
        """Returns a query.QueryResult of the row's key, as VTGate puts into `table_p_ks`."""
        mapping = self.as_mapping(row)
        result = query_pb2.QueryResult()
        for name in self.copy_key:
            full = field_of(name, self.columns[name], primary_key=name in self.key)
            result.fields.add(name=name, type=full.type, charset=full.charset, flags=full.flags)
        result.rows.append(row_of([values.copied(self.columns[name], mapping[name]) for name in self.copy_key]))
        return result.SerializeToString()

    def rows_after(self, rows: Iterable[Row], lastpk: bytes) -> list[Row]:
        """Returns the rows that a copy resumed at `lastpk` still has to read, in order.

        A NULL in `lastpk` lets nothing through, since nothing compares as greater than NULL: the reason why copies
        of tables without a key cannot be resumed. The values are taken by position, whatever their names are; rows
        are ordered as MySQL orders them, ENUM and SET by their numbers, and compared as text with what is in `lastpk`
        (go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go, buildSelect).

        Raises:
            LastPkError: The bytes are not such a position of this table.
        """
        ordered = sorted(rows, key=self.sort_key)
        if not lastpk:
            return ordered
        kinds, key = read_lastpk(self.name, lastpk)
        texts = values_of(key)
        if len(texts) != len(self.copy_key):
            # The text is of go/vt/vttablet/tabletserver/vstreamer/rowstreamer.go.
            raise LastPkError(f"primary key values don't match length: {texts} vs {list(self.copy_key)}")
        types = list(self.columns.values())
        places = [(index, types[index]) for index in self._copy_key_indexes]
        bounds = []
        for (_, column), kind, text in zip(places, kinds, texts, strict=True):
            if text is None:
                return []
            bounds.append(_bound(column, kind, text))

        def is_after(row: Row) -> bool:
            for (index, column), kind, bound in zip(places, kinds, bounds, strict=True):
                value = _compared(column, kind, row[index])
                if value != bound:
                    return value > bound
            return False

        return [row for row in ordered if is_after(row)]


class LastPkError(ValueError):
    """A `lastpk` is not usable; the message is Vitess'."""


def read_lastpk(table: str, lastpk: bytes) -> tuple[list[query_pb2.Type], query_pb2.Row]:
    """Returns the types and the key in a query.QueryResult.

    Raises:
        LastPkError: It has no fields or no row.
    """
    result = query_pb2.QueryResult.FromString(lastpk)
    if not result.fields:
        raise LastPkError(f"lastpk for table {table} has no fields defined")  # uvstreamer.go buildTablePlan
    if not result.rows:
        raise LastPkError(f"lastpk for table {table} has no row")
    return [field.type for field in result.fields], result.rows[0]


def _decoded(column: ColumnType, text: bytes) -> Given:
    if column.name == "bit":
        return int.from_bytes(text, "big")
    return text if column.name in ("binary", "varbinary", "blob") else text.decode()


def _bound(column: ColumnType, kind: query_pb2.Type, text: bytes) -> tuple[bool, Any]:
    """Returns a literal as MySQL compares it: ENUM and SET with numbers or labels, FLOAT with six digits."""
    if column.name in ("enum", "set"):
        return True, int(text) if kind in _NUMBERS else text.decode().casefold()
    if column.name == "float":
        return True, float(text)
    return _comparable(column, _read(column, text))


def _read(column: ColumnType, text: bytes) -> Value:
    """Returns a value of `lastpk` as MySQL compares it with a column, which may be of another type by now."""
    try:
        return values.normalize(column, _decoded(column, text))
    except (ValueError, ArithmeticError):
        return 0  # MySQL makes a number of any text


def _compared(column: ColumnType, kind: query_pb2.Type, value: Value) -> tuple[bool, Any]:
    """Returns a row's value as MySQL compares it with a literal."""
    if value is not None and column.name in ("enum", "set") and kind not in _NUMBERS:
        return True, str(value).casefold()
    return _comparable(column, value)


def _number(column: ColumnType, value: Value) -> int:
    """Returns the number of a label, or the bitmap of a set."""
    labels = str(value).split(",") if column.name == "set" else [str(value)]
    places = [column.args.index(label) for label in labels if label in column.args]
    return sum(1 << place for place in places) if column.name == "set" else sum(place + 1 for place in places)


def _comparable(column: ColumnType, value: Value) -> tuple[bool, Any]:
    """Returns a value that sorts as MySQL sorts it: NULL first, ENUM and SET by number, text by collation (roughly)."""
    if value is not None and column.name in ("enum", "set"):
        return True, _number(column, value)
    if isinstance(value, str) and column.collation is not None:
        return True, value.encode() if column.collation.endswith("_bin") else value.casefold().encode()
    if isinstance(value, dict | list):
        return True, str(value)
    return value is not None, 0 if value is None else value
