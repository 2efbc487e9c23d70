"""Fetches Debian packages without touching the system.

Debian bookworm and trixie offer MariaDB, which Vitess does not support; Debian sid
has MySQL. apt itself does the fetching, with the machine's own mirror, keys and proxy
settings; only the suite and the folders it works in are ours (`apt.conf(5)`, `Dir::*`).
"""

from __future__ import annotations

import platform
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
    """Return whether a fetched package is worth unpacking."""
    return not package_file.startswith(_UNNEEDED)


def fetch(work: Path, packages: Sequence[str], log: Path, step: Step) -> list[Path]:
    """Fetch packages and what they depend on into `work`, and return those worth unpacking."""
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
