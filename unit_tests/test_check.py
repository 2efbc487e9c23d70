"""The check: the message for a person who filled in the form wrong, and how soon it comes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest
from pymysql.constants import ER

from instruments.scripted_vtgate.script import Fail, Hang, Scripts
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess import check as module
from source_vitess.check import check
from source_vitess.errors import ConfigError, ConnectorError, TransientError
from source_vitess.network import port_probe as probe
from source_vitess.network import vtgate_ports
from source_vitess.settings.config import Config

SERVING = "(PRIMARY in zone1, REPLICA in zone1)"
NOT_LONGER = "No pause between two syncs may be longer, and no copy"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is recognised sooner than a person would like."""
    monkeypatch.setattr(probe, "GREETING_TIMEOUT", 0.2)
    monkeypatch.setattr(probe, "_ANSWER_TIMEOUT", 0.2)
    monkeypatch.setattr(vtgate_ports, "PORT_SECONDS", 1.0)
    # A busy machine asks all shards all the same.
    monkeypatch.setattr(module, "_INVENTORY_SECONDS", 60.0)


@pytest.fixture
def shop(vitess: Vitess) -> Vitess:
    """A keyspace with two tables."""
    vitess.create_table("product", {"id": "bigint"}, key=("id",))
    vitess.create_table("purchase", {"id": "bigint"}, key=("id",))
    return vitess


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never sends anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def url(grpc_port: int, mysql_port: int, keyspace: str = "commerce") -> str:
    """Returns a URL on loopback."""
    return f"vitess://127.0.0.1:{grpc_port}/{keyspace}?mysql_port={mysql_port}"


def failure(text: str, **fields: object) -> ConnectorError:
    """Returns how the check fails."""
    with pytest.raises(ConnectorError) as caught:
        check(Config.from_json({"url": text, **fields}))
    return caught.value


def message_for(text: str, **fields: object) -> str:
    """Returns the message of the check for a configuration that the user can correct."""
    error = failure(text, **fields)
    assert isinstance(error, ConfigError)
    return error.message


def test_what_was_found(shop: Vitess) -> None:
    """The log has a line for each fact: versions, size, shards and tablets, lag, binary logs; and no warning."""
    shop.insert("product", *({"id": number} for number in range(6)))

    lines = check(Config.from_json({"url": shop.url}))

    assert [line.text for line in lines] == [
        "VTGate 24.0.4 answers on both ports; MySQL 8.4.6.",
        "Keyspace commerce: 2 tables in 2 shards; by MySQL's estimates some 6 rows and 384 bytes.",
        f"Shards and the tablets that serve: -80 {SERVING}; 80- {SERVING}.",
        "Data is read from REPLICA tablets, because the field tablet_type is empty.",
        "Tablets that are read from are behind their primaries by: -80 0 s; 80- 0 s.",
        f"MySQL keeps its binary logs for 720 h. {NOT_LONGER} (initial_load_timeout_hours: 8).",
    ]
    assert not any(line.warning for line in lines)


def test_tables_that_need_a_word(shop: Vitess) -> None:
    """Tables without a key, of other engines, that cannot be streamed, or with cascading foreign keys are named."""
    shop.create_table("event", {"what": "text"})
    shop.create_table("log", {"id": "bigint"}, key=("id",), engine="MyISAM")
    shop.create_table("/temporary", {"id": "bigint"}, key=("id",))
    shop.create_table("back`tick", {"id": "bigint"}, key=("id",))
    shop.create_table("line", {"id": "bigint"}, key=("id",), cascades=True)

    lines = check(Config.from_json({"url": shop.url}))

    facts = [line.text for line in lines if not line.warning]
    assert facts[1].startswith("Keyspace commerce: 5 tables")
    assert facts[-1] == "Tables without a key, whose rows can be appended but not deduplicated: 'event'."
    engines, unreadable, cascading = (line.text for line in lines if line.warning)
    assert engines.startswith("Tables of an engine without transactions: 'log' (MyISAM).")
    assert unreadable.startswith("Tables that nothing can follow, ")
    assert "'/temporary', 'back`tick'. They are left out" in unreadable
    assert cascading.startswith("Tables whose rows a foreign key deletes or changes by itself: 'line'.")


def test_shards_that_differ(shop: Vitess) -> None:
    """After a schema change that has failed in some shards: keys, engines and foreign keys are asked for in each."""
    shop.create_table("event", {"id": "bigint", "what": "text"}, key=("id",))
    shop.create_table("late", {"id": "bigint"}, key=("id",))
    shop.create_table("same", {"id": "bigint"}, key=("id",))
    here, there = (shop.shards[name].data.tables for name in ("-80", "80-"))
    there["event"] = replace(there["event"], key=(), engine="MyISAM")
    here["late"] = replace(here["late"], key=())
    there["same"] = replace(there["same"], cascades=True)

    lines = check(Config.from_json({"url": shop.url}))

    assert [line.text for line in lines if not line.warning][-1].endswith("but not deduplicated: 'late'.")
    engines, keys, cascading = (line.text for line in lines if line.warning)
    assert engines.startswith("Tables of an engine without transactions: 'event' (MyISAM).")
    assert keys == (
        "Tables whose key differs between shards: 'event' (another in 80- than in -80); 'late' (another in 80- than in "
        "-80). Rows are told apart by the key in shard -80, so that others may overwrite each other. A schema change "
        "may have failed in some shards: give the table the same key in all of them."
    )
    assert cascading.startswith("Tables whose rows a foreign key deletes or changes by itself: 'same'.")


def test_a_mysql_that_writes_cascades(shop: Vitess) -> None:
    """Where what a foreign key does is in the binary log, nothing has to be said of it."""
    shop.sql.variables["version"] = shop.sql.variables["innodb_version"] = "9.7.4"
    shop.create_table("line", {"id": "bigint"}, key=("id",), cascades=True)

    assert not any(line.warning for line in check(Config.from_json({"url": shop.url})))


@pytest.mark.parametrize("old", [0, 1], ids=["primary", "replica"])
def test_cascades_while_mysql_is_upgraded(shop: Vitess, old: int) -> None:
    """Where one of the two is older they are warned of: it is the primary that writes, or may become it."""
    shop.sql.variables["version"] = shop.sql.variables["innodb_version"] = "9.7.4"
    alias = shop.shards["80-"].tablets[old].alias
    shop.sql.variables_of[alias] = {"version": "8.0.31", "innodb_version": "8.0.31"}
    shop.create_table("line", {"id": "bigint"}, key=("id",), cascades=True)

    [warning] = [line.text for line in check(Config.from_json({"url": shop.url})) if line.warning]

    assert warning == (
        "Tables whose rows a foreign key deletes or changes by itself: 'line'. MySQL 8.0.31 does not write such "
        "changes to its binary log: while it is a shard's primary, they reach no destination."
    )


def test_binary_logs_that_are_kept_for_a_short_time(shop: Vitess) -> None:
    """The shortest time counts, of every tablet that may be read; one shorter than a copy may take is a warning."""
    shop.sql.variables_of[shop.shards["80-"].tablets[1].alias] = {"binlog_expire_logs_seconds": 5400}

    lines = check(Config.from_json({"url": shop.url}))

    [fact] = [line.text for line in lines if line.text.startswith("MySQL keeps its binary logs")]
    assert fact.startswith("MySQL keeps its binary logs for 1.5 h (80-) or longer. ")
    [warning] = [line.text for line in lines if line.warning]
    assert warning.startswith("MySQL keeps the binary logs of 1 shard (80-) for a shorter time than a copy may take")
    lines = check(Config.from_json({"url": shop.url, "initial_load_timeout_hours": 1}))
    assert not any(line.warning for line in lines)


def test_binary_logs_without_an_end(shop: Vitess) -> None:
    """0 means that they are purged by a person, and a server that does not know the variable is not asked further."""
    shop.sql.variables["binlog_expire_logs_seconds"] = 0
    lines = check(Config.from_json({"url": shop.url}))
    assert lines[-1].text == "MySQL keeps its binary logs until somebody purges them."

    del shop.sql.variables["binlog_expire_logs_seconds"]

    assert not any("binary logs" in line.text for line in check(Config.from_json({"url": shop.url})))


def test_a_large_keyspace_takes_one_screen() -> None:
    """Hundreds of tables and two dozen shards take as many lines, none of them long, and a few statements a shard."""
    shards = [f"{number:02x}-{number + 1:02x}" for number in range(0x10, 0x28)]
    with Vitess(shards=shards) as vitess:
        for number in range(300):
            vitess.create_table(f"t{number}", {"id": "bigint"})
        vitess.mysql.statements.clear()

        lines = check(Config.from_json({"url": vitess.url}), seconds=250)

    assert len(lines) == 7
    assert max(len(line.text) for line in lines) < 1200
    assert lines[-1].text.endswith("'t115' and 280 more.")
    assert len(vitess.mysql.statements) < 20 * len(shards)


def test_there_is_no_time_for_all_shards(shop: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates are of as many shards as could be asked in a few seconds, and say so: a person waits.

    How binary logs are kept is asked of all.
    """
    monkeypatch.setattr(module, "_INVENTORY_SECONDS", 0.0)
    shop.insert("product", *({"id": number} for number in range(6)))

    lines = check(Config.from_json({"url": shop.url}))

    assert "in 1 of 2 shards, more were not asked." in lines[1].text
    assert lines[-1].text.startswith("MySQL keeps its binary logs for 720 h. ")


def test_a_real_stream_is_opened(shop: Vitess) -> None:
    """The tablets that a sync would read from are those that are tried."""
    check(Config.from_json({"url": shop.url, "tablet_type": "PRIMARY", "shards": ["80-"]}))

    [request] = shop.vstream.requests
    assert [(entry.shard, entry.gtid) for entry in request.vgtid.shard_gtids] == [("80-", "current")]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("binlog_row_image", "NOBLOB", "runs with binlog_row_image=NOBLOB"),
        ("binlog_row_value_options", "PARTIAL_JSON", "runs with binlog_row_value_options=PARTIAL_JSON"),
    ],
)
def test_settings_to_warn_of(shop: Vitess, name: str, value: str, expected: str) -> None:
    """A setting that may spoil a sync later is a warning now, for each shard."""
    shop.sql.variables[name] = value

    warnings = [line.text for line in check(Config.from_json({"url": shop.url})) if line.warning]

    assert len(warnings) == 2
    assert expected in warnings[0]


def test_a_cell_without_tablets(shop: Vitess) -> None:
    """VTGate uses its own cell instead of one that it does not know, so the user is warned."""
    config = Config.from_json({"url": shop.url, "cells": ["zone1", "mars"], "tablet_type": "PRIMARY"})

    last = check(config)[-1]
    assert last.warning
    assert "no tablet in the cell mars" in last.text


def test_replicas_that_are_behind(shop: Vitess) -> None:
    """Replicas that are far behind are named with their seconds; those that do not replicate fail the check."""
    shop.lag_seconds = 3600
    lines = check(Config.from_json({"url": shop.url, "tablet_type": "REPLICA"}))
    late = [line for line in lines if "behind its primary" in line.text]
    assert len(late) == 2
    assert all(line.warning and "is 3,600 s behind" in line.text for line in late)
    lines = check(Config.from_json({"url": shop.url, "tablet_type": "PRIMARY"}))
    assert not any("behind" in line.text for line in lines)

    shop.replicates = False

    error = failure(shop.url, tablet_type="REPLICA")
    assert isinstance(error, TransientError)
    assert "of shard -80 does not replicate" in error.message
    assert check(Config.from_json({"url": shop.url, "tablet_type": "PRIMARY"}))


def test_a_host_that_does_not_exist() -> None:
    """The host is named."""
    assert "The host gate.invalid cannot be resolved" in message_for("vitess://gate.invalid/commerce")


def test_refused_connections(shop: Vitess) -> None:
    """The message names the port."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    assert f"Nothing listens on 127.0.0.1:{port}, the MySQL port" in message_for(url(shop.vstream.port, port))
    assert f"Nothing listens on 127.0.0.1:{port}, the gRPC port" in message_for(url(port, shop.mysql.port))


def test_wrong_ports(shop: Vitess) -> None:
    """One port of VTGate given as the other, or both the wrong way round."""
    grpc_port, mysql_port = shop.vstream.port, shop.mysql.port

    assert f"Port {grpc_port} is a gRPC server, not a MySQL server" in message_for(url(grpc_port, grpc_port))
    assert f"Port {mysql_port} is a MySQL server, not a gRPC server" in message_for(url(mysql_port, mysql_port))
    assert f"write {grpc_port} after the host and mysql_port={mysql_port}" in message_for(url(mysql_port, grpc_port))


def test_a_silent_mysql_port(shop: Vitess, silent: int) -> None:
    """A port that sends nothing is told apart from one that nobody listens on."""
    assert f"Port {silent} takes connections but does not answer" in message_for(url(shop.vstream.port, silent))


def test_a_silent_grpc_port(shop: Vitess, silent: int) -> None:
    """The same for the other port, which is asked last."""
    assert f"Port {silent} takes connections but does not answer" in message_for(url(silent, shop.mysql.port))


def test_web_servers(shop: Vitess) -> None:
    """VTGate's own status page is a popular wrong port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")

        thread = threading.Thread(target=run)
        thread.start()
        port = server.getsockname()[1]

        assert f"Port {port} is a web server, not a MySQL server" in message_for(url(shop.vstream.port, port))
        assert f"Port {port} is a web server, not a gRPC server" in message_for(url(port, shop.mysql.port))
        thread.join(10)


def test_another_grpc_server(shop: Vitess) -> None:
    """A vttablet or vtctld speaks gRPC, but has no VStream."""
    shop.vstream.answer = Scripts([Fail(grpc.StatusCode.UNIMPLEMENTED, "unknown service vtgateservice.Vitess")])

    assert "The server on the gRPC port is not a VTGate" in message_for(shop.url)


def test_another_mysql_server(shop: Vitess) -> None:
    """A MySQL that does not understand VTGate's questions is none."""
    shop.mysql.fail_next(ER.PARSE_ERROR, "You have an error in your SQL syntax; ... near 'vitess_shards' at line 1")

    assert "is MySQL 8.4.6-Vitess, but not a VTGate" in message_for(shop.url)


def test_a_mysql_server_that_refuses(shop: Vitess, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login refused by something that does not call itself Vitess may be at the wrong door."""
    shop.mysql.credentials = {"bob": "s3cret"}
    monkeypatch.setattr("instruments.scripted_vtgate.mysql_server.SERVER_VERSION", "9.7.4")

    message = message_for(shop.url, username="bob", password="no")

    assert "refuses the user name or the password" in message
    assert "calls itself '9.7.4'" in message


def test_bad_credentials(shop: Vitess) -> None:
    """The message names the port that refused the user."""
    shop.mysql.credentials = {"bob": "s3cret"}
    shop.vstream.credentials = {"eve": "s3cret"}

    assert "VTGate's MySQL port refuses" in message_for(shop.url, username="eve", password="s3cret")
    assert "VTGate's gRPC port refuses" in message_for(shop.url, username="bob", password="s3cret")
    assert "VTGate's MySQL port asks for a user name" in message_for(shop.url)


def test_what_is_not_there(shop: Vitess) -> None:
    """Unknown keyspace, shard and type of tablet are each named beside what there is."""
    nope = url(shop.vstream.port, shop.mysql.port, "nope")

    assert "VTGate knows no keyspace nope. It knows commerce" in message_for(nope)
    assert "has no serving shard 40-80. Its shards are -80, 80-." in message_for(shop.url, shards=["40-80"])
    assert "has no serving RDONLY tablet. It has PRIMARY, REPLICA." in message_for(shop.url, tablet_type="RDONLY")


def test_a_keyspace_without_tables(vitess: Vitess) -> None:
    """There is nothing to sync in it."""
    assert "The keyspace commerce has no tables that can be read." in message_for(vitess.url)


@pytest.mark.parametrize(
    ("name", "value"),
    [("binlog_row_image", "MINIMAL"), ("binlog_format", "MIXED"), ("binlog_format", "STATEMENT")],
)
def test_settings_that_cannot_work(shop: Vitess, name: str, value: str) -> None:
    """A binary log that lacks rows is reported with the shard and the right setting."""
    shop.sql.variables[name] = value

    message = message_for(shop.url)

    assert f"shard -80 runs with {name}={value}" in message
    assert "Set it to" in message


def test_a_stream_that_is_not_permitted(shop: Vitess) -> None:
    """A user who may ask for the schema may still not be allowed to stream."""
    shop.vstream.answer = Scripts([Fail(grpc.StatusCode.PERMISSION_DENIED, "not allowed")])

    assert "VTGate does not let this user open a VStream" in message_for(shop.url)


def test_two_clusters(shop: Vitess) -> None:
    """The ports of two VTGates that know different keyspaces are told apart from a lost position."""
    text = "shard provided in VGTID, -80, not found in the commerce keyspace"
    shop.vstream.answer = Scripts([Fail(grpc.StatusCode.FAILED_PRECONDITION, text)])

    assert "Check that both ports are of the same VTGate" in message_for(shop.url)


def test_tablets_that_do_not_answer(shop: Vitess) -> None:
    """The stream opens and no tablet speaks: the check ends in time, and names the shards."""
    shop.vstream.answer = Scripts([Hang()])
    begin = time.monotonic()

    with pytest.raises(TransientError, match="The REPLICA tablets of shard -80, 80- of keyspace commerce"):
        check(Config.from_json({"url": shop.url}), seconds=1.5)

    assert time.monotonic() - begin < 5


def test_a_step_that_cannot_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a name lookup that hangs does not hold the check up, and the message names the step."""
    hang = threading.Event()

    def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
        hang.wait(30)
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", create_connection)
    begin = time.monotonic()

    with pytest.raises(TransientError, match="gave up while connecting to gate:15306, the MySQL port"):
        check(Config.from_json({"url": "vitess://gate/commerce"}), seconds=0.5)

    assert time.monotonic() - begin < 5
    hang.set()


def test_black_holes(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With two ports that never answer, and real patience, a person waits for less than 15 seconds."""
    monkeypatch.undo()
    begin = time.monotonic()

    assert "does not answer" in message_for(url(silent, silent))
    assert time.monotonic() - begin < module.CHECK_SECONDS


def test_messages_hold_no_secrets(shop: Vitess, silent: int) -> None:
    """Whatever goes wrong, neither message nor detail has the password."""
    shop.mysql.credentials = shop.vstream.credentials = {"bob": "s3cret"}
    fields = {"username": "bob", "password": "CANARY"}

    errors = [failure(shop.url, **fields), failure(url(silent, shop.mysql.port), **fields)]

    assert not [error for error in errors if "CANARY" in error.message + error.detail]


def test_unsigned_integers(shop: Vitess) -> None:
    """Columns that can hold integers above 2^63-1 are named while they are read as integers."""
    assert not any("BIGINT" in line.text for line in check(Config.from_json({"url": shop.url})))
    shop.create_table("hashed", {"id": "bigint(20) unsigned", "n": "int unsigned"}, key=("id",))

    [line] = [line for line in check(Config.from_json({"url": shop.url})) if "BIGINT UNSIGNED" in line.text]
    assert line.warning
    assert "'id' of 'hashed'." in line.text
    lines = check(Config.from_json({"url": shop.url, "bigint_unsigned_as": "string"}))
    assert not any("BIGINT" in line.text for line in lines)


def test_table_patterns(shop: Vitess) -> None:
    """Only the tables that match are counted and looked at; a pattern that matches none is an error that names it."""
    shop.create_table("hashed", {"id": "bigint unsigned"}, key=("id",))

    text = "\n".join(line.text for line in check(Config.from_json({"url": shop.url, "table_patterns": ["p%"]})))
    assert "Keyspace commerce: 2 tables" in text
    assert "hashed" not in text
    assert "the pattern 'nothing%', which none of the 3 tables matches" in message_for(
        shop.url, table_patterns=["p%", "nothing%"]
    )


def test_row_filters(shop: Vitess) -> None:
    """What is read is told in the connector's own words; a table or a column that is not there is an error."""

    def lines(condition: str, table: str = "product", **fields: object) -> list[str]:
        filters = [{"table": table, "condition": condition}]
        return [line.text for line in check(Config.from_json({"url": shop.url, "row_filters": filters, **fields}))]

    told = "\n".join(lines("id>5 and ID <> 7"))
    assert "Rows that are read: 'product' with `id` > 5 AND `ID` != 7. In a copy MySQL chooses them" in told
    assert "binlog_row_image=MINIMAL may be left out" in told
    assert "The table has no column 'n'" in message_for(
        shop.url, row_filters=[{"table": "product", "condition": "n = 1"}]
    )
    assert "a condition for the table 'nope', which is none of the 2 tables that can be read" in message_for(
        shop.url, row_filters=[{"table": "nope", "condition": "id = 1"}]
    )
    assert "none of the 1 tables that can be read (upper and lower case differ; table_patterns chooses them)" in (
        message_for(shop.url, table_patterns=["pu%"], row_filters=[{"table": "product", "condition": "id = 1"}])
    )
