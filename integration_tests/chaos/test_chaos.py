"""The randomised run: `make chaos MINUTES=60 SEED=1`, and some minutes of it in `make test`."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from vitess_local.cluster import Cluster

from integration_tests.chaos.run import KEYSPACE, run_chaos
from integration_tests.chaos.shape import Shape

MINUTES = float(os.environ.get("SOURCE_VITESS_CHAOS_MINUTES") or 5)

SEED = int(os.environ.get("SOURCE_VITESS_SEED") or 0) or random.randrange(1, 10**6)  # noqa: S311 - test data

#: Where the actions of a run are written.
LOGS = Path(__file__).resolve().parents[2] / ".tmp" / "chaos"


@pytest.mark.timeout(MINUTES * 60 + 1800)
def test_nothing_is_lost_whatever_happens() -> None:
    """Writers, schema changes, faults and killed syncs at random: what was emitted is exactly the database.

    With SOURCE_VITESS_CHAOS_KEEP=1 the cluster of a run that fails stays up, for a look at its binary logs.
    """
    name = os.environ.get("SOURCE_VITESS_CHAOS_CLUSTER", "chaos")
    shape = Shape.of(SEED)
    cluster = Cluster.up(name, keyspaces={KEYSPACE: 2}, replicas=shape.replicas, rdonly=shape.rdonly)
    difference = "not yet known"
    try:
        difference = run_chaos(cluster, shape, SEED, MINUTES, LOGS / f"seed-{SEED}.log").difference
    finally:
        if not difference or os.environ.get("SOURCE_VITESS_CHAOS_KEEP", "") in ("", "0"):
            cluster.down()
    assert not difference
