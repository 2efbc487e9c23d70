"""The command line's arguments."""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Sequence


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


_FILES = {
    "config": "the configuration, as `spec` describes it",
    "catalog": "the configured catalog: which streams to read, and how",
    "state": "the last state that an earlier read wrote; without it everything is copied",
}
