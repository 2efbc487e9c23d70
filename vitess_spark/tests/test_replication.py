"""Replicas that lag, or whose replication has stopped, on a Vitess in memory: old rows are never taken for all."""

from __future__ import annotations

import logging
import random

import pytest
from instruments.scripted_vtgate.vitess import Vitess
from source_vitess.errors import TransientError

from tests.engine import Engine
from vitess_spark.options import ReadOptions
from vitess_spark.stream import batch_parts, look_up_tables

pytestmark = pytest.mark.usefixtures("waits")


def query(vitess: Vitess, tablet_type: str = "REPLICA") -> Engine:
    """Returns a query on table `a`."""
    return Engine({"url": vitess.url, "table": "a", "tablet_type": tablet_type}, random.Random(1))


def test_a_batch_while_replication_has_stopped(vitess: Vitess, waits: list[float]) -> None:
    """It would have the rows of then, and be taken for the table as it is: an error, once that stays so."""
    options = ReadOptions.parse({"url": vitess.url, "table": "a", "tablet_type": "REPLICA"}, streaming=False)
    tables = look_up_tables(options, followed=False)
    vitess.replicates = False

    with pytest.raises(TransientError, match="does not replicate"):
        batch_parts(options, tables)

    assert len(waits) > 5
    vitess.replicates = True
    assert len(batch_parts(options, tables)) == 2


def test_available_now_while_replication_has_stopped(vitess: Vitess) -> None:
    """It would end as if there were nothing more to read."""
    made = query(vitess)
    made.run(available_now=True)
    vitess.replicates = False

    with pytest.raises(TransientError, match=r"does not replicate.* choose another tablet type"):
        made.run(available_now=True)

    vitess.replicates = True
    vitess.insert("a", {"id": 50, "name": "later"})
    made.run(available_now=True)
    made.expect_equal({(row["id"],): dict(row) for row in vitess.rows("a")})


def test_a_stream_that_runs_while_replication_has_stopped(vitess: Vitess, caplog: pytest.LogCaptureFixture) -> None:
    """It goes on when replication does, and says once for each tablet what it waits for."""
    made = query(vitess)
    made.run()
    vitess.replicates = False
    vitess.insert("a", {"id": 50, "name": "later"})

    with caplog.at_level(logging.WARNING):
        made.run()

    told = [message for message in caplog.messages if "does not replicate" in message]
    assert len(told) == len(set(told)) == 2
    made.expect_equal({(row["id"],): dict(row) for row in vitess.rows("a")})


@pytest.mark.parametrize(("tablet_type", "times"), [("REPLICA", 1), ("PRIMARY", 0)])
def test_a_stream_that_runs_asks_once_a_minute(vitess: Vitess, tablet_type: str, times: int) -> None:
    """VTGate asks every replica then, which is too much for each batch; about primaries there is nothing to ask."""
    made = query(vitess, tablet_type)
    made.run()

    # The first batch, and the one that finds nothing more to read.
    assert len(made.offsets) >= 1
    asked = [each.sql for each in vitess.mysql.statements if "vitess_replication_status" in each.sql.lower()]
    assert len(asked) == times


def test_a_primary_does_not_lag(vitess: Vitess) -> None:
    """Whatever its replicas do."""
    vitess.replicates = False

    made = query(vitess, "PRIMARY")
    made.run(available_now=True)

    assert made.counts["copy"] == 9
