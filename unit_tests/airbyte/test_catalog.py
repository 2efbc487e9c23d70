"""The configured catalog against the schema: what can be read, what is refused, what is warned of."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStream, ConfiguredAirbyteStream
from airbyte_cdk.utils import AirbyteTracedException

from instruments.connector import Json
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.airbyte.catalog import to_catalog
from source_vitess.airbyte.configured_catalog import (
    CONFIGURED_STREAM,
    STREAM,
    ConfiguredCatalog,
    parse_configured_catalog,
)
from source_vitess.airbyte.selection import select_streams
from source_vitess.errors import ConfigError
from source_vitess.schema import Column, Schema, Table
from source_vitess.source import SourceVitess
from source_vitess.types.codec import TypeOptions
from unit_tests.syncing import COLUMNS, Syncs, rows

T = Table(
    "t",
    (
        Column("a", "bigint unsigned", None, nullable=False),
        Column("b", "varchar(20)", "utf8mb4", nullable=True),
        Column("c", "decimal(10,2)", None, nullable=True),
    ),
    key=("a", "b"),
)
KEYLESS = Table("k", (Column("x", "json", None, nullable=False),), key=())
SCHEMA = Schema("shop", {"t": T, "k": KEYLESS, "u": replace(T, name="u")})
OPTIONS = TypeOptions()


def configured(*names: str, mode: str = "incremental") -> Json:
    """Returns a configured catalog as the platform makes it of the discovered one."""
    streams = {stream["name"]: stream for stream in to_catalog(SCHEMA, OPTIONS)["streams"]}
    return {
        "streams": [
            {
                "stream": {
                    "name": name,
                    "namespace": "shop",
                    "json_schema": copy.deepcopy(streams[name]["json_schema"]),
                    "supported_sync_modes": ["full_refresh", "incremental"],
                },
                "sync_mode": mode,
                "destination_sync_mode": "append",
                "primary_key": streams[name].get("source_defined_primary_key"),
            }
            for name in names
        ]
    }


def load(catalog: Json) -> ConfiguredCatalog:
    """Returns the catalog as it is read from a file."""
    return parse_configured_catalog(catalog)


def test_streams_are_discovered_with_their_keys() -> None:
    """Key in key order, a stream without key as one that cannot be resumed, the cursor that this source defines."""
    t, k, _ = to_catalog(SCHEMA, OPTIONS)["streams"]

    assert t["source_defined_primary_key"] == [["a"], ["b"]]
    assert t["is_resumable"] is True
    assert (k.get("source_defined_primary_key"), k["is_resumable"]) == (None, False)
    assert t["default_cursor_field"] == ["_ab_cdc_cursor"]
    assert t["namespace"] == "shop"


def test_what_was_discovered_can_be_read() -> None:
    """The catalog as discovered: every stream, no warning."""
    selection = select_streams(load(configured("t", "k")), SCHEMA, OPTIONS)

    assert [stream.name for stream in selection.streams] == ["t", "k"]
    assert (selection.refused, selection.warnings) == ((), ())


@pytest.mark.parametrize("catalog", [{"streams": []}, configured("t", "k", "t")], ids=["empty", "twice"])
def test_a_catalog_that_means_nothing(catalog: Json) -> None:
    """No stream at all, or one twice: nothing is read."""
    with pytest.raises(ConfigError, match=r"no streams|'t' twice"):
        select_streams(load(catalog), SCHEMA, OPTIONS)


def _rename(stream: Json) -> None:
    stream["stream"]["name"] = "gone"


def _other_namespace(stream: Json) -> None:
    stream["stream"]["namespace"] = "other"


def _other_type(stream: Json) -> None:
    stream["stream"]["json_schema"]["properties"]["c"] = {"type": ["null", "string"]}


def _no_schema_of_a_column(stream: Json) -> None:
    stream["stream"]["json_schema"]["properties"]["c"] = True


def _other_key(stream: Json) -> None:
    stream["primary_key"] = [["a"]]


def _dropped_key(stream: Json) -> None:
    stream["stream"].update(name="k", json_schema={}, source_defined_primary_key=[["x"]])
    stream["primary_key"] = [["x"]]


def _key_not_selected(stream: Json) -> None:
    del stream["stream"]["json_schema"]["properties"]["b"]


def _similar_name(stream: Json) -> None:
    stream["stream"]["name"] = "tt"


def _slash(stream: Json) -> None:
    stream["stream"]["name"] = "/t"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_rename, "no table 'gone'"),
        (_other_namespace, "namespace 'other'"),
        (_other_type, "'c' of table 't' is 'decimal(10,2)' now"),
        (_no_schema_of_a_column, "'c' of table 't'"),
        (_other_key, "configured as (a), and the table's key is (a, b)"),
        (_dropped_key, "configured as (x), and the table's key is (none)"),
        (_key_not_selected, "has the column 'b', which is not selected"),
        (_similar_name, "no table 'tt' in keyspace 'shop'. Did you mean 't'?"),
        (_slash, "cannot stream table '/t'"),
    ],
)
def test_a_stream_is_refused_on_its_own(change: Callable[[Json], None], found: str) -> None:
    """Gone, of another keyspace, of another type or key: that stream fails with a name for it, the others are read."""
    catalog = configured("t", "u")
    change(catalog["streams"][0])

    selection = select_streams(load(catalog), SCHEMA, OPTIONS)

    assert [stream.name for stream in selection.streams] == ["u"]
    [error] = selection.refused
    assert found in error.message
    assert error.stream == catalog["streams"][0]["stream"]["name"]


def _no_namespace(stream: Json) -> None:
    del stream["stream"]["namespace"]


def _no_properties(stream: Json) -> None:
    stream["stream"]["json_schema"] = {}


def _key_in_another_order(stream: Json) -> None:
    stream["primary_key"] = [["b"], ["a"]]


def _no_key(stream: Json) -> None:
    stream["primary_key"] = []


def _rewritten_types(stream: Json) -> None:
    properties: dict[str, Any] = stream["stream"]["json_schema"]["properties"]
    properties["b"] = {"type": "string", "description": "the name", "title": "B"}
    properties["c"]["type"] = ["number", "null"]


@pytest.mark.parametrize("change", [_no_namespace, _no_properties, _key_in_another_order, _no_key, _rewritten_types])
def test_what_platforms_and_people_write(change: Callable[[Json], None]) -> None:
    """What means the same in other words is taken, with all columns."""
    catalog = configured("t")
    change(catalog["streams"][0])

    [stream] = select_streams(load(catalog), SCHEMA, OPTIONS).streams

    assert list(stream.streamed.selected) == ["a", "b", "c"]


def test_a_dropped_column_is_a_warning() -> None:
    """The table has it no more: records come without, and the log reports it."""
    catalog = configured("t")
    catalog["streams"][0]["stream"]["json_schema"]["properties"]["old"] = {"type": ["null", "string"]}

    selection = select_streams(load(catalog), SCHEMA, OPTIONS)

    assert list(selection.streams[0].streamed.selected) == ["a", "b", "c"]
    [warning] = selection.warnings
    assert "no column 'old'" in warning


def test_columns_that_are_not_in_the_catalog_are_one_warning() -> None:
    """Deselected, or added since: not emitted, and named in one line for all streams: the two look alike."""
    more = (Column("d", "int", None, nullable=True), Column("e", "int", None, nullable=True))
    schema = Schema("shop", {**SCHEMA.tables, "u": replace(SCHEMA.tables["u"], columns=(*T.columns, *more))})
    catalog = configured("t", "k", "u")
    del catalog["streams"][0]["stream"]["json_schema"]["properties"]["c"]

    selection = select_streams(load(catalog), schema, OPTIONS)

    assert [list(stream.streamed.selected) for stream in selection.streams] == [["a", "b"], ["x"], ["a", "b", "c"]]
    [warning] = selection.warnings
    assert "does not have them: 't' ('c'), 'u' ('d', 'e'). If they were added" in warning


def test_a_table_whose_rows_may_be_nothing_but_null() -> None:
    """Vitess sends no changes of such rows, so a warning names which table can have them."""
    loose = Table("k", (Column("x", "json", None, nullable=True),), key=())

    selection = select_streams(load(configured("k")), Schema("shop", {"k": loose}), OPTIONS)

    [warning] = selection.warnings
    assert "Table 'k' has neither a key nor a column that is NOT NULL" in warning


def test_deduplication_without_a_key() -> None:
    """Read, with a warning: destinations refuse it themselves, and the CDK's standard tests configure it."""
    catalog = configured("k")
    catalog["streams"][0].update(primary_key=[], destination_sync_mode="append_dedup")

    selection = select_streams(load(catalog), SCHEMA, OPTIONS)

    assert [stream.name for stream in selection.streams] == ["k"]
    [warning] = selection.warnings
    assert "Choose Append" in warning


def test_a_key_that_the_user_knows() -> None:
    """A table without a key, and columns that a person declares to identify a row: taken, with a warning."""
    catalog = configured("k")
    catalog["streams"][0].update(primary_key=[["x"]], destination_sync_mode="append_dedup")

    selection = select_streams(load(catalog), SCHEMA, OPTIONS)

    assert [stream.name for stream in selection.streams] == ["k"]
    [warning] = selection.warnings
    assert "deduplicated by (x)" in warning


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (5, 'stream number 1: 5 is not of type "object"'),
        ({}, 'stream number 1: stream: "stream" is a required property'),
        ({"stream": {}, "sync_mode": "incremental"}, "stream number 1: name of stream"),
        ({"stream": {"name": "t"}}, "stream 't': sync_mode: \"sync_mode\" is a required property"),
        ({"stream": {"name": "t"}, "sync_mode": "cdc"}, 'is not one of ["full_refresh", "incremental"]'),
        ({"stream": {"name": "t"}, "sync_mode": "incremental", "primary_key": "a"}, "stream 't': primary_key: "),
    ],
)
def test_a_catalog_that_is_none(entry: Any, found: str) -> None:
    """The stream and the member that are wrong, not a path within the CDK's classes."""
    with pytest.raises(ConfigError) as caught:
        parse_configured_catalog({"streams": [entry]})

    assert found in caught.value.message
    assert "instance_path" not in caught.value.message


@pytest.mark.parametrize(
    ("members", "protocol"), [(STREAM, AirbyteStream), (CONFIGURED_STREAM, ConfiguredAirbyteStream)]
)
def test_the_members_are_those_of_the_protocol(members: Json, protocol: type) -> None:
    """What is checked of a catalog are the members that Airbyte's own models have, all of them and no other."""
    assert {*members["required"], *members["optional"]} == {field.name for field in fields(protocol)}


def test_a_catalog_that_is_written_by_hand() -> None:
    """A name and a mode are enough: all columns, with the `_ab_cdc_*` ones."""
    catalog = parse_configured_catalog({"streams": [{"stream": {"name": "t"}, "sync_mode": "incremental"}]})

    [stream] = select_streams(catalog, SCHEMA, OPTIONS).streams

    assert (list(stream.streamed.selected), stream.with_meta) == (["a", "b", "c"], True)


def test_a_sync_with_refused_streams(vitess: Vitess) -> None:
    """In a sync: the refused streams are INCOMPLETE with their own errors, the others are complete, it is not green."""
    for name in ("a", "b", "c"):
        vitess.create_table(name, COLUMNS, key=["id"])
        vitess.insert(name, *rows(3))
    syncs = Syncs(vitess)
    vitess.drop_table("b")
    vitess.modify_column("c", "name", "binary(20)")

    error = syncs.run()

    assert isinstance(error, ConfigError)
    assert syncs.store.statuses == {"a": "COMPLETE", "b": "INCOMPLETE", "c": "INCOMPLETE"}
    assert [error["stream_descriptor"]["name"] for error in syncs.store.errors] == ["b", "c"]
    assert {error["failure_type"] for error in syncs.store.errors} == {"config_error"}
    syncs.expect_equal("a")


def test_a_column_with_the_name_of_a_meta_column_is_left_out(vitess: Vitess) -> None:
    """A member must not occur twice; a warning names the column that is missing."""
    vitess.create_table("t", {"id": "bigint", "_ab_cdc_cursor": "int"}, key=["id"])
    vitess.insert("t", {"id": 1, "_ab_cdc_cursor": 5})
    syncs = Syncs(vitess)

    lines = list(syncs.lines())

    [record] = [line for line in lines if line.startswith(b'{"type":"RECORD"')]
    assert record.count(b'"_ab_cdc_cursor":') == 1
    assert any(b"'_ab_cdc_cursor'" in line and b'"WARN"' in line for line in lines)


@pytest.mark.parametrize(
    ("column_type", "mode", "destination_mode", "warned"),
    [
        ("float", "incremental", "append_dedup", True),
        ("float unsigned", "incremental", "append", True),
        ("float", "full_refresh", "append_dedup", True),
        ("float", "full_refresh", "overwrite", False),
        ("float(7,3)", "incremental", "append_dedup", False),
        ("double", "incremental", "append_dedup", False),
    ],
)
def test_a_key_with_a_float(column_type: str, mode: str, destination_mode: str, *, warned: bool) -> None:
    """Rows whose keys differ behind the sixth digit are one to a destination that deduplicates: never in silence."""
    table = replace(T, columns=(Column("a", column_type, None, nullable=False), *T.columns[1:]))
    catalog = configured("t", mode=mode)
    catalog["streams"][0]["destination_sync_mode"] = destination_mode
    catalog["streams"][0]["stream"]["json_schema"]["properties"]["a"] = {"type": ["null", "number"]}

    selection = select_streams(load(catalog), Schema("shop", {"t": table}), OPTIONS)

    assert ["The key of table 't' has the FLOAT column 'a'" in warning for warning in selection.warnings] == [
        True
    ] * warned


def test_discover_tells_of_a_key_with_a_float(vitess: Vitess, caplog: pytest.LogCaptureFixture) -> None:
    """Before anything is read."""
    vitess.create_table("measures", {"at": "float", "v": "int"}, key=("at",))
    vitess.create_table("fine", {"id": "bigint", "v": "float"}, key=("id",))

    SourceVitess().discover(logging.getLogger("airbyte.tests"), {"url": vitess.url})

    assert "The key of table 'measures' has the FLOAT column 'at'" in caplog.text
    assert "'fine'" not in caplog.text


def test_table_patterns_choose_the_streams(vitess: Vitess) -> None:
    """Tables that match no pattern are no streams, and are not warned of; a pattern without a table is an error."""
    for name in ("orders", "order_items", "customers"):
        vitess.create_table(name, {"id": "bigint"}, key=("id",))
    logger = logging.getLogger("airbyte.tests")

    catalog = SourceVitess().discover(logger, {"url": vitess.url, "table_patterns": [r"order\_%", "c%"]})

    assert sorted(stream.name for stream in catalog.streams) == ["customers", "order_items"]
    with pytest.raises(AirbyteTracedException, match="the pattern 'Order%', which none of the 3 tables"):
        SourceVitess().discover(logger, {"url": vitess.url, "table_patterns": ["c%", "Order%"]})
