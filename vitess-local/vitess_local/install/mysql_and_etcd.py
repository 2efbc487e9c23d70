"""Finds the servers that are not Vitess' own, or fetches them as Debian packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vitess_local.cache import Cache
from vitess_local.install import debian_packages, private_root
from vitess_local.install.private_root import PrivateRoot
from vitess_local.progress import Step

_PACKAGES = ("mysql-server-core", "mysql-client-core", "etcd-server")
_PROGRAMS = ("usr/sbin/mysqld", "usr/bin/mysql", "usr/bin/mysqladmin", "usr/bin/etcd")

_OLDEST_MYSQL = (8, 0, 0)
# Where distributions put servers that are not on an ordinary user's PATH.
_SERVER_FOLDERS = "/usr/local/sbin:/usr/sbin:/usr/libexec"


@dataclass(frozen=True)
class MysqlAndEtcd:
    """Where the two programs are, and which MySQL it is."""

    mysqld: Path
    mysql_root: Path
    mysql_version: tuple[int, ...]
    etcd: Path


def find(cache: Cache) -> MysqlAndEtcd | None:
    """Return the programs to use, or None if one has to be fetched first."""
    private = _private_root(cache).bin
    mysqld = _mysqld_on_path() or _if_file(private / "mysqld")
    on_path = shutil.which("etcd")
    etcd = Path(on_path) if on_path is not None else _if_file(private / "etcd")
    if mysqld is None or etcd is None:
        return None
    version = _mysql_version(mysqld)
    if version is None:
        return None
    return MysqlAndEtcd(mysqld, mysqld.parent.parent, version, etcd)


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


def fetch(cache: Cache, log: Path, current: Step) -> None:
    """Fetch both servers, even if one is on PATH: what PATH holds may change later."""
    private_root.install(_private_root(cache), _PACKAGES, _PROGRAMS, log, current)


def _private_root(cache: Cache) -> PrivateRoot:
    return PrivateRoot(cache.root / f"servers-{debian_packages.SUITE}-{os.uname().machine}")
