"""Rows that are held back until their transaction ends, because only then it is known whether a copy contains them."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from typing import IO

from source_vitess.rows.columns import Rows

#: Bytes of JSON that are held in memory; more of one transaction go to a file.
MEMORY_BYTES = 16 * 1024 * 1024


class HeldRows:
    """The rows of the transaction under way that may be left out, in their order."""

    def __init__(self) -> None:
        self._rows: list[Rows] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._spilled = 0

    def __bool__(self) -> bool:
        return bool(self._rows) or self._spilled > 0

    def add(self, rows: Rows) -> None:
        """Takes rows."""
        self._rows.append(rows)
        self._bytes += sum(map(len, rows.members))
        if self._bytes > MEMORY_BYTES:
            if self._file is None:
                # Deleted by the system however this process ends.
                self._file = tempfile.TemporaryFile(prefix="source-vitess-")  # noqa: SIM115 # closed by `clear`
            for one in self._rows:
                pickle.dump(one, self._file, pickle.HIGHEST_PROTOCOL)
            self._spilled += len(self._rows)
            self._rows.clear()
            self._bytes = 0

    def drain(self) -> Iterator[Rows]:
        """Yields all rows in their order, and forgets them."""
        if self._file is not None:
            self._file.seek(0)
            for _ in range(self._spilled):
                # This process wrote it, and nobody else can open it.
                yield pickle.load(self._file)  # noqa: S301
        yield from self._rows
        self.clear()

    def clear(self) -> None:
        """Forgets all rows."""
        self._rows.clear()
        self._bytes = 0
        self._spilled = 0
        if self._file is not None:
            self._file.close()
            self._file = None
