"""The settings of the tablets' MySQL servers."""

from pathlib import Path

import pytest

from vitess_local.errors import VitessLocalError
from vitess_local.install.mysql_settings import generalise, render, small_server_settings

# Shaped like what `mysqlctl init` writes for tablet 1.
WRITTEN = """[mysqld]
datadir = /srv/vt_0000000001/data
log-bin = /srv/vt_0000000001/bin-logs/vt-0000000001-bin
port = 3306
server-id = 565488040
socket = /srv/vt_0000000001/mysql.sock
replica_net_timeout = 8
"""


def test_a_tablets_settings_are_vitess_own_with_its_own_places() -> None:
    """Folder, file names, port and server id are the tablet's; the rest is kept."""
    template = generalise(WRITTEN, "/srv/vt_0000000001", 1)
    text = render(template, Path("/data/vt_0000000105"), 105, 21005, {})

    assert text.splitlines()[:7] == [
        "[mysqld]",
        "datadir = /data/vt_0000000105/data",
        "log-bin = /data/vt_0000000105/bin-logs/vt-0000000105-bin",
        "port = 21005",
        "server-id = 105",
        "socket = /data/vt_0000000105/mysql.sock",
        "replica_net_timeout = 8",
    ]


def test_the_users_settings_come_last_and_so_win() -> None:
    """MySQL takes the last of two equal settings."""
    text = render("binlog_row_image = FULL\n", Path("/d"), 1, 2, {"binlog_row_image": "noblob"})

    assert text.rstrip().endswith("binlog_row_image = noblob")


def test_a_my_cnf_of_another_shape_is_refused() -> None:
    """If a Vitess release writes it differently, the mistake is found at installation."""
    with pytest.raises(VitessLocalError, match="port 0 times"):
        generalise(WRITTEN.replace("port = 3306\n", ""), "/srv/vt_0000000001", 1)


@pytest.mark.parametrize(
    ("version", "known", "unknown"),
    [
        ((8, 0, 29), "innodb_log_file_size", "innodb_redo_log_capacity"),
        ((8, 0, 30), "innodb_redo_log_capacity", "innodb_log_file_size"),
        ((9, 7, 4), "innodb_redo_log_capacity", "innodb_log_file_size"),
    ],
)
def test_the_redo_log_is_sized_by_the_setting_the_version_knows(
    version: tuple[int, ...], known: str, unknown: str
) -> None:
    """MySQL does not start with a setting it does not know."""
    settings = small_server_settings(version)

    assert known in settings
    assert unknown not in settings


def test_a_killed_server_keeps_its_tables_and_binary_log_in_step() -> None:
    """0 would keep commits in the process for up to a second, and lose them with it."""
    settings = small_server_settings((9, 0, 0))

    assert settings["innodb_flush_log_at_trx_commit"] == "2"
    assert settings["binlog_row_image"] == "FULL"
    assert settings["bind-address"] == "127.0.0.1"


def test_accounts_of_an_old_mysql_have_passwords_of_the_new_form() -> None:
    """The newest clients administer every server, and 9.x knows the old form no longer, nor 8.4 the setting."""
    assert small_server_settings((8, 0, 31))["default_authentication_plugin"] == "caching_sha2_password"
    assert "default_authentication_plugin" not in small_server_settings((8, 4, 0))
