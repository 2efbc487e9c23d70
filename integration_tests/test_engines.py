"""Tables of engines without transactions: what is said of them, and that their rows are right in the end."""

from __future__ import annotations

import json
import logging

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from source_vitess.check import check
from source_vitess.settings.config import Config
from source_vitess.source import SourceVitess

SAID = "Tables of an engine without transactions: 'old' (MyISAM), 'quick' (MEMORY)."


def test_tables_without_transactions_are_told(
    cluster: Cluster, single: Connector, caplog: pytest.LogCaptureFixture
) -> None:
    """In check, discover and the sync. Their changes come, once something moves the shard's position."""
    for name, engine in {"old": "MyISAM", "quick": "MEMORY", "fine": "InnoDB"}.items():
        cluster.sql("single", f"create table {name} (id int primary key, v int) engine={engine}")
        cluster.sql("single", f"insert into {name} (id, v) values (1, 1), (2, 2)")
    logger = logging.getLogger("airbyte.tests.engines")
    logger.setLevel(logging.INFO)
    SourceVitess().check(logger, single.config)
    SourceVitess().discover(logger, single.config)
    assert caplog.text.count(SAID) == 2
    store = Store.of_catalog(single.discover())
    catalog = single.configured("old", "quick", "fine")

    lines = list(single.lines(catalog))

    logs = [json.loads(line)["log"]["message"] for line in lines if b'"LOG"' in line]
    assert [log for log in logs if log.startswith(SAID)] != []
    store.apply(lines)
    for statement in (
        "update old set v = 5 where id = 1",
        "delete from quick where id = 2",
        "insert into old (id, v) values (3, 3)",
        "insert into fine (id, v) values (3, 3)",
    ):
        cluster.sql("single", statement)
    assert single.sync(store, catalog) is None
    single.expect_all_equal(store, "old", "quick", "fine")


def test_shards_that_differ_are_told(cluster: Cluster, shop: Connector) -> None:
    """A schema change that has failed in a shard: keys, engines and foreign keys are those of every shard."""
    cluster.sql("shop", "create table parent (id int primary key)")
    cluster.sql("shop", "create table t (id int not null, n int, primary key (id))")
    cluster.sql("shop:80-@primary", "alter table t drop primary key, add primary key (id, n)")
    cluster.sql("shop:80-@primary", "create table line (id int primary key, p int)")
    cluster.sql("shop:-80@primary", "create table line (id int primary key, p int) engine=MyISAM")
    cluster.sql("shop:80-@primary", "alter table line add foreign key (p) references parent (id) on delete cascade")

    lines = [line.text for line in check(Config.from_json(shop.config))]

    assert any(
        line.startswith("Tables whose key differs between shards: 't' (another in 80- than in -80).") for line in lines
    )
    assert any(line.startswith("Tables of an engine without transactions: 'line' (MyISAM).") for line in lines)
    # MySQL 9.7 writes to the binary log what a foreign key does.
    told = any("a foreign key deletes or changes by itself: 'line'" in line for line in lines)
    assert told == (int(str(cluster.describe()["mysql_version"]).partition(".")[0]) < 9)
