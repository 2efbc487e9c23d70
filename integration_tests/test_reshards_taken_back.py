"""A reshard that is taken back, and a position that is from before it in one shard and from after it in another.

The positions of the shards are answers of different tablets: one of them had not replicated the merge yet. No stream
gets past the merge's journal then, and VTGate does not say so (go/vt/vtgate/vstream_manager.go, getJournalEvent).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import pytest
from vitess_local.cluster import Cluster
from vitess_local.operations.resharding import Reshard

from instruments.connector import Connector
from instruments.oracle import Store
from integration_tests.chaos.replication import delay, restart, wait_until_applied
from integration_tests.shop import Shop
from source_vitess import commands
from source_vitess.commands import sync_settings
from source_vitess.errors import PositionLostError

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data

TWO, ONE, SPLIT = ["-80", "80-"], ["-"], ["80-c0", "c0-"]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of two shards, each with a tablet that nothing but the connector reads from."""
    with Cluster.up("taken-back", keyspaces={"shop": 2}, replicas=1, rdonly=1) as started:
        yield started


@pytest.mark.timeout(900)
@pytest.mark.needs_vitess("20", "VTGate before v20 streams from serving shards only, and cannot follow a reshard")
def test_a_merge_that_one_tablet_has_not_replicated_yet(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The position is lost, and each sync says so, also after one of the shards was split.

    VTGate waits at the journal for the shard that is past it, for ever; or fails at it, as that shard is no more.
    """
    monkeypatch.setattr(commands, "sync_settings", lambda config: replace(sync_settings(config), no_progress_seconds=5))
    shop = Shop(cluster, "shop", SEED)
    shop.create("customers")
    shop.insert("customers", 100)
    connector = Connector({**cluster.config("shop"), "tablet_type": "RDONLY"}, "shop", cluster.mysql_port)
    catalog = connector.configured("customers")
    store = Store.of_catalog(connector.discover())
    [late] = [tablet for tablet in cluster.tablets if (tablet.shard, tablet.kind) == ("-80", "rdonly")]
    delay(cluster, late, 3600)
    cluster.reshard("shop", TWO, ONE, stop_before="complete")
    cluster.reverse_reshard("shop", TWO, ONE)
    assert connector.sync(store, catalog) is None
    restart(cluster, late)
    shop.insert("customers", 50)
    # Else the sync could end before the journal, at what the tablet has.
    wait_until_applied(cluster, cluster.primary("shop", "-80"), late)
    before = deepcopy(store.states)

    error = connector.sync(store, catalog)

    assert isinstance(error, PositionLostError), error
    assert (
        "The saved position of shard -80 of keyspace shop is from before a reshard that was reversed" in error.message
    )

    cluster.vtctl(*Reshard("shop", tuple(TWO), tuple(ONE)).words("cancel"))
    cluster.reshard("shop", ["80-"], SPLIT, stop_before="complete")
    store.states = before

    error = connector.sync(store, catalog)

    assert isinstance(error, PositionLostError), error
    assert "The saved position of shard -80 of keyspace shop is from before it was merged" in error.message
