"""Wheels of this checkout, and virtual environments with one of them and what its metadata requires, without a network.

What is required is linked from the environment that the tests run in, so it has the versions of the lock.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

#: What the connector's wheel is made of.
_SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "source_vitess")


def build_wheel(folder: Path, *, compiler: bool) -> Path:
    """Builds the connector's wheel from a copy of the checkout, with its compiled decoder or without."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
        else:
            shutil.copy(ROOT / name, checkout)
    return _build(checkout, folder / "wheel", os.environ if compiler else {**os.environ, "CC": "/nowhere/cc"})


def build_pure_wheel(package: str, folder: Path) -> Path:
    """Builds the wheel of another package of this checkout, which holds Python only."""
    checkout = folder / package
    shutil.copytree(ROOT / package, checkout, ignore=shutil.ignore_patterns("__pycache__", ".*", "tests"))
    return _build(checkout, folder / f"{package} wheel", os.environ)


def _build(checkout: Path, folder: Path, environment: Mapping[str, str]) -> Path:
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(folder)]
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "pip", "wheel", *options, "."],
        cwd=checkout,
        env=environment,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def required(requirements: Iterable[str], *extras: str) -> set[str]:
    """Returns the names of all distributions that requirements need here, and what those need in turn.

    Args:
        requirements: As in the metadata of a distribution.
        extras: The distribution's extras that are asked for.
    """
    found: set[tuple[str, frozenset[str]]] = set()
    left = list(_needed(requirements, extras))
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        entry = (name, frozenset(requirement.extras))
        if entry in found:
            continue
        found.add(entry)
        left += _needed(importlib.metadata.requires(name) or (), requirement.extras)
    return {name for name, _ in found}


def _needed(requirements: Iterable[str], extras: Iterable[str]) -> list[Requirement]:
    chosen = ("", *extras)
    parsed = [Requirement(text) for text in requirements]
    return [
        each
        for each in parsed
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in chosen)
    ]


@dataclass(frozen=True)
class Environment:
    """A virtual environment.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Environment:
        """Makes an empty one, without pip."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)  # noqa: S603
        return cls(folder)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def distributions(self) -> dict[str, importlib.metadata.Distribution]:
        """Returns what is installed in it, by name."""
        found = importlib.metadata.distributions(path=[str(self.packages)])
        return {canonicalize_name(each.metadata["Name"]): each for each in found}

    def install(self, wheel: Path) -> None:
        """Installs a wheel, without what it requires."""
        # Its own interpreter runs the tests' pip, which sees their packages meanwhile: --python is unknown to old ones.
        pip = str(importlib.metadata.distribution("pip").locate_file("pip"))
        subprocess.run(  # noqa: S603
            [self.python, pip, "install", "--ignore-installed", "--no-index", "--no-deps", wheel],
            check=True,
            capture_output=True,
        )

    def link(self, name: str) -> None:
        """Has in it a distribution of the environment that the tests run in, file by file."""
        distribution = importlib.metadata.distribution(name)
        for file in distribution.files or ():
            target = self.packages / file
            # Scripts stand outside of it, and have another interpreter's path in them.
            if ".." not in file.parts:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(Path(str(distribution.locate_file(file))))

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Runs one of its programs to the end."""
        program, *arguments = command
        return subprocess.run(  # noqa: S603
            [self.folder / "bin" / program, *arguments],
            cwd=self.folder,
            env={"PATH": str(self.folder / "bin"), "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            capture_output=True,
            text=True,
        )
