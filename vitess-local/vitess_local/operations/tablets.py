"""Tablets: as VTGate sees them, by the names people use for them, and the primary of a shard."""

from __future__ import annotations

from dataclasses import dataclass

import pymysql

from vitess_local.errors import VitessLocalError
from vitess_local.servers.connections import connect_vtgate
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.keyspaces import parse_keyspace_shard
from vitess_local.servers.layout import Tablet
from vitess_local.servers.mysql_client import query
from vitess_local.servers.vtctl import vtctl_json

_SHORT_SECONDS = 5


@dataclass(frozen=True)
class TabletHealth:
    """A tablet as VTGate sees it."""

    keyspace: str
    shard: str
    tablet_type: str
    state: str
    alias: str

    @property
    def serves(self) -> bool:
        """Return whether VTGate would send it queries and streams."""
        return self.state == "SERVING"


def tablets_seen_by_vtgate(deployment: Deployment) -> list[TabletHealth]:
    """Return VTGate's view of the tablets; empty if VTGate does not answer."""
    try:
        with connect_vtgate(deployment, read_timeout=_SHORT_SECONDS) as connection:
            rows = query(connection, "SHOW VITESS_TABLETS")
    except (pymysql.MySQLError, OSError):
        return []
    # Cell, Keyspace, Shard, TabletType, State, Alias, Hostname, PrimaryTermStartTime
    return [TabletHealth(row[1], row[2], row[3], row[4], row[5]) for row in rows]


def find_tablet(deployment: Deployment, selector: str) -> Tablet:
    """Return the tablet meant by `zone1-0000000100`, `100`, `ks/-80` or `ks/-80@replica`.

    A shard alone means its primary, as the topology records it: a killed primary stays
    the primary until another one is promoted.
    """
    for tablet in deployment.layout.tablets:
        if selector in (tablet.alias, str(tablet.uid)):
            return tablet
    place, _, tablet_type = selector.partition("@")
    try:
        keyspace, shard = parse_keyspace_shard(place)
    except ValueError:
        known = ", ".join(tablet.alias for tablet in deployment.layout.tablets)
        raise VitessLocalError(f"{selector!r} is neither a tablet ({known}) nor of the form keyspace/shard.") from None
    if not deployment.layout.of_shard(keyspace, shard):
        raise VitessLocalError(f"There is no shard {keyspace}/{shard}.")
    if tablet_type in ("", "primary"):
        return primary_of(deployment, keyspace, shard)
    for seen in tablets_seen_by_vtgate(deployment):
        if (seen.keyspace, seen.shard, seen.tablet_type.lower()) == (keyspace, shard, tablet_type):
            return find_tablet(deployment, seen.alias)
    raise VitessLocalError(f"{keyspace}/{shard} has no tablet of type {tablet_type}.")


def primary_of(deployment: Deployment, keyspace: str, shard: str) -> Tablet:
    """Return the primary of a shard."""
    primary = primary_in_topology(deployment, keyspace, shard)
    if primary is None:
        raise VitessLocalError(f"{keyspace}/{shard} has no primary.")
    return primary


def primary_in_topology(deployment: Deployment, keyspace: str, shard: str) -> Tablet | None:
    """Return the tablet the shard's record names as primary, which need not be alive."""
    record = vtctl_json(deployment, "GetShard", f"{keyspace}/{shard}")["shard"]
    alias = record.get("primary_alias")
    if not alias:
        return None
    for tablet in deployment.layout.of_shard(keyspace, shard):
        if tablet.uid == alias["uid"]:
            return tablet
    raise VitessLocalError(f"The primary of {keyspace}/{shard} is none of its tablets: {alias}.")
