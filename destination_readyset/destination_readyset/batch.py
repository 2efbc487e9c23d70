"""The changes of one served table since they were last written: the last one of each key.

Deletes are written before upserts. Of keys that are equal for the column's collation and not byte by byte (`a`, `A`),
the keyspace holds one row at a time, so that the deletes of such a batch are those of keys that are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from source_vitess.errors import ConfigError
from source_vitess.naming import quote_identifier

from destination_readyset.rows import compile_render
from destination_readyset.tables import ServedColumn, ServedTable
from destination_readyset.values import NULL, UnfitValueError

#: Set in the record of a deleted row.
DELETED_AT = "_ab_cdc_deleted_at"


class TableBatch:
    """Collects records of one table and renders them as statements.

    Attributes:
        table: The table.
        exact: Its records have to be parsed without floats.
        size: About how many bytes its statements have now.
    """

    def __init__(self, table: ServedTable) -> None:
        self.table = table
        self.exact = any(column.exact for column in table.columns)
        self.size = 0
        self._render = compile_render(table)
        by_name = {column.name: index for index, column in enumerate(table.columns)}
        self._key = [(table.columns[by_name[name]], by_name[name]) for name in table.key]
        self._enums = [(index, column.name) for index, column in enumerate(table.columns) if column.has_invalid_value]
        self._head = (
            f"INSERT INTO {table.sql_name} ({', '.join(quote_identifier(column.name) for column in table.columns)}) "
            "VALUES\n"
        )
        self._tail = _on_duplicate(table)
        self._rows: dict[str, str | None] = {}
        self._plain_rows: list[str] = []
        self._invalid: dict[str, list[str]] = {}
        self._done: list[bytes] = []

    def add(self, data: Mapping[str, Any]) -> int:
        """Takes the data of one record and returns by how much that is more.

        Raises:
            ConfigError: A value is not what its column holds, or the key is missing.
        """
        if data.get(DELETED_AT) is not None:
            grown = self._delete(data)
        else:
            try:
                key, row = self._render(data)
            except UnfitValueError:
                key, row = self._look_at(data)
            else:
                if self._invalid:
                    self._invalid.pop(key, None)
            if self._key:
                # An earlier delete of this key stands aside: the row is written whole.
                self._rows.pop(key, None)
                self._rows[key] = row
            else:
                self._plain_rows.append(row)
                if self._invalid:
                    self._end_invalid_row(data)
            grown = len(row)
        self.size += grown
        return grown

    def statements(self) -> Iterator[bytes]:
        """Yields what writes the batch, and empties it."""
        if self._plain_rows:
            self._end_plain_rows()
        yield from self._done
        self._done = []
        rows, self._rows = self._rows, {}
        deleted = [key for key, row in rows.items() if row is None]
        if deleted:
            columns = ", ".join(quote_identifier(column.name) for column, _ in self._key)
            left = columns if len(self._key) == 1 else f"({columns})"
            yield _encode(f"DELETE FROM {self.table.sql_name} WHERE {left} IN ({', '.join(deleted)})", self.table)
        written = [row for row in rows.values() if row is not None]
        if written:
            yield _encode(self._head + ",\n".join(written) + self._tail, self.table)
        for key, columns_of_key in self._invalid.items():
            if columns_of_key and rows.get(key) is not None:
                names = ", ".join(quote_identifier(column.name) for column, _ in self._key)
                left = names if len(self._key) == 1 else f"({names})"
                yield from self._write_invalid(columns_of_key, f"{left} IN ({key})")
        self._invalid.clear()
        self.size = 0

    def _key_of(self, data: Mapping[str, Any]) -> str:
        parts = []
        for column, _ in self._key:
            value = data.get(column.name)
            if value is None:
                raise ConfigError(
                    f"A record of stream {self.table.name!r} comes without a value for the key column "
                    f"{column.name!r}, so that its row cannot be identified. Select the column in the source; if its "
                    "value has no form in JSON (such as a zero date), this table cannot be served."
                )
            parts.append(_encode_value(self.table, column, value, compare=True))
        return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"

    def _look_at(self, data: Mapping[str, Any]) -> tuple[str, str]:
        """Renders a row value by value, to find what is wrong, or to remember an ENUM's invalid value."""
        key = self._key_of(data) if self._key else ""
        cells = [_encode_value(self.table, column, data.get(column.name)) for column in self.table.columns]
        invalid = [(index, name) for index, name in self._enums if cells[index] == "''"]
        for index, _ in invalid:
            cells[index] = NULL
        self._invalid[key] = [name for _, name in invalid]
        return key, f"({', '.join(cells)})"

    def _write_invalid(self, columns: list[str], where: str) -> Iterator[bytes]:
        """Writes the invalid value of ENUM, which strict SQL refuses, into those columns only."""
        settings = ", ".join(f"{quote_identifier(name)} = ''" for name in columns)
        yield b"SET @strict = @@SESSION.sql_mode, SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'"
        yield _encode(f"UPDATE {self.table.sql_name} SET {settings} WHERE {where}", self.table)
        yield b"SET SESSION sql_mode = @strict"

    def _end_invalid_row(self, data: Mapping[str, Any]) -> None:
        """Writes a row without a key that has invalid values of ENUM: as NULL first."""
        invalid = self._invalid.pop("")
        if invalid:
            self._end_plain_rows()
            where = self._equal({**data, **dict.fromkeys(invalid)})
            self._done += self._write_invalid(invalid, f"{where} LIMIT 1")

    def _delete(self, data: Mapping[str, Any]) -> int:
        if self._key:
            key = self._key_of(data)
            self._rows.pop(key, None)
            self._rows[key] = None
            return len(key) + 2
        if self._plain_rows:
            self._end_plain_rows()
        where = self._equal(data)
        self._done.append(_encode(f"DELETE FROM {self.table.sql_name} WHERE {where} LIMIT 1", self.table))
        return len(where)

    def _equal(self, data: Mapping[str, Any]) -> str:
        """Returns the condition that a row is this one, as far as columns can be compared."""
        return " AND ".join(
            f"{quote_identifier(column.name)} <=> "
            f"{_encode_value(self.table, column, data.get(column.name), compare=True)}"
            for column in self.table.columns
            if column.comparable
        )

    def _end_plain_rows(self) -> None:
        self._done.append(_encode(self._head + ",\n".join(self._plain_rows), self.table))
        self._plain_rows = []


def _on_duplicate(table: ServedTable) -> str:
    rest = [quote_identifier(column.name) for column in table.columns if column.name not in table.key]
    # A key that is equal for its collation only has to be written too.
    texts = [
        quote_identifier(column.name)
        for column in table.columns
        if column.name in table.key and "COLLATE" in column.definition
    ]
    names = texts + rest or [quote_identifier(name) for name in table.key[:1]]
    return "\nAS _new ON DUPLICATE KEY UPDATE " + ", ".join(f"{name} = _new.{name}" for name in names)


def _encode_value(table: ServedTable, column: ServedColumn, value: Any, *, compare: bool = False) -> str:
    try:
        return (column.compare if compare else column.encode)(value)
    except UnfitValueError as error:
        raise ConfigError(
            f"A record of stream {table.name!r} has a value in {column.name!r} that is not {error}, as its column "
            f"({column.definition}) needs. Refresh the source's schema, then refresh the stream."
        ) from None


def _encode(sql: str, table: ServedTable) -> bytes:
    try:
        return sql.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"A record of stream {table.name!r} holds a text that is not Unicode (half a surrogate pair)."
        ) from None
