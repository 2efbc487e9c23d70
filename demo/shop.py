"""The shop: what stands in its tables, and what happens to it between the two syncs."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pymysql
from vitess_local.cluster import Cluster

KEYSPACE = "shop"
SHARDS = 2
TABLES = ("customers", "products", "orders", "order_items", "events", "all_types")
SCHEMAS = Path(__file__).resolve().parent / "schema"
_ALL_TYPES = Path(__file__).resolve().parent / "all_types.sql"

#: An order whose key changes between the two syncs.
OLD_KEY, NEW_KEY = 17, 900_001

_NAMES = ("Ada Lovelace", "Łukasz Wiśniewski", "王小明", "Zoë O'Neill", "Åse Ødegård", "José Muñoz", "Ravi 🚲 Kumar")
_GOODS = ("bicycle bell", "inner tube", "saddle", "brake cable", "pump", "headlight", "puncture kit")
_SEED = 7
_READY_SECONDS = 30


@dataclass(frozen=True)
class Size:
    """How much there is in the shop."""

    customers: int = 2_000
    products: int = 500
    orders: int = 5_000
    events: int = 3_000

    @property
    def items(self) -> int:
        """Rows of order_items: one, two or three per order."""
        return sum(_lines_of(order) for order in range(1, self.orders + 1))


@dataclass(frozen=True)
class Change:
    """Something that is done to the shop.

    Attributes:
        title: For a person.
        statements: What is run, in one transaction if there are several.
        expected: What the next sync has to show for it, for a person.
        ready: A statement that succeeds when VTGate knows of a change of the schema; None for other changes.
    """

    title: str
    statements: Sequence[str]
    expected: str
    ready: str | None = None


def reset(cluster: Cluster, size: Size) -> None:
    """Makes the keyspace hold the shop, as new, whatever it held before."""
    kinds = {str(name): str(kind) for name, kind in cluster.sql(KEYSPACE, "show full tables")}
    # A view goes before the table it reads.
    for name, kind in sorted(kinds.items(), key=lambda item: item[1] != "VIEW"):
        cluster.sql(KEYSPACE, f"drop {'view' if kind == 'VIEW' else 'table'} `{name}`")
    cluster.load_schema(SCHEMAS)
    # The columns are named: VTGate learns those of a new table a moment late.
    with cluster.connect(KEYSPACE) as connection, connection.cursor() as cursor:
        for table, columns, rows in _seed(size):
            for batch in _batches(rows, 500):
                cursor.execute(f"insert into {table} ({columns}) values {', '.join(batch)}")
        cursor.execute(_ALL_TYPES.read_text(encoding="utf-8"))


def count_rows(cluster: Cluster) -> dict[str, int]:
    """Counts the rows of every table."""
    return {table: int(cluster.sql(KEYSPACE, f"select count(*) from `{table}`")[0][0]) for table in TABLES}


def changes(size: Size) -> list[Change]:
    """Returns what happens between the two syncs, in order."""
    new_order = size.orders + 1
    return [
        Change(
            "INSERT 3 customers",
            [
                "insert into customers (customer_id, name, email, newsletter, joined_at) values "
                + ", ".join(
                    f"({size.customers + number}, 'New customer {number}', null, 1, '2026-02-03 04:05:06')"
                    for number in (1, 2, 3)
                )
            ],
            "3 records",
        ),
        Change(
            "UPDATE the price of 10 products", ["update products set price = 9.99 where product_id <= 10"], "10 records"
        ),
        Change("DELETE 5 customers", ["delete from customers where customer_id between 11 and 15"], "5 deletes"),
        Change(
            "UPDATE the key of an order",
            [f"update orders set order_id = {NEW_KEY} where order_id = {OLD_KEY}"],
            "1 delete of the old key, 1 record",
        ),
        Change(
            "COMMIT 5 rows of 3 tables on both shards at once",
            [
                (
                    "insert into orders (order_id, customer_id, status, placed_at) "
                    f"values ({new_order}, 1, 'paid', '2026-02-03 04:05:06.789012')"
                ),
                (
                    "insert into order_items (order_id, line_number, product_id, quantity) "
                    f"values ({new_order}, 1, 20, 2), ({new_order}, 2, 21, 1)"
                ),
                "update products set stock = stock - 2 where product_id = 20",
                "update products set stock = stock - 1 where product_id = 21",
            ],
            "5 records",
        ),
        Change(
            "DELETE events, which have no key, INSERT one twice",
            [
                "delete from events where customer_id <= 3",
                (
                    "insert into events (customer_id, kind, at) values "
                    "(1, 'click', '2026-02-03 04:05:06.789'), (1, 'click', '2026-02-03 04:05:06.789')"
                ),
            ],
            "a delete of each, 2 records",
        ),
        Change("UPDATE a column of every row of all_types", ["update all_types set c_int = 1"], "4 records"),
        Change(
            "ALTER TABLE customers ADD COLUMN phone",
            ["alter table customers add column phone varchar(30)"],
            "a new column",
            ready="select phone from customers limit 1",
        ),
        Change(
            "UPDATE the new column of 4 customers",
            ["update customers set phone = '+1 555 0100' where customer_id <= 4"],
            "4 records",
        ),
    ]


def apply(cluster: Cluster, change: Change) -> None:
    """Does one of the changes."""
    if change.ready is not None:
        for statement in change.statements:
            cluster.ddl(KEYSPACE, statement)
        _wait_for(cluster, change.ready)
        return
    with cluster.connect(KEYSPACE, autocommit=False) as connection, connection.cursor() as cursor:
        for statement in change.statements:
            cursor.execute(statement)
        connection.commit()


def _wait_for(cluster: Cluster, statement: str) -> None:
    """Waits until a statement succeeds: VTGate learns of a changed schema a moment after the tablets have it."""
    end = time.monotonic() + _READY_SECONDS
    while True:
        try:
            cluster.sql(KEYSPACE, statement)
        except pymysql.MySQLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def _lines_of(order: int) -> int:
    return 1 + order % 3


def _batches(rows: Iterator[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _seed(size: Size) -> Iterator[tuple[str, str, Iterator[str]]]:
    """Yields tables with their columns and rows as SQL."""
    rnd = random.Random(_SEED)  # noqa: S311 - the same shop every time
    yield "customers", "customer_id, name, email, newsletter, joined_at", _customers(size, rnd)
    yield "products", "product_id, title, price, stock, attributes", _products(size, rnd)
    yield "orders", "order_id, customer_id, status, placed_at", _orders(size, rnd)
    yield "order_items", "order_id, line_number, product_id, quantity", _order_items(size, rnd)
    yield "events", "customer_id, kind, at, detail", _events(size, rnd)


def _customers(size: Size, rnd: random.Random) -> Iterator[str]:
    for number in range(1, size.customers + 1):
        name = rnd.choice(_NAMES).replace("'", "''")
        email = rnd.choice([f"'c{number}@example.com'", "null"])
        yield f"({number}, '{name}', {email}, {number % 2}, '{_moment(rnd)}')"


def _products(size: Size, rnd: random.Random) -> Iterator[str]:
    for number in range(1, size.products + 1):
        attributes = f'{{"colour": "{rnd.choice(["red", "black"])}", "kg": {rnd.randint(1, 900) / 100}}}'
        title = f"{rnd.choice(_GOODS)} no. {number}"
        yield f"({number}, '{title}', {rnd.randint(100, 99_999) / 100:.2f}, {rnd.randint(10, 500)}, '{attributes}')"


def _orders(size: Size, rnd: random.Random) -> Iterator[str]:
    for number in range(1, size.orders + 1):
        status = rnd.choice(["open", "paid", "sent"])
        placed_at = f"{_moment(rnd)}.{rnd.randint(0, 999_999):06d}"
        yield f"({number}, {rnd.randint(1, size.customers)}, '{status}', '{placed_at}')"


def _order_items(size: Size, rnd: random.Random) -> Iterator[str]:
    for order in range(1, size.orders + 1):
        for line in range(1, _lines_of(order) + 1):
            yield f"({order}, {line}, {rnd.randint(1, size.products)}, {rnd.randint(1, 5)})"


def _events(size: Size, rnd: random.Random) -> Iterator[str]:
    for _ in range(size.events):
        detail = rnd.choice([f"'{rnd.choice(_GOODS)}'", "null"])
        kind = rnd.choice(["visit", "search", "click"])
        yield f"({rnd.randint(1, size.customers)}, '{kind}', '{_moment(rnd)}.{rnd.randint(0, 999):03d}', {detail})"


def _moment(rnd: random.Random) -> str:
    return (
        f"2025-{rnd.randint(1, 12):02d}-{rnd.randint(1, 28):02d} "
        f"{rnd.randint(0, 23):02d}:{rnd.randint(0, 59):02d}:{rnd.randint(0, 59):02d}"
    )
