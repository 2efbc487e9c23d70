"""MoveTables and routing rules: a table whose queries go elsewhere is not read in silence, as it was before that."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress

import pymysql
import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from source_vitess.errors import ConfigError
from source_vitess.source import SourceVitess


@pytest.fixture
def tables(cluster: Cluster, single: Connector, shop: Connector) -> Iterator[Connector]:
    """Two tables in the unsharded keyspace; the rules are empty again at the end."""
    for name in ("moved", "kept"):
        cluster.sql("single", f"create table {name} (id int primary key, v int)")
        cluster.sql("single", f"insert into {name} (id, v) values (1, 1), (2, 2)")
    yield single
    cluster.vtctl("ApplyRoutingRules", "--rules", json.dumps({"rules": []}))


def _route(cluster: Cluster, *rules: tuple[str, str]) -> None:
    """Applies routing rules, and waits until VTGate, which watches the topology, sends the queries by them."""
    made = [{"from_table": source, "to_tables": [target]} for source, target in rules]
    cluster.vtctl("ApplyRoutingRules", "--rules", json.dumps({"rules": made}))
    expected = dict(rules).get("moved", "single.moved").partition(".")[0]
    deadline = time.monotonic() + 30
    plan = ""
    while f'"Name": "{expected}"' not in plan:
        assert time.monotonic() < deadline, "VTGate did not take the routing rules over"
        with suppress(pymysql.MySQLError):  # a young table is not known at once
            plan = str(cluster.sql("single", "vexplain plan select 1 from moved"))


def _said(single: Connector, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    SourceVitess().check(logging.getLogger("airbyte.tests.routing"), single.config)
    return caplog.text


@pytest.fixture
def target(cluster: Cluster, shop: Connector) -> Iterator[None]:
    """A table of the same name in the sharded keyspace; VTGate 19 plans no query of it without a vindex."""
    cluster.sql(shop.keyspace, "create table moved (id int primary key, v int)")
    cluster.sql(shop.keyspace, "alter vschema on shop.moved add vindex xxh_moved(id) using xxhash")
    yield
    cluster.sql(shop.keyspace, "alter vschema on shop.moved drop vindex xxh_moved")


@pytest.mark.usefixtures("target")
def test_a_table_that_is_routed_elsewhere_is_refused(
    cluster: Cluster, tables: Connector, caplog: pytest.LogCaptureFixture
) -> None:
    """By hand: to another keyspace for writes, for replicas only, and back to the same one."""
    store = Store.of_catalog(tables.discover())
    catalog = tables.configured("moved", "kept")
    assert tables.sync(store, catalog) is None

    for rules in (
        [("moved@replica", "shop.moved"), ("single.moved@replica", "shop.moved")],
        [("moved", "single.moved"), ("shop.moved", "single.moved"), ("single.moved", "single.moved")],
    ):
        _route(cluster, *rules)
        assert tables.sync(store, catalog) is None
        assert "routing rules" not in _said(tables, caplog)
    _route(cluster, ("moved", "shop.moved"), ("single.moved", "shop.moved"))
    cluster.sql("single", "update kept set v = 7")

    error = tables.sync(store, catalog)

    assert isinstance(error, ConfigError)
    assert store.statuses == {"moved": "INCOMPLETE", "kept": "COMPLETE"}
    assert "VTGate sends the queries of table 'moved' to keyspace 'shop'" in store.errors[-1]["message"]
    assert "VTGate sends the queries of table 'moved' to keyspace 'shop'" in _said(tables, caplog)
    tables.expect_all_equal(store, "kept")


@pytest.mark.usefixtures("target")
def test_a_table_that_is_being_moved(cluster: Cluster, tables: Connector) -> None:
    """MoveTables: read on while a workflow writes to it, with a warning from the switch on; then it is refused."""
    move = ("MoveTables", "--workflow", "moving", "--target-keyspace", "shop")
    store = Store.of_catalog(tables.discover())
    catalog = tables.configured("moved", "kept")
    assert tables.sync(store, catalog) is None
    try:
        cluster.vtctl(*move, "create", "--source-keyspace", "single", "--tables", "moved")
        cluster.sql("single", "update moved set v = 5 where id = 1")
        assert tables.sync(store, catalog) is None
        tables.expect_all_equal(store, "moved", "kept")
        assert not [log for log in store.logs if "routing rules" in log]
        cluster.vtctl(*move, "switchtraffic")
        assert tables.sync(store, catalog) is None
        assert [log for log in store.logs if "A workflow still writes what happens there" in log] != []

        cluster.vtctl(*move, "complete", "--keep-data", "--keep-routing-rules")

        assert isinstance(tables.sync(store, catalog), ConfigError)
        assert store.statuses == {"moved": "INCOMPLETE", "kept": "COMPLETE"}
        assert "to keyspace 'shop'" in store.errors[-1]["message"]
    finally:
        # What is kept of a move keeps its denied tables, too.
        cluster.vtctl("SetShardTabletControl", "--denied-tables", "moved", "--remove", "single/0", "primary")
        cluster.vtctl("RefreshStateByShard", "single/0")
