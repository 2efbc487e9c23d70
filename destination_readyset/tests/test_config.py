"""The configuration and the spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from source_vitess.errors import ConfigError

import destination_readyset
from destination_readyset.config import Config

MINIMAL = {"host": "mysql", "username": "airbyte"}
SPEC = json.loads((Path(destination_readyset.__file__).parent / "spec.json").read_text())["connectionSpecification"]


def test_everything_that_can_be_set() -> None:
    """Each field of the spec is read."""
    config = Config.from_json(
        {
            **MINIMAL,
            "port": 3310,
            "password": "p1",
            "tls": "verify",
            "ca_certificate": "pem",
            "vitess": {"url": "vitess://gate/commerce", "username": "u", "password": "p2"},
            "databases": ["commerce=shop", "a=b"],
            "exact_types": True,
            "json_as_text": False,
            "bookkeeping_database": "notes",
            "replication_username": "repl",
            "replication_password": "p3",
            "readyset": {
                "host": "cache",
                "username": "app",
                "password": "p4",
                "caches": ["create cache c from select 1", "CREATE DEEP CACHE c FROM select 1"],
            },
        }
    )

    assert (config.mysql.port, config.mysql.tls, config.mysql.ca_certificate) == (3310, "verify", "pem")
    assert config.vitess is not None
    assert config.vitess.keyspace == "commerce"
    assert config.databases == {"commerce": "shop", "a": "b"}
    assert (config.exact_types, config.json_as_text, config.bookkeeping_database) == (True, False, "notes")
    assert config.replication is not None
    assert (config.replication.host, config.replication.username) == ("mysql", "repl")
    assert config.readyset is not None
    assert (config.readyset.host, config.readyset.port) == ("cache", 3307)
    assert [cache.sql() for cache in config.caches] == ["CREATE DEEP CACHE c FROM select 1"]
    assert {"p1", "p2", "p3", "p4"} <= set(config.secrets)
    assert not any(secret in repr(config) for secret in ("p1", "p2", "p3", "p4"))


def test_defaults_are_those_of_the_spec() -> None:
    """A field that is left out means what the form shows."""
    config = Config.from_json(MINIMAL)
    defaults = {name: field["default"] for name, field in SPEC["properties"].items() if "default" in field}

    assert defaults == {
        "port": config.mysql.port,
        "tls": config.mysql.tls,
        "databases": [],
        "exact_types": config.exact_types,
        "json_as_text": config.json_as_text,
        "bookkeeping_database": config.bookkeeping_database,
    }


def test_passwords_are_secret_in_the_spec() -> None:
    """Airbyte hides what the spec marks as secret."""
    fields = dict(SPEC["properties"])
    for name in ("vitess", "readyset"):
        fields.update({f"{name}.{inner}": field for inner, field in SPEC["properties"][name]["properties"].items()})

    secret = {name for name, field in fields.items() if field.get("airbyte_secret")}

    assert secret == {
        "password",
        "ca_certificate",
        "replication_password",
        "vitess.password",
        "readyset.password",
    }


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"host": None}, "host is missing"),
        ({"username": ""}, "username is missing"),
        ({"port": "3306"}, "port must be"),
        ({"port": 70000}, "port must be"),
        ({"tls": "yes"}, "tls must be"),
        ({"password": 5}, "password must be"),
        ({"exact_types": "no"}, "exact_types must be"),
        ({"json_as_text": "no"}, "json_as_text must be"),
        ({"databases": ["shop"]}, "namespace=database"),
        ({"databases": "a=b"}, "namespace=database"),
        ({"databases": ["a=b", "a=c"]}, "two databases"),
        ({"databases": ["a=_airbyte_readyset"]}, "bookkeeping_database"),
        ({"vitess": {"url": "mysql://x"}}, "vitess.url is not a Vitess URL"),
        ({"vitess": {"url": "vitess://u:p2@gate/commerce"}}, "password into the field vitess.password, exactly"),
        ({"vitess": {"username": "u"}}, "vitess.url is missing"),
        ({"vitess": {"url": "vitess://gate/commerce", "password": "p2"}}, "field vitess.username is not"),
        ({"readyset": {"host": "x"}}, "readyset.username is missing"),
        ({"readyset": {"host": "x", "username": "u", "caches": ["DROP CACHE x"]}}, "CREATE DEEP CACHE"),
        ({"readyset": {"host": "x", "username": "u", "caches": "CREATE CACHE x"}}, "CREATE DEEP CACHE"),
    ],
)
def test_wrong_values(change: dict[str, Any], text: str) -> None:
    """A wrong value is refused by the field's name."""
    with pytest.raises(ConfigError, match=text):
        Config.from_json({**MINIMAL, **change})
