"""Habits of Airbyte's platform and of its CDK, on a real Vitess: GLOBAL states, generations."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from airbyte_cdk.models import AirbyteStateMessageSerializer, ConfiguredAirbyteCatalogSerializer
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput
from airbyte_cdk.test.entrypoint_wrapper import discover as discover_through_the_cdk
from airbyte_cdk.test.entrypoint_wrapper import read as read_through_the_cdk
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from integration_tests.shop import Shop
from source_vitess.source import SourceVitess


@pytest.fixture
def tables(cluster: Cluster, shop: Connector) -> Iterator[Shop]:
    """The shop's tables, with rows."""
    made = Shop(cluster, shop.keyspace, seed=5)
    made.create()
    made.insert("customers", 300)
    made.insert("events", 30)
    yield made
    made.drop_vschema()


def apply(store: Store, output: EntrypointOutput) -> None:
    """Applies the records and states that the CDK's wrapper collected; its objects leave top-level nulls out."""
    store.new_sync()
    for message in output.records_and_state_messages:
        if message.record is not None:
            record = message.record
            data = {"_ab_cdc_deleted_at": None, **record.data}
            store.apply_message({"type": "RECORD", "record": {"stream": record.stream, "data": data}})
        elif message.state is not None:
            state = AirbyteStateMessageSerializer.dump(message.state)
            store.apply([json.dumps({"type": "STATE", "state": state})])


def test_the_wrapper_of_the_cdk(tables: Shop, shop: Connector) -> None:
    """Discover, a copy and two syncs of changes through `entrypoint_wrapper`, each from the GLOBAL state before."""
    discovered = discover_through_the_cdk(SourceVitess(), shop.config)
    assert discovered.catalog.catalog is not None
    store = Store.of_catalog(shop.discover())
    assert {stream.name for stream in discovered.catalog.catalog.streams} == set(store.keys)
    catalog = ConfiguredAirbyteCatalogSerializer.load(shop.configured())
    for _ in range(3):
        state = [AirbyteStateMessageSerializer.load(message) for message in store.last_state]
        before = store.records.total()

        output = read_through_the_cdk(SourceVitess(), shop.config, catalog, state)

        assert output.errors == []
        assert {status.name for name in store.keys for status in output.get_stream_statuses(name)} >= {"COMPLETE"}
        apply(store, output)
        assert store.records.total() - before in (range(1, 200) if before else {330})
        assert sorted(row["id"] for row in store.tables["customers"].values()) == [
            number for (number,) in tables.cluster.sql(shop.keyspace, "select id from customers order by id")
        ]
        tables.insert("customers", 3)
        tables.cluster.sql(shop.keyspace, "delete from customers where id = 7")


@pytest.mark.usefixtures("tables")
def test_a_refresh_with_a_new_generation(shop: Connector) -> None:
    """Generation ids come with every catalog; a refreshed stream comes without its state, and is copied again."""
    store = Store.of_catalog(shop.discover())
    first = shop.configured("customers", generation_id=3, minimum_generation_id=0, sync_id=10)
    assert shop.sync(store, first) is None
    state = store.last_state
    state[0]["global"]["stream_states"] = []
    second = shop.configured("customers", generation_id=4, minimum_generation_id=4, sync_id=11)
    before = store.records.total()

    assert shop.sync(store, second) is None

    assert store.records.total() - before == 300
    shop.expect_all_equal(store, "customers")
