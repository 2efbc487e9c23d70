"""Patterns of tables on a real Vitess, and beside MySQL's own LIKE."""

from __future__ import annotations

import pytest
from vitess_local.cluster import Cluster

from instruments.connector import Connector
from source_vitess.check import check
from source_vitess.errors import ConfigError
from source_vitess.settings.config import Config
from source_vitess.settings.table_patterns import matches

NAMES = ("orders", "Orders", "order_items", "orderXitems", "100%", "größe")
PATTERNS = ("order%", r"order\_items", "order_items", r"100\%", "%", "_r%s", "gr__e", r"\o%", r"%\%", "ORDER%", "%%%s")


def test_patterns_mean_what_they_mean_to_mysql(cluster: Cluster) -> None:
    """For each pattern and name the answer is that of LIKE, with the collation of table names."""
    with cluster.connect("single:0@primary") as connection, connection.cursor() as cursor:
        for pattern in PATTERNS:
            for name in NAMES:
                cursor.execute("select %s collate utf8mb4_bin like %s", (name, pattern))
                assert [bool(found) for (found,) in cursor.fetchall()] == [matches(pattern, name)], (pattern, name)


def test_streams_are_chosen_by_patterns(cluster: Cluster, single: Connector) -> None:
    """Discover lists what matches, and both discover and check name a pattern that matches nothing."""
    for name in NAMES:
        cluster.sql("single:0@primary", f"create table `{name}` (id int primary key)")

    chosen = single.with_config(table_patterns=["order%", r"100\%"])
    assert {stream["name"] for stream in chosen.discover()["streams"]} == {
        *("orders", "order_items", "orderXitems", "100%")
    }
    assert any("4 tables" in line.text for line in check(Config.from_json(chosen.config)))

    wrong = single.with_config(table_patterns=["order%", "nothing_"])
    with pytest.raises(ConfigError, match="the pattern 'nothing_', which none of the 6 tables"):
        check(Config.from_json(wrong.config))
    with pytest.raises(Exception, match="the pattern 'nothing_', which none of the 6 tables"):
        wrong.discover()
