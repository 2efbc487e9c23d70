"""A MySQL data folder initialised once, which every tablet starts from as a copy.

`mysqlctl init` takes four seconds per tablet; copying its result takes a fraction of
one. Vitess' own choice of settings is kept: `mysqlctl` writes `my.cnf` for the MySQL
version it finds, and only the tablet's folder, ports and numbers are replaced.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from vitess_local.atomic import new_folder
from vitess_local.errors import VitessLocalError
from vitess_local.install.account import Account
from vitess_local.install.mysql_settings import generalise, render, render_settings, small_server_settings
from vitess_local.install.toolchain import Toolchain

_UID = 1
# Never connected to: `mysqlctl init` uses the socket only.
_PORT = 3306

_CONFIG = "my.cnf.template"
_FOLDERS = ("data", "innodb/data", "innodb/logs", "relay-logs", "bin-logs", "tmp")


def create(
    target: Path,
    *,
    toolchain: Toolchain,
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
            **toolchain.environment(toolchain.vitess_root),
            "HOME": name,
            "VTDATAROOT": name,
            "EXTRA_MY_CNF": str(extra),
        }
        for action in ("init", "shutdown"):
            _mysqlctl(toolchain, action, env, account, log, work)
        tablet_dir = work / f"vt_{_UID:010d}"
        config = (tablet_dir / "my.cnf").read_text(encoding="utf-8")
        with new_folder(target) as template:
            for folder in ("data", "innodb"):
                shutil.copytree(tablet_dir / folder, template / folder)
            # Without it each copy gives itself a server UUID of its own, and so its own GTIDs.
            (template / "data" / "auto.cnf").unlink()
            text = generalise(config, str(tablet_dir), _UID)
            (template / _CONFIG).write_text(text, encoding="utf-8")


def _mysqlctl(
    toolchain: Toolchain, action: str, env: Mapping[str, str], account: Account, log: Path, work: Path
) -> None:
    port = [f"--mysql-port={_PORT}"] if action == "init" else []
    with log.open("ab") as sink:
        done = subprocess.run(
            toolchain.vitess_argv("mysqlctl", [f"--tablet-uid={_UID}", "--log-format=text", *port, action]),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=work,
            env=dict(env),
            check=False,
            **account.identity,
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
    with new_folder(tablet_dir) as copy:
        shutil.copytree(template, copy, ignore=shutil.ignore_patterns(_CONFIG), dirs_exist_ok=True)
        for folder in _FOLDERS:
            (copy / folder).mkdir(parents=True, exist_ok=True)
        text = (template / _CONFIG).read_text(encoding="utf-8")
        (copy / "my.cnf").write_text(render(text, tablet_dir, uid, port, settings), encoding="utf-8")
        account.own_tree(copy)
