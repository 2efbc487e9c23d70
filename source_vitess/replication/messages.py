"""The messages of a sync, in order. The Airbyte side turns each into lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from source_vitess.errors import ConnectorError
from source_vitess.rows.columns import FieldChange


@dataclass
class Records:
    """Rows of one stream.

    Attributes:
        stream: The table.
        data: Per record its data as JSON text, complete with the `_ab_cdc_*` members.
        altered: By index into `data`: values that are not what the table holds.
        large_integers: Columns that have held an integer beyond 64 bits with a sign, in this sync.
    """

    stream: str
    data: list[bytes]
    altered: Mapping[int, tuple[FieldChange, ...]] = field(default_factory=dict)
    large_integers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checkpoint:
    """A point from which another sync can go on; all records before it are part of it.

    Attributes:
        shared: The shared state as JSON.
        tables: By table, its state as JSON.
    """

    shared: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Started:
    """A stream's sync began."""

    stream: str


@dataclass(frozen=True)
class Completed:
    """A stream reached its goal."""

    stream: str


@dataclass(frozen=True)
class Failed:
    """A stream did not reach its goal.

    Attributes:
        stream: The table.
        error: Why, and what to do; None when the sync as a whole failed, which is reported once.
    """

    stream: str
    error: ConnectorError | None


@dataclass(frozen=True)
class Estimate:
    """How much a stream's copy will be, from the server's statistics."""

    stream: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class Log:
    """A line for people.

    Attributes:
        text: The line.
        warning: Whether it asks for attention.
    """

    text: str
    warning: bool = False


Message = Records | Checkpoint | Started | Completed | Failed | Estimate | Log
