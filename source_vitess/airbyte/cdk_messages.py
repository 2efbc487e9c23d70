"""Lines as the CDK's message objects: the slow face of `read`, for callers within the process and for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer


def to_messages(lines: Iterable[bytes]) -> Iterator[AirbyteMessage]:
    """Yields the message of each line.

    A number that a float or 64 bits do not hold exactly stays text inside an orjson.Fragment, which the CDK writes out
    as it is.
    """
    for chunk in lines:
        for line in chunk.splitlines():
            yield AirbyteMessageSerializer.load(json.loads(line, parse_float=_exact, parse_int=_whole))


def _whole(text: str) -> int | orjson.Fragment:
    number = int(text)
    # orjson's range; beyond it the CDK turns to json.dumps, which knows no Fragment.
    return number if -(2**63) <= number < 2**64 else orjson.Fragment(text.encode())


def _exact(text: str) -> float | orjson.Fragment:
    number = float(text)
    return number if repr(number) == text else orjson.Fragment(text.encode())
