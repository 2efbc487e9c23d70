"""Options: what is wrong is said in one sentence, with the connector's own words."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_vitess.errors import ConfigError
from source_vitess.position.vgtid import Vgtid

from vitess_spark.options import ReadOptions

GOOD = {"url": "vitess://127.0.0.1/commerce", "table": "orders"}
POSITION = '[{"keyspace": "commerce", "shard": "0", "gtid": "00000000-0000-0000-0000-000000000001:1-5"}]'


def test_the_least_that_is_needed() -> None:
    """A URL and a table; a stream then begins with a copy."""
    options = ReadOptions.parse(GOOD)

    assert (options.config.keyspace, options.tables, options.in_envelopes) == ("commerce", ("orders",), False)
    assert (options.columns, options.copies, options.start, options.most_transactions) == ((), True, None, None)


def test_all_of_them() -> None:
    """The case of a name does not count; lists have commas, objects are JSON."""
    options = ReadOptions.parse(
        {
            **GOOD,
            "TABLET_TYPE": "REPLICA",
            "cells": "zone1, zone2",
            "shards": "-80,80-",
            "tls": '{"mode": "required"}',
            "username": "u",
            "password": "hunter2",
            "Columns": "id, name",
            "startingPosition": POSITION,
            "maxTransactionsPerShard": "100",
            "partitionsPerShard": "1",
            "tinyint1_as_boolean": "TRUE",
            "no_progress_timeout_seconds": "60",
        },
        streaming=True,
    )

    assert options.config.cells == ("zone1", "zone2")
    assert options.config.shards == ("-80", "80-")
    assert options.config.tinyint1_as_boolean
    assert options.columns == ("id", "name")
    assert options.start == Vgtid("commerce", {"0": "MySQL56/00000000-0000-0000-0000-000000000001:1-5"})
    assert (options.copies, options.most_transactions) == (False, 100)
    assert "hunter2" not in repr(options)


def test_fields_may_come_from_a_file(tmp_path: Path) -> None:
    """Which is where a secret belongs."""
    file = tmp_path / "vitess.json"
    file.write_text('{"url": "vitess://127.0.0.1/commerce", "username": "u", "password": "hunter2"}')

    options = ReadOptions.parse({"config": str(file), "table": "orders"})

    assert options.config.password == "hunter2"


def test_a_table_in_the_catalog_of_spark_is_refused_when_it_is_created() -> None:
    """Spark gives the options then, a second time behind `option.`, beside properties, and none to a query on it."""
    given = {**GOOD, **{f"option.{name}": value for name, value in GOOD.items()}, "provider": "vitess", "owner": "root"}

    with pytest.raises(ConfigError, match="Use CREATE TEMPORARY VIEW"):
        ReadOptions.parse(given)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"url": ""}, "The field url is missing"),
        ({"table": " "}, "The option table is missing"),
        ({"tabel": "x"}, "The option 'tabel' is not known"),
        ({"partitionsPerShard": "0"}, "The option partitionsPerShard must be from 1 to 256, found '0'"),
        ({"partitionsPerShard": "257"}, "The option partitionsPerShard must be from 1 to 256, found '257'"),
        ({"partitionsPerShard": "x"}, "The option partitionsPerShard must be a whole number, found 'x'"),
        (
            {"partitionsPerShard": "2", "startingPosition": "current"},
            "The option partitionsPerShard is of a copy, and startingPosition begins without one",
        ),
        ({"tables": "a,b"}, "The options table and tables are both given"),
        ({"tablet_type": "replica"}, "The field tablet_type must be one of"),
        ({"tls": "{"}, "The option tls has to be a JSON object"),
        ({"tls": "[]"}, "The field tls must be an object, found a list"),
        ({"password": "hunter2"}, "The field password is set and the field username is not"),
        ({"columns": "a,,b"}, "The option columns must be a list of names with commas between them"),
        ({"columns": "`a,b"}, "A name that holds a comma, or begins with a backtick, stands in backticks"),
        ({"table": "`a"}, "The option table begins with a backtick, and is no name in backticks: '`a'"),
        ({"columns": "a,a"}, "The option columns lists 'a' twice"),
        ({"shards": "80"}, None),
        ({"shards": "8 0"}, "The field shards must be a list of names of shards"),
        ({"tinyint1_as_boolean": "yes"}, "The option tinyint1_as_boolean must be true or false, found 'yes'"),
        ({"no_progress_timeout_seconds": "x"}, "The option no_progress_timeout_seconds must be a whole number"),
        ({"no_progress_timeout_seconds": "1"}, "The field no_progress_timeout_seconds must be a whole number from 10"),
        ({"startingPosition": "latest"}, "The option startingPosition must be copy, current or a position as JSON"),
        ({"startingPosition": POSITION.replace("commerce", "main")}, "is of keyspace 'main'"),
        ({"startingPosition": "{}"}, "The option startingPosition cannot be used"),
        ({"pushFilters": "yes"}, "The option pushFilters must be false or oneQuery, found 'yes'"),
        ({"pushFilters": "true"}, "With true, rows would be missing without an error"),
        ({"partitionspershards": "2"}, "'partitionspershards' is not known. Did you mean 'partitionsPerShard'?"),
        ({"path": "orders"}, "The table is named by the option table, not by load('orders')"),
        ({"provider": "vitess"}, "The option 'provider' is not known"),
        ({"maxTransactionsPerShard": "0"}, "The option maxTransactionsPerShard must be at least 1"),
        ({"maxTransactionsPerShard": "x"}, "The option maxTransactionsPerShard must be a whole number"),
        ({"config": "/nowhere.json"}, "The file of the option config, '/nowhere.json', cannot be read"),
    ],
)
def test_bad_input(more: dict[str, str], message: str | None) -> None:
    """Named with its option."""
    if message is None:
        ReadOptions.parse({**GOOD, **more})
        return
    with pytest.raises(ConfigError) as refused:
        ReadOptions.parse({**GOOD, **more})
    assert message in refused.value.message
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "has to hold a JSON object"),
        ('{"url": "vitess://127.0.0.1/main"}', "The option url is given, and in the file of the option config too"),
        ('{"tabel": 1}', "has the field 'tabel', which is not known"),
    ],
)
def test_a_bad_file(tmp_path: Path, content: str, message: str) -> None:
    """Nothing of what it holds is shown but names."""
    file = tmp_path / "vitess.json"
    file.write_text(content)

    with pytest.raises(ConfigError, match=message):
        ReadOptions.parse({**GOOD, "config": str(file)})


def test_several_tables() -> None:
    """By their names, with commas between them; one may be alone."""
    options = ReadOptions.parse({"url": GOOD["url"], "tables": "orders, items"}, streaming=True)

    assert (options.tables, options.in_envelopes) == (("orders", "items"), True)
    assert ReadOptions.parse({"url": GOOD["url"], "tables": "orders"}).in_envelopes


def test_names_in_backticks() -> None:
    """They may hold a comma, or a space in front."""
    options = ReadOptions.parse({**GOOD, "table": "` orders`", "columns": "`a,b`, `c``d`, e f"})

    assert (options.tables, options.columns) == ((" orders",), ("a,b", "c`d", "e f"))
    assert ReadOptions.parse({**GOOD, "table": "a,b"}).tables == ("a,b",)
    assert ReadOptions.parse({"url": GOOD["url"], "tables": "a, `b,c`"}).tables == ("a", "b,c")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"table": "a"}, "The options table and tables are both given"),
        ({"columns": "id"}, "The option columns is of one table: rows of several tables have all their columns"),
        ({"partitionsPerShard": "2"}, "The option partitionsPerShard is of one table: of several tables, each is"),
        ({"pushFilters": "oneQuery"}, "The option pushFilters is of one table: rows of several tables are JSON"),
        ({"tables": "a,,b"}, "The option tables must be a list of names with commas between them"),
        ({"tables": ""}, "The option tables must be a list of names with commas between them"),
        ({"tables": "a,a"}, "The option tables lists 'a' twice"),
    ],
)
def test_what_several_tables_have_not(more: dict[str, str], message: str) -> None:
    """It is named, with why and what to do."""
    with pytest.raises(ConfigError) as refused:
        ReadOptions.parse({"url": GOOD["url"], "tables": "a,b", **more}, streaming=False)
    assert message in refused.value.message


def test_what_a_stream_has_not() -> None:
    """A row that a filter leaves out of a stream would never be deleted by it."""
    with pytest.raises(ConfigError, match="The option pushFilters is of a batch"):
        ReadOptions.parse({**GOOD, "pushFilters": "oneQuery"}, streaming=True)
    assert ReadOptions.parse({**GOOD, "pushFilters": "oneQuery"}, streaming=False).pushes_filters
    assert ReadOptions.parse({**GOOD, "pushFilters": "ONEQUERY"}, streaming=False).pushes_filters
    assert not ReadOptions.parse({**GOOD, "pushFilters": "False"}, streaming=False).pushes_filters
    assert not ReadOptions.parse(GOOD).pushes_filters


@pytest.mark.parametrize("name", ["startingPosition", "maxTransactionsPerShard"])
def test_what_a_batch_has_not(name: str) -> None:
    """It reads what is there now."""
    with pytest.raises(ConfigError, match=f"The option {name} is of a stream"):
        ReadOptions.parse({**GOOD, name: "5"}, streaming=False)
