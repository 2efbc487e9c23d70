"""What a cluster consists of: keyspaces, shards, tablets and ports, as plain values.

This is what `cluster.json` in the data folder holds. It changes only when shards are
added or removed; which tablet is primary is Vitess' business and is asked there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vitess_local.servers.keyspaces import KeyspaceSpec

CELL = "zone1"
_FORMAT = 1
# Low server ids (1-99) are what Vitess' own binlog readers use as fake ids
# (go/vt/mysqlctl/mycnf_gen.go).
_FIRST_UID = 100


@dataclass(frozen=True)
class ClusterSpec:
    """What the user asked for."""

    name: str
    keyspaces: tuple[KeyspaceSpec, ...]
    replicas: int = 0
    rdonly: int = 0
    track_schema_versions: bool = True
    durability_policy: str = "none"
    schema_dir: Path | None = None
    vttablet_args: tuple[str, ...] = ()
    vtgate_args: tuple[str, ...] = ()
    mysql_settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ports:
    """The ports of the servers that exist once per cluster."""

    etcd_client: int
    etcd_peer: int
    vtctld_http: int
    vtctld_grpc: int
    vtgate_http: int
    vtgate_grpc: int
    vtgate_mysql: int

    COUNT = 7


@dataclass(frozen=True)
class Tablet:
    """One tablet: a vttablet with its own mysqld."""

    uid: int
    keyspace: str
    shard: str
    # The type it starts with, `replica` or `rdonly`; any replica may become primary.
    kind: str
    http_port: int
    grpc_port: int
    mysql_port: int

    PORTS = 3

    @property
    def alias(self) -> str:
        """The name Vitess gives the tablet."""
        return f"{CELL}-{self.uid:010d}"

    @property
    def folder(self) -> str:
        """The name of its folder in the data folder (go/vt/mysqlctl/mycnf_gen.go)."""
        return f"vt_{self.uid:010d}"


@dataclass(frozen=True)
class Layout:
    """A cluster as it was built."""

    spec: ClusterSpec
    data_dir: Path
    ports: Ports
    tablets: tuple[Tablet, ...]

    @property
    def all_ports(self) -> set[int]:
        """Every port the cluster has reserved."""
        taken = set(asdict(self.ports).values())
        for tablet in self.tablets:
            taken |= {tablet.http_port, tablet.grpc_port, tablet.mysql_port}
        return taken

    def shards(self, keyspace: str | None = None) -> tuple[tuple[str, str], ...]:
        """Return the (keyspace, shard) pairs that have tablets, in order of creation."""
        pairs = ((tablet.keyspace, tablet.shard) for tablet in self.tablets if keyspace in (None, tablet.keyspace))
        return tuple(dict.fromkeys(pairs))

    def of_shard(self, keyspace: str, shard: str) -> tuple[Tablet, ...]:
        """Return the tablets of one shard."""
        return tuple(t for t in self.tablets if (t.keyspace, t.shard) == (keyspace, shard))

    def with_shards(self, keyspace: str, shards: tuple[str, ...], ports: list[int]) -> Layout:
        """Return the layout with tablets for more shards; `ports` is used up in order."""
        uid = max((tablet.uid for tablet in self.tablets), default=_FIRST_UID - 1) + 1
        supply = iter(ports)
        added = tuple(_tablets(self.spec, keyspace, shards, uid, supply))
        return replace(self, tablets=self.tablets + added)

    def without_shards(self, keyspace: str, shards: tuple[str, ...]) -> Layout:
        """Return the layout without the tablets of these shards."""
        kept = (t for t in self.tablets if t.keyspace != keyspace or t.shard not in shards)
        return replace(self, tablets=tuple(kept))

    def to_json(self) -> dict[str, Any]:
        """Return a form for `cluster.json`."""
        spec = asdict(self.spec)
        spec["schema_dir"] = None if self.spec.schema_dir is None else str(self.spec.schema_dir)
        return {
            "format": _FORMAT,
            "spec": spec,
            "data_dir": str(self.data_dir),
            "ports": asdict(self.ports),
            "tablets": [asdict(tablet) for tablet in self.tablets],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Layout:
        """Read what `to_json` wrote."""
        if data["format"] != _FORMAT:
            raise ValueError(f"cluster.json has format {data['format']}, not {_FORMAT}")
        spec = dict(data["spec"])
        spec["keyspaces"] = tuple(KeyspaceSpec(entry["name"], tuple(entry["shards"])) for entry in spec["keyspaces"])
        spec["schema_dir"] = None if spec["schema_dir"] is None else Path(spec["schema_dir"])
        spec["vttablet_args"] = tuple(spec["vttablet_args"])
        spec["vtgate_args"] = tuple(spec["vtgate_args"])
        return cls(
            spec=ClusterSpec(**spec),
            data_dir=Path(data["data_dir"]),
            ports=Ports(**data["ports"]),
            tablets=tuple(Tablet(**entry) for entry in data["tablets"]),
        )


def tablets_per_shard(spec: ClusterSpec) -> int:
    """Return how many tablets a shard has: a primary, the replicas, the rdonly ones."""
    return 1 + spec.replicas + spec.rdonly


def ports_needed(spec: ClusterSpec, shards: int) -> int:
    """Return how many ports the tablets of so many shards need."""
    return shards * tablets_per_shard(spec) * Tablet.PORTS


def new_layout(spec: ClusterSpec, data_dir: Path, ports: list[int]) -> Layout:
    """Lay out a new cluster; `ports` is used up in order."""
    layout = Layout(spec, data_dir, Ports(*ports[: Ports.COUNT]), ())
    rest = ports[Ports.COUNT :]
    for keyspace in spec.keyspaces:
        needed = ports_needed(spec, len(keyspace.shards))
        layout = layout.with_shards(keyspace.name, keyspace.shards, rest[:needed])
        rest = rest[needed:]
    return layout


def _tablets(
    spec: ClusterSpec, keyspace: str, shards: tuple[str, ...], uid: int, ports: Iterator[int]
) -> Iterator[Tablet]:
    kinds = ["replica"] * (1 + spec.replicas) + ["rdonly"] * spec.rdonly
    for shard in shards:
        for kind in kinds:
            yield Tablet(uid, keyspace, shard, kind, next(ports), next(ports), next(ports))
            uid += 1
