"""Columns that are added while a sync runs."""

from __future__ import annotations

from source_vitess.replication.ddl_effects import ColumnChanges, column_changes
from source_vitess.replication.new_columns import NewColumns
from source_vitess.schema import Column, StreamedTable, Table


def changes(statement: str) -> ColumnChanges:
    """Returns what a statement does to columns."""
    found = column_changes(statement)
    assert found is not None
    return found


def test_each_is_told_of_once() -> None:
    """Not for each shard, not one that the table had when the sync began, and none of a table that is not read."""
    table = Table("t", (Column("id", "bigint", None, nullable=False),), key=("id",))
    new_columns = NewColumns({"t": StreamedTable(table, {"id": {}})})

    (told,) = new_columns.added("-80", changes("alter table t add n int, add ID int"))

    assert told.startswith("Column 'n' was added to table 't' in shard '-80' after this sync began")
    assert list(new_columns.added("80-", changes("alter table t add N int"))) == []
    assert list(new_columns.added("80-", changes("alter table u add n int"))) == []
