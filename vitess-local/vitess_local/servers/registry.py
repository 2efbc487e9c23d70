"""The registry of this machine's clusters: names, data folders, reserved ports, and who may change them.

One small file per cluster in the cache folder. A cluster is known from before its
first server starts until `down` has deleted its data.

Two kinds of lock keep processes from interfering: one per cluster, held while its layout
changes, and one for the choice of ports, held until they are written down or listened on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitess_local.atomic import write_file
from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.locks import locked
from vitess_local.progress import Report
from vitess_local.servers.deployment import CLUSTER_FILE
from vitess_local.servers.layout import Layout
from vitess_local.servers.ports import choose_ports

_CLUSTER_LOCK_SECONDS = 900.0
_PORT_LOCK_SECONDS = 60.0

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")


def check_name(name: str) -> str:
    """Return the name if it is valid: it becomes part of a path."""
    if _NAME.fullmatch(name) is None:
        raise VitessLocalError(f"{name!r} is no cluster name: up to 31 lower-case letters, digits, - and _.")
    return name


def default_data_dir(name: str) -> Path:
    """Return a folder with a short path, see `deployment.check_data_dir`."""
    return Path("/tmp") / f"vtl-{name}"  # noqa: S108 - its owner is checked before it is used


def data_dir_of(cache: Cache, name: str) -> Path | None:
    """Return the data folder of a known cluster whose data still exists."""
    entry = cache.clusters / f"{check_name(name)}.json"
    if not entry.is_file():
        return None
    folder = Path(json.loads(entry.read_text(encoding="utf-8"))["data_dir"])
    return folder if (folder / CLUSTER_FILE).is_file() else None


def register(cache: Cache, name: str, data_dir: Path) -> None:
    """Add a cluster to the registry."""
    cache.clusters.mkdir(parents=True, exist_ok=True)
    write_file(cache.clusters / f"{name}.json", json.dumps({"data_dir": str(data_dir)}) + "\n")


def forget(cache: Cache, name: str) -> None:
    """Remove a cluster from the registry."""
    (cache.clusters / f"{name}.json").unlink(missing_ok=True)


def names(cache: Cache) -> list[str]:
    """Return the names of all known clusters."""
    if not cache.clusters.is_dir():
        return []
    found = sorted(entry.stem for entry in cache.clusters.glob("*.json"))
    return [name for name in found if data_dir_of(cache, name) is not None]


def reserved_ports(cache: Cache) -> set[int]:
    """Return the ports of all known clusters, running or not."""
    taken: set[int] = set()
    for name in names(cache):
        folder = data_dir_of(cache, name)
        if folder is not None:
            data = json.loads((folder / CLUSTER_FILE).read_text(encoding="utf-8"))
            taken |= Layout.from_json(data).all_ports
    return taken


@contextmanager
def free_ports(cache: Cache, count: int) -> Iterator[list[int]]:
    """Choose free ports; until the end of the body no other process chooses any."""
    with locked(cache.locks / "ports.lock", timeout=_PORT_LOCK_SECONDS):
        yield choose_ports(count, reserved_ports(cache))


@contextmanager
def cluster_lock(cache: Cache, name: str, report: Report) -> Iterator[None]:
    """Keep other processes from changing this cluster."""
    path = cache.locks / f"cluster-{check_name(name)}.lock"

    def on_wait(holder: str) -> None:
        report(f"process {holder} is changing {name}; waiting for it")

    with locked(path, timeout=_CLUSTER_LOCK_SECONDS, on_wait=on_wait):
        yield
