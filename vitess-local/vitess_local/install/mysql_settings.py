"""The settings of MySQL servers: a small server's, and a tablet's `my.cnf` as Vitess writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vitess_local.errors import VitessLocalError

# A small server for tests: about 220 MB each. Nothing is ever synced to disk, because a
# crash of the machine may lose the data; but every commit reaches the kernel
# (`innodb_flush_log_at_trx_commit = 2`), because after a killed mysqld the tables and
# the binary log must still agree.
SMALL_SERVER: Mapping[str, str] = {
    "bind-address": "127.0.0.1",
    "binlog_row_image": "FULL",
    "innodb_buffer_pool_size": "64M",
    "innodb_redo_log_capacity": "16M",
    "innodb_flush_log_at_trx_commit": "2",
    "innodb_flush_method": "nosync",
    "innodb_doublewrite": "0",
    # The kernel's asynchronous I/O is limited for the whole machine (fs.aio-max-nr): with
    # it, about the 25th server does not start.
    "innodb_use_native_aio": "0",
    "sync_binlog": "0",
    "performance_schema": "OFF",
}

# Vitess asks MySQL 8.0 for passwords of the old form, which the clients of 9.x do not know.
_NEW_PASSWORDS = {"default_authentication_plugin": "caching_sha2_password"}
# The setting is gone from 8.4, with the old form as a default.
_NEW_PASSWORDS_SINCE = (8, 4, 0)

# MySQL 8.0.30 replaced `innodb_log_file_size` by `innodb_redo_log_capacity`.
_REDO_CAPACITY_SINCE = (8, 0, 30)


def small_server_settings(version: tuple[int, ...]) -> dict[str, str]:
    """Return the settings of a small server that this MySQL version knows."""
    settings = dict(SMALL_SERVER)
    if version < _REDO_CAPACITY_SINCE:
        del settings["innodb_redo_log_capacity"]
        settings["innodb_log_file_size"] = "8M"
    if version < _NEW_PASSWORDS_SINCE:
        settings.update(_NEW_PASSWORDS)
    return settings


def generalise(config: str, tablet_dir: str, uid: int) -> str:
    """Turn the `my.cnf` of one tablet into a template for any tablet."""
    text = config.replace(tablet_dir, "@DIR@").replace(f"vt-{uid:010d}", "vt-@UID@")
    for key, mark in (("port", "@PORT@"), ("server-id", "@SERVER_ID@")):
        text, count = re.subn(rf"(?m)^{key} = \d+$", f"{key} = {mark}", text)
        if count != 1:
            raise VitessLocalError(f"Vitess' my.cnf sets {key} {count} times instead of once.")
    return text


def render(template: str, tablet_dir: Path, uid: int, port: int, settings: Mapping[str, str]) -> str:
    """Fill in the template for one tablet; `settings` come last and so win."""
    text = (
        template.replace("@DIR@", str(tablet_dir))
        .replace("@UID@", f"{uid:010d}")
        .replace("@PORT@", str(port))
        .replace("@SERVER_ID@", str(uid))
    )
    return text + "\n" + render_settings(settings)


def render_settings(settings: Mapping[str, str]) -> str:
    """Render settings as lines of `my.cnf`."""
    return "".join(f"{name} = {value}\n" for name, value in settings.items())
