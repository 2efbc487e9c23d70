"""Copies and changes: whatever happens, the records applied in order are the database."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.destination import Destination
from instruments.oracle import Store, expect_equal
from instruments.select import select_rows
from integration_tests.shop import TABLES, Shop
from source_vitess.commands import sync_settings

#: Records of a table without a key that come twice cannot be told from rows that are there twice.
KEYED = [name for name in TABLES if name != "events"]

SEED = int(os.environ.get("SOURCE_VITESS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - test data


@pytest.fixture
def tables(cluster: Cluster, shop: Connector) -> Iterator[Shop]:
    """The shop's tables, empty. The seed of what is random is printed with a failure."""
    print(f"seed: SOURCE_VITESS_SEED={SEED}")  # noqa: T201 - shown when a test fails
    made = Shop(cluster, shop.keyspace, SEED)
    made.create()
    yield made
    made.drop_vschema()


@pytest.fixture
def state_at_every_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a state due wherever a transaction ends, in the middle of a table's copy too."""
    monkeypatch.setattr(
        "source_vitess.commands.sync_settings", lambda config: replace(sync_settings(config), checkpoint_records=1)
    )


def fill(tables: Shop) -> None:
    """Fills the tables with 0 to 2,000 rows each."""
    for name, count in {"customers": 2000, "order_items": 900, "codes": 300, "events": 150}.items():
        tables.insert(name, count)


def test_copy_of_several_tables(tables: Shop, shop: Connector) -> None:
    """Tables of 0 to 50,000 rows, with and without key, arrive whole and exact."""
    fill(tables)
    tables.insert("customers", 48_000)
    catalog = shop.configured()
    store = Store.of_catalog(shop.discover())

    assert shop.sync(store, catalog) is None

    shop.expect_all_equal(store)
    assert store.records["customers"] == 50_000
    assert store.records["nothing"] == 0
    assert set(store.statuses.values()) == {"COMPLETE"}
    assert store.errors == []


def test_changes_of_every_kind(tables: Shop, shop: Connector) -> None:
    """Inserts, updates, deletes, changes of keys and transactions arrive in later syncs, round after round."""
    fill(tables)
    catalog = shop.configured()
    store = Store.of_catalog(shop.discover())
    assert shop.sync(store, catalog) is None
    for _ in range(3):
        copied = store.records.total()
        tables.change(40)

        assert shop.sync(store, catalog) is None

        shop.expect_all_equal(store)
        assert copied < store.records.total() < copied + 1000
    assert store.deletes.total() > 0


def test_a_sync_without_changes_says_only_states(tables: Shop, shop: Connector) -> None:
    """Nothing happened: one state at least, no record, and the same position."""
    fill(tables)
    catalog = shop.configured()
    store = Store.of_catalog(shop.discover())
    shop.sync(store, catalog)
    before = store.records.total()

    assert shop.sync(store, catalog) is None

    assert store.records.total() == before
    assert len(store.states) >= 2
    assert set(store.statuses.values()) == {"COMPLETE"}


@pytest.mark.usefixtures("state_at_every_commit")
def test_every_state_is_a_point_to_go_on_from(tables: Shop, shop: Connector) -> None:
    """From each state of a first sync and of a sync of changes, another sync ends with exactly the database."""
    fill(tables)
    tables.insert("customers", 8_000)
    catalog = shop.configured(*KEYED)
    discovered = shop.discover()
    lines: list[bytes] = list(shop.lines(catalog))
    tables.change(20)
    probe = Store.of_catalog(discovered)
    probe.apply(lines)
    later = list(shop.lines(catalog, probe.last_state))
    tables.change(10)
    everything = [*lines, *later]
    ends = [index for index, line in enumerate(everything) if line.startswith(b'{"type":"STATE"')]
    assert sum(b'"lastpk"' in everything[end] for end in ends) > 5
    assert len(ends) > 15

    for end in ends:
        store = Store.of_catalog(discovered)
        store.apply(everything[: len(lines)][: end + 1])
        if end >= len(lines):
            store.new_sync()
            store.apply(everything[len(lines) : end + 1])

        assert shop.sync(store, catalog) is None

        shop.expect_all_equal(store, *KEYED)


@pytest.mark.usefixtures("state_at_every_commit")
def test_killed_copies_leave_no_ghosts(tables: Shop, shop: Connector) -> None:
    """A sync that dies anywhere, again and again, with writes in between: the last one ends with exactly the database.

    Rows that were emitted and deleted before the copy went on must not stay. Keyless tables may come twice.
    """
    fill(tables)
    rnd = random.Random(SEED)  # noqa: S311 - test data
    catalog = shop.configured(*KEYED)
    store = Store.of_catalog(shop.discover())
    for _ in range(12):
        shop.sync(store, catalog, stop_after=rnd.randrange(1, 3000))
        tables.change(8)

    assert shop.sync(store, catalog) is None

    shop.expect_all_equal(store, *KEYED)


@pytest.mark.usefixtures("state_at_every_commit")
@pytest.mark.parametrize("hard", [True, False], ids=["hard", "soft"])
def test_destinations_deduplicate(tables: Shop, shop: Connector, *, hard: bool) -> None:
    """By the rules of Airbyte's destinations, with workers that die anywhere: exactly the database in the end."""
    fill(tables)
    rnd = random.Random(SEED)  # noqa: S311 - test data
    catalog = shop.configured(*KEYED)
    destination = Destination(Store.of_catalog(shop.discover()).keys, hard, rnd)
    for _ in range(6):
        lines = shop.lines(catalog, destination.acknowledged)
        destination.apply(itertools.islice(lines, rnd.randrange(1, 3000)))
        lines.close()  # type: ignore[attr-defined] # a generator
        destination.die()
        tables.change(15)

    destination.apply(shop.lines(catalog, destination.acknowledged))
    destination.end()

    for table in KEYED:
        expect_equal(destination, table, select_rows(shop.mysql_port, shop.keyspace, table))


def test_a_table_is_added_later(tables: Shop, shop: Connector) -> None:
    """A stream that is selected later is copied, and the others are not copied again."""
    fill(tables)
    store = Store.of_catalog(shop.discover())
    assert shop.sync(store, shop.configured("customers", "codes")) is None
    copied = store.records.copy()
    tables.change(20)

    assert shop.sync(store, shop.configured("customers", "codes", "order_items")) is None

    shop.expect_all_equal(store, "customers", "codes", "order_items")
    assert store.records["customers"] < copied["customers"] + 200


def test_a_stream_is_deselected_and_selected_again(tables: Shop, shop: Connector) -> None:
    """A stream that comes back is copied anew: its changes in between were never read."""
    fill(tables)
    store = Store.of_catalog(shop.discover())
    assert shop.sync(store, shop.configured("customers", "codes")) is None
    assert shop.sync(store, shop.configured("customers")) is None
    tables.cluster.sql(shop.keyspace, "update codes set n = 77 where n < 5")

    assert shop.sync(store, shop.configured("customers", "codes")) is None

    shop.expect_all_equal(store, "customers", "codes")


def test_full_refresh(tables: Shop, shop: Connector) -> None:
    """A full refresh copies everything each time, and follows no changes."""
    fill(tables)
    catalog = shop.configured("customers", "events", mode="full_refresh")
    for _ in range(2):
        store = Store.of_catalog(shop.discover())

        assert shop.sync(store, catalog) is None

        shop.expect_all_equal(store, "customers", "events")
        tables.change(5)


def test_full_refresh_again_with_its_state(tables: Shop, shop: Connector) -> None:
    """A later sync refreshes again even if it is given the state; another attempt of the same sync does not."""
    fill(tables)
    first = shop.configured("customers", mode="full_refresh", sync_id=1, generation_id=1, minimum_generation_id=1)
    second = shop.configured("customers", mode="full_refresh", sync_id=2, generation_id=2, minimum_generation_id=2)
    store = Store.of_catalog(shop.discover())
    shop.sync(store, first)
    count = store.records["customers"]

    shop.sync(store, first)
    assert store.records["customers"] == count

    shop.sync(store, second)
    assert store.records["customers"] == 2 * count


def test_only_selected_columns_are_emitted(tables: Shop, shop: Connector) -> None:
    """Columns that the catalog leaves out do not appear, in the copy and in changes."""
    tables.insert("customers", 20)
    catalog = shop.configured("customers")
    properties = catalog["streams"][0]["stream"]["json_schema"]["properties"]
    del properties["email"]
    del properties["created"]
    store = Store.of_catalog(shop.discover())
    shop.sync(store, catalog)
    tables.cluster.sql(shop.keyspace, "update customers set name = 'new' where id = 3")
    shop.sync(store, catalog)

    assert {frozenset(row) for row in store.tables["customers"].values()} == {frozenset({"id", "name"})}
    assert store.tables["customers"][3,]["name"] == "new"


def test_an_empty_keyspace(shop: Connector) -> None:
    """A keyspace without tables has an empty catalog."""
    assert shop.discover()["streams"] == []


def test_unsharded(cluster: Cluster, single: Connector) -> None:
    """A keyspace of one shard is read in the same way."""
    tables = Shop(cluster, single.keyspace, SEED)
    tables.create()
    fill(tables)
    catalog = single.configured()
    store = Store.of_catalog(single.discover())
    assert single.sync(store, catalog) is None
    tables.change(30)

    assert single.sync(store, catalog) is None

    single.expect_all_equal(store)
