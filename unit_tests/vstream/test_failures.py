"""The status of a VStream call: every code has a verdict, and each example meets its own rule."""

from __future__ import annotations

import grpc
import pytest

from source_vitess.errors import (
    ConfigError,
    InternalError,
    PositionLostError,
    SchemaMismatchError,
    StreamError,
    TableNotFoundError,
    TransientError,
)
from source_vitess.rules import Rule, first_match
from source_vitess.vstream.failures import RULES, VERDICTS, describe

_TABLET = (
    'error starting stream from shard GTID keyspace:"main" shard:"0": persistent error in vstream for main/0 on tablet '
    "zone1-0000000105; giving up: target: main.0.replica: vttablet: rpc error: code = Unknown desc = "
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
def test_an_example_meets_its_own_rule_first(rule: Rule) -> None:
    """No rule hides another one."""
    found = first_match(RULES, rule.example)

    assert found is not None
    assert found[0] is rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
def test_a_message_is_complete(rule: Rule) -> None:
    """Every example is a status that exists, and gives a message without a gap."""
    code, details = rule.example.split(": ", 1)

    error = describe(grpc.StatusCode[code], details)

    assert type(error) is rule.error
    assert error.message.endswith(".")
    assert "{" not in error.message
    assert "  " not in error.message


@pytest.mark.parametrize("code", grpc.StatusCode, ids=lambda code: code.name)
def test_every_status_has_a_verdict(code: grpc.StatusCode) -> None:
    """A text that nobody has seen yet is still judged, with or without details."""
    for details in ("something new", "", None):
        error = describe(code, details)

        assert isinstance(error, VERDICTS[code][0])
        assert error.message.endswith(".")
        assert error.detail.startswith(code.name)


@pytest.mark.parametrize(
    ("code", "details", "expected", "said"),
    [
        (
            "UNKNOWN",
            _TABLET + "table orders is not present in the database",
            TableNotFoundError,
            "does not know the table orders.",
        ),
        ("UNKNOWN", _TABLET + "unknown table orders in schema", SchemaMismatchError, "of the table orders were"),
        (
            "UNKNOWN",
            _TABLET + 'cannot determine table columns for orders: event has [8 3 15], schema has [name:"id"]',
            SchemaMismatchError,
            "of the table orders were",
        ),
        ("UNKNOWN", _TABLET + "something (errno 2013) (sqlstate HY000)", TransientError, "does not know"),
        (
            "FAILED_PRECONDITION",
            "shard provided in VGTID, 80-, not found in the main keyspace",
            PositionLostError,
            "80-",
        ),
        ("UNKNOWN", "FindAllShardsInKeyspace(nope): List: node doesn't exist", ConfigError, "no keyspace nope."),
        ("INVALID_ARGUMENT", "vgtid must have at least one value", InternalError, "does not accept"),
        ("CANCELLED", "context canceled", TransientError, "cancelled"),
        ("UNAVAILABLE", "Socket closed (GOAWAY: graceful_stop)", TransientError, "was lost"),
    ],
)
def test_verdicts(code: str, details: str, expected: type[Exception], said: str) -> None:
    """What the sync has to tell apart comes as classes of their own, and names are in the message."""
    error = describe(grpc.StatusCode[code], details)

    assert type(error) is expected
    assert said in error.message


@pytest.mark.parametrize("text", ["unknown table orders in schema", "table orders is not present in the database"])
def test_an_error_of_a_table_names_the_stream(text: str) -> None:
    """The table is what the other streams can go on without."""
    error = describe(grpc.StatusCode.UNKNOWN, _TABLET + text)

    assert isinstance(error, StreamError)
    assert error.stream == "orders"


def test_values_stay_out() -> None:
    """A statement that a tablet quotes may hold key values, and is not passed on."""
    text = _TABLET + "interrupted (errno 3024) during query: select id from t where (id > 'CANARY') order by id"

    error = describe(grpc.StatusCode.UNKNOWN, text)

    assert "CANARY" not in error.message + error.detail
    assert "errno 3024" in error.detail
