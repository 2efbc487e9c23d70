"""A session: credentials, targets, workloads, and servers that do not answer."""

from __future__ import annotations

import socket
import types

import pymysql
import pytest

from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import ConfigError, InternalError, TransientError
from source_vitess.mysql.session import VtgateSession, _Connection
from source_vitess.settings.config import Config


def config(port: int, **fields: str) -> Config:
    """Returns a configuration for a MySQL port on loopback."""
    return Config.from_json({"url": f"vitess://127.0.0.1:1/commerce?mysql_port={port}", **fields})


def test_rows_are_tuples(vitess: Vitess) -> None:
    """A query returns its rows, with arguments quoted on this side."""
    with VtgateSession.connect(config(vitess.mysql.port), "commerce") as session:
        assert session.query("select 1, 'x'") == [(1, "x")]
        assert session.query("select %s, '%%'", ["x y"]) == [("x y", "%")]
        assert session.query("select '%'") == [("%",)]


def test_autocommit_is_on(vitess: Vitess) -> None:
    """In a transaction VTGate would refuse to change the type of tablet."""
    VtgateSession.connect(config(vitess.mysql.port)).close()

    assert "SET AUTOCOMMIT = 1" in [statement.sql for statement in vitess.mysql.statements]


def test_targets_are_quoted(vitess: Vitess) -> None:
    """A target is a name with special characters for MySQL's grammar."""
    with VtgateSession.connect(config(vitess.mysql.port), "commerce:-80@replica"):
        assert vitess.mysql.statements[-1].sql == "use `commerce:-80@replica`"


def test_large_results_use_the_other_workload(vitess: Vitess) -> None:
    """OLAP is for statements with large results alone: in it, a late error is never sent."""
    with VtgateSession.connect(config(vitess.mysql.port)) as session:
        vitess.mysql.statements.clear()
        session.query_large("select 1")

    assert [statement.sql for statement in vitess.mysql.statements] == [
        "set workload = 'olap'",
        "select 1",
        "set workload = 'oltp'",
    ]


def test_an_unknown_keyspace(vitess: Vitess) -> None:
    """A target that VTGate does not know is the user's to correct."""
    with pytest.raises(ConfigError, match="VTGate knows no keyspace nope"):
        VtgateSession.connect(config(vitess.mysql.port), "nope")


@pytest.mark.parametrize("password", ["s3cret", "sécret 漢字 🔑"])
def test_passwords_of_every_kind(vitess: Vitess, password: str) -> None:
    """A password is sent as UTF-8, whatever characters it has."""
    vitess.mysql.credentials = {"bob": password}

    with VtgateSession.connect(config(vitess.mysql.port, username="bob", password=password)) as session:
        assert session.query("select 1") == [(1,)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"username": "bob", "password": "CANARY"}, "refuses the user name or the password"),
        ({"username": "eve", "password": "CANARY"}, "refuses the user name or the password"),
        ({}, "asks for a user name and a password"),
    ],
)
def test_bad_credentials(vitess: Vitess, fields: dict[str, str], words: str) -> None:
    """A refused user is told apart from one that was not given, and no message holds the password."""
    vitess.mysql.credentials = {"bob": "s3cret"}

    with pytest.raises(ConfigError, match=words) as caught:
        VtgateSession.connect(config(vitess.mysql.port, **fields))

    assert "CANARY" not in caught.value.message + caught.value.detail


def test_a_statement_that_is_not_understood(vitess: Vitess) -> None:
    """That is a mistake of this connector, and its detail holds what the server reported."""
    with VtgateSession.connect(config(vitess.mysql.port)) as session, pytest.raises(InternalError) as caught:
        session.query("show nothing")

    assert caught.value.detail.startswith("1064: ")


def test_a_server_that_went_away(vitess: Vitess) -> None:
    """A connection that was lost is a transient error, and closing it afterwards is allowed, also twice."""
    session = VtgateSession.connect(config(vitess.mysql.port))
    vitess.mysql.stop()

    for _ in range(2):
        with pytest.raises(TransientError, match="was lost"):
            session.query("select 1")
    session.close()
    session.close()


def test_nothing_listens() -> None:
    """A refused connection names the setting to look at."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    with pytest.raises(TransientError, match=r"Nothing listens on the MySQL port .*mysql_port"):
        VtgateSession.connect(config(port))


def test_a_server_that_never_answers() -> None:
    """A silent server ends in an error after the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = config(silent.getsockname()[1])

        with pytest.raises(TransientError, match="did not answer on its MySQL port in time"):
            VtgateSession.connect(settings, connect_timeout=0.2, statement_timeout=0.2)


def test_a_large_statement_that_fails(vitess: Vitess) -> None:
    """After a failure the workload is the usual one again."""
    with VtgateSession.connect(config(vitess.mysql.port)) as session, pytest.raises(InternalError):
        session.query_large("show nothing")

    assert vitess.mysql.statements[-1].sql == "set workload = 'oltp'"


def test_a_mistake_of_our_own_is_none_of_the_server_s(vitess: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that do not fit a statement, and faults in this program's code, are raised as they are."""
    with VtgateSession.connect(config(vitess.mysql.port)) as session:
        with pytest.raises((TypeError, pymysql.ProgrammingError)):
            session.query("select %s", (1, 2))

        def fail(_self: object, _count: int) -> bytes:
            raise AttributeError("ours")

        ours = types.FunctionType(fail.__code__, {**globals(), "__name__": "source_vitess.mysql.session"})
        monkeypatch.setattr(_Connection, "_read_bytes", ours)
        with pytest.raises(AttributeError, match="ours"):
            session.query("select 1")
