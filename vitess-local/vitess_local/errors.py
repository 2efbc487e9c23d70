"""The one error this package raises on purpose.

Its text is meant for the person at the keyboard: what failed, where the log is,
and what to do about it.
"""

from __future__ import annotations

from pathlib import Path


class VitessLocalError(Exception):
    """Something could not be done; the message says what, why and what helps."""

    def __init__(self, message: str, *, log: Path | None = None, remedy: str | None = None) -> None:
        self.message = message
        self.log = log
        self.remedy = remedy
        super().__init__(message)

    def __str__(self) -> str:
        parts = [self.message]
        if self.remedy is not None:
            parts.append(self.remedy)
        if self.log is not None:
            parts.append(f"Log: {self.log}")
        return "\n".join(parts)
