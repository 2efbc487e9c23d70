"""Which shards VTGate uses for which tablet type, as the topology records it.

During a reshard there are more shards than are in use: new ones before the switch, old
ones after it. Tablets of those are healthy and yet refuse queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Layout
from vitess_local.servers.vtctl import vtctl_json

_TYPES = ("PRIMARY", "REPLICA", "RDONLY")
# topodata.TabletType; vtctldclient prints the number or the name.
_BY_NUMBER = dict(enumerate(_TYPES, start=1))

Shard = tuple[str, str]


@dataclass(frozen=True)
class Routing:
    """The (keyspace, shard) pairs in use, by tablet type."""

    in_use: Mapping[str, frozenset[Shard]]

    def uses(self, keyspace: str, shard: str, tablet_type: str) -> bool:
        """Return whether tablets of this type and shard should serve."""
        return (keyspace, shard) in self.in_use[tablet_type]

    @property
    def writable(self) -> list[Shard]:
        """The shards that take writes, in order."""
        return sorted(self.in_use["PRIMARY"])

    @classmethod
    def everything(cls, layout: Layout) -> Routing:
        """The routing of a cluster none of whose shards overlap."""
        return cls(dict.fromkeys(_TYPES, frozenset(layout.shards())))

    @classmethod
    def parse(cls, srv_keyspaces: Mapping[str, Any]) -> Routing:
        """Read the SrvKeyspace of each keyspace."""
        in_use: dict[str, set[Shard]] = {tablet_type: set() for tablet_type in _TYPES}
        for keyspace, record in srv_keyspaces.items():
            for partition in record.get("partitions") or []:
                served = partition["served_type"]
                tablet_type = _BY_NUMBER.get(served, served)
                off = {
                    control["name"]
                    for control in partition.get("shard_tablet_controls") or []
                    if control.get("query_service_disabled")
                }
                names = {reference["name"] for reference in partition.get("shard_references") or []}
                in_use[tablet_type] |= {(keyspace, name) for name in names - off}
        return cls({tablet_type: frozenset(shards) for tablet_type, shards in in_use.items()})


def read_routing(deployment: Deployment) -> Routing:
    """Ask the topology; the cluster has a single cell."""
    records: dict[str, Any] = {}
    for keyspace in deployment.layout.spec.keyspaces:
        for record in vtctl_json(deployment, "GetSrvKeyspaces", keyspace.name).values():
            records[keyspace.name] = record
    return Routing.parse(records)
