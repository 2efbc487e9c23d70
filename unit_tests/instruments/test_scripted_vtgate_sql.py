"""The MySQL half of the Vitess in memory answers what the connector and a plain client ask."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pymysql
import pytest
from pymysql.constants import ER

from instruments.scripted_vtgate.mysql_server import Statement
from instruments.scripted_vtgate.vitess import Vitess

Rows = tuple[tuple[object, ...], ...]


class Client:
    """A plain MySQL client."""

    def __init__(self, vitess: Vitess, *, user: str = "u", password: str = "p", database: str | None = None) -> None:
        self._connection = pymysql.connect(
            host="127.0.0.1",
            port=vitess.mysql.port,
            user=user,
            password=password,
            database=database,
            autocommit=True,
        )

    def query(self, sql: str) -> Rows:
        """Returns all rows of a statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return tuple(cursor.fetchall())

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()


@pytest.fixture
def client(vitess: Vitess) -> Iterator[Client]:
    """A client without a target, and tables of every kind."""
    vitess.create_table("t", {"id": "bigint", "name": "varchar(20)"}, key=["id"])
    vitess.create_table("u", {"id": "bigint not null", "e": "enum('a','b')"}, unique={"by_id": ["id"]})
    vitess.create_table("v", {"id": "bigint"}, view=True)
    vitess.create_table("s", {"id": "bigint"}, key=["id"], comment="vitess_sequence")
    connected = Client(vitess)
    yield connected
    connected.close()


def test_the_topology_is_told(vitess: Vitess, client: Client) -> None:
    """Serving shards only; tablets of all."""
    vitess.reshard(["80-"], ["80-c0", "c0-"])
    vitess.set_tablet_types("-80", "PRIMARY")
    shards = [row[0] for row in client.query("SHOW  vitess_shards")]
    assert shards == ["commerce/-80", "commerce/80-c0", "commerce/c0-", "main/0"]
    tablets = {(row[2], row[3], row[4]) for row in client.query("show vitess_tablets;")}
    assert ("-80", "REPLICA", "SERVING") not in tablets
    assert ("80-", "PRIMARY", "NOT_SERVING") in tablets
    assert [row[0] for row in client.query("show keyspaces")] == ["commerce", "main"]


def test_the_version_is_that_of_vtgate(client: Client) -> None:
    """As v24 calls itself."""
    [(version, comment)] = client.query("select @@version, @@version_comment")
    assert version == "8.4.6-Vitess"
    assert str(comment).startswith("Version: 24.0.4")


def test_positions_are_those_of_the_target(vitess: Vitess, client: Client) -> None:
    """Each shard has its own; several servers are on several lines; a lagging replica is behind."""
    vitess.reparent("80-")
    vitess.touch("80-")
    vitess.set_replica_lag("80-", 1)
    client.query("use `commerce:80-@primary`")
    [(executed,)] = client.query("select @@global.gtid_executed")
    assert "\n" in str(executed)
    assert str(executed).replace("\n", "") == vitess.positions()["80-"].removeprefix("MySQL56/")
    client.query("use `commerce:80-@replica`")
    assert client.query("select @@global.gtid_executed") != ((executed,),)
    client.query("use `commerce/-80`")
    [(executed,)] = client.query("select @@gtid_executed")
    assert str(executed) == vitess.positions()["-80"].removeprefix("MySQL56/")


def test_gtid_sets_are_compared(vitess: Vitess, client: Client) -> None:
    """With MySQL's functions, also over variables."""
    position = vitess.positions()["-80"].removeprefix("MySQL56/")
    vitess.touch("-80")
    client.query("use `commerce:-80@primary`")
    inside = (
        f"select gtid_subset('{position}', @@global.gtid_executed), gtid_subset(@@global.gtid_executed, '{position}')"
    )
    assert client.query(inside) == ((1, 0),)
    assert client.query(f"select gtid_subset(@@global.gtid_purged, '{position}')") == ((1,),)
    vitess.purge("-80")
    assert client.query(f"select GTID_SUBSET(@@GLOBAL.gtid_purged, '{position}')") == ((0,),)
    assert client.query("select gtid_subtract('a:1-5,b:3', 'a:2-3')") == (("a:1:4-5,b:3",),)


def test_the_schema_is_in_information_schema(vitess: Vitess, client: Client) -> None:
    """With the keyspace's name or with `database()` as predicate; the physical name comes back."""
    vitess.insert("t", {"id": 1}, {"id": 2}, shard="-80")
    client.query("use `commerce:-80`")
    tables = client.query(
        "select table_schema, table_name, table_type, table_comment, table_rows from information_schema.tables "
        "where table_schema = 'commerce' order by table_name"
    )
    assert [row[:2] for row in tables] == [("vt_commerce", name) for name in "stuv"]
    assert [row[2] for row in tables] == ["BASE TABLE", "BASE TABLE", "BASE TABLE", "VIEW"]
    assert (tables[0][3], tables[1][4]) == ("vitess_sequence", 2)
    columns = client.query(
        "select column_name, column_type, character_set_name, is_nullable\nfrom information_schema.columns "
        "where table_schema = database() and table_name = 'u' order by ordinal_position"
    )
    assert columns == (("id", "bigint", None, "NO"), ("e", "enum('a','b')", "utf8mb4", "YES"))
    keys = client.query(
        "select table_name, index_name, seq_in_index, column_name, sub_part from information_schema.statistics "
        "where table_name in ('t', 'u') and non_unique = 0 order by table_name"
    )
    assert keys == (("t", "PRIMARY", 1, "id", None), ("u", "by_id", 1, "id", None))


def test_another_keyspace_is_empty(client: Client) -> None:
    """It exists, and has no tables."""
    client.query("use `main:0@replica`")
    assert client.query("select table_name from information_schema.tables where table_schema = database()") == ()


def test_targets_are_checked(vitess: Vitess, client: Client) -> None:
    """An unknown keyspace by USE, an unknown shard or a missing tablet when asked something."""
    with pytest.raises(pymysql.MySQLError, match=r"1049.*unknown database 'nope'"):
        client.query("use nope")
    with pytest.raises(pymysql.MySQLError, match="unknown database 'nope'"):
        Client(vitess, database="nope")
    client.query("use `commerce:7`")
    with pytest.raises(pymysql.MySQLError, match=r"1105.*no healthy tablet available"):
        client.query("select @@global.gtid_executed")
    client.query("use `commerce:-80@rdonly`")
    with pytest.raises(pymysql.MySQLError, match=r"no healthy tablet available .* tablet_type:RDONLY"):
        client.query("select @@global.gtid_executed")


def test_statements_are_kept_with_their_targets(vitess: Vitess, client: Client) -> None:
    """Tests can see what was asked of whom."""
    client.query("use `commerce:-80@replica`")
    client.query("select 1")
    assert vitess.mysql.statements[-1] == Statement("commerce:-80@replica", "select 1")


def test_statements_can_be_made_to_fail(vitess: Vitess, client: Client) -> None:
    """Once, with any number and text."""
    vitess.mysql.fail_next(ER.TABLEACCESS_DENIED_ERROR, "Select command denied")
    with pytest.raises(pymysql.MySQLError, match=r"1142.*Select command denied"):
        client.query("select 1")
    assert client.query("select 1") == ((1,),)


def test_variables_can_be_set_by_tests(vitess: Vitess, client: Client) -> None:
    """Such as GTIDs with tags; unknown ones are an error."""
    vitess.sql.variables["gtid_executed"] = "uuid:tag:1-5"
    assert client.query("select @@global.gtid_executed") == (("uuid:tag:1-5",),)
    with pytest.raises(pymysql.MySQLError, match="1193"):
        client.query("select @@nope")


def test_an_unknown_statement_is_an_error(client: Client) -> None:
    """The double does not guess."""
    with pytest.raises(pymysql.MySQLError, match="the scripted VTGate has no answer to: analyze table t"):
        client.query("analyze table t")


def test_passwords_are_checked_if_there_are_any(vitess: Vitess) -> None:
    """As with `--mysql-auth-server-impl static`."""
    Client(vitess).close()
    vitess.mysql.credentials = {"u": "right"}
    Client(vitess, password="right").close()
    for user, password in (("u", "wrong"), ("nobody", "right"), ("u", "")):
        with pytest.raises(pymysql.MySQLError, match=f"1045.*Access denied for user '{user}'"):
            Client(vitess, user=user, password=password)


def test_a_client_that_hangs_up_is_no_error(vitess: Vitess, caplog: pytest.LogCaptureFixture) -> None:
    """Such as one that only looks whether the port is open."""
    socket.create_connection(("127.0.0.1", vitess.mysql.port)).close()
    Client(vitess).close()
    assert "Unhandled exception" not in caplog.text


def test_a_stopped_server_comes_back_on_its_port(vitess: Vitess, client: Client) -> None:
    """Open connections are lost, new ones work."""
    vitess.mysql.stop()
    with pytest.raises(pymysql.MySQLError):
        client.query("select 1")
    vitess.mysql.start()
    again = Client(vitess)
    assert again.query("select 1") == ((1,),)
    again.close()
