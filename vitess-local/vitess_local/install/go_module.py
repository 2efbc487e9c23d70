"""Vitess' Go module: fetched, compared with the hash that pins it, and unpacked without what no cluster here needs."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from vitess_local.errors import VitessLocalError

MODULE = "vitess.io/vitess"

_GO_VERSION = re.compile(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?\b")
_GO_LINE = re.compile(r"^go \d\S*$", re.MULTILINE)

# The folders that the programs are built from; the others are the web interface, tests and documents.
_FOLDERS = ("config", "go", "resources")
_FILES = ("LICENSE", "go.mod", "go.sum")

# Plug-ins of the programs: a file each, which only names a package. Without these, half of the packages remain to be
# compiled. Storage for backups, topology servers, password stores, tracing and statistics that a cluster on one machine
# does not use.
_LEFT_OUT = re.compile(
    r"/plugin_\w*(azblob|ceph|consul|datadog|gcs|jaeger|ldap|opentelemetry|opentracing|opentsdb|otel|prometheus|s3"
    r"|statsd|vault|zk2)[a-z0-9]*\.go$"
)

GoVersion = tuple[int, int, int]


def parse_go_version(text: str) -> GoVersion | None:
    """Return the release in a text such as `go version go1.26.8 linux/amd64`."""
    match = _GO_VERSION.search(text)
    if match is None:
        return None
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch or 0)


def checksum(archive: Path) -> str:
    """Return a module's hash as a `go.sum` writes it: that of the list of its files' hashes (x/mod, sumdb/dirhash)."""
    total = hashlib.sha256()
    with zipfile.ZipFile(archive) as content:
        for name in sorted(content.namelist()):
            total.update(f"{hashlib.sha256(content.read(name)).hexdigest()}  {name}\n".encode())
    return "h1:" + base64.b64encode(total.digest()).decode()


def unpack(archive: Path, target: Path, *, go_line: GoVersion | None = None) -> None:
    """Unpack what the programs are built from.

    Args:
        archive: The module as Go fetched it.
        target: The folder, replaced.
        go_line: The version of Go that the module's `go.mod` is to ask for; None for its own.
    """
    shutil.rmtree(target, ignore_errors=True)
    with zipfile.ZipFile(archive) as content:
        for name, path in _wanted(content):
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.read(name))
    if go_line is not None:
        go_mod = target / "go.mod"
        text, count = _GO_LINE.subn(f"go {'.'.join(map(str, go_line))}", go_mod.read_text(encoding="utf-8"))
        if count != 1:
            raise VitessLocalError(f"The go.mod of {MODULE} has {count} `go` lines instead of one.")
        go_mod.write_text(text, encoding="utf-8")


def _wanted(content: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Yield the names of files in the archive, each with its path inside the module."""
    for name in content.namelist():
        # vitess.io/vitess@v0.24.0/go/…
        path = name.partition("@")[2].partition("/")[2]
        if (path.partition("/")[0] in _FOLDERS or path in _FILES) and not _LEFT_OUT.search(path):
            yield name, path
