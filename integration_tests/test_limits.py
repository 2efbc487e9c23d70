"""Rows that VTGate cannot deliver, on a real Vitess with its default limit."""

from __future__ import annotations

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from instruments.oracle import Store
from source_vitess.errors import ConfigError
from source_vitess.replication import oversized_rows as stall

MIB = 1024 * 1024


def test_rows_above_the_message_limit(cluster: Cluster, single: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """VTGate retries them in silence forever: changes end with the table's name, a copy with its own stream only."""
    monkeypatch.setattr(stall, "PROBE_SECONDS", 5.0)
    for name in ("a", "b", "c"):
        cluster.sql(single.keyspace, f"create table {name} (id int primary key, v longtext)")
        cluster.sql(single.keyspace, f"insert into {name} (id, v) values (1, 'x'), (2, 'y')")
    store = Store.of_catalog(single.discover())
    catalog = single.configured("a", "b", "c")
    assert single.sync(store, catalog) is None
    # An update holds its row twice.
    cluster.sql(single.keyspace, f"update b set v = repeat('x', {9 * MIB}) where id = 2")
    cluster.sql(single.keyspace, f"update b set v = repeat('y', {9 * MIB}) where id = 2")
    cluster.sql(single.keyspace, "update c set v = 'after'")
    impatient = single.with_config(no_progress_timeout_seconds=10)

    error = impatient.sync(store, catalog)

    assert isinstance(error, ConfigError)
    assert "table 'b' in shard '0'" in error.message
    assert "--grpc-max-message-size" in error.message

    cluster.sql(single.keyspace, f"update b set v = repeat('z', {17 * MIB}) where id = 2")
    copied = Store.of_catalog(single.discover())
    error = impatient.sync(copied, catalog)
    assert isinstance(error, ConfigError)
    assert copied.statuses == {"a": "COMPLETE", "b": "INCOMPLETE", "c": "COMPLETE"}
    assert "table 'b' in shard '0'" in copied.errors[0]["message"]
    single.expect_all_equal(copied, "a", "c")
