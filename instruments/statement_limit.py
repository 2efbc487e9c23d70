"""How often MySQL has ended a statement because of its time, as it does with the SELECT of a long copy."""

from __future__ import annotations

import time

from vitess_local.cluster import Cluster

#: Seconds in which a copy that nobody reads has come to its limit, whatever else the machine does.
_CUT_SECONDS = 60.0


def cut_statements(cluster: Cluster, alias: str) -> int:
    """Returns how many statements a tablet's MySQL has ended because of their time."""
    with cluster.connect_tablet(alias) as connection, connection.cursor() as cursor:
        cursor.execute("show global status like 'Max_execution_time_exceeded'")
        [(_, number)] = cursor.fetchall()
        return int(number)


def wait_until_cut(cluster: Cluster, alias: str, before: int) -> None:
    """Waits until a tablet's MySQL has ended more statements than before. Nobody is told when it does."""
    end = time.monotonic() + _CUT_SECONDS
    while cut_statements(cluster, alias) <= before:
        assert time.monotonic() < end, "no statement was cut"
        time.sleep(0.05)
