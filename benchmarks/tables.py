"""The tables of the benchmarks. MySQL itself makes the rows: from a seed, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vitess_local.cluster import Cluster

#: Stands in the last row of every shard: how a client that decodes nothing knows the end.
END = "this-is-the-last-row"

_STATEMENT_ROWS = 50_000


@dataclass(frozen=True)
class Form:
    """A kind of table.

    Attributes:
        columns: Definitions, `id` first and `name` second; the others follow `id`.
        values: An SQL expression for each of the columns after `name`, of the row's number `n`.
    """

    columns: Sequence[str]
    values: Sequence[str]

    def create(self, table: str) -> str:
        """Returns its CREATE TABLE."""
        columns = ["id bigint not null", "name varchar(100)", *self.columns]
        return f"create table {table} ({', '.join(columns)}, primary key (id))"


def _dice(salt: int, sides: int) -> str:
    """Returns an SQL expression: a number below `sides` that depends on the row, the seed and the salt."""
    return f"(crc32(concat(n, '/{salt}/', @seed)) % {sides})"


#: Twelve columns of the usual types.
TWELVE = Form(
    columns=(
        "customer int",
        "email varchar(100)",
        "price decimal(10,2)",
        "qty smallint",
        "ratio double",
        "status enum('new','paid','sent','done')",
        "note varchar(200)",
        "created datetime",
        "updated timestamp(6) null",
        "doc json",
    ),
    values=(
        _dice(1, 1_000_000),
        "concat('user', n, '@example.com')",
        f"{_dice(2, 999_999)} / 100",
        _dice(3, 100),
        f"{_dice(4, 999_999_937)} / 1e5",
        f"1 + {_dice(5, 4)}",
        f"if({_dice(6, 10)} < 3, null, repeat('some words ', 1 + {_dice(7, 5)}))",
        f"date_add('2024-01-01', interval {_dice(8, 30_000_000)} second)",
        f"date_add('2025-01-01 00:00:00.123456', interval {_dice(9, 2_000_000_000)} * 10000 microsecond)",
        f"json_object('a', {_dice(10, 1000)}, 'b', json_array('x', {_dice(11, 1000)}))",
    ),
)

#: Two hundred columns.
WIDE = Form(
    columns=[f"c{i} {('int', 'varchar(20)', 'decimal(12,3)')[i % 3]}" for i in range(198)],
    values=[
        (_dice(i, 100_000), f"concat('v', {_dice(i, 9999)})", f"{_dice(i, 99_999)} / 1000")[i % 3] for i in range(198)
    ],
)

#: Ten kilobytes of text in every row.
LONG = Form(columns=("body mediumtext",), values=(f"repeat(concat('line ', {_dice(1, 90_000)} + 10000), 1000)",))

#: Fifty columns, of which two are not NULL.
SPARSE = Form(columns=[f"c{i} {('int', 'varchar(20)')[i % 2]}" for i in range(48)], values=["null"] * 48)


def make(cluster: Cluster, keyspace: str, table: str, form: Form) -> None:
    """Creates an empty table in every shard."""
    for shard in cluster.shards(keyspace):
        cluster.sql(f"{keyspace}:{shard}@primary", form.create(table))
    cluster.reload_schema(keyspace)


def fill(
    cluster: Cluster,
    keyspace: str,
    table: str,
    form: Form,
    rows: int,
    *,
    seed: int,
    shards: Sequence[str] = (),
    transaction: int = _STATEMENT_ROWS,
) -> int:
    """Writes rows straight into the shards' MySQL servers, a part in each.

    Args:
        cluster: Where.
        keyspace: The keyspace.
        table: An empty table.
        form: What it looks like.
        rows: How many in all.
        seed: Of the values.
        shards: Those that get rows; all if empty.
        transaction: Rows in a transaction.

    Returns:
        How many shards have rows: so often `END` is read.
    """
    chosen = list(shards) or cluster.shards(keyspace)
    each = rows // len(chosen)
    for number, shard in enumerate(chosen):
        options = {"database": f"vt_{keyspace}", "autocommit": True}
        with cluster.connect_tablet(f"{keyspace}/{shard}", **options) as connection, connection.cursor() as cursor:
            cursor.execute(f"set @seed = {seed}, cte_max_recursion_depth = {rows + 10}, sql_mode = ''")
            _numbers(cursor, each)
            first = number * each
            for start in range(0, each, transaction):
                cursor.execute(
                    f"insert into {table} select {first} + n, if(n = {each}, '{END}', "
                    f"concat(repeat('name ', 1 + {_dice(0, 4)}), n)), {', '.join(form.values)} "
                    f"from numbers where n > {start} and n <= {start + transaction}"
                )
    return len(chosen)


def _numbers(cursor: object, count: int) -> None:
    """Makes a temporary table of the numbers from 1: transactions of one row must cost little to write."""
    execute = cursor.execute  # type: ignore[attr-defined] # PyMySQL's
    execute("create temporary table numbers (n bigint primary key)")
    execute(
        "insert into numbers with recursive c(n) as "
        f"(select 1 union all select n + 1 from c where n < {count}) select n from c"
    )
