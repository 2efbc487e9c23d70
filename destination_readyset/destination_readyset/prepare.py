"""Makes the served tables what the plan asks for, before the first record.

Every statement here commits by itself, and each step can be repeated: a table is noted before it is made, and an
ALTER looks at the columns that the table has. ReadySet takes a snapshot of a table after each, so there is one at most;
and none where everything is as it should be, as ReadySet takes any for a change of the schema.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from source_vitess.errors import ConfigError, TransientError

from destination_readyset.bookkeeping import Bookkeeping, KnownTable
from destination_readyset.plan import StreamPlan
from destination_readyset.served import Connection, create_database, query
from destination_readyset.tables import ServedTable
from destination_readyset.values import quote

#: Seconds to wait for a killed sync to be rolled back.
LOCK_SECONDS = 60


@dataclass(frozen=True)
class Present:
    """A table as the server has it.

    Attributes:
        columns: Their names.
        key: The primary key's, in key order.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...]


@dataclass
class Prepared:
    """What was found and done.

    Attributes:
        erase: The streams whose rows must go, in the transaction of the first new ones.
        new_generation: The streams whose generation has to be noted then.
        changed: Tables that were made, or changed: ReadySet has to take them in again.
        remarks: What the user should know.
    """

    erase: list[StreamPlan] = field(default_factory=list)
    new_generation: list[StreamPlan] = field(default_factory=list)
    changed: list[ServedTable] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def lock_tables(connection: Connection, plans: Sequence[StreamPlan]) -> None:
    """Makes sure that no other sync writes into these tables while the connection lives.

    Raises:
        TransientError: Another one does.
    """
    for plan in plans:
        name = f"destination-readyset:{plan.table.database}.{plan.table.name}"
        ((locked,),) = query(connection, f"SELECT GET_LOCK(SHA2({quote(name)}, 256), {LOCK_SECONDS})")
        if not locked:
            raise TransientError(
                f"Another sync writes into the table {plan.table.name!r} of database {plan.table.database!r}, or one "
                "that was killed is still being rolled back. Try again when it has ended."
            )


def prepare(connection: Connection, bookkeeping: Bookkeeping, plans: Sequence[StreamPlan]) -> Prepared:
    """Makes and changes tables.

    Raises:
        ConfigError: A table is somebody else's, or its key was changed.
    """
    bookkeeping.create(connection)
    known = bookkeeping.known(connection)
    databases = dict.fromkeys(plan.table.database for plan in plans)
    present: dict[tuple[str, str], Present] = {}
    for database in databases:
        create_database(connection, database)
        present.update(read_present(connection, database))
    prepared = Prepared()
    for plan in plans:
        name = (plan.table.database, plan.table.name)
        _prepare(connection, bookkeeping, plan, known.get(name), present.get(name), prepared)
    return prepared


def read_present(connection: Connection, database: str) -> Mapping[tuple[str, str], Present]:
    """Returns the tables and views of a database, by database and name."""
    columns: dict[str, list[str]] = defaultdict(list)
    keys: dict[str, list[str]] = defaultdict(list)
    for table, column in query(
        connection,
        "SELECT table_name, column_name FROM information_schema.columns "
        f"WHERE table_schema = {quote(database)} ORDER BY table_name, ordinal_position",
    ):
        columns[table].append(column)
    for table, column in query(
        connection,
        "SELECT table_name, column_name FROM information_schema.key_column_usage WHERE constraint_name = 'PRIMARY' "
        f"AND table_schema = {quote(database)} ORDER BY table_name, ordinal_position",
    ):
        keys[table].append(column)
    return {(database, table): Present(tuple(names), tuple(keys[table])) for table, names in columns.items()}


def _prepare(
    connection: Connection,
    bookkeeping: Bookkeeping,
    plan: StreamPlan,
    known: KnownTable | None,
    present: Present | None,
    prepared: Prepared,
) -> None:
    table = plan.table
    erase = plan.must_erase(known.generation if known else None)
    if present is not None and known is None:
        raise ConfigError(
            f"There is a table {table.name!r} in database {table.database!r} that this destination did not make. Drop "
            "or rename it, or map the namespace to another database in the field databases."
        )
    if known is None or plan.generation != known.generation:
        prepared.new_generation.append(plan)
    if known is None or present is None or not known.created:
        if known is not None and known.created and not erase:
            raise ConfigError(
                f"The table {table.name!r} of database {table.database!r} is gone: somebody dropped it. Refresh the "
                "stream and remove its records, so that all rows are sent again."
            )
        _make(connection, bookkeeping, table, drop=present is not None, prepared=prepared)
        return
    was: dict[str, str] = known.definition["columns"]
    if present.key != table.key or tuple(known.definition["key"]) != table.key or (erase and was != _columns(table)):
        if not erase:
            raise ConfigError(
                f"The primary key of table {table.name!r} in database {table.database!r} is "
                f"({', '.join(present.key) or 'none'}), and the stream's is ({', '.join(table.key) or 'none'}): the "
                "rows cannot be identified any more. Refresh the stream and remove its records."
            )
        _make(connection, bookkeeping, table, drop=True, prepared=prepared)
        return
    if erase:
        prepared.erase.append(plan)
    elif gone := [name for name in present.columns if name not in _columns(table)]:
        prepared.remarks.append(
            f"Table {table.name!r} keeps the column {', '.join(map(repr, gone))}, which the stream does not have (any "
            "more), with values that grow old. Refresh the stream and remove its records to be rid of it."
        )
    if sql := table.alter(present.columns, was):
        query(connection, sql)
        bookkeeping.remember(connection, table, created=True)
        prepared.changed.append(table)


def _columns(table: ServedTable) -> dict[str, str]:
    return {column.name: column.definition for column in table.columns}


def _make(
    connection: Connection, bookkeeping: Bookkeeping, table: ServedTable, *, drop: bool, prepared: Prepared
) -> None:
    bookkeeping.remember(connection, table, created=False)
    if drop:
        query(connection, f"DROP TABLE {table.sql_name}")
    query(connection, table.create())
    bookkeeping.remember(connection, table, created=True)
    prepared.changed.append(table)
    prepared.remarks += _other_types(table)


def _other_types(table: ServedTable) -> list[str]:
    """Returns which columns have another type than the keyspace's: a line for each reason, however many they are."""
    found: dict[str, list[str]] = defaultdict(list)
    for column in table.columns:
        if column.note:
            found[column.note].append(f"{column.name} {column.definition}")
    return [
        f"Table {table.name!r} has {len(columns)} columns of another type, as {note}: {', '.join(columns)}."
        if len(columns) > 1
        else f"Table {table.name!r} has a column of another type, as {note}: {columns[0]}."
        for note, columns in found.items()
    ]
