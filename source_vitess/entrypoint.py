"""The console script: argv to commands, signals, exit codes.

Exit codes: 0 when the command did what it should (a failed check is a message, not a failure), 1 when it did not, 2 for
wrong arguments, 128 + the signal's number after SIGTERM or SIGINT; a sync that had caught up and was only kept
streaming ends with 0 then, because nothing is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from source_vitess.airbyte.command import emit, run_command, stop_collecting_garbage
from source_vitess.airbyte.lines import error_line, spec_line
from source_vitess.airbyte.logs import logging_as_lines
from source_vitess.airbyte.specification import read_specification
from source_vitess.airbyte.stop_signals import StopSignals
from source_vitess.errors import TransientError

_FILES = {
    "config": "the configuration, as `spec` describes it",
    "catalog": "the configured catalog: which streams to read, and how",
    "state": "the last state that an earlier read wrote; without it everything is copied",
}


def main() -> None:
    """Runs the command line and exits."""
    # To the end of the process, whatever that waits for.
    sys.exit(run(sys.argv[1:], StopSignals()))


def run(argv: Sequence[str], signals: StopSignals | None = None) -> int:
    """Runs one command.

    Args:
        argv: The words after the program's name.
        signals: What listens for signals; None for one of its own, which ends with the command.

    Returns:
        The exit code.
    """
    if signals is None:
        with StopSignals() as own:
            return run(argv, own)
    args = parse_arguments(argv)
    if not args.command:
        sys.stderr.write("Give a command: spec, check, discover or read; --help describes them.\n")
        return 2
    with logging_as_lines(debug=args.debug):
        return run_command(lambda: _run(args, signals))


def _run(args: argparse.Namespace, signals: StopSignals) -> int:
    if args.command == "spec":
        return _spec()
    return _read(args, signals) if args.command == "read" else _ask(args)


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
    parser.add_argument("--version", action=_Version, nargs=0, help="show program's version number and exit")
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


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        sys.stdout.write(f"source-vitess {version('airbyte-source-vitess')}\n")
        parser.exit()


# What a command needs is imported by it: gRPC, protobuf and all that reads rows take a third of a second.


def _spec() -> int:
    emit(spec_line(read_specification()))
    return 0


def _ask(args: argparse.Namespace) -> int:
    from source_vitess.airbyte.files import read_config
    from source_vitess.commands import Commands

    commands, config = Commands(), read_config(Path(args.config))
    for line in commands.check(config) if args.command == "check" else commands.discover(config):
        emit(line)
    return 0


def _read(args: argparse.Namespace, signals: StopSignals) -> int:
    from source_vitess.airbyte.configured_catalog import parse_configured_catalog
    from source_vitess.airbyte.files import read_config, read_json, read_state
    from source_vitess.commands import Commands

    commands = Commands()
    # Every state that was written is safe to go on from.
    signals.listen(commands.stop)
    config = read_config(Path(args.config))
    catalog = parse_configured_catalog(read_json(Path(args.catalog), "configured catalog"))
    state = read_state(Path(args.state)) if args.state else []
    stop_collecting_garbage()
    try:
        for lines in commands.read(config, catalog, state):
            emit(lines)
    except TransientError as error:
        if signals.number is None:
            raise
        emit(
            error_line(
                TransientError(
                    "The sync was stopped by a signal; the next one goes on from its last state.", detail=error.message
                )
            )
        )
        return 128 + signals.number
    return 0
