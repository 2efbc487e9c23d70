"""A stream's offsets and batches on a Vitess in memory: where they begin and end, and what is refused."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, ConnectorError, PositionLostError, StreamError
from source_vitess.shard_reading.changes import Span

from tests import engine
from tests.engine import Engine
from vitess_spark import parts
from vitess_spark.options import ReadOptions
from vitess_spark.parts import PartRows
from vitess_spark.stream import TableStream, batch_parts, batch_terms, look_up_tables

pytestmark = pytest.mark.usefixtures("waits")


@dataclass(frozen=True)
class EqualTo:
    """As Spark's class of this name."""

    attribute: tuple[str, ...]
    value: object


def query(vitess: Vitess, **options: str) -> Engine:
    """Returns a query on table `a`."""
    return Engine({"url": vitess.url, "table": "a", "tablet_type": "PRIMARY", **options}, random.Random(1))


def expect_equal(made: Engine, vitess: Vitess) -> None:
    """Compares a query's sink with the table."""
    made.expect_equal({(row["id"],): dict(row) for row in vitess.rows("a")})


def test_the_copy_is_the_first_batch(vitess: Vitess) -> None:
    """And what was written meanwhile follows; with nothing to read there is no batch."""
    made = query(vitess)

    made.run(batches=1)
    assert dict(made.counts) == {"copy": 9, "batches": 1}
    vitess.delete("a", {"id": 3})
    made.run()
    made.run()

    assert made.counts["batches"] == 2
    expect_equal(made, vitess)


def test_changes_from_now_on(vitess: Vitess) -> None:
    """What was there is not read; the first batch has nothing but the position."""
    made = query(vitess, startingPosition="current")
    made.run()
    vitess.insert("a", {"id": 50, "name": "later"})
    made.run()

    assert set(made.rows) == {(50,)}


def test_changes_from_a_position(vitess: Vitess) -> None:
    """As a dump names it."""
    made = query(vitess, startingPosition="current")
    made.run()
    vgtid = json.loads(made.offsets[-1])["vgtid"]
    vitess.insert("a", {"id": 50, "name": "later"})
    position = [{"keyspace": "commerce", "shard": shard, "gtid": gtid} for shard, gtid in vgtid.items()]
    other = query(vitess, startingPosition=json.dumps(position))
    other.run()

    assert set(other.rows) == {(50,)}


def test_available_now_after_a_copy_ends_at_one_moment(vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written between the copies of two shards is in one of them: the end is behind both."""
    written: list[int] = []

    def read_part(*arguments: Any) -> Iterator[PartRows]:
        yield from parts.read_part(*arguments)
        if not written:
            written.append(1)
            vitess.insert("a", *({"id": number, "name": "meanwhile"} for number in range(20, 30)))
            for number in range(1, 10):
                vitess.delete("a", {"id": number})

    monkeypatch.setattr(engine, "read_part", read_part)
    started = query(vitess)

    started.run(available_now=True)

    expect_equal(started, vitess)


def test_a_checkpoint_of_something_else(vitess: Vitess) -> None:
    """Of another keyspace, table, version or beginning: one sentence each."""
    made = query(vitess)
    made.run(batches=1)
    vitess.create_table("b", {"id": "bigint"}, key=["id"])
    good = json.loads(made.offsets[0])
    for change, message in (
        ({"keyspace": "main"}, "The checkpoint is of keyspace 'main', and the query reads 'commerce'"),
        ({"table": "b"}, "The checkpoint is of table 'b', and the query reads table 'a'"),
        ({"version": 9}, "The checkpoint is of version 9"),
        ({"vgtid": {"-80": "current"}}, "holds an offset that is none of vitess-spark's"),
        ({"vgtid": 5}, "holds an offset that is none of vitess-spark's"),
    ):
        broken = made.copy()
        broken.offsets = [json.dumps({**good, **change})]
        with pytest.raises(ConfigError, match=message):
            broken.run()
    made.committed = 0
    made.options = {**made.options, "startingPosition": "current"}
    with pytest.raises(ConfigError, match="The query of this checkpoint began with a copy"):
        made.run()


def test_other_shards_than_before(vitess: Vitess) -> None:
    """Fewer or more than the checkpoint has: said at once, for a batch that is to come and for one that is logged."""
    some = query(vitess, shards="-80")
    some.run(batches=1)
    more = some.copy()
    more.options = {name: value for name, value in some.options.items() if name != "shards"}
    every = query(vitess)
    every.run(batches=1)
    fewer = every.copy()
    fewer.options = {**fewer.options, "shards": "-80"}
    vitess.insert("a", *({"id": number, "name": "later"} for number in range(50, 60)))

    for made in (more, fewer):
        with pytest.raises(ConfigError, match=r"shard 80-.* Set the option"):
            made.run()
    every.run(batches=1)
    every.committed = 1
    every.options = {**every.options, "shards": "-80"}
    with pytest.raises(ConfigError, match=r"shard 80-.* Set the option"):
        every.run()


def test_a_reshard_of_the_shards_that_are_read(vitess: Vitess) -> None:
    """The option names the new ones then: changes of the old one are read up to its journal."""
    made = query(vitess, shards="-80")
    made.run(batches=1)
    vitess.reshard(["-80"], ["-40", "40-80"])
    vitess.update("a", lambda _: True, {"name": "later"})
    made.options = {**made.options, "shards": "-40,40-80"}

    made.run()

    assert set(json.loads(made.offsets[-1])["vgtid"]) == {"-40", "40-80"}
    made.expect_equal({(row["id"],): dict(row) for new in ("-40", "40-80") for row in vitess.rows("a", new)})


def test_a_vitess_that_cannot_read_some_rows_only(vitess: Vitess) -> None:
    """Before v22 a query in several tasks is refused; filters are Spark's alone."""
    given = {"url": vitess.url, "table": "a", "tablet_type": "PRIMARY", "partitionsPerShard": "2"}
    options = ReadOptions.parse(given, streaming=False)
    tables = look_up_tables(options, followed=False)
    filters = [EqualTo(("id",), 3)]
    assert [str(term) for term in batch_terms(options, tables, filters)] == ["`id` = 3"]
    vitess.sql.variables["version_comment"] = "Version: 21.0.6 (Git revision  branch '') built on  by @ using go1.23.9"

    assert batch_terms(options, tables, filters) == ()
    with pytest.raises(ConfigError, match=r"partitionsPerShard needs Vitess 22 or later.* this is Vitess 21\.0\.6"):
        batch_parts(options, tables)


def test_positions_that_are_lost(vitess: Vitess) -> None:
    """Before any task starts."""
    made = query(vitess)
    made.run(batches=1)
    vitess.insert("a", {"id": 50, "name": "later"})
    vitess.purge()

    with pytest.raises(PositionLostError):
        made.run()

    assert len(made.offsets) == 1


def test_the_columns_that_are_left_are_written_as_the_option_takes_them(vitess: Vitess) -> None:
    """In backticks, where a comma would cut the name."""
    vitess.create_table("named", {"id": "bigint", "last,first": "varchar(20)"}, key=["id"])
    made = query(vitess, table="named")
    made.run(batches=1)
    vitess.insert("named", {"id": 50, "last,first": "later"})
    vitess.add_column("named", "more", "int")

    with pytest.raises(StreamError, match=r"give the option columns: id, `last,first`. To read it, start a new query"):
        made.run()
    made.options = {**made.options, "columns": "id, `last,first`"}
    made.run()

    assert made.rows == {(50,): {"id": 50, "last,first": "later"}}


def test_columns_that_are_added_while_the_query_is_stopped(vitess: Vitess) -> None:
    """A query does not read what it did not know: either without it, or anew."""
    made = query(vitess)
    made.run(batches=1)
    vitess.insert("a", {"id": 50, "name": "later"})
    vitess.add_column("a", "more", "int")

    with pytest.raises(StreamError, match="'more' was added to table 'a' after the query began"):
        made.run()
    made.options = {**made.options, "columns": "id,name"}
    made.run()

    made.expect_equal({(row["id"],): {"id": row["id"], "name": row["name"]} for row in vitess.rows("a")})


def test_columns_that_are_altered_while_the_query_is_stopped(vitess: Vitess) -> None:
    """Changes of before would come under wrong names: no batch begins."""
    made = query(vitess)
    made.run(batches=1)
    vitess.insert("a", {"id": 50, "name": "later"})
    vitess.add_column("a", "more", "varchar(20)", after="id")

    with pytest.raises(StreamError, match="its first 2 columns are others now"):
        made.run()


def test_a_table_that_is_truncated(vitess: Vitess) -> None:
    """No row shows it: the batch with the statement fails, each time."""
    made = query(vitess)
    made.run(batches=1)
    vitess.truncate("a")

    for _ in range(2):
        with pytest.raises(StreamError, match="Table 'a' was truncated"):
            made.run()


def test_a_batch_of_many_shards_asks_no_more_than_once_for_each() -> None:
    """The keyspace's tablets are listed as often for two shards as for eight; a task knows its own shard only."""
    listed = {}
    for count in (2, 8):
        borders = ["", *(f"{number * 256 // count:02x}" for number in range(1, count)), ""]
        with Vitess("commerce", [f"{low}-{high}" for low, high in pairwise(borders)]) as vitess:
            vitess.create_table("a", {"id": "bigint"}, key=["id"])
            options = ReadOptions.parse(
                {"url": vitess.url, "table": "a", "tablet_type": "PRIMARY", "startingPosition": "current"},
                streaming=True,
            )
            stream = TableStream(options, look_up_tables(options, followed=True))
            begin = stream.latest(stream.initial(), None)
            for number, shard in enumerate(vitess.shards):
                vitess.insert("a", {"id": number}, shard=shard)
            before = len(vitess.mysql.statements)
            parts = stream.parts(begin, stream.latest(begin, None))
            asked = vitess.mysql.statements[before:]

            listed[count] = sum("vitess_tablets" in str(statement).lower() for statement in asked)
            spans = [part.what for part in parts]
            assert all(isinstance(span, Span) for span in spans)
            assert {span.shard for span in spans} == set(vitess.shards)
            assert [list(part.row_images) for part in parts] == [[span.shard] for span in spans]
    assert listed[2] == listed[8] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"table": "aa"}, "There is no table 'aa' in keyspace 'commerce'. Did you mean 'a'?"),
        ({"table": "A"}, "There is no table 'A' in keyspace 'commerce'. Did you mean 'a'?"),
        ({"table": "commerce.a"}, "There is no table 'commerce.a' in keyspace 'commerce'. Did you mean 'a'?"),
        ({"columns": "id,nam"}, "Table 'a' has no column 'nam'. Did you mean 'name'?"),
        ({"columns": "ID,name"}, "Table 'a' has no column 'ID'. Did you mean 'id'?"),
        ({"columns": "name"}, "The key of table 'a' has the column 'id', which the option columns leaves out"),
        ({"table": "keyless"}, "Table 'keyless' has no primary key"),
        ({"table": "floating"}, "The key of table 'floating' has the FLOAT column 'id'"),
        ({"table": "taken"}, "has a name that this data source gives to a column of its own"),
        ({"table": "old"}, "Table 'old' is of a storage engine without transactions"),
        ({"shards": "-40"}, "-40"),
    ],
)
def test_tables_that_cannot_be_followed(vitess: Vitess, options: dict[str, str], message: str) -> None:
    """One sentence, with what to do."""
    vitess.create_table("keyless", {"id": "bigint"})
    vitess.create_table("floating", {"id": "float"}, key=["id"])
    vitess.create_table("taken", {"id": "bigint", "_VT_op": "int"}, key=["id"])
    vitess.create_table("old", {"id": "bigint"}, key=["id"], engine="MyISAM")

    with pytest.raises(ConnectorError) as refused:
        query(vitess, **options).run()

    assert message in refused.value.message


def test_a_batch_reads_tables_without_a_key(vitess: Vitess) -> None:
    """One part for each shard."""
    vitess.create_table("keyless", {"id": "bigint"})
    options = ReadOptions.parse({"url": vitess.url, "table": "keyless", "columns": "id"}, streaming=False)

    tables = look_up_tables(options, followed=False)

    assert list(tables.one.forms) == ["id"]
    assert len(batch_parts(options, tables)) == 2
