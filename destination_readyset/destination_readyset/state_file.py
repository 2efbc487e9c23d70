"""The file in which `run` keeps what the next round begins from.

It is replaced as a whole, and is on disk before anybody relies on it: a machine that fails leaves the one before. What
the served MySQL keeps in the transaction of the rows is never older (`bookkeeping`); the file is for people and tools,
for a served MySQL that has lost its own, and for the refreshes that are under way.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from source_vitess.airbyte.state import parse_state
from source_vitess.errors import ConfigError

_STATES = "states"
_REFRESHING = "refreshing"


@dataclass(frozen=True)
class Saved:
    """What the file holds.

    Attributes:
        states: The last states, as the source takes them; empty before the first.
        refreshing: By stream, the generation of rows that a refresh is to give its table.
    """

    states: Sequence[Mapping[str, Any]] = ()
    refreshing: Mapping[str, int] = field(default_factory=dict)


def load(path: Path) -> Saved:
    """Reads the file; without one, nothing was saved. A plain state is taken too.

    Raises:
        ConfigError: It holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Saved()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The state file {path} cannot be read ({type(error).__name__}).") from error
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict) and _STATES in value:
            return Saved(parse_state(json.dumps(value[_STATES])), dict(value.get(_REFRESHING) or {}))
    return Saved(parse_state(text))


def save(path: Path, saved: Saved) -> None:
    """Replaces the file, and returns once that is on disk.

    Raises:
        ConfigError: It cannot be written.
    """
    text = json.dumps({_STATES: saved.states, _REFRESHING: saved.refreshing}, ensure_ascii=False) + "\n"
    replace_file(path, text, durable=True)


def replace_file(path: Path, text: str, *, durable: bool) -> None:
    """Replaces a file as a whole.

    Args:
        path: The file.
        text: What it is to hold.
        durable: Wait until it is on disk.

    Raises:
        ConfigError: It cannot be written.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
        if durable:
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise ConfigError(f"The file {path} cannot be written ({error.strerror}).") from error
