"""The Vitess in memory sends what a real one was recorded to send."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest

from instruments.scripted_vtgate.client import Response, Stream, request
from instruments.scripted_vtgate.comparable import comparable
from instruments.scripted_vtgate.recordings import RELEASES, load
from instruments.scripted_vtgate.scenarios import SCENARIOS, Driver
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.proto import binlogdata_pb2


class ModelDriver(Vitess):
    """The model as the scenarios see it."""

    shard = "0"

    def open(self, vgtid: binlogdata_pb2.VGtid, tables: Iterable[str], columns: Iterable[str] = ()) -> Stream:
        """Opens a stream."""
        return Stream(self.vstream.port, request(vgtid, tables, columns=columns))

    def gtids(self) -> Mapping[str, str]:
        """Returns the position of the shard."""
        return self.positions()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_model_sends_what_vitess_sends(scenario: Callable[[Driver], list[Response]]) -> None:
    """Events, their grouping into responses, fields, values, positions and lastpk bytes are those of Vitess.

    So are the GTIDs and numbers of transactions, as far as one can be told from another.
    """
    with ModelDriver("main", ["0"]) as driver:
        played = comparable(scenario(driver))
    assert played == comparable(load(RELEASES[0])[scenario.__name__])
