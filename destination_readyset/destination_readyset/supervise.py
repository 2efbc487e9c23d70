"""The command line of `run`, and what it says to a person: lines of text, not Airbyte's messages."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from source_vitess.airbyte.files import read_json
from source_vitess.airbyte.stop_signals import StopSignals
from source_vitess.errors import ConfigError

from destination_readyset.health import UNHEALTHY_SECONDS, Health
from destination_readyset.readable import line
from destination_readyset.round import ENDING_SECONDS
from destination_readyset.runner import Runner, RunOptions

#: Seconds from a signal to the end of the process: the round ends before, or is killed.
_GRACE_SECONDS = ENDING_SECONDS + 15.0
_ON_REFRESH_NEEDED = ("stop", "refresh")


def supervise(argv: Sequence[str]) -> int:
    """Runs source and destination until SIGTERM or SIGINT.

    Returns:
        The exit code: 0 after a signal, 1 if the user has to act, which the last line says; 2 for a wrong command line.
    """
    args = command_line_parser().parse_args(list(argv))
    try:
        _warn_of_rounds(args.source)
        health = Health(args.health_file, args.health_port, seconds=args.unhealthy_after)
        try:
            return _run(args, health)
        finally:
            health.close()
    except ConfigError as error:
        _say(line("run", "ERROR", f"{error.message} Stopped, as this does not pass by itself."))
        return 1


def _run(args: argparse.Namespace, health: Health) -> int:
    options = RunOptions(
        source_command=shlex.split(args.source_command),
        destination_command=[sys.executable, "-m", "destination_readyset"],
        source=args.source,
        config=args.config,
        catalog=args.catalog,
        state_file=args.state_file,
        refresh=args.on_refresh_needed == "refresh",
    )
    runner = Runner(options, health, _say)
    with StopSignals(seconds=_GRACE_SECONDS, before_exit=health.remove) as signals:
        signals.listen(runner.stop)
        return runner.run()


def command_line_parser() -> argparse.ArgumentParser:
    """Returns what reads the words after `run`."""
    beside = Path(sys.executable).with_name("source-vitess")
    parser = argparse.ArgumentParser(
        prog="destination-readyset run",
        description="Runs source-vitess and this destination, one into the other, round after round.",
    )
    parser.add_argument("--source", type=Path, required=True, help="the source's configuration, a JSON file")
    parser.add_argument("--config", type=Path, required=True, help="the destination's configuration")
    parser.add_argument("--catalog", type=Path, required=True, help="the configured catalog")
    parser.add_argument("--state-file", type=Path, required=True, help="where the state is kept; made if there is none")
    parser.add_argument(
        "--on-refresh-needed",
        choices=_ON_REFRESH_NEEDED,
        default="stop",
        help="of a stream whose table lost rows without row events (TRUNCATE): end with an error, or copy it anew and "
        "delete what is gone",
    )
    parser.add_argument("--health-file", type=Path, help="a file that says how it goes; removed at the end")
    parser.add_argument("--health-port", type=int, help="a port of 127.0.0.1 that answers 200 or 503")
    parser.add_argument(
        "--unhealthy-after",
        type=float,
        default=UNHEALTHY_SECONDS,
        metavar="SECONDS",
        help="without a committed state (default: %(default).0f)",
    )
    parser.add_argument(
        "--source-command",
        default=shlex.quote(str(beside)) if beside.exists() else "source-vitess",
        help="what starts the source, with its options (default: %(default)s)",
    )
    return parser


def _warn_of_rounds(source: Path) -> None:
    config = read_json(source, "source's configuration")
    if not isinstance(config, dict) or not config.get("keep_streaming_minutes"):
        _say(
            line(
                "run",
                "WARN",
                "The source's configuration has no keep_streaming_minutes, so that each round ends when it has caught "
                "up: changes are seconds old when they are served. Set it to 60 or more.",
            )
        )


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what `run` says goes to stdout
