"""Finds the servers that are not Vitess' own, or fetches them as Debian packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vitess_local.cache import Cache
from vitess_local.install import debian_packages, maven_mysql, private_root
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


def find(cache: Cache, mysql: str | None) -> MysqlAndEtcd | None:
    """Return the programs to use, or None if one has to be fetched first.

    `mysql` is a version such as `8.0`; None for what PATH has, or else the newest.
    """
    private = _private_root(cache).bin
    mysqld = _mysqld_on_path(mysql) or _if_file(_fetched_mysqld(cache, mysql))
    on_path = shutil.which("etcd")
    etcd = Path(on_path) if on_path is not None else _if_file(private / "etcd")
    if mysqld is None or etcd is None:
        return None
    version = _mysql_version(mysqld)
    if version is None:
        return None
    return MysqlAndEtcd(mysqld, mysqld.parent.parent, version, etcd)


def _fetched_mysqld(cache: Cache, mysql: str | None) -> Path:
    if mysql is None:
        return _private_root(cache).bin / "mysqld"
    return maven_mysql.folder_of(cache, maven_mysql.artifact_of(mysql)) / "bin" / "mysqld"


def _if_file(path: Path) -> Path | None:
    return path if path.is_file() else None


def _mysqld_on_path(mysql: str | None) -> Path | None:
    """Return a `mysqld` that Vitess can use, if the machine has one, of the wanted version if one is."""
    found = shutil.which("mysqld", path=os.environ.get("PATH", "") + ":" + _SERVER_FOLDERS)
    if found is None:
        return None
    version = _mysql_version(Path(found))
    if version is None or version < _OLDEST_MYSQL:
        return None
    fits = mysql is None or f"{'.'.join(map(str, version))}.".startswith(f"{mysql}.")
    return Path(found) if fits else None


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


def fetch(cache: Cache, mysql: str | None, log: Path, current: Step) -> None:
    """Fetch both servers, even if one is on PATH: what PATH holds may change later.

    An older MySQL comes on top of the packages, whose clients and C library it uses.
    """
    packages = _private_root(cache)
    if not packages.bin.is_dir():
        private_root.install(packages, _PACKAGES, _PROGRAMS, log, current)
    if mysql is not None:
        maven_mysql.fetch(cache, maven_mysql.artifact_of(mysql), packages, log, current)


def _private_root(cache: Cache) -> PrivateRoot:
    return PrivateRoot(cache.root / f"servers-{debian_packages.SUITE}-{os.uname().machine}")
