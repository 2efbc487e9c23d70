"""The data of a keyspace: what an application does to it, spread over the shards and written to their binlogs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from instruments.scripted_vtgate.model.shard import Shard
from instruments.scripted_vtgate.model.storage import RowsWritten, Written
from instruments.scripted_vtgate.model.tables import Row, Table
from instruments.scripted_vtgate.model.values import Given, Value, normalize
from source_vitess import schema

#: Which rows: by values of columns, or by a function of the row.
Where = Mapping[str, Given] | Callable[[Mapping[str, Value]], bool]

#: Aliases of tablets are numbers from here on for each shard.
_ALIASES_PER_SHARD = 10

#: The clock of the model starts here and goes on by a second with every transaction.
_EPOCH = 1_767_225_600


class WritesStoppedError(ValueError):
    """A shard takes no writes: a reshard is about to switch the traffic."""


class Database:
    """A keyspace in memory. Every public method may be called from any thread.

    Attributes:
        keyspace: Its name.
        shards: By name, also those that do not serve any more.
        changed: The lock of everything, notified about every change.
        version: Goes up with every change.
        clock: Seconds since 1970 of the last transaction.
        sharded_by: By table, the column that decides where a row belongs; the key's first one unless named.
    """

    def __init__(self, keyspace: str = "commerce", shards: Sequence[str] = ("-80", "80-")) -> None:
        self.keyspace = keyspace
        self.changed = threading.Condition(threading.RLock())
        self.version = 0
        self.clock = _EPOCH
        self.sharded_by: dict[str, str] = {}
        self._uuids = 0
        self._open: dict[str, list[Written]] | None = None
        self._aliases = 100
        self.shards: dict[str, Shard] = {}
        for name in shards:
            self.add_shard(name)

    def add_shard(self, name: str, tables: Iterable[Table] = (), *, serving: bool = True) -> Shard:
        """Adds a shard without rows."""
        shard = Shard(self.keyspace, name, self.new_uuid(), first_alias=self._aliases, tables=tables, serving=serving)
        self._aliases += _ALIASES_PER_SHARD
        self.shards[name] = shard
        return shard

    @property
    def database_name(self) -> str:
        """The physical database's name."""
        return "vt_" + self.keyspace

    @property
    def serving(self) -> list[Shard]:
        """The shards that serve, in key order."""
        with self.changed:
            return sorted((shard for shard in self.shards.values() if shard.serving), key=lambda s: key_range(s.name))

    @property
    def tables(self) -> Mapping[str, Table]:
        """The tables' definitions by name."""
        with self.changed:
            return dict(self.serving[0].tables)

    def schema(self) -> schema.Schema:
        """Returns the tables as the connector's schema values."""
        return schema.Schema(
            self.keyspace,
            {
                table.name: schema.Table(
                    table.name,
                    tuple(
                        schema.Column(name, column.text, column.charset, not column.not_null)
                        for name, column in table.columns.items()
                    ),
                    table.copy_key if table.copy_key != tuple(table.columns) or table.key else (),
                )
                for table in sorted(self.tables.values(), key=lambda table: table.name)
                if not table.view and table.comment != "vitess_sequence"
            },
        )

    def rows(self, table: str, shard: str | None = None) -> list[dict[str, Value]]:
        """Returns all rows of a table in the order of its key: the truth."""
        with self.changed:
            definition = self.tables[table]
            held = [row for one in self.serving if shard in (None, one.name) for row in one.rows[table].values()]
            return [definition.as_mapping(row) for row in sorted(held, key=definition.sort_key)]

    def positions(self) -> dict[str, str]:
        """Returns the position of each serving shard now."""
        with self.changed:
            return {shard.name: shard.executed.position for shard in self.serving}

    def insert(self, table: str, *rows: Mapping[str, Given], shard: str | None = None) -> None:
        """Inserts rows with one statement, each into the shard it belongs to unless a shard is named."""
        with self._statement():
            definition = self.tables[table]
            by_shard: dict[str, list[Row]] = {}
            for given in rows:
                row = definition.row(given)
                name = shard or self.shard_of(definition, row)
                self.shards[name].insert(definition, row)
                by_shard.setdefault(name, []).append(row)
            for name, inserted in by_shard.items():
                self._write(name, RowsWritten(definition, tuple((None, row) for row in inserted)))

    def update(self, table: str, where: Where, values: Mapping[str, Given]) -> int:
        """Updates rows with one statement; returns how many. A row that stays the same is not touched."""
        with self._statement():
            definition = self.tables[table]
            new = {name: normalize(definition.columns[name], value) for name, value in values.items()}
            count = 0
            for shard in self.serving:
                changes: list[tuple[Row | None, Row | None]] = []
                for before in self._matching(shard, definition, where):
                    after = tuple({**definition.as_mapping(before), **new}.values())
                    if after != before:
                        shard.remove(definition, before)
                        shard.insert(definition, after)
                        changes.append((before, after))
                if changes:
                    self._write(shard.name, RowsWritten(definition, tuple(changes)))
                count += len(changes)
            return count

    def delete(self, table: str, where: Where) -> int:
        """Deletes rows with one statement; returns how many."""
        with self._statement():
            definition = self.tables[table]
            count = 0
            for shard in self.serving:
                gone = self._matching(shard, definition, where)
                for row in gone:
                    shard.remove(definition, row)
                if gone:
                    self._write(shard.name, RowsWritten(definition, tuple((row, None) for row in gone)))
                count += len(gone)
            return count

    def count(self, table: str, where: Where) -> int:
        """Returns how many rows there are."""
        with self.changed:
            definition = self.tables[table]
            return sum(len(self._matching(shard, definition, where)) for shard in self.serving)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes one transaction per shard of the statements inside; an exception rolls all of them back.

        Streams stand still meanwhile: nothing of it is seen before the end.
        """
        with self.changed:
            if self._open is not None:
                raise RuntimeError("a transaction is open already")
            before = {
                name: {table: dict(rows) for table, rows in shard.rows.items()}
                for name, shard in self.shards.items()
                if shard.serving
            }
            self._open = {}
            try:
                yield
                written = self._open
            except BaseException:
                for name, rows in before.items():
                    self.shards[name].data.rows = rows
                raise
            finally:
                self._open = None
            for name, parts in written.items():
                self.commit(self.shards[name], parts)

    def touch(self, shard: str | None = None, count: int = 1) -> None:
        """Writes transactions that are not about this keyspace's tables, as Vitess itself does, to one shard or all."""
        with self.changed:
            for _ in range(count):
                for one in self.serving:
                    if shard in (None, one.name):
                        self.commit(one, ())

    def shard_of(self, table: Table, row: Row) -> str:
        """Returns where a row belongs: by the first column of its key, hashed over the key ranges."""
        return self.home_of(table, row, [shard.name for shard in self.serving])

    def home_of(self, table: Table, row: Row, shards: Sequence[str]) -> str:
        """Returns to which of some shards a row belongs; the first if to none, as one that a test put elsewhere."""
        mapping = table.as_mapping(row)
        column = self.sharded_by.get(table.name) or (table.key[0] if table.key else next(iter(table.columns)))
        keyspace_id = hashlib.sha256(str(mapping[column]).encode()).digest()
        for shard in shards:
            begin, end = key_range(shard)
            if begin <= keyspace_id and (not end or keyspace_id < end):
                return shard
        return shards[0]

    def commit(self, shard: Shard, written: Sequence[Written], *, shared_clock: bool = False) -> None:
        """Ends a transaction on a shard. For the model's own use; the lock is held."""
        if not shared_clock:
            self.clock += 1
        shard.commit(self.clock, written)
        self.notify()

    def notify(self) -> None:
        """Wakes the streams."""
        with self.changed:
            self.version += 1
            self.changed.notify_all()

    def new_uuid(self) -> str:
        """Returns the UUID of another MySQL server, the same ones in every run."""
        self._uuids += 1
        return f"{self._uuids:08x}-0000-11f0-8000-0242ac110002"

    @contextmanager
    def _statement(self) -> Iterator[None]:
        """A statement outside a transaction is one of its own."""
        with self.changed:
            if self._open is not None:
                yield
                return
            with self.transaction():
                yield

    def _write(self, shard: str, written: Written) -> None:
        assert self._open is not None
        if not self.shards[shard].writable:
            raise WritesStoppedError(shard)
        self._open.setdefault(shard, []).append(written)

    def _matching(self, shard: Shard, table: Table, where: Where) -> list[Row]:
        rows = shard.sorted_rows(table)
        if isinstance(where, Mapping):
            wanted = {name: normalize(table.columns[name], value) for name, value in where.items()}
            return [row for row in rows if wanted.items() <= _hashable(table.as_mapping(row)).items()]
        return [row for row in rows if where(table.as_mapping(row))]


def key_range(shard: str) -> tuple[bytes, bytes]:
    """Returns the bounds of a shard, empty for none; `0` is the shard of an unsharded keyspace."""
    begin, dash, end = shard.partition("-")
    return (bytes.fromhex(begin), bytes.fromhex(end)) if dash else (b"", b"")


def _hashable(row: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in row.items() if not isinstance(value, dict | list)}
