"""The configuration: defaults, every wrong value by name, secrets that stay secret, and the form."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest

from source_vitess.conditions.values import Comparison, Condition, NullTest, Operator
from source_vitess.errors import ConfigError
from source_vitess.settings.config import Config, InitialCopy, InvalidPositionBehavior, TruncateBehavior
from source_vitess.settings.row_filters import TableCondition
from source_vitess.settings.url import VitessUrl

URL = "vitess://gate/main"
SPEC = json.loads(files("source_vitess").joinpath("spec.json").read_text())
FORM: dict[str, Any] = SPEC["connectionSpecification"]
PROPERTIES: dict[str, Any] = FORM["properties"]


def message(config: Any) -> str:
    """Returns the error message for a configuration that is wrong."""
    with pytest.raises(ConfigError) as caught:
        Config.from_json(config)
    return str(caught.value)


def test_a_url_is_enough() -> None:
    """Everything but the URL has a default."""
    config = Config.from_json({"url": URL})

    assert Config(url=VitessUrl.parse(URL)) == config
    assert (
        config.keyspace,
        config.tablet_type,
        config.checkpoint_interval_seconds,
        config.invalid_cdc_position_behavior,
        config.truncate_behavior,
        config.initial_load_timeout_hours,
        config.no_progress_timeout_seconds,
        config.keep_streaming_minutes,
    ) == ("main", None, 60, InvalidPositionBehavior.FAIL, TruncateBehavior.REFRESH, 8, 300, 0)


def test_everything_is_read() -> None:
    """Each field's value arrives."""
    config = Config.from_json(
        {
            "url": URL,
            "username": "bob",
            "password": "s3cret",
            "tablet_type": "RDONLY",
            "cells": ["zone1", "zone2"],
            "shards": ["-80", "80-c0"],
            "table_patterns": ["order%", r"a\_b"],
            "row_filters": [{"table": "t", "condition": "\nn  >= 5 "}, {"table": "u", "condition": "a is null"}],
            "initial_copy": "None: changes only",
            "start_position": " [\n] ",
            "tinyint1_as_boolean": True,
            "bigint_unsigned_as": "string",
            "checkpoint_interval_seconds": 5,
            "invalid_cdc_position_behavior": "Re-sync data",
            "truncate_behavior": "Ignore",
            "initial_load_timeout_hours": 4.0,
            "no_progress_timeout_seconds": 600,
            "keep_streaming_minutes": 30,
            "allow_unsupported_vitess": True,
            "__injected_by_airbyte": {"x": 1},
        }
    )

    assert (
        Config(
            url=VitessUrl.parse(URL),
            username="bob",
            password="s3cret",
            tablet_type="RDONLY",
            cells=("zone1", "zone2"),
            shards=("-80", "80-c0"),
            table_patterns=("order%", r"a\_b"),
            row_filters=(
                TableCondition("t", Condition((Comparison("n", Operator.GREATER_OR_EQUAL, Decimal(5)),))),
                TableCondition("u", Condition((NullTest("a", is_null=True),))),
            ),
            initial_copy=InitialCopy.NONE,
            start_position="[\n]",
            tinyint1_as_boolean=True,
            bigint_unsigned_as="string",
            checkpoint_interval_seconds=5,
            invalid_cdc_position_behavior=InvalidPositionBehavior.RESYNC,
            truncate_behavior=TruncateBehavior.IGNORE,
            initial_load_timeout_hours=4,
            no_progress_timeout_seconds=600,
            keep_streaming_minutes=30,
            allow_unsupported_vitess=True,
        )
        == config
    )


def test_nulls_are_fields_left_empty() -> None:
    """A form may send null for what was not filled in."""
    empty = {name: None for name in PROPERTIES if name != "url"}

    assert Config.from_json({"url": URL}) == Config.from_json({"url": URL, **empty})


@pytest.mark.parametrize("fields", [{}, {"username": "bob"}, {"username": "bob", "password": "CANARY"}])
@pytest.mark.parametrize("before", ["bob:CANARY@", "bob@", "@", ":CANARY@"])
def test_a_url_with_a_user_is_refused(before: str, fields: dict[str, str]) -> None:
    """Also in a configuration that was saved when it was allowed, and beside the same user: which one is meant?"""
    assert message({"url": f"vitess://{before}gate/main", **fields}).startswith("The field url holds an @")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ([], "must be a JSON object, found a list"),
        ("text", "must be a JSON object, found text"),
        (None, "must be a JSON object, found null"),
        ({}, "field url is missing"),
        ({"url": ""}, "field url is missing"),
        ({"url": 7}, "field url must be text, found a number"),
        ({"url": "vitess://gate"}, "field url is not a Vitess URL: the keyspace is missing"),
        ({"username": 7}, "field username must be text without line breaks, found 7"),
        ({"username": "a\nb"}, r"field username must be text without line breaks, found 'a\nb'"),
        ({"username": "bob", "password": ["CANARY"]}, "field password must be text, found a list"),
        ({"username": "bob", "password": "CANARY\n"}, "field password holds a line break"),
        ({"password": "CANARY"}, "field username is not"),
        ({"tablet_type": "replica"}, "tablet_type must be one of PRIMARY, REPLICA, RDONLY, found 'replica'"),
        ({"tablet_type": {}}, "tablet_type must be one of PRIMARY, REPLICA, RDONLY, found {}"),
        ({"cells": "zone1"}, "cells must be a list of names of cells such as \"zone1\", found 'zone1'"),
        ({"cells": ["zone1,zone2"]}, "found 'zone1,zone2'"),
        ({"cells": ["zone1", "zone1"]}, "field cells lists 'zone1' twice"),
        ({"shards": ["80-g0"]}, "found '80-g0'"),
        ({"shards": [0]}, 'shards must be a list of names of shards such as "-80" or "0", found 0'),
        ({"shards": ["main/0"]}, "found 'main/0'"),
        ({"tinyint1_as_boolean": "yes"}, "tinyint1_as_boolean must be true or false, found 'yes'"),
        ({"tinyint1_as_boolean": 1}, "tinyint1_as_boolean must be true or false, found 1"),
        (
            {"table_patterns": "a%"},
            'table_patterns must be a list of patterns of names such as "order%" (on one ',
        ),
        ({"table_patterns": [""]}, "found ''"),
        ({"table_patterns": ["a", 7]}, "found 7"),
        (
            {"table_patterns": ["a\\"]},
            r"before the character that it takes the meaning from), found 'a\\'",
        ),
        ({"table_patterns": ["a\nb"]}, r"found 'a\nb'"),
        ({"table_patterns": ["a%" * 5000]}, "found 'a%a%a%"),
        ({"table_patterns": ["a%", "a%"]}, "field table_patterns lists 'a%' twice"),
        ({"row_filters": "a = 1"}, "row_filters must be a list of objects such as"),
        ({"row_filters": ["a = 1"]}, "row_filters must be a list of objects such as"),
        ({"row_filters": [{"table": "t"}]}, "field row_filters[0].condition is missing"),
        ({"row_filters": [{"table": "t", "condition": " "}]}, "has the condition '' for the table 't', which is none"),
        ({"row_filters": [{"condition": "a = 1"}]}, "field row_filters[0].table is missing"),
        (
            {"row_filters": [{"table": 7, "condition": "a = 1"}]},
            "row_filters[0].table must be text without line breaks",
        ),
        ({"row_filters": [{"table": "t", "condition": ["a"]}]}, "row_filters[0].condition must be text, found ['a']"),
        (
            {"row_filters": [{"table": "t", "condition": "a = 1"}, {"table": "t", "condition": "a = 2"}]},
            "field row_filters lists the table 't' twice",
        ),
        (
            {"row_filters": [{"table": "u", "condition": "a = 1"}, {"table": "t", "condition": "a = 1 or 1 = 1"}]},
            "for the table 't', which is none. At character 7 stands 'or 1 = 1' instead of AND or the end.",
        ),
        ({"row_filters": [{"table": "t", "condition": "a = 'x" + "'" * 10_000}]}, "It has 10,006 characters"),
        ({"initial_copy": "none"}, "initial_copy must be one of All rows, None: changes only, found 'none'"),
        ({"start_position": [1]}, "start_position must be text, found [1]"),
        ({"start_position": "[]"}, 'start_position is set, and initial_copy is "All rows"'),
        ({"bigint_unsigned_as": "text"}, "bigint_unsigned_as must be one of integer, number, string, found 'text'"),
        ({"bigint_unsigned_as": True}, "bigint_unsigned_as must be one of integer, number, string, found True"),
        ({"allow_unsupported_vitess": 18}, "allow_unsupported_vitess must be true or false, found 18"),
        ({"checkpoint_interval_seconds": 0}, "a whole number from 1 to 600, found 0"),
        ({"checkpoint_interval_seconds": "60"}, "a whole number from 1 to 600, found '60'"),
        ({"checkpoint_interval_seconds": True}, "a whole number from 1 to 600, found True"),
        ({"checkpoint_interval_seconds": 1.5}, "a whole number from 1 to 600, found 1.5"),
        ({"checkpoint_interval_seconds": float("inf")}, "a whole number from 1 to 600, found inf"),
        ({"initial_load_timeout_hours": 721}, "a whole number from 1 to 720, found 721"),
        ({"no_progress_timeout_seconds": 9}, "a whole number from 10 to 86400, found 9"),
        ({"invalid_cdc_position_behavior": "fail"}, "one of Fail sync, Re-sync data, found 'fail'"),
        ({"truncate_behavior": "ignore"}, "one of Require refresh, Ignore, found 'ignore'"),
        ({"cells": ["x " * 1000]}, "x x x ...."),
    ],
)
def test_a_wrong_value_is_named(config: Any, words: str) -> None:
    """A wrong value is reported by field and value, a long one shortened; of a secret only its kind is shown."""
    if isinstance(config, dict) and config and "url" not in config:
        config = {"url": URL, **config}

    assert words in message(config)
    assert "CANARY" not in message(config)


def test_secrets_in_every_form() -> None:
    """The log's filter gets the password as it is and encoded; longest first."""
    config = Config.from_json({"url": URL, "username": "bob", "password": "p@s/s w+"})

    assert config.secrets == ("p%40s%2Fs%20w%2B", "p%40s%2Fs+w%2B", "p%40s/s%20w%2B", "p@s/s w+")


def test_secrets_without_a_password() -> None:
    """Without a password there are none: the URL is shown, and with it the keyspace."""
    assert Config.from_json({"url": URL, "username": "bob"}).secrets == ()


def test_repr_has_no_secrets() -> None:
    """A configuration that is logged by accident keeps its secrets to itself."""
    assert "CANARY" not in repr(Config.from_json({"url": URL, "username": "bob", "password": "CANARY"}))


def test_the_form_and_the_configuration_have_the_same_fields() -> None:
    """What a user can fill in is what is read, and the defaults that are shown are those that count."""
    fields = {field.name: field for field in dataclasses.fields(Config) if not field.name.startswith("_")}

    assert set(fields) == set(PROPERTIES)
    assert [
        name
        for name, shown in PROPERTIES.items()
        if "default" in shown
        and shown["default"] != json.loads(json.dumps(fields[name].default, default=lambda choice: choice.value))
    ] == []


def test_the_form_is_complete() -> None:
    """Each field has a title, a description, a group that exists and a place of its own."""
    groups = {group["id"] for group in FORM["groups"]}

    assert all(shown["title"] and shown["description"].endswith(".") for shown in PROPERTIES.values())
    assert all(
        [*range(len(option["properties"]))] == [shown["order"] for shown in option["properties"].values()]
        and all(shown["description"].endswith(".") for shown in [*option["properties"].values()][1:])
        for name in ("tls", "tunnel_method")
        for option in PROPERTIES[name]["oneOf"]
    )
    assert groups == {shown["group"] for shown in PROPERTIES.values()}
    assert list(range(len(PROPERTIES))) == [shown["order"] for shown in PROPERTIES.values()]
    assert FORM["required"] == ["url"]
    assert {"password"} == {name for name, shown in PROPERTIES.items() if shown.get("airbyte_secret")}


@pytest.mark.parametrize(
    "name",
    [
        "checkpoint_interval_seconds",
        "initial_load_timeout_hours",
        "no_progress_timeout_seconds",
        "keep_streaming_minutes",
    ],
)
def test_the_form_and_the_configuration_have_the_same_bounds(name: str) -> None:
    """A number that the form takes is taken, and its neighbours outside are not."""
    lowest, highest = PROPERTIES[name]["minimum"], PROPERTIES[name]["maximum"]

    assert (lowest, highest) == tuple(getattr(Config.from_json({"url": URL, name: n}), name) for n in (lowest, highest))
    for number in (lowest - 1, highest + 1):
        message({"url": URL, name: number})


@pytest.mark.parametrize("example", PROPERTIES["url"]["examples"])
def test_the_examples_work(example: str) -> None:
    """A person who copies an example has a URL that is read."""
    VitessUrl.parse(example)

    assert re.search(PROPERTIES["url"]["pattern"], example)


@pytest.mark.parametrize(
    "text",
    [
        "vitess://gate:1/main?mysql_port=2",
        "vitess://[fe80::1%25eth0]:1/m",
        "VITESS://gate/m",
    ],
)
def test_the_form_takes_what_is_read(text: str) -> None:
    """The form's pattern refuses no URL that would work."""
    VitessUrl.parse(text)

    assert re.search(PROPERTIES["url"]["pattern"], text)


def test_the_form_refuses_a_url_with_a_user() -> None:
    """A person sees it while typing, and a URL with a password is never sent."""
    assert not re.search(PROPERTIES["url"]["pattern"], "vitess://bob:s3cret@gate/main")


def test_the_form_is_a_valid_schema() -> None:
    """The form is JSON schema, and takes a full configuration."""
    jsonschema: Any = pytest.importorskip("jsonschema")

    jsonschema.Draft7Validator.check_schema(FORM)
    jsonschema.validate({"url": URL, "cells": ["zone1"], "tablet_type": "REPLICA"}, FORM)


def test_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Reading a configuration leaves no trace of it in the log."""
    caplog.set_level(logging.DEBUG)

    Config.from_json({"url": URL, "username": "bob", "password": "CANARY"})

    assert not caplog.records
