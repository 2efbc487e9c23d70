"""A stream's offsets, as Spark keeps them in its checkpoint.

An offset is a position of the keyspace, by shard, and what has to be known of the query for the next batch to be read
as the ones before: of which keyspace and table it is, which batch it ends, and which columns the table had.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from source_vitess.errors import ConfigError, GtidError
from source_vitess.position.vgtid import Vgtid
from source_vitess.schema import Column

VERSION = 1

_AGAIN = "Start a new query with a new checkpoint."


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
        table: The table.
        number: How many batches end with it; 0 for the one that the first batch begins at.
        shards: The position, by shard; None before the first batch of a stream that does not begin at a given one.
        columns: What the table had; None before the first batch.
        copied: Whether the batch that it ends is a copy. The rows of that may be of later positions.
    """

    keyspace: str
    table: str
    number: int = 0
    shards: Mapping[str, str] | None = None
    columns: KnownColumns | None = None
    copied: bool = False

    @property
    def vgtid(self) -> Vgtid | None:
        """The position."""
        return Vgtid(self.keyspace, self.shards) if self.shards is not None else None

    def to_json(self) -> dict[str, Any]:
        """Returns the offset as Spark stores it."""
        return {
            "version": VERSION,
            "keyspace": self.keyspace,
            "table": self.table,
            "number": self.number,
            **({"copied": True} if self.copied else {}),
            **({"columns": [self.columns.count, self.columns.digest]} if self.columns else {}),
            **({"vgtid": dict(sorted(self.shards.items()))} if self.shards is not None else {}),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any], keyspace: str, table: str) -> Offset:
        """Reads an offset of a checkpoint.

        Args:
            value: As `to_json` gave it.
            keyspace: The keyspace that is read.
            table: The table that is read.

        Raises:
            ConfigError: It is of another version, keyspace or table, or none at all.
        """
        if value.get("version") != VERSION:
            raise ConfigError(
                f"The checkpoint is of version {value.get('version')!r} of vitess-spark's offsets, and this one reads "
                f"version {VERSION}. {_AGAIN}"
            )
        for what, mine in (("keyspace", keyspace), ("table", table)):
            if value.get(what) != mine:
                raise ConfigError(
                    f"The checkpoint is of {what} {value.get(what)!r}, and the query reads {mine!r}. {_AGAIN}"
                )
        try:
            shards = value.get("vgtid")
            offset = cls(
                keyspace,
                table,
                int(value["number"]),
                {str(shard): str(gtid) for shard, gtid in shards.items()} if shards is not None else None,
                KnownColumns(int(value["columns"][0]), str(value["columns"][1])) if "columns" in value else None,
                bool(value.get("copied", False)),
            )
            if offset.vgtid is not None:
                Vgtid.from_json(offset.vgtid.to_json())
        except (AttributeError, GtidError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"The checkpoint holds an offset that is none of vitess-spark's. {_AGAIN}") from error
        return offset
