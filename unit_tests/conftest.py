"""What tests share: a Vitess in memory, and a plain client for it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from typing import Protocol

import pytest
from hypothesis import HealthCheck, settings

from instruments.scripted_vtgate.client import Stream, request
from instruments.scripted_vtgate.events import position
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.proto import binlogdata_pb2, vtgate_pb2

# A busy machine is no failure.
settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("SOURCE_VITESS_SEED")),
)
settings.load_profile("patient")


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


class Follow(Protocol):
    """Opens a stream of table `t`, or of others, from positions by shard or from a VGTID."""

    def __call__(
        self, start: Mapping[str, str] | binlogdata_pb2.VGtid, *tables: str, **flags: bool | int | list[str]
    ) -> Stream:
        """Opens a stream; `flags` are those of VStreamFlags."""


@pytest.fixture(autouse=True)
def no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares reading the machine's certificates, 35 ms for each of PyMySQL's connections: no server here has TLS."""
    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", lambda _: None)


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


@pytest.fixture
def follow(vitess: Vitess, open_stream: OpenStream) -> Follow:
    """Makes a table `t`, and opens plain streams of it."""
    vitess.create_table("t", {"id": "bigint", "name": "varchar(20)"}, key=["id"])

    def open_one(
        start: Mapping[str, str] | binlogdata_pb2.VGtid, *tables: str, **flags: bool | int | list[str]
    ) -> Stream:
        vgtid = start if isinstance(start, binlogdata_pb2.VGtid) else position(start)
        made = vtgate_pb2.VStreamFlags(**flags)  # type: ignore[arg-type] # the names are known to be right only then
        return open_stream(vitess.vstream.port, request(vgtid, tables or ["t"], flags=made))

    return open_one
