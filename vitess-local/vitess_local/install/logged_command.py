"""Runs a command to its end, with its output in a log file; an error names both."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vitess_local.errors import VitessLocalError

_TAIL_LINES = 15


def run_logged(
    argv: Sequence[str | Path],
    *,
    log: Path,
    doing: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    check: bool = True,
) -> str:
    """Run `argv` and return its standard output and error as one text.

    `on_line` sees every line as it comes. If the command fails, the error says what
    was being done, shows the last lines and names the log, which is kept. Without `check`
    the caller sees from what was printed whether it did.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    with log.open("a", encoding="utf-8") as sink:
        print("$", " ".join(str(word) for word in argv), file=sink, flush=True)
        with subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stdout or ():
                    sink.write(line)
                    sink.flush()
                    lines.append(line)
                    if on_line is not None:
                        on_line(line.rstrip("\n"))
            except BaseException:
                # Leaving the `with` waits for the command, which may take minutes more.
                process.terminate()
                raise
    if check and process.returncode != 0:
        tail = "".join(lines[-_TAIL_LINES:]).rstrip()
        raise VitessLocalError(
            f"{doing} failed: `{Path(argv[0]).name}` ended with status {process.returncode}.\n{tail}",
            log=log,
        )
    return "".join(lines)
