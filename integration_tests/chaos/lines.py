"""What has come of a sync, and whether a destination keeps it."""

from __future__ import annotations

import time

from instruments.oracle import Store

#: A slow reader pauses for so many seconds after so many lines.
SLOW_LINES = 500
SLOW_SECONDS = 0.2


class Lines:
    """What has come and whether a destination keeps it."""

    def __init__(self, store: Store, *, forget: bool, slow: bool) -> None:
        self._store = store
        self._forget = forget
        self._slow = slow
        self._count = 0
        self._held: list[bytes] = []
        self._loose = False

    def apply(self, line: bytes) -> None:
        """Takes a line in."""
        self._count += 1
        if self._slow and self._count % SLOW_LINES == 0:
            time.sleep(SLOW_SECONDS)
        if line.startswith(b'{"type":"RECORD"'):
            self._loose = True
        if not self._forget:
            self._store.apply([line])
            self._loose = self._loose and not line.startswith(b'{"type":"STATE"')
            return
        self._held.append(line)
        if line.startswith(b'{"type":"STATE"'):
            self._flush()

    def end(self, *, killed: bool) -> bool:
        """Ends a sync; returns whether records were kept that no state contains."""
        if killed and self._forget:
            self._held = [line for line in self._held if not line.startswith(b'{"type":"RECORD"')]
            self._loose = False
        self._flush_rest()
        return self._loose

    def _flush(self) -> None:
        self._flush_rest()
        self._loose = False

    def _flush_rest(self) -> None:
        self._store.apply(self._held)
        self._held = []
