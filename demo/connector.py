"""Runs the connector as Airbyte does: a program, files, lines of JSON on its standard output."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class DemoError(Exception):
    """Something is off; the message is for a person."""


@dataclass(frozen=True)
class Run:
    """A command that succeeded.

    Attributes:
        file: Its messages.
        seconds: How long it took.
    """

    file: Path
    seconds: float

    def lines(self) -> Iterator[str]:
        """Yields its messages as text."""
        with self.file.open(encoding="utf-8") as file:
            yield from file

    def messages(self, kind: str) -> list[Json]:
        """Returns its messages of a type."""
        return [message for message in map(json.loads, self.lines()) if message["type"] == kind]

    def reading_seconds(self) -> float:
        """Returns the time from its first stream status to its last: without the start of the program."""
        traces = [message["trace"] for message in self.messages("TRACE")]
        times = [trace["emitted_at"] for trace in traces if trace["type"] == "STREAM_STATUS"]
        return (max(times) - min(times)) / 1000 if times else 0.0

    def only(self, kind: str) -> Json:
        """Returns what its one message of a type holds.

        Raises:
            DemoError: There is none, or more than one.
        """
        found = self.messages(kind)
        if len(found) != 1:
            raise DemoError(f"{self.file} should hold one {kind} message and holds {len(found)}.")
        key = {"CONNECTION_STATUS": "connectionStatus"}.get(kind, kind.lower())
        return dict(found[0][key])


@dataclass(frozen=True)
class Connector:
    """The program with a configuration.

    Attributes:
        folder: Where its files are written.
        config: The configuration's file.
    """

    folder: Path
    config: Path

    @classmethod
    def with_config(cls, folder: Path, config: Json) -> Connector:
        """Writes the configuration."""
        return cls(folder, write_json(folder / "config.json", config))

    def run(self, command: str, output: str, **files: Path) -> Run:
        """Runs a command.

        Args:
            command: spec, check, discover or read.
            output: The name of the file for its messages.
            **files: Options whose values are files: config, catalog, state.

        Raises:
            DemoError: It failed.
        """
        program = Path(sys.executable).with_name("source-vitess")
        argv = [str(program), command]
        for option, path in files.items():
            argv += [f"--{option}", str(path)]
        file = self.folder / output
        started = time.monotonic()
        with file.open("wb") as out:
            done = subprocess.run(argv, stdout=out, stderr=subprocess.PIPE, check=False)
        run = Run(file, time.monotonic() - started)
        if done.returncode:
            raise DemoError(
                f"source-vitess {command} failed with exit code {done.returncode}: {_reason(run, done.stderr)}"
            )
        return run


def write_json(path: Path, value: Any) -> Path:
    """Writes a file and returns its path."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def configured_catalog(catalog: Json) -> Json:
    """Selects every stream: incremental, and deduplicated where there is a key."""
    return {"streams": [_configured(stream) for stream in catalog["streams"]]}


def _configured(stream: Json) -> Json:
    key = stream.get("source_defined_primary_key") or []
    return {
        "stream": stream,
        "sync_mode": "incremental",
        "destination_sync_mode": "append_dedup" if key else "append",
        "cursor_field": stream["default_cursor_field"],
        "primary_key": key,
    }


def _reason(run: Run, stderr: bytes) -> str:
    errors = list(_errors(run.lines()))
    reported = errors[-1] if errors else stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return f"{reported or 'without an error message'} (see {run.file})"


def _errors(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        try:
            trace = json.loads(line).get("trace", {})
        except ValueError:
            continue
        if trace.get("type") == "ERROR":
            yield str(trace["error"]["message"])
