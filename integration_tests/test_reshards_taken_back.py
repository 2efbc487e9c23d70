"""A reshard that is taken back, and a position that is from before it in one shard and from after it in another.

The positions of the shards are answers of different tablets: one of them had not replicated the merge yet. No stream
gets past the merge's journal then, and VTGate does not say so (go/vt/vtgate/vstream_manager.go, getJournalEvent).
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Sequence
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
    "complete", [(False,), (True, False), (False, False)], ids=["of one shard", "of another one", "of both"]
)
def test_a_copy_that_began_before_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, complete: tuple[bool, ...]
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
    _begin_copy(connector, store, catalog, complete)
    cluster.reshard("shop", TWO, ONE, stop_before="complete")
    shop.insert("customers", 50)
    cluster.reverse_reshard("shop", TWO, ONE)
    shop.insert("customers", 50)

    error = connector.sync(store, catalog)

    assert error is None, error
    connector.expect_all_equal(store)


def _begin_copy(connector: Connector, store: Store, catalog: Json, complete: Sequence[bool]) -> None:
    """Gives a store what a sync that was killed leaves of two shards.

    Which shard's rows come when is VTGate's affair. So a whole copy is read, and what comes of a shard is taken up to
    where it is wanted.

    Args:
        connector: The connector.
        store: Takes what is emitted, and the state.
        catalog: Of one stream.
        complete: For the shard that VTGate has copied first, and the other one: whether all its rows were emitted, or
            its first ones. Of a shard that is not named, none were.
    """
    #: A shard, how far its copy is by then, and the rows that came of it; in order.
    parts: list[tuple[str, Json, list[bytes]]] = []
    state: Json = {}
    records: list[bytes] = []
    known: list[Json] = []
    for line in connector.lines(catalog):
        message = json.loads(line)
        if message["type"] == "RECORD":
            records.append(line)
        elif message["type"] == "STATE" and (copying := _copying(message["state"])):
            state = message["state"]
            # The end of a shard comes without rows, and is in the state of the other one's next rows.
            for part in copying["shards"]:
                if part not in known and "lastpk" in part:
                    parts.append((part["shard"], part, records))
                    records = []
            known = copying["shards"]
    ends: dict[str, int] = {}
    chosen: list[Json] = []
    for shard, is_complete in zip(dict.fromkeys(shard for shard, _, _ in parts), complete, strict=False):
        numbers = [number for number, (name, _, _) in enumerate(parts) if name == shard]
        assert len(numbers) > 1, "its first rows are all"
        ends[shard] = numbers[-1 if is_complete else 0]
        _, part, _ = parts[ends[shard]]
        chosen.append({name: value for name, value in part.items() if name != "lastpk" or not is_complete})
    assert len(chosen) == len(complete)
    emitted = [
        line for number, (shard, _, lines) in enumerate(parts) if number <= ends.get(shard, -1) for line in lines
    ]
    _copying(state)["shards"] = chosen
    state["sourceStats"]["recordCount"] = float(len(emitted))
    store.new_sync()
    store.apply([*emitted, json.dumps({"type": "STATE", "state": state})])


def _copying(state: Json) -> Json:
    """How far the copy of the only stream is, as a part of a state; empty if it is complete."""
    [stream] = state["global"]["stream_states"]
    found: Json = stream["stream_state"].get("copying", {})
    return found
