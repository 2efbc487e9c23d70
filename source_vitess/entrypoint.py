"""The console script: argv to commands, signals, exit codes.

Exit codes: 0 when the command did what it should (a failed check is a message, not a failure), 1 when it did not, 2 for
wrong arguments, 128 + the signal's number after SIGTERM or SIGINT; a sync that had caught up and was only kept
streaming ends with 0 then, because nothing is missing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from source_vitess.airbyte.cdk import VitessEntrypoint
from source_vitess.airbyte.command import emit, run_command, stop_collecting_garbage
from source_vitess.airbyte.lines import error_line
from source_vitess.errors import TransientError
from source_vitess.source import SourceVitess

#: Seconds from a signal to the end of the process. Docker kills after 10 s, and Kubernetes after 30 s.
GRACE_SECONDS = 8.0


_FILES = {
    "config": "the configuration, as `spec` describes it",
    "catalog": "the configured catalog: which streams to read, and how",
    "state": "the last state that an earlier read wrote; without it everything is copied",
}


def main() -> None:
    """Runs the command line and exits."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Runs one command.

    Returns:
        The exit code.
    """
    args = parse_arguments(argv)
    if not args.command:
        sys.stderr.write("Give a command: spec, check, discover or read; --help describes them.\n")
        return 2
    return run_command(lambda: _read(args) if args.command == "read" else _other(args))


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Reads the arguments as Airbyte's platform gives them.

    Returns:
        `command` (None if there is none), `debug`, and what the command has of `config`, `catalog`, `state`.

    Raises:
        SystemExit: With 2 for arguments that are wrong, and with 0 after `--help` and `--version`.
    """
    parser = argparse.ArgumentParser(
        prog="source-vitess",
        description="Airbyte source connector for Vitess. Messages go to standard output, one JSON object a line.",
    )
    version = importlib.metadata.version("source-vitess")
    parser.add_argument("--version", action="version", version=f"source-vitess {version}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="{spec,check,discover,read}")
    for name, what, files in (
        ("spec", "write what the configuration consists of", ()),
        ("check", "try whether the keyspace can be read with a configuration", ("config",)),
        ("discover", "write the catalog: the keyspace's tables as streams", ("config",)),
        ("read", "copy the selected streams, or go on where a state ends", ("config", "catalog", "state")),
    ):
        command = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        command.add_argument("--debug", action="store_true", help="write more log messages")
        for file in files:
            command.add_argument(f"--{file}", required=file != "state", metavar="FILE", help=_FILES[file])
    return parser.parse_args(list(argv))


def _other(args: argparse.Namespace) -> int:
    entrypoint = VitessEntrypoint(SourceVitess())
    for line in entrypoint.run(args):
        emit(line.encode() + b"\n")
    return 0


def _read(args: argparse.Namespace) -> int:
    source = SourceVitess()
    stopped = _stop_on_signals(source)
    config = source.read_config(args.config)
    catalog = source.read_catalog(args.catalog)
    state = source.read_state(args.state)
    stop_collecting_garbage()
    try:
        for lines in source.read_lines(config, catalog, state):
            emit(lines)
    except TransientError as error:
        if not stopped:
            raise
        emit(
            error_line(
                TransientError(
                    "The sync was stopped by a signal; the next one goes on from its last state.", detail=error.message
                )
            )
        )
        return 128 + stopped[0]
    return 0


def _stop_on_signals(source: SourceVitess) -> list[int]:
    """Makes SIGTERM and SIGINT end the sync at the next safe point.

    A second signal ends the process at once, and so does the time that an orchestrator gives it: it may be writing to
    a stdout that nobody reads. Every state that was written is safe to go on from.

    Returns:
        A list to which the signal's number is added when it comes.
    """
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if stopped:
            os._exit(128 + number)
        stopped.append(number)
        timer = threading.Timer(GRACE_SECONDS, os._exit, [128 + number])
        timer.daemon = True
        timer.start()
        source.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopped
