"""A disk that is really full: a file system in memory over a folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *, megabytes: int) -> Iterator[Callable[[int], None]]:
    """Puts a file system of a size over an empty folder, and yields what changes the size.

    The test is skipped where that needs rights that it does not have.
    """
    owner = folder.stat()
    options = f"size={megabytes}m,mode=700,uid={owner.st_uid},gid={owner.st_gid}"
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    made = _mount("-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    if made.returncode:
        pytest.skip(f"a file system of its own cannot be mounted: {made.stderr.strip()}")
    try:
        yield lambda size: _mount("-o", f"remount,size={size}m", str(folder)).check_returncode()
    finally:
        # Lazily: the server may have files open when a test fails.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607


def _mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)  # noqa: S607
