"""The compiled decoder (rows/_decoder.c), where it was built: the same rows several times faster.

It is optional. Without a C compiler the package is installed without it, and `SOURCE_VITESS_COMPILED=0` turns it off.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from itertools import count
from types import ModuleType
from typing import Protocol

import orjson

from source_vitess.rows.columns import DecodedColumn
from source_vitess.types.codec import Compiled

#: The compiled module, None where it is not there or not wanted.
module: ModuleType | None = None
if os.environ.get("SOURCE_VITESS_COMPILED") != "0":
    with suppress(ImportError):
        module = import_module("source_vitess.rows._decoder")

#: No type of MySQL's has a larger parameter; what a broken server tells is for Python.
_LARGEST = 255


class Decoder(Protocol):
    """Decodes the rows of one table of one shard."""

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
        """

    def decode(self, lengths: bytes, values: bytes, /) -> bytes | None:
        """Returns the JSON members of a row, None if it is left to Python."""


def is_available() -> bool:
    """Tells whether rows are decoded by compiled code."""
    return module is not None


def decoder_for(columns: Sequence[DecodedColumn], *, copied: bool) -> Decoder | None:
    """Makes the decoder of a table's rows, None where there is none."""
    if module is None:
        return None
    decoder: Decoder = module.Decoder(tuple(_described(column, copied=copied) for column in columns))
    return decoder


def complete(rows: list[bytes], middle: bytes, first: int) -> list[bytes]:
    """Returns of each row an object of JSON: its members, `middle`, and a number that counts up from `first`."""
    if module is not None:
        with suppress(OverflowError):  # of a number that only Python has
            completed: list[bytes] = module.complete(rows, middle, first)
            return completed
    template = b"{%b" + middle.replace(b"%", b"%%") + b"%d}"
    return list(map(template.__mod__, zip(rows, count(first), strict=False)))


def _described(column: DecodedColumn, *, copied: bool) -> tuple[bytes | None, int, int, object, bool, bool]:
    codec = column.codec
    if codec is None:
        return None, 0, 0, None, column.key, column.always_given
    how = (codec.compiled_copied if copied else None) or codec.compiled
    if not 0 <= how.parameter <= _LARGEST:
        how = Compiled()
    prefix = orjson.dumps(column.name) + b":null,"
    return prefix, how.kind, how.parameter, codec.encode, column.key, column.always_given
