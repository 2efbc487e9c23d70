"""A small shop to copy and change, and a writer that changes it at random."""

from __future__ import annotations

import random
from dataclasses import dataclass

from vitess_local.cluster import Cluster

TABLES = {
    "customers": (
        (
            "create table customers (id bigint unsigned not null, email varchar(100), name varchar(60), "
            "created timestamp(6) null, primary key (id))"
        ),
        "id",
    ),
    "order_items": (
        (
            "create table order_items (order_id bigint not null, line smallint not null, sku varbinary(16) not null, "
            "price decimal(12,2) not null, primary key (line, order_id))"
        ),
        "order_id",
    ),
    "codes": (
        # A key that is text, with a collation under which other letters are equal.
        (
            "create table codes (code varchar(20) character set utf8mb4 collate utf8mb4_0900_ai_ci not null, n int, "
            "primary key (code))"
        ),
        "code",
    ),
    "events": ("create table events (at datetime(3) not null, kind enum('in','out'), payload json)", "at"),
    "nothing": ("create table nothing (id int not null, v text, primary key (id))", "id"),
}


#: Named in every INSERT: VTGate learns a young table's columns a moment late.
COLUMNS = {
    "customers": "id, email, name, created",
    "order_items": "order_id, line, sku, price",
    "codes": "code, n",
    "events": "at, kind, payload",
    "nothing": "id, v",
}


@dataclass
class Shop:
    """The shop's tables in a keyspace.

    Attributes:
        cluster: Where it is.
        keyspace: The keyspace.
        seed: Of everything that is random.
    """

    cluster: Cluster
    keyspace: str
    seed: int

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - test data
        self._next = 1

    def create(self, *tables: str) -> None:
        """Creates some of the tables, all if none is named."""
        sharded = self.cluster.shards(self.keyspace) != ["0"]
        for name in tables or TABLES:
            self.cluster.sql(self.keyspace, TABLES[name][0])
            if sharded:
                self.add_vindex(name, TABLES[name][1])

    def add_vindex(self, table: str, column: str) -> None:
        """Says by which column a table is sharded. With the first one the keyspace's VSchema becomes a sharded one."""
        self.cluster.sql(
            self.keyspace, f"alter vschema on {self.keyspace}.{table} add vindex xxh_{table}({column}) using xxhash"
        )

    def drop_vschema(self) -> None:
        """Forgets the tables' vindexes, so that they can be created again."""
        for name in TABLES:
            self.cluster.sql(self.keyspace, f"alter vschema on {self.keyspace}.{name} drop vindex xxh_{name}")

    def insert(self, table: str, count: int) -> None:
        """Inserts new rows, in statements of 500."""
        for start in range(0, count, 500):
            rows = ", ".join(self._row(table) for _ in range(min(500, count - start)))
            self.cluster.sql(self.keyspace, f"insert into {table} ({COLUMNS[table]}) values {rows}")

    def _row(self, table: str) -> str:
        number = self._next
        self._next += 1
        rnd = self._random
        match table:
            case "customers":
                name = rnd.choice(["Ada", "Łukasz", "O''Brien", "名前", "😀", ""])
                created = f"'2024-0{rnd.randint(1, 9)}-1{rnd.randint(0, 9)} 10:00:00.{rnd.randint(0, 999999):06d}'"
                return f"({number}, 'c{number}@example.com', '{name}', {rnd.choice([created, 'null'])})"
            case "order_items":
                return f"({number // 3}, {number % 3}, x'{rnd.getrandbits(40):010x}', {rnd.randint(-9999, 9999) / 100})"
            case "codes":
                return f"('Ké{number}{rnd.choice('aÄß-_')}', {rnd.choice(['null', str(rnd.randint(0, 9))])})"
            case "events":
                at = f"2025-01-01 00:{rnd.randint(0, 59):02d}:{rnd.randint(0, 59):02d}.{rnd.randint(0, 999):03d}"
                return f"""('{at}', '{rnd.choice(["in", "out"])}', '{{"n": {number}, "x": [1.50, null]}}')"""
            case _:
                return f"({number}, 'v{number}')"

    def change(self, steps: int) -> None:
        """Makes changes of every kind: inserts, updates, deletes, changes of keys, transactions of several rows."""
        for _ in range(steps):
            self._change_once()

    def _change_once(self) -> None:
        rnd = self._random
        sql = self.cluster.sql
        number = rnd.randint(1, max(self._next, 2))
        serving = sorted(self.cluster.serving_shards(self.keyspace))
        if not serving:
            return  # in the middle of the switch of a reshard
        # VTGate plans no UPDATE or DELETE with LIMIT over several shards; one shard takes it as it is.
        shard = f"{self.keyspace}:{rnd.choice(serving)}@primary"
        match rnd.randrange(9):
            case 0:
                self.insert(rnd.choice(["customers", "order_items", "codes", "events"]), rnd.randint(1, 5))
            case 1:
                sql(shard, f"update customers set name = 'n{number}' where id > {number} limit 3")
            case 2:
                sql(shard, f"delete from customers where id >= {number} limit 2")
            case 3:
                sql(
                    self.keyspace,
                    f"update order_items set line = line + {rnd.randint(3, 9)} where order_id = {number // 3}",
                )
            case 4:
                sql(self.keyspace, f"delete from order_items where order_id = {number // 3}")
            case 5:
                sql(shard, f"update codes set n = {number} where n = {rnd.randint(0, 9)} limit 3")
            case 6:
                sql(shard, f"delete from codes where n = {rnd.randint(0, 9)} limit 2")
            case 7:
                with self.cluster.connect(self.keyspace) as connection, connection.cursor() as cursor:
                    cursor.execute("begin")
                    for offset in range(4):
                        row = f"({self._next + offset}, 'tx', 'tx', null)"
                        cursor.execute(f"insert into customers ({COLUMNS['customers']}) values {row}")
                    cursor.execute(f"update customers set name = 'in tx' where id = {self._next}")
                    cursor.execute(rnd.choice(["commit", "commit", "rollback"]))
                self._next += 4
            case 8:
                sql(shard, "update events set kind = 'out' where kind = 'in' limit 2")
