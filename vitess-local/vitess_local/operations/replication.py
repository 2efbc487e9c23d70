"""Waits for the replicas of a shard."""

from __future__ import annotations

from vitess_local.operations.tablets import primary_of
from vitess_local.progress import Report
from vitess_local.servers.connections import connect_mysqld
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet
from vitess_local.servers.mysql_client import query
from vitess_local.servers.waiting import wait_until

_REPLICATE_SECONDS = 60.0


def wait_replicated(deployment: Deployment, keyspace: str, shard: str, report: Report) -> None:
    """Wait until every running replica of a shard has what its primary has now, if that runs.

    What a killed primary had not sent is lost by an emergency reparent, and then Vitess
    refuses to start the old primary again (errant GTIDs).
    """
    primary = primary_of(deployment, keyspace, shard)
    if deployment.mysqld(primary).pid() is None:
        return
    with connect_mysqld(deployment, primary) as connection:
        position = str(query(connection, "SELECT @@global.gtid_executed")[0][0])
    for tablet in deployment.layout.of_shard(keyspace, shard):
        if tablet != primary and deployment.mysqld(tablet).pid() is not None:
            _wait_for_position(deployment, tablet, position, report)


def _wait_for_position(deployment: Deployment, tablet: Tablet, position: str, report: Report) -> None:
    with connect_mysqld(deployment, tablet) as connection:

        def check() -> str | None:
            rows = query(
                connection, f"SELECT GTID_SUBSET('{position}', @@global.gtid_executed), @@global.gtid_executed"
            )
            caught_up, executed = rows[0]
            return None if caught_up else f"it has {executed} of {position}"

        wait_until(
            check,
            what=f"{tablet.alias} to replicate",
            timeout=_REPLICATE_SECONDS,
            report=report,
            servers=[deployment.mysqld(tablet)],
        )
