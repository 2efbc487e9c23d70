"""Runs readers for Spark as processes of their own (spark_program.py), and measures them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.clients import ClientError, Gate, Measurement, reap
from tools.memory import watch_memory

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-spark" / "bin" / "python"
_PROGRAM = ROOT / "benchmarks" / "spark_program.py"
_TICKS = 100  # USER_HZ of Linux, on all that this runs on


def is_installed() -> bool:
    """Tells whether there is a Spark to measure with."""
    return PYTHON.exists()


def read_batches(gate: Gate, table: str, *, rows: int) -> Measurement:
    """Reads a table as the tasks of a batch do, in one process, to record batches.

    Raises:
        ClientError: It failed, or read another number of rows.
    """
    started = time.monotonic()
    process = subprocess.Popen(_command("batches", {**gate.config, "table": table}), stdout=subprocess.PIPE)
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with watch_memory(process.pid) as memory:
        output = process.stdout.read()
    measured = reap(process, started, 0.0, memory, rows)
    found = json.loads(output)
    _check("vitess-spark", found["rows"], rows)
    return Measurement(measured.wall, found["reading"], measured.cpu, measured.peak, rows, found["per_row"])


class Session:
    """A Spark that stands, and reads when it is asked to.

    Args:
        process: Its driver.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(self, source: str, *, rows: int) -> Measurement:
        """Reads the table by a source, `vitess` or `jdbc`.

        Raises:
            ClientError: It failed, or read another number of rows.
        """
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        before, started = tree_seconds(self._process.pid), time.monotonic()
        print(source, file=self._process.stdin, flush=True)
        found = self.answer()
        wall, cpu = time.monotonic() - started, tree_seconds(self._process.pid) - before
        _check(f"Spark's source {source}", found["rows"], rows)
        return Measurement(wall, wall, cpu, 0, rows, cpu / rows * 1e6)

    def answer(self) -> dict[str, int]:
        """Returns what the driver prints next.

        Raises:
            ClientError: It has ended.
        """
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        line = self._process.stdout.readline()
        if not line:
            raise ClientError("Spark has ended; its messages stand in spark.log of the benchmark's folder")
        answer: dict[str, int] = json.loads(line)
        return answer


@contextmanager
def session(gate: Gate, jdbc: Mapping[str, str], table: str) -> Iterator[Session]:
    """Starts Spark for the context.

    Args:
        gate: Where Vitess is.
        jdbc: The options of Spark's JDBC source for the table.
        table: What the source `vitess` reads.

    Raises:
        ClientError: It does not start.
    """
    command = _command("session", {**gate.config, "table": table}, jdbc)
    with (gate.folder / "spark.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    with process:
        started = Session(process)
        started.answer()
        yield started
        assert process.stdin is not None  # noqa: S101 - it was asked for
        process.stdin.close()


def tree_seconds(pid: int) -> float:
    """Returns the CPU seconds of a process and of all that it has started, those that have ended included."""
    parents: dict[int, list[int]] = {}
    ticks: dict[int, int] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # Behind the program's name, which may have anything in it.
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        number = int(file.parent.name)
        parents.setdefault(int(fields[1]), []).append(number)
        ticks[number] = sum(map(int, fields[11:15]))
    found, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        found += ticks.get(one, 0)
        waiting += parents.get(one, [])
    return found / _TICKS


def _command(mode: str, *options: Mapping[str, object]) -> Sequence[str]:
    return [str(PYTHON), str(_PROGRAM), mode, *map(json.dumps, options)]


def _check(who: str, found: int, rows: int) -> None:
    if found != rows:
        raise ClientError(f"{who} read {found} rows of {rows}")
