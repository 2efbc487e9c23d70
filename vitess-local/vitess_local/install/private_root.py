"""Programs of Debian packages in a folder of their own, with the C library they need.

The packages need a newer C library than the machine's, so they are unpacked into a private
root together with that library, and each program is started through the private root's own
dynamic loader by a small wrapper script. Nothing is installed: no maintainer script runs and
no system folder is written.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitess_local.atomic import new_folder
from vitess_local.errors import VitessLocalError
from vitess_local.install import debian_packages
from vitess_local.install.logged_command import run_logged
from vitess_local.progress import Step

# Not needed to run anything.
_PRUNED = ("usr/share/doc", "usr/share/locale", "usr/share/man")

# The packages' versions, for people who wonder what they run.
_MANIFEST = "manifest.json"


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
    files = debian_packages.fetch(work, packages, log, step)
    with new_folder(target.root) as building:
        _unpack(building / "root", files, log, step)
        _write_wrappers(building, target.root, programs)
        (building / "share").symlink_to("root/usr/share")
        (building / "lib").symlink_to("root/usr/lib")
        versions = dict(_name_and_version(file, log) for file in files)
        (building / _MANIFEST).write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(work)


def _unpack(tree: Path, files: Sequence[Path], log: Path, step: Step) -> None:
    tree.mkdir()
    for number, file in enumerate(files, start=1):
        step.update(f"unpacking {file.name} ({number} of {len(files)})")
        run_logged(["dpkg-deb", "-x", file, tree], log=log, doing=f"Unpacking {file.name}")
    for folder in _PRUNED:
        shutil.rmtree(tree / folder, ignore_errors=True)


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
    loader, libraries = _loader(tree), _library_folders(tree)
    (building / "bin").mkdir()
    for program in programs:
        if not (tree / program).is_file():
            raise VitessLocalError(f"The packages hold no {program}.")
        _write_script(
            building / "bin" / Path(program).name,
            wrapper_script(
                loader=final / loader.relative_to(building),
                libraries=[final / folder.relative_to(building) for folder in libraries],
                program=final / "root" / program,
            ),
        )


def write_wrapper(wrapper: Path, packages: PrivateRoot, program: Path, libraries: Sequence[Path]) -> None:
    """Write a wrapper for a program that is none of the packages, but runs with their C library.

    `libraries` are folders of more libraries, which are looked into first.
    """
    tree = packages.root / "root"
    script = wrapper_script(loader=_loader(tree), libraries=[*libraries, *_library_folders(tree)], program=program)
    _write_script(wrapper, script)


def _write_script(wrapper: Path, script: str) -> None:
    wrapper.write_text(script, encoding="utf-8")
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _loader(tree: Path) -> Path:
    loaders = sorted(tree.glob("**/ld-linux*.so.*"))
    if not loaders:
        raise VitessLocalError(f"No dynamic loader among the packages in {tree}.")
    return loaders[0]


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
