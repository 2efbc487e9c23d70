"""A reshard that is taken back, and a position that is from before it in one shard and from after it in another.

The positions of the shards are answers of different tablets: one of them had not replicated the merge yet. No stream
gets past the merge's journal then, and VTGate does not say so (go/vt/vtgate/vstream_manager.go, getJournalEvent).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from typing import Any

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

Json = dict[str, Any]

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


@pytest.mark.timeout(900)
@pytest.mark.needs_vitess("20", "VTGate before v20 streams from serving shards only, and cannot follow a reshard")
@pytest.mark.parametrize(
    ("begun", "complete"), [(1, True), (2, True), (2, False)], ids=["of one shard", "of another one", "of both"]
)
def test_a_copy_that_began_before_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, begun: int, *, complete: bool
) -> None:
    """It begins anew, as no stream of a part of the shards gets past the merge's journal.

    And where VTGate comes past it with all of them, no more rows are copied behind it.
    """
    monkeypatch.setattr(
        commands,
        "sync_settings",
        lambda config: replace(sync_settings(config), no_progress_seconds=5, checkpoint_records=1),
    )
    shop = Shop(cluster, "shop", SEED)
    shop.create("customers")
    shop.insert("customers", 20_000)
    connector = Connector(cluster.config("shop"), "shop", cluster.mysql_port)
    catalog = connector.configured("customers")
    store = Store.of_catalog(connector.discover())
    _begin_copy(connector, store, catalog, shards=begun, complete=complete)
    cluster.reshard("shop", TWO, ONE, stop_before="complete")
    shop.insert("customers", 50)
    cluster.reverse_reshard("shop", TWO, ONE)
    shop.insert("customers", 50)

    error = connector.sync(store, catalog)

    assert error is None, error
    connector.expect_all_equal(store)


def _begin_copy(connector: Connector, store: Store, catalog: Json, *, shards: int, complete: bool) -> None:
    """Copies until rows of so many shards were emitted, of the last one a part, and is gone then, as if killed.

    Args:
        connector: The connector.
        store: Takes what is emitted.
        catalog: Of one stream.
        shards: How many.
        complete: Whether the first of two shards is copied completely; else the state is as of its first rows, to which
            VTGate may leave it for the other one.
    """
    first: Json = {}
    store.new_sync()
    with closing(connector.lines(catalog)) as lines:  # type: ignore[type-var] # a generator
        for line in lines:
            store.apply([line])
            parts = _copied_shards(store)
            if not first and parts:
                first = parts[0]
            if len(parts) == shards and "lastpk" in parts[-1] and (shards == 1 or "lastpk" not in parts[0]):
                break
    parts = _copied_shards(store)
    if not complete:
        parts[0] = first
    assert ["lastpk" in part for part in parts] == ([not complete] * (shards - 1)) + [True]


def _copied_shards(store: Store) -> list[Json]:
    """The shards of which the last state of a table's copy has rows; parts of that state."""
    if not store.last_state:
        return []
    [stream] = store.last_state[-1]["global"]["stream_states"]
    found: list[Json] = stream["stream_state"].get("copying", {}).get("shards", [])
    return found
