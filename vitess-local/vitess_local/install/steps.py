"""Provides everything a cluster needs, once; later calls only check.

Steps, each with its own log in the cache folder, each skipped if its result exists:

1. MySQL and etcd: from PATH, else Debian packages in a private root.
2. Vitess: built from its Go module, with Go from PATH or from a wheel.
3. An initialised MySQL data folder.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install import go_toolchain, mysql_and_etcd, mysql_template, vitess_build
from vitess_local.install.account import Account, server_account
from vitess_local.install.go_module import pinned_version, read_go_mod, release_name, required_go
from vitess_local.install.mysql_and_etcd import MysqlAndEtcd
from vitess_local.install.mysql_settings import small_server_settings
from vitess_local.install.toolchain import Toolchain
from vitess_local.locks import locked
from vitess_local.progress import Step, report_to_stderr, step

# A first build on a small machine takes minutes; somebody waiting for it waits longer.
_LOCK_SECONDS = 7200.0


def ensure_installed(cache: Cache) -> Toolchain:
    """Return the toolchain, installing what is missing.

    Processes that call this at the same time wait for each other.
    """
    if (ready := find_installed(cache)) is not None:
        return ready

    def on_wait(holder: str) -> None:
        report_to_stderr(f"process {holder} is installing; waiting for it")

    with locked(cache.locks / "install.lock", timeout=_LOCK_SECONDS, on_wait=on_wait):
        return find_installed(cache) or _install(cache)


def find_installed(cache: Cache) -> Toolchain | None:
    """Return the toolchain if everything is installed; quick."""
    vitess = vitess_build.target_folder(cache)
    if not vitess_build.is_built(vitess):
        return None
    servers = mysql_and_etcd.find(cache)
    if servers is None:
        return None
    toolchain = _toolchain(cache, vitess, servers)
    return toolchain if toolchain.mysql_template.is_dir() else None


def _install(cache: Cache) -> Toolchain:
    for folder in (cache.root, cache.logs, cache.locks, cache.clusters):
        folder.mkdir(parents=True, exist_ok=True)
    account = server_account(cache.locks)
    vitess = vitess_build.target_folder(cache)
    if mysql_and_etcd.find(cache) is None:
        _run_step(cache, "MySQL and etcd", "servers", lambda log, current: mysql_and_etcd.fetch(cache, log, current))
    servers = mysql_and_etcd.find(cache)
    if servers is None:
        raise VitessLocalError("MySQL or etcd is missing although the step succeeded.")
    if not vitess_build.is_built(vitess):
        _run_step(cache, "Vitess", "vitess", lambda log, current: _build(cache, vitess, log, current))
    toolchain = _toolchain(cache, vitess, servers)
    if not toolchain.mysql_template.is_dir():
        _run_step(
            cache,
            "MySQL data folder",
            "mysql-template",
            lambda log, _: _create_template(toolchain, servers, account, log),
        )
    return toolchain


def _run_step(cache: Cache, title: str, log_name: str, action: Callable[[Path, Step], None]) -> None:
    """Run one step with a fresh log; an error names the step and the log."""
    log = cache.logs / f"install-{log_name}.log"
    log.write_text("", encoding="utf-8")
    remedy = "What is finished is kept; run the same command again to go on from there."
    with step(title) as current:
        try:
            action(log, current)
        except VitessLocalError as error:
            raise VitessLocalError(
                f"Installing failed at the step `{title}`: {error.message}",
                log=error.log or log,
                remedy=error.remedy or remedy,
            ) from error
        except (OSError, subprocess.SubprocessError, shutil.Error) as error:
            raise VitessLocalError(
                f"Installing failed at the step `{title}`: {error}", log=log, remedy=remedy
            ) from error


def _build(cache: Cache, vitess: Path, log: Path, current: Step) -> None:
    go = go_toolchain.find_or_fetch(cache, required_go(read_go_mod()), log, current)
    vitess_build.build(vitess, go, log, current)
    # Gigabytes that only an interrupted build needs again.
    shutil.rmtree(cache.go, ignore_errors=True)


def _create_template(toolchain: Toolchain, servers: MysqlAndEtcd, account: Account, log: Path) -> None:
    mysql_template.create(
        toolchain.mysql_template,
        mysqlctl=toolchain.vitess("mysqlctl"),
        environment=toolchain.environment(toolchain.vitess_root),
        version=servers.mysql_version,
        account=account,
        log=log,
    )


def _toolchain(cache: Cache, vitess: Path, servers: MysqlAndEtcd) -> Toolchain:
    version = ".".join(map(str, servers.mysql_version))
    settings = small_server_settings(servers.mysql_version)
    key = hashlib.sha256(f"{sorted(settings.items())}{servers.mysqld}".encode()).hexdigest()[:8]
    return Toolchain(
        vitess_root=vitess,
        mysql_root=servers.mysql_root,
        mysqld=servers.mysqld,
        etcd=servers.etcd,
        mysql_template=cache.root / f"mysql-template-{version}-{key}",
        vitess_version=release_name(pinned_version(read_go_mod())),
        mysql_version=version,
    )
