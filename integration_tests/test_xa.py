"""XA transactions, which Vitess cannot stream: what is said, and that what is said to do helps."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from source_vitess.errors import PositionLostError

ONE_PHASE = ("xa start 'x'", "insert into t values (2, 2)", "xa end 'x'", "xa commit 'x' one phase")
TWO_PHASES = ("xa start 'x'", "insert into t values (2, 2)", "xa end 'x'", "xa prepare 'x'", "xa commit 'x'")


@pytest.fixture(scope="module", autouse=True)
def schema_tracker(cluster: Cluster) -> Iterator[None]:
    """Starts the tablet anew at the end: its schema version tracker reads the binary log, too, and stays at the XA."""
    yield
    alias = cluster.primary("single", "0").alias
    cluster.kill_tablet(alias, number=signal.SIGTERM)
    cluster.start_tablet(alias)
    cluster.wait_ready()


def _write(cluster: Cluster, statements: tuple[str, ...]) -> None:
    """Runs statements on the shard's primary, past VTGate, which knows no XA."""
    primary = cluster.primary("single", "0")
    with cluster.connect_tablet(primary.alias, database="vt_single") as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _synced(cluster: Cluster, single: Connector) -> tuple[Store, dict[str, object]]:
    cluster.sql("single", "create table t (id int primary key, v int)")
    cluster.sql("single", "insert into t (id, v) values (1, 1)")
    store = Store.of_catalog(single.discover())
    catalog = single.configured("t")
    assert single.sync(store, catalog) is None
    return store, catalog


@pytest.mark.parametrize("statements", [ONE_PHASE, TWO_PHASES], ids=["one phase", "two phases"])
def test_an_xa_transaction_is_named_at_once(cluster: Cluster, single: Connector, statements: tuple[str, ...]) -> None:
    """The sync ends without retries, says what holds it up and up to which position; a re-sync comes past it."""
    store, catalog = _synced(cluster, single)
    _write(cluster, statements)

    error = single.sync(store, catalog)

    assert isinstance(error, PositionLostError)
    assert "XA transaction, which Vitess cannot stream" in error.message
    assert not [line for line in store.logs if "opened again" in line]
    again = single.with_config(invalid_cdc_position_behavior="Re-sync data")
    assert again.sync(store, catalog) is None
    cluster.sql("single", "insert into t (id, v) values (3, 3)")
    assert single.sync(store, catalog) is None
    single.expect_all_equal(store, "t")


def test_the_position_that_is_named_is_behind_it(cluster: Cluster, single: Connector) -> None:
    """Where the XA transaction touched no table that is read, the state can be set to the position in the message."""
    store, catalog = _synced(cluster, single)
    _write(cluster, ("create table other (id int primary key, v int)",))
    _write(cluster, tuple(text.replace("into t", "into other") for text in ONE_PHASE))
    cluster.sql("single", "update t set v = 5 where id = 1")
    error = single.sync(store, catalog)
    assert isinstance(error, PositionLostError)
    named = error.message.partition("of the position ")[2].partition(". ")[0]
    text = json.dumps(store.last_state)
    [before] = [shard["gtid"] for shard in store.last_state[0]["global"]["shared_state"]["vgtid"]]

    store.states.append(json.loads(text.replace(before, named))[0])

    assert single.sync(store, catalog) is None
    single.expect_all_equal(store, "t")
