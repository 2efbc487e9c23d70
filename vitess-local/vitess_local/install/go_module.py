"""What `go.mod` pins: the release of Vitess, and the version of Go that builds it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from vitess_local.errors import VitessLocalError

MODULE = "vitess.io/vitess"

_REQUIRE = re.compile(rf"^\s*(?:require\s+)?{re.escape(MODULE)}\s+(v\S+)", re.MULTILINE)
_GO_VERSION = re.compile(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?\b")

GoVersion = tuple[int, int, int]


def module_file(name: str) -> Path:
    """Return `go.mod` or `go.sum`: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package, package.parent):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"{name} is missing beside {package}")


def read_go_mod() -> str:
    """Return the text of this package's own `go.mod`."""
    return module_file("go.mod").read_text(encoding="utf-8")


def content_key() -> str:
    """Return a short hash of `go.mod` and `go.sum`, which changes when either of them does."""
    content = module_file("go.mod").read_bytes() + module_file("go.sum").read_bytes()
    return hashlib.sha256(content).hexdigest()[:10]


def pinned_version(go_mod: str) -> str:
    """Return the Vitess release that a `go.mod` asks for, such as `v0.24.0`."""
    match = _REQUIRE.search(go_mod)
    if match is None:
        raise VitessLocalError(f"go.mod does not require {MODULE}.")
    return match.group(1)


def release_name(module_version: str) -> str:
    """Return Vitess' own version for that of its module: `v0.24.0` is Vitess 24.0.0."""
    match = re.fullmatch(r"v0\.(\d+)\.(\d+)", module_version)
    return f"{match.group(1)}.0.{match.group(2)}" if match else module_version


def required_go(go_mod: str) -> GoVersion:
    """Return the version that the `go` line of a `go.mod` asks for."""
    for line in go_mod.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "go":
            version = parse_go_version(f"go{words[1]}")
            if version is not None:
                return version
    raise VitessLocalError("go.mod has no `go` line.")


def parse_go_version(text: str) -> GoVersion | None:
    """Return the release in a text such as `go version go1.26.8 linux/amd64`."""
    match = _GO_VERSION.search(text)
    if match is None:
        return None
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch or 0)
