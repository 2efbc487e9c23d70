"""Debian packages in a folder of their own, without touching the system.

Debian bookworm and trixie offer MariaDB, which Vitess does not support; Debian sid
has MySQL. Its packages need a newer C library than the machine's, so they are
unpacked into a private root together with that library, and each program is started
through the private root's own dynamic loader by a small wrapper script.

apt itself does the fetching, with the machine's own mirror, keys and proxy settings;
only the suite and the folders it works in are ours (`apt.conf(5)`, `Dir::*`).
Nothing is installed: no maintainer script runs and no system folder is written.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitess_local.errors import VitessLocalError
from vitess_local.install.logged_command import run_logged
from vitess_local.progress import Step

SUITE = "sid"

# What the servers' packages name as dependencies and the programs never load.
_UNNEEDED = (
    "debconf",
    "gcc-",
    "libdb5.3",
    "libperl",
    "libsystemd-shared",
    "perl",
    "systemd_",
)
# Not needed to run anything either.
_PRUNED = ("usr/share/doc", "usr/share/locale", "usr/share/man")

# The packages' versions, for people who wonder what they run.
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Origin:
    """A repository of the machine's distribution, as apt names it."""

    uri: str
    release: str
    component: str


def parse_origins(listing: str) -> tuple[Origin, ...]:
    """Parse the lines `<uri> <release> <component>` that `apt-get indextargets` printed."""
    origins = (Origin(*line.split()) for line in listing.splitlines() if len(line.split()) == 3)
    return tuple(dict.fromkeys(origins))


def choose_mirror(origins: Iterable[Origin], codename: str) -> str:
    """Return the address of the Debian mirror the machine uses.

    It is the one that serves the `main` component of the machine's own release (or
    of a rolling suite): third-party repositories name their components differently.
    """
    rolling = ("sid", "unstable", "testing", "stable")
    for wanted in (codename, *rolling):
        for origin in origins:
            if origin.release == wanted and origin.component == "main":
                return origin.uri
    raise VitessLocalError(
        f"apt has no Debian repository configured for {codename or 'this release'}.",
        remedy="Install MySQL 8.0 or later and etcd yourself, so that `mysqld` and `etcd` are on PATH.",
    )


def source_line(mirror: str, suite: str, keyring: Path | None) -> str:
    """Render the one line of the private `sources.list`."""
    options = f"[signed-by={keyring}] " if keyring is not None else ""
    return f"deb {options}{mirror} {suite} main\n"


def apt_options(folder: Path) -> list[str]:
    """Return apt's options that keep everything it reads and writes inside `folder`.

    The empty status file makes apt believe that nothing is installed, so that it
    fetches the C library as well.
    """
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::Etc::preferencesparts": "-",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::State::extended_states": folder / "extended_states",
        "Dir::Cache": folder / "cache",
        "Dir::Log": folder / "log",
        "APT::Install-Recommends": "false",
        "APT::Install-Suggests": "false",
        "APT::Default-Release": "",
        "APT::Get::AllowUnauthenticated": "false",
        # A frozen mirror serves sid with an expiry date in the past; an old MySQL will do,
        # and the signatures are checked all the same.
        "Acquire::Check-Valid-Until": "false",
        # Some images delete fetched packages at once (docker-clean).
        "DPkg::Post-Invoke::": "",
        "APT::Update::Post-Invoke::": "",
        "APT::Keep-Downloaded-Packages": "true",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    words: list[str] = []
    for name, value in settings.items():
        words += ["-o", f"{name}={value}"]
    return words


def is_needed(package_file: str) -> bool:
    """Tell whether a fetched package is worth unpacking."""
    return not package_file.startswith(_UNNEEDED)


@dataclass(frozen=True)
class PrivateRoot:
    """Packages unpacked into one folder."""

    root: Path

    @property
    def bin(self) -> Path:
        """The folder of the wrapper scripts."""
        return self.root / "bin"


def install(target: PrivateRoot, packages: Sequence[str], programs: Sequence[str], log: Path, step: Step) -> None:
    """Fetch and unpack `packages`, and write a wrapper for each of `programs`.

    `programs` are paths inside the packages, such as `usr/sbin/mysqld`. The finished
    folder appears in one rename; what an interrupted run has fetched is used again.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise VitessLocalError(
            "This machine has neither `mysqld` and `etcd` on PATH nor apt to fetch them with.",
            remedy="Install MySQL 8.0 or later (not MariaDB) and etcd.",
        )
    work = target.root.with_name(target.root.name + ".fetch")
    files = _fetch(work, packages, log, step)
    building = target.root.with_name(target.root.name + ".new")
    shutil.rmtree(building, ignore_errors=True)
    tree = building / "root"
    tree.mkdir(parents=True)
    for number, file in enumerate(files, start=1):
        step.update(f"unpacking {file.name} ({number} of {len(files)})")
        run_logged(["dpkg-deb", "-x", file, tree], log=log, doing=f"Unpacking {file.name}")
    for folder in _PRUNED:
        shutil.rmtree(tree / folder, ignore_errors=True)
    _write_wrappers(building, target.root, programs)
    (building / "share").symlink_to("root/usr/share")
    (building / "lib").symlink_to("root/usr/lib")
    versions = dict(_name_and_version(file, log) for file in files)
    (building / _MANIFEST).write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(target.root, ignore_errors=True)
    building.rename(target.root)
    shutil.rmtree(work)


def _fetch(work: Path, packages: Sequence[str], log: Path, step: Step) -> list[Path]:
    for folder in ("state/lists/partial", "cache/archives/partial", "log", "empty"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    mirror = _machine_mirror(work, log)
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    (work / "sources.list").write_text(
        source_line(mirror, SUITE, keyring if keyring.is_file() else None), encoding="utf-8"
    )
    options = apt_options(work)
    step.update(f"reading the package lists of Debian {SUITE}")
    run_logged(["apt-get", *options, "update"], log=log, doing="Reading the package lists")
    step.update("fetching " + ", ".join(packages))
    run_logged(
        ["apt-get", *options, "--yes", "--download-only", "install", *packages],
        log=log,
        doing="Fetching packages",
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )
    fetched = sorted((work / "cache" / "archives").glob("*.deb"))
    return [file for file in fetched if is_needed(file.name)]


def _machine_mirror(work: Path, log: Path) -> str:
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian":
        raise VitessLocalError(
            f"{release.get('PRETTY_NAME', 'This system')} is not Debian, so Debian's packages cannot be used.",
            remedy="Install MySQL 8.0 or later (not MariaDB) and etcd, so that `mysqld` and `etcd` are on PATH.",
        )
    listing = run_logged(
        [
            "apt-get",
            # No package list need ever have been fetched on this machine.
            "-o",
            f"Dir::State::lists={work / 'empty'}",
            "indextargets",
            "--no-release-info",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Identifier: Packages",
        ],
        log=log,
        doing="Asking apt for the machine's mirror",
    )
    return choose_mirror(parse_origins(listing), release.get("VERSION_CODENAME", ""))


def _name_and_version(file: Path, log: Path) -> tuple[str, str]:
    shown = run_logged(
        ["dpkg-deb", "--show", "--showformat=${Package} ${Version}\n", file],
        log=log,
        doing=f"Reading {file.name}",
    )
    name, version = shown.split()[-2:]
    return name, version


def _write_wrappers(building: Path, final: Path, programs: Sequence[str]) -> None:
    tree = building / "root"
    loaders = sorted(tree.glob("**/ld-linux*.so.*"))
    if not loaders:
        raise VitessLocalError(f"No dynamic loader among the packages in {tree}.")
    loader = loaders[0].relative_to(building)
    libraries = _library_folders(tree)
    (building / "bin").mkdir()
    for program in programs:
        if not (tree / program).is_file():
            raise VitessLocalError(f"The packages hold no {program}.")
        wrapper = building / "bin" / Path(program).name
        wrapper.write_text(
            wrapper_script(
                loader=final / loader,
                libraries=[final / folder.relative_to(building) for folder in libraries],
                program=final / "root" / program,
            ),
            encoding="utf-8",
        )
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _library_folders(tree: Path) -> list[Path]:
    """Folders with shared libraries, without those of plug-ins."""
    triplet = f"{os.uname().machine}-linux-gnu"
    places = ("usr/lib/" + triplet, "lib/" + triplet, "usr/lib", "lib")
    return [tree / place for place in places if any((tree / place).glob("lib*.so*"))]


def wrapper_script(loader: Path, libraries: Sequence[Path], program: Path) -> str:
    """Render a script that starts `program` with the private C library."""
    search = ":".join(str(folder) for folder in libraries)
    return (
        "#!/bin/sh\n"
        "# The program needs a newer C library than the machine's; this is its own.\n"
        f"exec '{loader}' --library-path '{search}' '{program}' \"$@\"\n"
    )
