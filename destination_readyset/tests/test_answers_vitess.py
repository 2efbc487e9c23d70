"""What ReadySet's deep caches answer for a real keyspace: each type, and whatever becomes of its shards meanwhile.

As `test_answers`, against a ReadySet that is played and a real one. VTGate is its upstream database, as the
documentation has it, so that only answers of deep caches prove anything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from instruments.type_matrix import quote
from vitess_local.cluster import Cluster
from vitess_local.plain_mysql import PlainMysql

from tests.matrix import differences, fill, select, types_of
from tests.pipeline import Pipeline
from tests.prepared import execute_prepared
from tests.readyset_server import KINDS, SECONDS, TEXT, any_readyset, are_equal, until
from tests.served import Served
from tests.supervisor import Supervisor, command_line

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(4 * SECONDS)]

VSCHEMA = {
    "sharded": True,
    "vindexes": {"hash": {"type": "hash"}},
    "tables": {"customers": {"column_vindexes": [{"column": "id", "name": "hash"}]}},
}
NAME = "SELECT name FROM customers WHERE id = ?"


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_is_answered(served: Served, keyspaces: Cluster, tmp_path: Path, kind: str) -> None:
    """Each row of the type matrix, copied and changed, as text and by a prepared statement."""
    pipeline = Pipeline(served, keyspaces, "single")
    found: list[str] = []
    with (
        any_readyset(kind, served.mysql, keyspaces.mysql_port, tmp_path, "single") as readyset,
        keyspaces.connect("single:0@primary", conv={}) as vitess,
        served.mysql.connect(conv=TEXT) as mysql,
    ):
        matrix = fill(vitess, keyspaces, pipeline)
        mysql.select_db("single")
        readyset.start()
        answered = 0
        for number, table in enumerate(matrix):
            types = types_of(vitess, table)
            served_types = types_of(mysql, table)
            sql = f"SELECT * FROM {quote(table.name)} WHERE id = ?"
            until(lambda number=number, sql=sql: bool(readyset.ask(f"CREATE DEEP CACHE c{number} FROM {sql}")))  # type: ignore[misc]
            rows = {}
            expected = select(vitess, "", table, types)
            last = max(expected)
            until(lambda sql=sql, last=last: bool(readyset.text(sql, last)))  # type: ignore[misc]
            for key in expected:
                text, prepared = readyset.text(sql, key), readyset.prepared(sql, key)
                if text is None or prepared is None or not are_equal(text, prepared):
                    found.append(f"{table.name}, key {key}: the two protocols differ, or no deep cache answered")
                else:
                    rows[key] = dict(zip(served_types, text[0], strict=True))
                    answered += 1
            for name, kind_of in types.items():
                if kind_of.startswith("vector"):
                    # As SELECT HEX(…) has it on the other side.
                    for row in rows.values():
                        row[name] = None if row[name] is None else row[name].hex().upper()
            found += differences(table, types, expected, rows)

    assert found == []
    assert answered > 100


def test_prepared_statements_have_the_values_of_text(served: Served, keyspaces: Cluster) -> None:
    """The client of these tests reads the binary protocol as MySQL itself writes it: each row of the matrix."""
    with keyspaces.connect("single:0@primary", conv={}) as vitess:
        matrix = fill(vitess, keyspaces, Pipeline(served, keyspaces, "single"))
    with served.mysql.connect(conv=TEXT, database="single") as mysql, mysql.cursor() as cursor:
        for table in matrix:
            name = quote(table.name)
            cursor.execute(f"SELECT * FROM {name} ORDER BY id")
            text = list(cursor.fetchall())
            assert len(text) == 2 * table.rows
            assert are_equal(text, execute_prepared(mysql, f"SELECT * FROM {name} WHERE id > ? ORDER BY id", 0))


@pytest.fixture
def moving() -> Iterator[Cluster]:
    """A Vitess whose shards may be changed for good: one shard, with a replica."""
    with Cluster.up(f"readyset-moves-{os.getpid()}", keyspaces={"shop": 1}, replicas=1) as started:
        yield started


@pytest.mark.parametrize("kind", KINDS)
def test_a_reparent_and_a_reshard_are_followed(
    moving: Cluster, mysql: PlainMysql, served: Served, tmp_path: Path, kind: str
) -> None:
    """Both happen under `run`: answers are Vitess' afterwards, and the caches are the same ones."""
    assert served.mysql is mysql
    moving.sql("shop:0@primary", "create table customers (id bigint not null primary key, name varchar(60))")
    vschema = tmp_path / "vschema.json"
    vschema.write_text(json.dumps(VSCHEMA))
    moving.apply_vschema("shop", vschema)
    moving.reload_schema("shop")
    for key in range(1, 41):
        moving.sql("shop", f"insert into customers (id, name) values ({key}, 'first {key}')")
    with any_readyset(kind, mysql, moving.mysql_port, tmp_path, "shop") as readyset:
        field = readyset.config(f"CREATE DEEP CACHE by_id FROM {NAME}")
        supervisor = Supervisor(command_line(moving, "shop", ["customers"], mysql, field, tmp_path), tmp_path)
        try:
            until(lambda: ("shop",) in mysql.sql("SHOW DATABASES"))
            readyset.start()
            until(lambda: readyset.cached(NAME, 40) == [("first 40",)])
            made = readyset.ask("SHOW CACHES")

            moving.reparent("shop/0")
            moving.sql("shop", "update customers set name = 'after the reparent' where id <= 10")
            until(lambda: readyset.cached(NAME, 10) == [("after the reparent",)])

            moving.reshard("shop", ["0"], ["-80", "80-"])
            moving.sql("shop", "update customers set name = 'after the reshard' where id > 30")
            moving.sql("shop", "delete from customers where id = 20")
            for key in (31, 40):
                until(lambda key=key: readyset.cached(NAME, key) == [("after the reshard",)])  # type: ignore[misc]
            until(lambda: readyset.cached(NAME, 20) == [])
            names: dict[int, str] = dict(moving.sql("shop", "select id, name from customers"))
            answers = {key: readyset.cached(NAME, key) for key in range(1, 41)}

            assert answers == {key: [(names[key],)] if key in names else [] for key in range(1, 41)}
            assert [row[:3] for row in readyset.ask("SHOW CACHES")[0]] == [row[:3] for row in made[0]]
            assert supervisor.stop() == 0
        finally:
            supervisor.process.kill()
            supervisor.process.wait()
