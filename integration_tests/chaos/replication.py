"""Holds up the replication of MySQL servers, past Vitess: delays it, stops it or one thread, starts it again."""

from __future__ import annotations

import time

from vitess_local.cluster import Cluster
from vitess_local.errors import VitessLocalError
from vitess_local.servers.layout import Tablet

#: Seconds in which a replica must have received what its primary has, or have applied it.
_RECEIVE_SECONDS = 30


def delay(cluster: Cluster, tablet: Tablet, seconds: int) -> None:
    """Has a replica apply every transaction so many seconds late."""
    _run(
        cluster,
        tablet,
        "stop replica sql_thread",
        f"change replication source to source_delay = {seconds}",
        "start replica",
    )


def stop(cluster: Cluster, tablet: Tablet, thread: str = "") -> None:
    """Stops a replica, or its `io_thread` or `sql_thread` alone."""
    _run(cluster, tablet, f"stop replica {thread}")


def restart(cluster: Cluster, tablet: Tablet) -> None:
    """Starts a replica anew, without a delay."""
    _run(cluster, tablet, "stop replica", "change replication source to source_delay = 0", "start replica")


def wait_until_received(cluster: Cluster, primary: Tablet, replica: Tablet) -> None:
    """Waits until a replica has received everything, if need be by starting it. Nothing must be written meanwhile.

    Raises:
        VitessLocalError: It does not receive it.
    """
    [(executed,)] = _run(cluster, primary, "select @@global.gtid_executed")
    deadline = time.monotonic() + _RECEIVE_SECONDS
    _run(cluster, replica, "start replica io_thread")
    while not _has_received(cluster, replica, str(executed).replace("\n", "")):
        if time.monotonic() > deadline:
            raise VitessLocalError(f"{replica.alias} does not receive what {primary.alias} has.")
        time.sleep(0.1)


def wait_until_applied(cluster: Cluster, primary: Tablet, replica: Tablet) -> None:
    """Waits until a replica has applied everything that its primary has now.

    Raises:
        VitessLocalError: It does not apply it.
    """
    [(executed,)] = _run(cluster, primary, "select @@global.gtid_executed")
    [(late,)] = _run(cluster, replica, f"select wait_for_executed_gtid_set('{executed}', {_RECEIVE_SECONDS})")
    if late:
        raise VitessLocalError(f"{replica.alias} does not apply what {primary.alias} has.")


def _has_received(cluster: Cluster, replica: Tablet, executed: str) -> bool:
    [(received,)] = _run(
        cluster,
        replica,
        "select received_transaction_set from performance_schema.replication_connection_status",
    )
    [(applied,)] = _run(cluster, replica, "select @@global.gtid_executed")
    together = f"{received},{applied}".strip(",").replace("\n", "")
    [(has_all,)] = _run(cluster, replica, f"select gtid_subset('{executed}', '{together}')")
    return bool(has_all)


def _run(cluster: Cluster, tablet: Tablet, *statements: str) -> tuple[tuple[object, ...], ...]:
    """Runs statements; returns the rows of the last one."""
    with cluster.connect_tablet(tablet.alias) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return tuple(cursor.fetchall())
