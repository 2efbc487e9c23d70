"""Files and folders that appear whole: whoever looks sees the old content or the new, never half of it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_file(path: Path, text: str) -> None:
    """Write a file so that readers see either the old or the new content."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


@contextmanager
def new_folder(target: Path, *, resume: bool = False) -> Iterator[Path]:
    """Yield a folder to fill, which replaces `target` at the end of the body.

    If the body raises, `target` stays as it was. What has been filled in is kept until the next
    attempt, which starts afresh, or goes on from there with `resume`.
    """
    building = target.with_name(target.name + ".new")
    if not resume:
        shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True, exist_ok=True)
    yield building
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)
