"""Which shards are in use."""

from pathlib import Path

from vitess_local.operations.routing import Routing
from vitess_local.servers.keyspaces import KeyspaceSpec
from vitess_local.servers.layout import ClusterSpec, new_layout


def partition(served: object, *shards: str, off: tuple[str, ...] = ()) -> dict[str, object]:
    """Make a partition of a SrvKeyspace."""
    return {
        "served_type": served,
        "shard_references": [{"name": shard} for shard in shards],
        "shard_tablet_controls": [{"name": shard, "query_service_disabled": True} for shard in off],
    }


def test_reads_can_be_switched_before_writes() -> None:
    """In the middle of a reshard the types use different shards."""
    routing = Routing.parse({"k": {"partitions": [partition(1, "-"), partition("REPLICA", "-80", "80-")]}})

    assert routing.writable == [("k", "-")]
    assert routing.uses("k", "-80", "REPLICA")
    assert not routing.uses("k", "-", "REPLICA")
    assert not routing.uses("k", "-", "RDONLY")


def test_a_shard_that_refuses_queries_is_not_in_use() -> None:
    """Vitess marks shards so before it changes the partition."""
    routing = Routing.parse({"k": {"partitions": [partition(1, "-80", "80-", off=("80-",))]}})

    assert routing.writable == [("k", "-80")]


def test_a_keyspace_without_partitions_serves_nothing() -> None:
    """A keyspace none of whose shards has a primary yet."""
    assert Routing.parse({"k": {}}).writable == []


def test_in_a_new_cluster_everything_is_in_use() -> None:
    """No two shards overlap."""
    spec = ClusterSpec("demo", (KeyspaceSpec.parse("b:2"), KeyspaceSpec.parse("a")))
    routing = Routing.everything(new_layout(spec, Path("/d"), list(range(21000, 21100))))

    assert routing.writable == [("a", "0"), ("b", "-80"), ("b", "80-")]
    assert routing.uses("b", "80-", "RDONLY")
