"""Streams that are opened to find out why nothing comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import pytest

from source_vitess.clock import SystemClock
from source_vitess.errors import StreamCancelledError, TransientError
from source_vitess.position.vgtid import Vgtid
from source_vitess.replication.interfaces import Vitess
from source_vitess.replication.oversized_rows import explain_changes
from source_vitess.schema import StreamedTable
from source_vitess.vstream.events import Event
from source_vitess.vstream.request import StreamRequest

POSITION = Vgtid("shop", {"-80": "MySQL56/11111111-1111-1111-1111-111111111111:1-5"})


class Broken:
    """Every stream breaks off at once.

    Attributes:
        opened: The tables of the streams.
        stop: A clock that is stopped when a stream is open, which that ends.
    """

    def __init__(self, stop: SystemClock | None = None) -> None:
        self.opened: list[tuple[str, ...]] = []
        self.stop = stop

    @contextmanager
    def stream(self, request: StreamRequest, tables: Mapping[str, StreamedTable]) -> Iterator[Iterator[Event]]:
        """Opens one."""
        self.opened.append(tuple(request.tables))
        if self.stop is not None:
            self.stop.stop()
            raise StreamCancelledError("asked to stop")
        raise TransientError("broken")
        yield iter(())


def test_a_stream_that_breaks_proves_nothing() -> None:
    """No row is blamed."""
    vitess = Broken()

    assert explain_changes(cast("Vitess", vitess), SystemClock(), POSITION, ["-80"], ["a", "b"]) is None

    assert len(vitess.opened) == 2


def test_a_wish_to_stop_ends_them() -> None:
    """At the first one, with the error of a sync that was asked to stop."""
    clock = SystemClock()
    vitess = Broken(clock)

    with pytest.raises(StreamCancelledError):
        explain_changes(cast("Vitess", vitess), clock, POSITION, ["-80"], ["a", "b"])

    assert len(vitess.opened) == 1
