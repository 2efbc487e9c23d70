"""Finds versions of Python: on this machine, or as Debian's packages in a folder of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from vitess_local.errors import VitessLocalError
from vitess_local.install import private_root
from vitess_local.install.debian_packages import SUITE
from vitess_local.install.private_root import PrivateRoot
from vitess_local.progress import step


class NotFoundError(Exception):
    """There is no such Python here, and Debian has none."""


def find(version: str, cache: Path) -> Path:
    """Returns a program that is this version of Python, such as 3.12.

    Args:
        version: Major and minor version.
        cache: Where Debian's packages are unpacked, to be found there the next time.

    Raises:
        NotFoundError: There is none.
    """
    for program in _candidates(version):
        if is_version(program, version):
            return program
    return _from_debian(version, cache / f"python{version}-{SUITE}")


def is_version(program: Path, version: str) -> bool:
    """Tells whether a program is this version of Python, and not, say, a stand-in that names others."""
    script = "import sys; print(*sys.version_info[:2], sys.implementation.name, sep='.')"
    done = subprocess.run([program, "-c", script], capture_output=True, text=True, check=False)
    return done.stdout.strip() == f"{version}.cpython"


def _candidates(version: str) -> Iterator[Path]:
    yield Path(sys.executable)
    on_path = shutil.which(f"python{version}")
    if on_path:
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
    yield from sorted(Path.home().glob(f".local/share/uv/python/cpython-{version}.*/bin/python{version}"))


def _from_debian(version: str, folder: Path) -> Path:
    root = PrivateRoot(folder)
    program = root.bin / f"python{version}"
    if not program.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        log = folder.with_name(folder.name + ".log")
        try:
            with step(f"Python {version} of Debian {SUITE}") as current:
                private_root.install(root, [f"python{version}"], [f"usr/bin/python{version}"], log, current)
        except VitessLocalError as error:
            reason = str(error).partition("\n")[0]
            raise NotFoundError(f"no Python {version} here, nor in Debian {SUITE}: {reason}") from error
    if not is_version(program, version):
        raise NotFoundError(f"Debian's Python {version} does not run here")
    return program
