"""What libraries log, as Airbyte's LOG messages: stdout of a command holds nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from source_vitess.airbyte.command import emit
from source_vitess.airbyte.lines import log_line

#: By Python's levels, those of Airbyte.
LEVELS = {
    logging.CRITICAL: "FATAL",
    logging.ERROR: "ERROR",
    logging.WARNING: "WARN",
    logging.INFO: "INFO",
    logging.DEBUG: "DEBUG",
}


class _LineHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = f"{record.name}: {record.getMessage()}"
            if record.exc_info and record.exc_info[0] is not None:
                # Its kind only: the text of a foreign exception may hold values of rows.
                text += f" ({record.exc_info[0].__name__})"
            emit(log_line(LEVELS.get(record.levelno, "INFO"), text))
        except Exception:  # noqa: BLE001 - a log that cannot be written ends nothing: stdout may be closed
            return


@contextmanager
def logging_as_lines(*, debug: bool) -> Iterator[None]:
    """Writes what libraries log to stdout meanwhile, secrets masked: warnings, or everything; and nowhere else."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers
    root.handlers = [_LineHandler()]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers = handlers
