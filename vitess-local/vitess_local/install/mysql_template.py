"""A MySQL data folder initialised once, which every tablet starts from as a copy.

`mysqlctl init` takes four seconds per tablet; copying its result takes a fraction of
one. Vitess' own choice of settings is kept: `mysqlctl` writes `my.cnf` for the MySQL
version it finds, and only the tablet's folder, ports and numbers are replaced.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from vitess_local.errors import VitessLocalError
from vitess_local.install.account import Account

_UID = 1
# Never connected to: `mysqlctl init` uses the socket only.
_PORT = 3306

_CONFIG = "my.cnf.template"
_FOLDERS = ("data", "innodb/data", "innodb/logs", "relay-logs", "bin-logs", "tmp")

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

# MySQL 8.0.30 replaced `innodb_log_file_size` by `innodb_redo_log_capacity`.
_REDO_CAPACITY_SINCE = (8, 0, 30)


def small_server_settings(version: tuple[int, ...]) -> dict[str, str]:
    """Return the settings of a small server that this MySQL version knows."""
    settings = dict(SMALL_SERVER)
    if version < _REDO_CAPACITY_SINCE:
        del settings["innodb_redo_log_capacity"]
        settings["innodb_log_file_size"] = "8M"
    return settings


def generalise(config: str, tablet_dir: str) -> str:
    """Turn the `my.cnf` of tablet 1 into a template for any tablet."""
    text = config.replace(tablet_dir, "@DIR@").replace(f"vt-{_UID:010d}", "vt-@UID@")
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


def create(
    target: Path,
    *,
    mysqlctl: Path,
    environment: Mapping[str, str],
    version: tuple[int, ...],
    account: Account,
    log: Path,
) -> None:
    """Initialise a server and keep its cleanly stopped data folder as `target`."""
    # Not below `target`: the socket's path must stay short.
    with tempfile.TemporaryDirectory(prefix="vtl-", dir="/tmp") as name:
        work = Path(name)
        extra = work / "small.cnf"
        extra.write_text(render_settings(small_server_settings(version)), encoding="utf-8")
        account.own_tree(work)
        env = {
            **environment,
            "HOME": name,
            "VTDATAROOT": name,
            "EXTRA_MY_CNF": str(extra),
        }
        for action in ("init", "shutdown"):
            _mysqlctl(mysqlctl, action, env, account, log, work)
        tablet_dir = work / f"vt_{_UID:010d}"
        config = (tablet_dir / "my.cnf").read_text(encoding="utf-8")
        building = target.with_name(target.name + ".new")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        for folder in ("data", "innodb"):
            shutil.copytree(tablet_dir / folder, building / folder)
        # Without it each copy gives itself a server UUID of its own, and so its own GTIDs.
        (building / "data" / "auto.cnf").unlink()
        (building / _CONFIG).write_text(generalise(config, str(tablet_dir)), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)


def _mysqlctl(program: Path, action: str, env: Mapping[str, str], account: Account, log: Path, work: Path) -> None:
    identity: dict[str, int | list[int]] = {}
    if account.drops_privileges:
        identity = {"user": account.uid, "group": account.gid, "extra_groups": []}
    uid = ["--tablet-uid", str(_UID), "--log-format", "text"]
    port = ["--mysql-port", str(_PORT)] if action == "init" else []
    with log.open("ab") as sink:
        done = subprocess.run(
            [program, *uid, *port, action],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=work,
            env=dict(env),
            check=False,
            **identity,  # type: ignore[call-overload]
        )
    if done.returncode != 0:
        errors = work / f"vt_{_UID:010d}" / "error.log"
        if errors.is_file():
            with log.open("ab") as sink:
                sink.write(errors.read_bytes())
        raise VitessLocalError(f"`mysqlctl {action}` ended with {done.returncode}.", log=log)


def copy_for_tablet(
    template: Path,
    tablet_dir: Path,
    *,
    uid: int,
    port: int,
    settings: Mapping[str, str],
    account: Account,
) -> None:
    """Give a tablet its data folder and `my.cnf`."""
    building = tablet_dir.with_name(tablet_dir.name + ".new")
    shutil.rmtree(building, ignore_errors=True)
    shutil.copytree(template, building, ignore=shutil.ignore_patterns(_CONFIG))
    for folder in _FOLDERS:
        (building / folder).mkdir(parents=True, exist_ok=True)
    text = (template / _CONFIG).read_text(encoding="utf-8")
    (building / "my.cnf").write_text(render(text, tablet_dir, uid, port, settings), encoding="utf-8")
    account.own_tree(building)
    building.rename(tablet_dir)
