"""Which decoder reads rows: the compiled one (rows/_decoder.c) before the one in Python, or Python alone.

The same for what lays rows out as columns (rows/_columns.c), and for what recognises a transaction of ordinary rows
(rows/_transactions.c), which are compiled into one module with it.

The compiled decoder takes ordinary rows, several times faster, and leaves all others to Python. It is in the wheels,
and is built where a C compiler is. Nobody else asks whether it is installed: where it is not, what stands in its place
takes no row.

The environment variable SOURCE_VITESS_COMPILED decides otherwise: 0 is Python alone, and with 1 it is an error if the
compiled decoder is not installed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Protocol

import orjson

from source_vitess.errors import ConfigError
from source_vitess.rows.columns import DecodedColumn
from source_vitess.types.codec import Ordinary

VARIABLE = "SOURCE_VITESS_COMPILED"

#: No type of MySQL's has a larger parameter; what a broken server announces is for Python.
_LARGEST = 255


class OrdinaryDecoder(Protocol):
    """Decodes the ordinary rows of one table of one shard."""

    def append(
        self,
        events: list[bytes],
        index: int,
        table: bytes,
        shard: bytes,
        timestamp: int,
        members: list[bytes],
        deleted: list[int],
        /,
    ) -> int:
        """Appends the rows of consecutive events of one batch (see `RowBatch`).

        Returns:
            The index of the first event that is left to Python, or the number of events.

        Raises:
            RuntimeError: An encoder calls the decoder that it is called by.
        """

    def append_within(
        self,
        response: bytes,
        start: int,
        end: int,
        table: bytes,
        shard: bytes,
        timestamp: int,
        members: list[bytes],
        deleted: list[int],
        /,
    ) -> bool:
        """Appends the rows of the events in a part of a response.

        Returns:
            Whether all are appended. If not, the lists hold some of them.

        Raises:
            RuntimeError: As `append`.
        """


#: Of columns, each a tuple (prefix, layout, precision, scale), and rows: for each column a tuple (nulls, validity,
#: ends, values), or the JSON of its values; None for rows that are left. See `column_buffers`.
ColumnLayouter = Callable[
    [tuple[tuple[bytes, int, int, int], ...], list[bytes]],
    "list[tuple[int, bytes, bytes | None, bytes] | bytes] | None",
]


#: Of a response that is BEGIN, rows, VGTID and COMMIT of one shard: a tuple (shard, sequence_number, event_gtid,
#: timestamp, current_time) of what BEGIN says, the first rows' table as VTGate names it, where the events with rows
#: begin and end, and where the VGTID event does; None of others.
Outliner = Callable[[bytes], "tuple[str, int, str, int, int, str, int, int, int, int] | None"]


class _LeavesAll:
    """Stands in for the compiled decoder where Python decodes all rows."""

    def append(self, _events: list[bytes], index: int, /, *_: object) -> int:
        return index

    def append_within(self, *_: object) -> bool:
        return False


def obstacle() -> str | None:
    """Returns why the compiled decoder is not used, as the end of a sentence about it; None if it is.

    Raises:
        ConfigError: It is to be used, and cannot.
    """
    chosen = _choose()
    return chosen if isinstance(chosen, str) else None


def ordinary_decoder(columns: Sequence[DecodedColumn], *, copied: bool) -> OrdinaryDecoder:
    """Makes the decoder of a table's ordinary rows.

    Raises:
        ConfigError: It is to be the compiled one, and cannot.
    """
    chosen = _choose()
    if isinstance(chosen, str):
        return _LeavesAll()
    decoder: OrdinaryDecoder = chosen.Decoder(tuple(_described(column, copied=copied) for column in columns))
    return decoder


def column_layouter() -> ColumnLayouter:
    """Returns what lays out rows as columns.

    Raises:
        ConfigError: It is to be the compiled one, and cannot.
    """
    chosen = _choose()
    if isinstance(chosen, str):
        return lambda _columns, _members: None
    layouter: ColumnLayouter = chosen.lay_out
    return layouter


def outliner() -> Outliner:
    """Returns what recognises a response that is a transaction of one table.

    Raises:
        ConfigError: It is to be the compiled one, and cannot.
    """
    chosen = _choose()
    if isinstance(chosen, str):
        return lambda _response: None
    outline: Outliner = chosen.outline
    return outline


def _choose() -> ModuleType | str:
    """Returns the compiled decoder's module, or why it is not used."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "0", "1"):
        raise ConfigError(f"The environment variable {VARIABLE} has to be 0 or 1, or not set at all.")
    if wanted == "0":
        return f"is turned off ({VARIABLE}=0)"
    found = _imported()
    if wanted == "1" and isinstance(found, str):
        raise ConfigError(
            f"{VARIABLE} is 1, but the compiled decoder {found}. Install source-vitess from a wheel for this platform, "
            f"or where a C compiler and Python's headers are; or unset {VARIABLE} to have rows decoded in Python."
        )
    return found


@lru_cache(maxsize=1)
def _imported() -> ModuleType | str:
    try:
        return import_module("source_vitess.rows._decoder")
    except ModuleNotFoundError:
        return "is not installed"
    except ImportError as error:
        return f"cannot be loaded ({error})"


def _described(column: DecodedColumn, *, copied: bool) -> tuple[bytes | None, int, int, object, bool, bool]:
    """Returns a column as _decoder.c reads it."""
    codec = column.codec
    if codec is None:
        return None, 0, 0, None, column.key, column.always_given
    ordinary = (codec.ordinary_copied if copied else None) or codec.ordinary
    if not 0 <= ordinary.parameter <= _LARGEST:
        ordinary = Ordinary()
    prefix = orjson.dumps(column.name) + b":null,"
    encode = codec.encoder(copied=copied)
    return prefix, ordinary.kind, ordinary.parameter, encode, column.key, column.always_given
