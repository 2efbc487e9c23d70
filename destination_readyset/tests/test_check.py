"""`check`: what ReadySet needs of the MySQL."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from vitess_local.plain_mysql import PlainMysql

from destination_readyset.check import find_problems, missing_rights
from destination_readyset.destination import DestinationReadyset
from tests.served import Served, catalog, record, state

GOOD = {
    "version": "9.7.4",
    "version_comment": "MySQL Community Server",
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_value_options": "",
    "binlog_encryption": "OFF",
    "super_read_only": "OFF",
    "read_only": "OFF",
}


def _check(served: Served) -> tuple[str, str]:
    answer = DestinationReadyset().check(logging.getLogger("airbyte.tests"), served.config)
    return answer.status.value, answer.message or ""


def test_a_server_that_can_be_replicated(served: Served) -> None:
    """The tests' MySQL is one; what check made for itself is gone afterwards."""
    assert find_problems(GOOD) == []
    assert _check(served) == ("SUCCEEDED", "")
    assert sorted(row[0] for row in served.mysql.sql("SHOW TABLES FROM _airbyte_readyset")) == ["states", "tables"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"version": "11.8.2-MariaDB-log"}, "MariaDB"),
        ({"version": "8.0.18"}, "8.0.19 or newer"),
        ({"version": "5.7.44-log"}, "8.0.19 or newer"),
        ({"log_bin": "OFF"}, "--log-bin"),
        ({"binlog_format": "STATEMENT"}, "binlog_format = ROW"),
        ({"binlog_row_image": "NOBLOB"}, "binlog_row_image = FULL"),
        ({"binlog_row_value_options": "PARTIAL_JSON"}, "binlog_row_value_options"),
        ({"binlog_encryption": "ON"}, "binlog_encryption = OFF"),
        ({"log_bin_use_v1_row_events": "ON"}, "log_bin_use_v1_row_events"),
        ({"super_read_only": "ON"}, "primary"),
    ],
)
def test_servers_that_cannot(change: dict[str, str], text: str) -> None:
    """Each is refused with what to change."""
    (problem,) = find_problems({**GOOD, **change})

    assert text in problem


def test_settings_of_the_real_server_are_looked_at(served: Served) -> None:
    """A row image that ReadySet cannot use is found at the server."""
    served.mysql.sql("SET GLOBAL binlog_row_image = NOBLOB")
    try:
        status, message = _check(served)
    finally:
        served.mysql.sql("SET GLOBAL binlog_row_image = FULL")

    assert status == "FAILED"
    assert "binlog_row_image is NOBLOB" in message


def test_transactions_without_gtids_are_advised_against(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    """ReadySet replicates such a server, but can stay within a transaction for good."""
    caplog.set_level(logging.INFO, "airbyte.tests")
    assert _check(served) == ("SUCCEEDED", "")
    assert "gtid_mode" not in caplog.text

    served.mysql.sql("SET GLOBAL gtid_mode = ON_PERMISSIVE")
    try:
        assert _check(served) == ("SUCCEEDED", "")
    finally:
        served.mysql.sql("SET GLOBAL gtid_mode = ON")

    assert "start ReadySet with --require-gtid" in caplog.text


def test_wrong_address_or_user(served: Served) -> None:
    """Whoever cannot be reached or logged in to is named."""
    served.config["username"] = "nobody"
    assert "refuses the user" in _check(served)[1]

    served.config["port"] = 1
    assert "cannot be made" in _check(served)[1]


@pytest.fixture
def accounts(mysql: PlainMysql) -> Iterator[PlainMysql]:
    """Two accounts for ReadySet: one that may read the binlog, and one that may not."""
    for name in ("reads", "not"):
        mysql.sql(f"CREATE USER {name}_binlog IDENTIFIED BY 'a secret'")
    mysql.sql("GRANT SELECT, REPLICATION CLIENT, REPLICATION SLAVE ON *.* TO reads_binlog")
    yield mysql
    for name in ("reads", "not"):
        mysql.sql(f"DROP USER {name}_binlog")


def test_rights_of_readysets_account(served: Served, accounts: PlainMysql) -> None:
    """The account that ReadySet logs in with must be allowed to read the binlog."""
    served.config.update(replication_username="reads_binlog", replication_password="a secret")
    assert _check(served) == ("SUCCEEDED", "")

    served.config["replication_username"] = "not_binlog"
    assert "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.*" in _check(served)[1]

    served.config["replication_password"] = "wrong"
    assert "cannot log in" in _check(served)[1]


def test_rights_are_read_from_grants() -> None:
    """Rights on one database are none on the binlog; all rights are."""
    assert missing_rights(["GRANT ALL PRIVILEGES ON `shop`.* TO `u`@`%`"]) == [
        "REPLICATION SLAVE",
        "REPLICATION CLIENT",
    ]
    assert missing_rights(["GRANT ALL PRIVILEGES ON *.* TO `u`@`%`"]) == []
    assert missing_rights(["GRANT SELECT, REPLICATION SLAVE ON *.* TO `u`@`%`"]) == ["REPLICATION CLIENT"]


def test_a_user_without_rights_to_write(served: Served) -> None:
    """A user who may only read is refused, by check and by write."""
    served.mysql.sql("CREATE USER reader IDENTIFIED BY ''")
    served.mysql.sql("GRANT SELECT ON *.* TO reader")
    try:
        served.config["username"] = "reader"
        assert "refuses the user" in _check(served)[1]
        with pytest.raises(Exception, match="refuses the user"):
            served.write(catalog(), [record({"id": 1}), state(1)])
    finally:
        served.mysql.sql("DROP USER reader")
