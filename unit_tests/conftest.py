"""What tests share: a Vitess in memory, and a plain client for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import pytest

from source_vitess.proto import vtgate_pb2
from unit_tests.scripted_vtgate.client import Stream
from unit_tests.scripted_vtgate.vitess import Vitess


class OpenStream(Protocol):
    """Opens a VStream call that is cancelled after the test."""

    def __call__(
        self,
        port: int,
        request: vtgate_pb2.VStreamRequest | None = None,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> Stream:
        """Opens a call."""


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A small Vitess that is served on loopback: keyspace `commerce`, shards `-80` and `80-`, no tables yet."""
    with Vitess() as running:
        yield running


@pytest.fixture
def open_stream() -> Iterator[OpenStream]:
    """Opens VStream calls as a plain client."""
    streams: list[Stream] = []

    def open_one(
        port: int,
        request: vtgate_pb2.VStreamRequest | None = None,
        *,
        metadata: Mapping[str, str] | None = None,
    ) -> Stream:
        streams.append(Stream(port, request, metadata=metadata))
        return streams[-1]

    yield open_one
    for stream in streams:
        stream.close()
