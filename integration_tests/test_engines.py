"""Tables of engines without transactions: what is said of them, and that their rows are right in the end."""

from __future__ import annotations

import json
import logging

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
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
