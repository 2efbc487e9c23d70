"""The layout of a cluster."""

import json
from pathlib import Path

import pytest

from vitess_local.servers.keyspaces import KeyspaceSpec
from vitess_local.servers.layout import ClusterSpec, Layout, Ports, new_layout, ports_needed

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
def layout() -> Layout:
    """Three shards of three tablets."""
    return new_layout(SPEC, Path("/data"), PORTS)


def test_every_shard_has_a_primary_its_replicas_and_rdonly_tablets(layout: Layout) -> None:
    """The first tablet of a shard becomes its primary."""
    kinds = [tablet.kind for tablet in layout.of_shard("commerce", "80-")]

    assert kinds == ["replica", "replica", "rdonly"]
    assert layout.shards() == (("commerce", "-80"), ("commerce", "80-"), ("main", "0"))
    assert layout.shards("main") == (("main", "0"),)


def test_ports_and_numbers_are_never_used_twice(layout: Layout) -> None:
    """Each tablet has three ports of its own."""
    assert len(layout.all_ports) == Ports.COUNT + ports_needed(SPEC, 3) == 7 + 27
    assert len({tablet.uid for tablet in layout.tablets}) == 9


def test_aliases_and_folders_are_those_of_vitess(layout: Layout) -> None:
    """With them, mysqlctl would use the same folder for this tablet."""
    assert layout.tablets[0].alias == "zone1-0000000100"
    assert layout.tablets[0].folder == "vt_0000000100"


def test_added_shards_get_new_numbers_and_old_ones_can_go(layout: Layout) -> None:
    """What a reshard does to the layout."""
    grown = layout.with_shards("commerce", ("-40", "40-80"), list(range(22000, 22018)))
    shrunk = grown.without_shards("commerce", ("-80",))

    assert [tablet.uid for tablet in grown.of_shard("commerce", "-40")] == [109, 110, 111]
    assert shrunk.shards("commerce") == (("commerce", "80-"), ("commerce", "-40"), ("commerce", "40-80"))
    assert shrunk.shards("main") == layout.shards("main")


def test_a_layout_survives_its_file(layout: Layout) -> None:
    """`cluster.json` gives back exactly what was written."""
    text = json.dumps(layout.to_json())

    assert Layout.from_json(json.loads(text)) == layout


def test_a_file_of_another_format_is_refused(layout: Layout) -> None:
    """A cluster of another version of this tool is not guessed at."""
    data = {**layout.to_json(), "format": 99}

    with pytest.raises(ValueError, match="format 99"):
        Layout.from_json(data)
