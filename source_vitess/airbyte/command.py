"""What surrounds a connector's command: whole lines to stdout, no garbage collector, and an end in Airbyte's words.

Nothing but Airbyte messages goes to stdout. The source and the destination of this repository share it.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable

from source_vitess.airbyte.failures import as_connector_error
from source_vitess.airbyte.lines import error_line
from source_vitess.airbyte.output import Output

_output = Output(lambda: sys.stdout.buffer)


def run_command(command: Callable[[], int]) -> int:
    """Runs a command, and writes an error that it ends with as a trace.

    Returns:
        The exit code: the command's own, or 1 after an error, or if nobody reads stdout any more.
    """
    global _output
    # What could not be written before is no matter of this command.
    _output = Output(lambda: sys.stdout.buffer)
    try:
        code = _run(command)
        _output.flush()
        return code
    except BrokenPipeError:
        # Keep the interpreter from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def emit(lines: bytes) -> None:
    """Writes whole lines to stdout, from any thread; see `Output`, also for what is raised."""
    _output.write(lines)


def stop_collecting_garbage() -> None:
    """Turns Python's collector off for the rest of the process.

    Rows are short-lived and hold no cycles: collecting them costs a tenth of the time and finds nothing.
    """
    gc.freeze()
    gc.disable()


def _run(command: Callable[[], int]) -> int:
    try:
        return command()
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort reports what it can in Airbyte's words
        emit(error_line(as_connector_error(error)))
        return 1
