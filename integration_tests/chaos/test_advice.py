"""That the connector's advice is read: the sentences of a run's log are those that the connector writes now."""

from __future__ import annotations

from integration_tests.chaos.advice import Advice
from source_vitess.replication.ddl_effects import column_changes
from source_vitess.replication.new_columns import NewColumns
from source_vitess.replication.rewritten_values import RewrittenValues
from source_vitess.schema import Column, StreamedTable, Table

TABLE = "it's"


def _read(*statements: str) -> Advice:
    columns = (
        Column("id", "int", None, False),
        Column('say "x"', "decimal(9,3)", None, True),
        Column("v", "varchar(20)", "utf8mb4", True),
    )
    rewritten = RewrittenValues(
        {TABLE: StreamedTable(Table(TABLE, columns, key=("id",)), {c.name: {} for c in columns})}
    )
    advice = Advice()
    for statement in statements:
        advice.read(change.text for change in rewritten.changed("-80", statement, lambda _: True))
    return advice


def test_columns_are_read_from_the_log() -> None:
    """With every kind of name, and those that are computed from them."""
    advice = _read('alter table `it\'s` modify `say "x"` decimal(9,1)')
    assert advice.columns == {TABLE: {'say "x"'}}
    assert advice.computed == {TABLE}
    assert advice.tables() == {TABLE}
    advice.followed(TABLE)
    assert advice.tables() == set()


def test_whole_tables_are_read_from_the_log() -> None:
    """Text columns as such, online schema changes, and columns that are computed from others."""
    assert _read("alter table `it's` convert to character set latin1").texts == {TABLE}
    assert _read("rename table `it's` to `_it's_del`, `_it's_gho` to `it's`").online == {TABLE}
    assert _read("alter table `it's` add key (v)").tables() == set()


def test_columns_that_are_not_read() -> None:
    """Of several tables in one line, and those that come during a sync."""
    advice = Advice()
    line = (
        "Columns that are not read, because the configured catalog does not have them: \"it's\" ('a', \"b's\"), "
        "'t' ('x'). If they were added since the schema was discovered, refresh the source's schema to read them."
    )
    advice.read([line])
    changes = column_changes("alter table u add column (`c d` int, e int)")
    assert changes is not None
    advice.read(NewColumns({"u": StreamedTable(Table("u", (), key=()), {})}).added("-80", changes))
    assert advice.unread == {TABLE: {"a", "b's"}, "t": {"x"}, "u": {"c d", "e"}}
