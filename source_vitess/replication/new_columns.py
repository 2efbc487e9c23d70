"""Columns that are added while a sync runs: it does not read them, and no later sync would report that.

A sync reads the columns of the configured catalog, and names in a warning what else a table has when it begins. A
column that is added after that is not among these: the rows that are read until the source's schema is refreshed have
no value for it, also those of a copy that begins after the statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from source_vitess.replication.ddl_effects import ColumnChanges
from source_vitess.schema import StreamedTable


class NewColumns:
    """Reports columns that are added after a sync began, once each. One for all streams of a sync's changes.

    Args:
        tables: What is read, by table.
    """

    def __init__(self, tables: Mapping[str, StreamedTable]) -> None:
        # In lower case, what each table had when the sync began, and what was reported since.
        self._known = {
            name: {column.lower() for column in streamed.table.columns_by_name} for name, streamed in tables.items()
        }

    def added(self, shard: str, changes: ColumnChanges) -> Iterator[str]:
        """Notes what a statement did to a table's columns, and yields a warning for each that is new."""
        known = self._known.get(changes.table)
        if known is None:
            return
        for name in sorted(changes.added):
            if name.lower() not in known:
                known.add(name.lower())
                yield (
                    f"Column {name!r} was added to table {changes.table!r} in shard {shard!r} after this sync began, "
                    "and is not read. Refresh the source's schema to read it, and then this stream: rows that were "
                    "read before have no value for it."
                )
