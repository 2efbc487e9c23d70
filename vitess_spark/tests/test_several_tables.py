"""Several tables in one query on a Vitess in memory: what is read, in how many streams, and what is refused."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.clock import SystemClock
from source_vitess.errors import ConfigError, ConnectorError, StreamError

from tests.engine import Engine
from vitess_spark.options import ReadOptions
from vitess_spark.parts import read_part
from vitess_spark.stream import batch_parts, look_up_tables

TABLES = ("a", "b")


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes retries follow at once."""
    monkeypatch.setattr(SystemClock, "wait", lambda _, __: None)


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A Vitess in memory of two shards with tables `a`, `b` and `c`, of nine rows each."""
    with Vitess() as running:
        running.heartbeat_scale = 0.002
        for table in (*TABLES, "c"):
            running.create_table(table, {"id": "bigint", "name": "varchar(20)"}, key=["id"])
            running.insert(table, *({"id": number, "name": f"{table}{number}"} for number in range(1, 10)))
        yield running


def query(vitess: Vitess, **options: str) -> Engine:
    """Returns a query on tables `a` and `b`."""
    return Engine({"url": vitess.url, "tables": "a,b", "tablet_type": "PRIMARY", **options}, random.Random(1))


def expect_equal(made: Engine, vitess: Vitess) -> None:
    """Compares a query's sink with the two tables."""
    made.expect_equal(held(vitess))


def held(vitess: Vitess) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Returns the rows of the two tables, by table and by the text of the key."""
    return {(table, f'{{"id":{row["id"]}}}'): dict(row) for table in TABLES for row in vitess.rows(table)}


def test_a_copy_and_changes(vitess: Vitess) -> None:
    """Of these tables and of no other; changes of all of them come from one stream for each shard."""
    made = query(vitess)

    made.run(batches=1)
    assert dict(made.counts) == {"copy": 18, "batches": 1}
    for table in ("a", "b", "c", "a"):
        vitess.update(table, lambda _: True, {"name": f"later {table}"})
    vitess.delete("b", {"id": 3})
    made.run()
    made.run()

    assert made.counts["batches"] == 2
    rules = [[rule.match for rule in request.filter.rules] for request in vitess.vstream.requests]
    assert rules.count(["a", "b"]) == 2
    expect_equal(made, vitess)
    made.reread()


def test_the_same_key_in_two_tables(vitess: Vitess) -> None:
    """Rows of different tables are different rows."""
    made = query(vitess, startingPosition="current")
    made.run()
    vitess.insert("a", {"id": 50, "name": "of a"})
    vitess.insert("b", {"id": 50, "name": "of b"})
    vitess.delete("a", {"id": 50})
    made.run()

    assert made.rows == {("b", '{"id":50}'): {"id": 50, "name": "of b"}}


def test_limits_are_of_transactions_of_all_tables(vitess: Vitess) -> None:
    """Four transactions of one shard are two batches of two, whatever tables they write to."""
    made = query(vitess, maxTransactionsPerShard="2", shards="-80")
    made.run(batches=1)
    for number, table in enumerate(("a", "c", "b", "a")):
        vitess.insert(table, {"id": 50 + number, "name": "later"}, shard="-80")
    made.run()

    assert made.counts["batches"] == 3
    assert {key for key in made.rows if '"id":5' in key[1] and key[1] != '{"id":5}'} == {
        ("a", '{"id":50}'),
        ("b", '{"id":52}'),
        ("a", '{"id":53}'),
    }


def test_available_now_ends(vitess: Vitess) -> None:
    """With a copy, and again with the changes since."""
    made = query(vitess)
    made.run(available_now=True)
    vitess.update("b", lambda _: True, {"name": "later"})
    made.run(available_now=True)

    expect_equal(made, vitess)


def test_the_order_of_the_names_is_no_matter(vitess: Vitess) -> None:
    """A checkpoint goes on."""
    made = query(vitess)
    made.run(batches=1)
    vitess.insert("b", {"id": 50, "name": "later"})
    made.options = {**made.options, "tables": "b, a"}
    made.run()

    expect_equal(made, vitess)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tables": "a,c"}, "names other tables than the checkpoint is of: 'c' too, and not 'b'. Start a new query"),
        ({"tables": "a,b,c"}, "names other tables than the checkpoint is of: 'c' too. Start a new query"),
        ({"tables": "a"}, "names other tables than the checkpoint is of: not 'b'. Start a new query"),
        ({"table": "a"}, "The checkpoint is of tables 'a', 'b', and the query reads table 'a'. Start a new query"),
    ],
)
def test_a_checkpoint_of_other_tables(vitess: Vitess, options: dict[str, str], message: str) -> None:
    """It is refused, and tables that are missing or too many are named."""
    made = query(vitess)
    made.run(batches=1)
    made.options = {name: value for name, value in made.options.items() if name != "tables"} | options

    with pytest.raises(ConfigError, match=message):
        made.run()


def test_a_checkpoint_of_one_table_with_its_columns(vitess: Vitess) -> None:
    """It is not one of several, not even of this one alone."""
    made = query(vitess)
    made.options = {**{name: value for name, value in made.options.items() if name != "tables"}, "table": "a"}
    made.run(batches=1)
    made.options = query(vitess, tables="a").options

    with pytest.raises(ConfigError, match="The checkpoint is of table 'a', and the query reads tables 'a'"):
        made.run()


def test_names_with_commas(vitess: Vitess) -> None:
    """In backticks, copied and changed; a column may be named as VTTablet names those whose names it does not know."""
    vitess.create_table("a,b", {"id": "bigint", "x,y": "varchar(20)", "@1": "int"}, key=["id"])
    vitess.insert("a,b", {"id": 1, "x,y": "one", "@1": 5}, {"id": 2, "x,y": "two", "@1": 6})
    made = query(vitess, tables="a, `a,b`")
    made.run()
    vitess.update("a,b", {"id": 2}, {"x,y": "later"})
    vitess.delete("a,b", {"id": 1})
    made.run()

    assert {key: row for key, row in made.rows.items() if key[0] == "a,b"} == {
        ("a,b", '{"id":2}'): {"id": 2, "x,y": "later", "@1": 6}
    }


@pytest.mark.parametrize("change", [{"tables": 5}, {"columns": [2, "x"]}, {"columns": {"a": [2, "x"]}}])
def test_an_offset_that_is_none(vitess: Vitess, change: dict[str, Any]) -> None:
    """It is said so."""
    made = query(vitess)
    made.run(batches=1)
    made.offsets = [json.dumps({**json.loads(made.offsets[0]), **change})]

    with pytest.raises(ConfigError, match="holds an offset that is none of vitess-spark's"):
        made.run()


def test_columns_that_are_added_while_the_query_is_stopped(vitess: Vitess, caplog: pytest.LogCaptureFixture) -> None:
    """Rows go on without them, as they would have if it had run all the while; and it is said."""
    made = query(vitess)
    made.run(batches=1)
    vitess.insert("b", {"id": 50, "name": "later"})
    vitess.add_column("b", "more", "int")
    vitess.insert("b", {"id": 51, "name": "later", "more": 5})

    with caplog.at_level(logging.WARNING):
        made.run()

    assert made.rows["b", '{"id":51}'] == {"id": 51, "name": "later"}
    assert len(made.rows) == 20
    [warning] = caplog.messages
    assert "The column 'more' was added to table 'b' after the query began, and is not in its rows" in warning


def test_columns_that_are_altered_while_the_query_is_stopped(vitess: Vitess) -> None:
    """Changes of before would come under wrong names: no batch begins."""
    made = query(vitess)
    made.run(batches=1)
    vitess.add_column("b", "more", "varchar(20)", after="id")

    with pytest.raises(StreamError, match="Table 'b' was altered since the query began: its first 2 columns"):
        made.run()


def test_a_table_that_is_truncated(vitess: Vitess) -> None:
    """The batch with the statement fails, each time."""
    made = query(vitess)
    made.run(batches=1)
    vitess.truncate("b")

    for _ in range(2):
        with pytest.raises(StreamError, match="Table 'b' was truncated"):
            made.run()


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ("a,bb", "There is no table 'bb' in keyspace 'commerce'. Did you mean 'b'?"),
        ("x,y", "There is no table 'x' in keyspace 'commerce'. Did you mean 'x,y'? It is written `x,y`."),
        ("a,`d``e`", "Vitess cannot stream table 'd`e', because of a backtick or a leading slash in its name"),
        ("/a", "Vitess cannot stream table '/a', because of a backtick or a leading slash in its name"),
        ("a,keyless", "Table 'keyless' has no primary key"),
        ("floating,a", "The key of table 'floating' has the FLOAT column 'id'"),
        ("a,old", "Table 'old' is of a storage engine without transactions"),
    ],
)
def test_tables_that_cannot_be_followed(vitess: Vitess, tables: str, message: str) -> None:
    """One sentence, which names the table."""
    vitess.create_table("keyless", {"id": "bigint"})
    vitess.create_table("floating", {"id": "float"}, key=["id"])
    vitess.create_table("old", {"id": "bigint"}, key=["id"], engine="MyISAM")
    vitess.create_table("x,y", {"id": "bigint"}, key=["id"])

    with pytest.raises(ConnectorError) as refused:
        query(vitess, tables=tables).run()

    assert message in refused.value.message


def test_a_batch(vitess: Vitess) -> None:
    """One part for each table and shard, the largest table first; tables without a key are there, and any column."""
    vitess.create_table("keyless", {"id": "bigint", "_vt_op": "int"})
    vitess.insert("keyless", {"id": 1, "_vt_op": 5})
    options = ReadOptions.parse({"url": vitess.url, "tables": "keyless,b"}, streaming=False)
    tables = look_up_tables(options, followed=False)

    parts = batch_parts(options, tables)

    assert sorted((part.tables, part.what.shard) for part in parts) == [
        (("b",), "-80"),
        (("b",), "80-"),
        (("keyless",), "-80"),
        (("keyless",), "80-"),
    ]
    read = [(rows.table, len(rows.members)) for part in parts for rows in read_part(options, tables, part)]
    assert sum(count for table, count in read if table == "b") == 9
    assert sum(count for table, count in read if table == "keyless") == 1
