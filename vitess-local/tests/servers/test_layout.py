"""The layout of a cluster."""

import json
from pathlib import Path

import pytest

from vitess_local.servers.keyspaces import KeyspaceSpec
from vitess_local.servers.layout import ClusterSpec, Ports, Topology, new_topology, ports_needed

SPEC = ClusterSpec(
    name="demo",
    keyspaces=(KeyspaceSpec.parse("commerce:2"), KeyspaceSpec.parse("main:1")),
    replicas=1,
    rdonly=1,
    schema_dir=Path("/schemas"),
    vttablet_args=("--a=b",),
    mysql_settings={"binlog_row_image": "noblob"},
)
PORTS = list(range(21000, 21100))


@pytest.fixture
def topology() -> Topology:
    """Three shards of three tablets."""
    return new_topology(SPEC, Path("/data"), PORTS)


def test_every_shard_has_a_primary_its_replicas_and_rdonly_tablets(topology: Topology) -> None:
    """The first tablet of a shard becomes its primary."""
    kinds = [tablet.kind for tablet in topology.of_shard("commerce", "80-")]

    assert kinds == ["replica", "replica", "rdonly"]
    assert topology.shards() == (("commerce", "-80"), ("commerce", "80-"), ("main", "0"))
    assert topology.shards("main") == (("main", "0"),)


def test_ports_and_numbers_are_never_used_twice(topology: Topology) -> None:
    """Each tablet has three ports of its own."""
    assert len(topology.all_ports) == Ports.COUNT + ports_needed(SPEC, 3) == 7 + 27
    assert len({tablet.uid for tablet in topology.tablets}) == 9


def test_aliases_and_folders_are_those_of_vitess(topology: Topology) -> None:
    """With them, mysqlctl would use the same folder for this tablet."""
    assert topology.tablets[0].alias == "zone1-0000000100"
    assert topology.tablets[0].folder == "vt_0000000100"


def test_added_shards_get_new_numbers_and_old_ones_can_go(topology: Topology) -> None:
    """What a reshard does to the layout."""
    grown = topology.with_shards("commerce", ("-40", "40-80"), list(range(22000, 22018)))
    shrunk = grown.without_shards("commerce", ("-80",))

    assert [tablet.uid for tablet in grown.of_shard("commerce", "-40")] == [109, 110, 111]
    assert shrunk.shards("commerce") == (("commerce", "80-"), ("commerce", "-40"), ("commerce", "40-80"))
    assert shrunk.shards("main") == topology.shards("main")


def test_a_topology_survives_its_file(topology: Topology) -> None:
    """`cluster.json` gives back exactly what was written."""
    text = json.dumps(topology.to_json())

    assert Topology.from_json(json.loads(text)) == topology


def test_a_file_of_another_format_is_refused(topology: Topology) -> None:
    """A cluster of another version of this tool is not guessed at."""
    data = {**topology.to_json(), "format": 99}

    with pytest.raises(ValueError, match="format 99"):
        Topology.from_json(data)
