"""What the CDK's faces of the connectors need of the CDK (7.39), in one place.

Only this and the faces import it, so it is an extra of the distribution. Where it is missing, an error says
what to install.

What the CDK does not do as these connectors need it:

- `AirbyteEntrypoint.handle_record_counts` raises ValueError for a GLOBAL state: `utils/message_utils.py` asks every
  state for its stream. `count_global_states` replaces it, in the stock class, because the CDK's standard tests and
  other callers within the process use that one.
- `DefaultConnectorMixin.configure` writes the configuration, secrets included, to a temporary file that nobody reads.
  `SourceVitess.configure` does not.
- `AirbyteEntrypoint.check` validates against the spec's JSON schema first, with messages made for programmers. That
  and the 1.5 s that it takes to import are why the console script goes without it.
- A record takes 12 µs through `AirbyteEntrypoint.read` and loses its top-level nulls: see `lines.py`.
- `Source.read_state` takes a list only, and no `global_`: see `state.py`.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import orjson

try:
    from airbyte_cdk.entrypoint import AirbyteEntrypoint
except ModuleNotFoundError as error:
    # A package that the CDK requires may be missing, too, and is no business of the extra's.
    if error.name != "airbyte_cdk":
        raise
    raise ModuleNotFoundError(
        "The class SourceVitess needs Airbyte's CDK, which is not installed: "
        "run pip install 'airbyte-source-vitess[cdk]'.",
        name=error.name,
    ) from None
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteStateStats,
    AirbyteStateType,
    FailureType,
    Level,
    Status,
    Type,
)
from airbyte_cdk.sources.connector_state_manager import HashableStreamDescriptor
from airbyte_cdk.utils.airbyte_secrets_utils import update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_vitess.airbyte.failures import as_connector_error, failure_type
from source_vitess.airbyte.masking import long_secrets, masked
from source_vitess.errors import ConnectorError

_Counts = defaultdict[HashableStreamDescriptor, float]
_count_stream_state = AirbyteEntrypoint.handle_record_counts
_LEVELS = {Level.FATAL: logging.CRITICAL, Level.ERROR: logging.ERROR, Level.WARN: logging.WARNING}


def _handle_record_counts(message: AirbyteMessage, counts: _Counts) -> AirbyteMessage:
    """Puts the number of records since the last state on a state: of all streams, if it is GLOBAL."""
    state = message.state
    if message.type != Type.STATE or state is None or state.type != AirbyteStateType.GLOBAL:
        return _count_stream_state(message, counts)
    state.sourceStats = state.sourceStats or AirbyteStateStats()
    state.sourceStats.recordCount = float(sum(counts.values()))
    counts.clear()
    return message


def count_global_states() -> None:
    """Makes the CDK's entrypoint accept GLOBAL states. Safe to call again."""
    AirbyteEntrypoint.handle_record_counts = staticmethod(_handle_record_counts)  # type: ignore[assignment]


def hide_from_the_cdk(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yields a command's lines, and has the CDK mask what is masked in them in its own logs and traces, too."""
    try:
        for chunk in lines:
            update_secrets(long_secrets())
            yield chunk
    finally:
        update_secrets(long_secrets())


def to_messages(lines: Iterable[bytes]) -> Iterator[AirbyteMessage]:
    """Yields the message of each line: the slow face, for callers within the process and for tests.

    A number that a float or 64 bits do not hold exactly stays text inside an orjson.Fragment, which the CDK writes out
    as it is.
    """
    for chunk in lines:
        for line in chunk.splitlines():
            yield AirbyteMessageSerializer.load(json.loads(line, parse_float=_exact, parse_int=_whole))


def answer(lines: Iterable[bytes], logger: logging.Logger) -> AirbyteMessage:
    """Returns the one message that a command answers with, and gives its log to a logger."""
    answers = []
    for message in to_messages(lines):
        if message.log is None:
            answers.append(message)
        else:
            logger.log(_LEVELS.get(message.log.level, logging.INFO), "%s", message.log.message)
    [found] = answers
    return found


@contextmanager
def as_traced() -> Iterator[None]:
    """Raises an error as the CDK's entrypoint wants it: of a foreign one it shows no more than the kind."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - every error leaves as one of the CDK's
        known = as_connector_error(error)
        # The CDK logs causes with their texts, and that of a foreign exception may hold values of rows.
        raise traced(known) from (error if error is known else None)


def traced(error: ConnectorError) -> AirbyteTracedException:
    """Returns the error as the CDK's entrypoint wants it."""
    return AirbyteTracedException(
        message=error.message,
        internal_message=error.detail or None,
        failure_type=FailureType(failure_type(error)),
        exception=error,
    )


def failed_check(error: ConnectorError, logger: logging.Logger) -> AirbyteConnectionStatus:
    """Returns what `check` answers with after an error, whose details go to the log."""
    if error.detail:
        logger.info(masked(error.detail))
    # Unlike a log line, this is written as it is, and an error may show what a server reported.
    return AirbyteConnectionStatus(status=Status.FAILED, message=masked(error.message))


def _whole(text: str) -> int | orjson.Fragment:
    number = int(text)
    # orjson's range; beyond it the CDK turns to json.dumps, which knows no Fragment.
    return number if -(2**63) <= number < 2**64 else orjson.Fragment(text.encode())


def _exact(text: str) -> float | orjson.Fragment:
    number = float(text)
    return number if repr(number) == text else orjson.Fragment(text.encode())
