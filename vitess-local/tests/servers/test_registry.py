"""The registry of clusters."""

import json
from pathlib import Path

import pytest

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.servers import registry
from vitess_local.servers.deployment import CLUSTER_FILE
from vitess_local.servers.keyspaces import KeyspaceSpec
from vitess_local.servers.layout import ClusterSpec, new_layout


def test_known_clusters_reserve_their_ports(tmp_path: Path) -> None:
    """Until they are forgotten, or their data is gone."""
    cache = Cache(tmp_path / "cache")
    spec = ClusterSpec("demo", (KeyspaceSpec.parse("commerce:2"), KeyspaceSpec.parse("main")))
    layout = new_layout(spec, tmp_path / "data", list(range(21000, 21100)))
    layout.data_dir.mkdir()
    (layout.data_dir / CLUSTER_FILE).write_text(json.dumps(layout.to_json()), encoding="utf-8")
    registry.register(cache, "demo", layout.data_dir)
    registry.register(cache, "lost", tmp_path / "deleted")

    assert registry.names(cache) == ["demo"]
    assert registry.reserved_ports(cache) == layout.all_ports
    assert registry.data_dir_of(cache, "lost") is None

    with registry.free_ports(cache, 3) as ports:
        assert not layout.all_ports.intersection(ports)

    registry.forget(cache, "demo")
    assert registry.names(cache) == []


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "-a", "x" * 32])
def test_names_that_cannot_be_part_of_a_path_are_refused(name: str) -> None:
    """A name becomes a folder, a lock file and part of socket paths."""
    with pytest.raises(VitessLocalError, match="no cluster name"):
        registry.check_name(name)
