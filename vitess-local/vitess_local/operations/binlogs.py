"""Purges the binary logs of MySQL servers, and with them old positions."""

from __future__ import annotations

from collections.abc import Collection

from vitess_local.operations.replication import wait_replicated
from vitess_local.operations.tablets import find_tablet
from vitess_local.progress import Report
from vitess_local.servers.connections import connect_mysqld
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.keyspaces import parse_keyspace_shard
from vitess_local.servers.layout import Tablet
from vitess_local.servers.mysql_client import Connection, query, query_dicts
from vitess_local.servers.waiting import wait_until

_PURGE_SECONDS = 30.0


def purge(deployment: Deployment, selector: str, report: Report) -> dict[str, str]:
    """Purge all binary logs but a fresh one, of a shard's tablets or of one tablet.

    Returns each tablet's `gtid_purged`: a position from before this call can then no longer
    be streamed from these tablets.
    """
    return {tablet.alias: _purge(deployment, tablet, report) for tablet in _chosen(deployment, selector, report)}


def _chosen(deployment: Deployment, selector: str, report: Report) -> Collection[Tablet]:
    """Return the tablets meant by a shard or a tablet's name; those of a shard have caught up."""
    if "/" not in selector or "@" in selector:
        return [find_tablet(deployment, selector)]
    keyspace, shard = parse_keyspace_shard(selector)
    wait_replicated(deployment, keyspace, shard, report)
    return deployment.layout.of_shard(keyspace, shard)


def _purge(deployment: Deployment, tablet: Tablet, report: Report) -> str:
    with connect_mysqld(deployment, tablet) as connection:
        before = str(query(connection, "SELECT @@global.gtid_executed")[0][0])
        query(connection, "FLUSH BINARY LOGS")
        newest = _log_names(connection)[-1]

        # A file that a replica or a stream still reads is silently kept by MySQL, until
        # that reader has moved on to the newest one.
        def check() -> str | None:
            query(connection, f"PURGE BINARY LOGS TO '{newest}'")
            left = [name for name in _log_names(connection) if name < newest]
            return f"{', '.join(left)} still in use" if left else None

        wait_until(
            check,
            what=f"{tablet.alias} to purge its binary logs",
            timeout=_PURGE_SECONDS,
            report=report,
            servers=[deployment.mysqld(tablet)],
        )
        purged = str(query(connection, "SELECT @@global.gtid_purged")[0][0])
        gone = query(connection, f"SELECT GTID_SUBSET('{before}', '{purged}')")[0][0]
        if not gone:
            raise AssertionError(f"{tablet.alias}: {before} is not within {purged} after a purge")
    return purged.replace("\n", "")


def _log_names(connection: Connection) -> list[str]:
    rows = query_dicts(connection, "SHOW BINARY LOGS")
    return sorted(str(row["Log_name"]) for row in rows)
