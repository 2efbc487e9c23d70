"""A stream's offsets, as Spark keeps them in its checkpoint.

An offset is a position of the keyspace, by shard, and what has to be known of the query for the next batch to be read
as the ones before: of which keyspace and tables it is, which batch it ends, and which columns the tables had.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from source_vitess.errors import ConfigError, GtidError
from source_vitess.position.vgtid import Vgtid
from source_vitess.schema import Column

VERSION = 1

_AGAIN = "Start a new query with a new checkpoint."

#: Tables that a message names.
_LISTED = 10


@dataclass(frozen=True)
class KnownColumns:
    """The columns that a table had when a query began.

    Attributes:
        count: How many.
        digest: What they were.
    """

    count: int
    digest: str

    @classmethod
    def of(cls, columns: Sequence[Column]) -> KnownColumns:
        """Returns what to remember of a table's columns."""
        text = json.dumps([(column.name, column.column_type, column.charset) for column in columns])
        return cls(len(columns), hashlib.sha256(text.encode()).hexdigest()[:32])

    def are_first_of(self, columns: Sequence[Column]) -> bool:
        """Returns whether a table has these columns still, with others behind them at most."""
        return len(columns) >= self.count and KnownColumns.of(columns[: self.count]) == self


@dataclass(frozen=True)
class Offset:
    """An offset.

    Attributes:
        keyspace: The keyspace.
        tables: The tables.
        number: How many batches end with it; 0 for the one that the first batch begins at.
        shards: The position, by shard; None before the first batch of a stream that does not begin at a given one.
        columns: By table what it had; nothing before the first batch.
        copied: Whether the batch that it ends is a copy. The rows of that may be of later positions.
        in_envelopes: Whether the rows are JSON beside the table's name. Else there is one table.
    """

    keyspace: str
    tables: tuple[str, ...]
    number: int = 0
    shards: Mapping[str, str] | None = None
    columns: Mapping[str, KnownColumns] = field(default_factory=dict)
    copied: bool = False
    in_envelopes: bool = False

    @property
    def vgtid(self) -> Vgtid | None:
        """The position."""
        return Vgtid(self.keyspace, self.shards) if self.shards is not None else None

    def to_json(self) -> dict[str, Any]:
        """Returns the offset as Spark stores it."""
        return {
            "version": VERSION,
            "keyspace": self.keyspace,
            **_named(self.tables, in_envelopes=self.in_envelopes),
            "number": self.number,
            **({"copied": True} if self.copied else {}),
            **({"columns": self._columns_to_json()} if self.columns else {}),
            **({"vgtid": dict(sorted(self.shards.items()))} if self.shards is not None else {}),
        }

    def _columns_to_json(self) -> Any:
        made = {table: [known.count, known.digest] for table, known in sorted(self.columns.items())}
        return made if self.in_envelopes else made[self.tables[0]]

    @classmethod
    def from_json(
        cls, value: Mapping[str, Any], keyspace: str, tables: tuple[str, ...], *, in_envelopes: bool
    ) -> Offset:
        """Reads an offset of a checkpoint.

        Args:
            value: As `to_json` gave it.
            keyspace: The keyspace that is read.
            tables: The tables that are read.
            in_envelopes: Whether their rows are JSON beside the table's name.

        Raises:
            ConfigError: It is of another version, keyspace or of other tables, or none at all.
        """
        if value.get("version") != VERSION:
            raise ConfigError(
                f"The checkpoint is of version {value.get('version')!r} of vitess-spark's offsets, and this one reads "
                f"version {VERSION}. {_AGAIN}"
            )
        if value.get("keyspace") != keyspace:
            raise ConfigError(
                f"The checkpoint is of keyspace {value.get('keyspace')!r}, and the query reads {keyspace!r}. {_AGAIN}"
            )
        try:
            _check_tables(value, tables, in_envelopes=in_envelopes)
            shards = value.get("vgtid")
            offset = cls(
                keyspace,
                tables,
                int(value["number"]),
                {str(shard): str(gtid) for shard, gtid in shards.items()} if shards is not None else None,
                _columns_from_json(value["columns"], tables, in_envelopes=in_envelopes) if "columns" in value else {},
                bool(value.get("copied", False)),
                in_envelopes,
            )
            if offset.vgtid is not None:
                Vgtid.from_json(offset.vgtid.to_json())
        except (AttributeError, GtidError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"The checkpoint holds an offset that is none of vitess-spark's. {_AGAIN}") from error
        return offset


def _named(tables: tuple[str, ...], *, in_envelopes: bool) -> dict[str, Any]:
    """Returns what names the tables in an offset; the order of several does not count."""
    return {"tables": sorted(tables)} if in_envelopes else {"table": tables[0]}


def _check_tables(value: Mapping[str, Any], tables: tuple[str, ...], *, in_envelopes: bool) -> None:
    """Refuses an offset of other tables.

    Raises:
        ConfigError: It is of others.
    """
    if "tables" in value and in_envelopes:
        before = {str(name) for name in value["tables"]}
        added, gone = sorted(set(tables) - before), sorted(before - set(tables))
        if added or gone:
            differences = [f"{_listed(added)} too"] * bool(added) + [f"not {_listed(gone)}"] * bool(gone)
            raise ConfigError(
                "The option tables names other tables than the checkpoint is of: "
                f"{', and '.join(differences)}. {_AGAIN}"
            )
        return
    mine = _named(tables, in_envelopes=in_envelopes)
    if {name: value[name] for name in ("table", "tables") if name in value} != mine:
        its = f"tables {_listed(value['tables'])}" if "tables" in value else f"table {value.get('table')!r}"
        reads = f"tables {_listed(sorted(tables))}" if in_envelopes else f"table {tables[0]!r}"
        raise ConfigError(f"The checkpoint is of {its}, and the query reads {reads}. {_AGAIN}")


def _listed(names: Sequence[object]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(repr, names[:_LISTED])) + more


def _columns_from_json(value: Any, tables: tuple[str, ...], *, in_envelopes: bool) -> dict[str, KnownColumns]:
    by_table = value if in_envelopes else {tables[0]: value}
    return {table: KnownColumns(int(by_table[table][0]), str(by_table[table][1])) for table in tables}
