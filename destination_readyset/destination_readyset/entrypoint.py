"""The console script: argv to commands, lines from stdin, lines to stdout, exit codes.

`write` goes around the CDK's `Destination.run_cmd`, which makes an object of every record (12 µs each).
Exit codes: 0 when the command did what it should (a failed check is a message, not a failure), 1 when it did not.
"""

from __future__ import annotations

import argparse
import gc
import os
import select
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
from airbyte_cdk.logger import init_logger
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer, ConfiguredAirbyteCatalogSerializer, Type
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from source_vitess.airbyte.files import read_json
from source_vitess.airbyte.lines import error_line
from source_vitess.errors import ConfigError, ConnectorError, InternalError

from destination_readyset.destination import DestinationReadyset

_CHUNK = 1024 * 1024


def main() -> None:
    """Runs the command line and exits."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """Runs one command.

    Returns:
        The exit code.
    """
    destination = DestinationReadyset()
    args = destination.parse_args(list(argv))
    try:
        if args.command == "write":
            return _write(destination, args)
        _emit(orjson.dumps(AirbyteMessageSerializer.dump(_answer(destination, args))) + b"\n")
    except BrokenPipeError:
        # Nobody listens any more; keep the interpreter from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort says what it can in Airbyte's words
        _emit(error_line(_told(error)))
        return 1
    return 0


def _answer(destination: DestinationReadyset, args: argparse.Namespace) -> AirbyteMessage:
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
    # Rows are short-lived and hold no cycles: collecting them costs a tenth of the time and finds nothing.
    gc.freeze()
    gc.disable()
    stopped, stop = os.pipe()
    destination.write_lines(
        config,
        catalog,
        read_lines(sys.stdin.fileno(), stopped),
        _emit,
        failed=lambda: os.close(stop),
    )
    return 0


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


_output = threading.Lock()


def _emit(lines: bytes) -> None:
    with _output:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()


def _told(error: Exception) -> ConnectorError:
    """Returns any error as one of ours."""
    if isinstance(error, ConnectorError):
        return error
    if isinstance(error, AirbyteTracedException):
        return InternalError(error.message or str(error), detail=error.internal_message or "")
    frames = "".join(traceback.format_tb(error.__traceback__))
    # Frames only: the text of a foreign exception may hold values of rows.
    return InternalError(f"The destination met an error that it does not know ({type(error).__name__}).", detail=frames)
