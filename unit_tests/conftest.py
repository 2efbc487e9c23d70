"""What tests share: a Vitess in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unit_tests.scripted_vtgate.vitess import Vitess


@pytest.fixture
def vitess() -> Iterator[Vitess]:
    """A small Vitess that is served on loopback: keyspace `commerce`, shards `-80` and `80-`, no tables yet."""
    with Vitess() as running:
        yield running
