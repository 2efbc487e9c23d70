"""spec, check and write: what they were given, what goes to stdout, and the exit code.

`write` goes around the CDK's `Destination.run_cmd`, which makes an object of every record (12 µs each).
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson
from airbyte_cdk.logger import init_logger
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, ConfiguredAirbyteCatalogSerializer, Type
from source_vitess.airbyte.command import emit, run_command, stop_collecting_garbage
from source_vitess.airbyte.files import read_json
from source_vitess.errors import ConfigError

from destination_readyset.companion import Companion
from destination_readyset.destination import DestinationReadyset
from destination_readyset.round import AWAIT_READYSET, PASS_ON

_CHUNK = 1024 * 1024


def run_command_line(argv: Sequence[str]) -> int:
    """Runs one of these commands.

    Returns:
        The exit code.
    """
    destination = DestinationReadyset()
    args = destination.parse_args(list(argv))
    return run_command(lambda: _write(destination, args) if args.command == "write" else _answer(destination, args))


def _answer(destination: DestinationReadyset, args: argparse.Namespace) -> int:
    emit(orjson.dumps(AirbyteMessageSerializer.dump(_message(destination, args))) + b"\n")
    return 0


def _message(destination: DestinationReadyset, args: argparse.Namespace) -> AirbyteMessage:
    """Returns the message that `spec` and `check` end with."""
    logger = init_logger("airbyte")
    if args.command == "spec":
        return AirbyteMessage(type=Type.SPEC, spec=destination.spec(logger))
    config = read_json(Path(args.config), "configuration")
    return AirbyteMessage(type=Type.CONNECTION_STATUS, connectionStatus=destination.check(logger, config))


def _write(destination: DestinationReadyset, args: argparse.Namespace) -> int:
    config = read_json(Path(args.config), "configuration")
    catalog_json = read_json(Path(args.catalog), "configured catalog")
    try:
        catalog = ConfiguredAirbyteCatalogSerializer.load(catalog_json)
    except Exception as error:
        raise ConfigError(f"The configured catalog cannot be used ({type(error).__name__}).") from error
    stop_collecting_garbage()
    stopped, stop = os.pipe()
    destination.write_lines(
        config,
        catalog,
        read_lines(sys.stdin.fileno(), stopped),
        emit,
        failed=lambda: os.close(stop),
        pass_on=bool(os.environ.get(PASS_ON)),
        finish=_finish(),
    )
    return 0


def _finish() -> Callable[[Companion], None]:
    """Returns how what looks after a ReadySet ends: within `run`, which starts again at once, without it mostly."""
    if not os.environ.get(PASS_ON):
        return Companion.wait
    if not os.environ.get(AWAIT_READYSET):
        return Companion.stop
    interrupted = threading.Event()
    # From `run`, which is asked to stop when there may be nothing left to do but to wait.
    signal.signal(signal.SIGTERM, lambda *_: interrupted.set())
    return lambda companion: companion.stop_when_moved(interrupted)


def read_lines(source: int, stopped: int) -> Iterator[bytes]:
    """Yields lines from a file descriptor as soon as they are whole, until its end, or until `stopped` is closed."""
    rest = b""
    while True:
        ready, _, _ = select.select([source, stopped], [], [])
        if stopped in ready or not (chunk := os.read(source, _CHUNK)):
            break
        first, newline, after = chunk.partition(b"\n")
        rest += first
        if not newline:
            continue
        yield rest
        lines = after.split(b"\n")
        rest = lines.pop()
        yield from lines
    if rest:
        yield rest
