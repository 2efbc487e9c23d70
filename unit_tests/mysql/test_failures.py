"""Errors of VTGate's MySQL port: each example meets its own rule, and nothing else is guessed."""

from __future__ import annotations

import pymysql
import pytest
from pymysql.constants import CR, ER

from source_vitess.error_rules import Rule, first_match
from source_vitess.errors import ConfigError, InternalError, TransientError
from source_vitess.mysql.failures import RULES, describe, error_text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
def test_an_example_meets_its_own_rule_first(rule: Rule) -> None:
    """No rule hides another one."""
    found = first_match(RULES, rule.example)

    assert found is not None
    assert found[0] is rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
def test_a_message_is_complete(rule: Rule) -> None:
    """Every message can be built from its example, has no gap, and ends as a sentence."""
    number, text = rule.example.split(": ", 1)

    error = describe(pymysql.err.OperationalError(int(number), text))

    assert type(error) is rule.error
    assert error.message.endswith(".")
    assert "{" not in error.message
    assert "  " not in error.message


def test_names_are_taken_from_the_text() -> None:
    """The keyspace, shard and type that VTGate names are in the message."""
    text = 'target: main.0.rdonly: no healthy tablet available for \'keyspace:"main" shard:"0" tablet_type:RDONLY\''

    error = describe(pymysql.err.OperationalError(ER.UNKNOWN_ERROR, text))

    assert error.message == "The shard 0 of keyspace main has no RDONLY tablet that answers now."


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (pymysql.err.OperationalError(ER.UNKNOWN_ERROR, "no"), "1105: no"),
        (
            pymysql.err.InternalError("Packet sequence number wrong - got 4 expected 0"),
            "0: Packet sequence number wrong",
        ),
        (pymysql.err.InterfaceError(0, ""), "0: "),
        (pymysql.err.Error(), "0: ()"),
    ],
)
def test_every_shape_of_pymysql_errors_has_a_text(error: pymysql.MySQLError, text: str) -> None:
    """PyMySQL raises errors with a number and a text, with a text, and with neither."""
    assert error_text(error).startswith(text)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (pymysql.err.InterfaceError(0, ""), TransientError),
        (
            pymysql.err.OperationalError(
                ER.UNKNOWN_ERROR,
                "target: main.0.primary: vttablet: rpc error: code = Unavailable desc = error reading from server: EOF",
            ),
            TransientError,
        ),
        (
            pymysql.err.OperationalError(
                ER.UNKNOWN_ERROR,
                "target: main.0.replica: vttablet: rpc error: code = Code(17) desc = operation not allowed in "
                "state SHUTTING_DOWN",
            ),
            TransientError,
        ),
        (
            pymysql.err.OperationalError(
                ER.UNKNOWN_ERROR,
                "target: main.0.replica: vttablet: rpc error: code = FailedPrecondition desc = wrong tablet "
                "type: REPLICA, want: PRIMARY or []",
            ),
            TransientError,
        ),
        (
            pymysql.err.OperationalError(
                CR.CR_CONNECTION_ERROR,
                "target: main.0.primary: vttablet: rpc error: code = Unknown desc = Can't connect to local MySQL "
                "server through socket '/vt/mysql.sock' (errno 2002) (sqlstate HY000)",
            ),
            TransientError,
        ),
        (pymysql.err.OperationalError(ER.UNKNOWN_ERROR, "syntax error at position 7"), InternalError),
        (
            pymysql.err.OperationalError(
                CR.CR_SERVER_GONE_ERROR, "MySQL server has gone away (BrokenPipeError(32, 'Broken pipe'))"
            ),
            TransientError,
        ),
        (
            pymysql.err.OperationalError(CR.CR_SERVER_LOST, "Lost connection (timed out)"),
            TransientError,
        ),
        (
            pymysql.err.OperationalError(ER.ACCESS_DENIED_ERROR, "Access denied for user 'x'@'127.0.0.1'"),
            ConfigError,
        ),
        (pymysql.err.OperationalError(ER.UNKNOWN_ERROR, "syntax error at position 6 near 'selec'"), InternalError),
        (pymysql.err.ProgrammingError(ER.PARSE_ERROR, "You have an error in your SQL syntax"), InternalError),
    ],
)
def test_classes(error: pymysql.MySQLError, expected: type[Exception]) -> None:
    """A lost connection is nobody's fault, a refused user the user's, and a statement that is wrong ours."""
    assert type(describe(error)) is expected


def test_values_stay_out() -> None:
    """A statement that VTGate quotes is not passed on."""
    text = 'target: main.0.primary: no (errno 1146): Sql: "select * from t where a = :v", BindVars: {v: "CANARY"}'

    error = describe(pymysql.err.ProgrammingError(ER.NO_SUCH_TABLE, text))

    assert "CANARY" not in error.message + error.detail
    assert "errno 1146" in error.detail
