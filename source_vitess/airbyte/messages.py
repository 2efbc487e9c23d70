"""Lines as the CDK's message objects: the slow face of `read`, for callers within the process and for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer


def to_messages(lines: Iterable[bytes]) -> Iterator[AirbyteMessage]:
    """Yields the message of each line.

    A number that a float does not hold exactly stays text inside an orjson.Fragment, which the CDK writes out as it is.
    """
    for chunk in lines:
        for line in chunk.splitlines():
            yield AirbyteMessageSerializer.load(json.loads(line, parse_float=_exact))


def _exact(text: str) -> float | orjson.Fragment:
    number = float(text)
    return number if repr(number) == text else orjson.Fragment(text.encode())
