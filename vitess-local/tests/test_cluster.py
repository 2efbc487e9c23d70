"""A real cluster, and what can be done to it.

One cluster of two shards with a replica each serves all tests of this module; each test
leaves it serving. It takes about a minute (and minutes more if nothing is installed yet).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vitess_local.cluster import Cluster
from vitess_local.errors import VitessLocalError
from vitess_local.servers.process_identity import ProcessRecord

pytestmark = pytest.mark.cluster

# With the process id, so that two runs at the same time do not share a cluster.
PREFIX = "test-"
NAME = f"{PREFIX}{os.getpid()}"
EXAMPLE = Path(__file__).resolve().parents[1] / "example"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster with the example's schema and some customers."""
    end_clusters_of_dead_runs()
    started = Cluster.up(NAME, keyspaces={"commerce": 2, "main": 1}, replicas=1, schema_dir=EXAMPLE)
    with started:
        add_customers(started, 20)
        yield started


def end_clusters_of_dead_runs() -> None:
    """A run that was killed could not end its cluster."""
    for name in Cluster.names():
        pid = name.removeprefix(PREFIX).partition("-")[0]
        if name.startswith(PREFIX) and pid.isdecimal() and ProcessRecord.of(int(pid)) is None:
            Cluster.find(name).down()


def add_customers(cluster: Cluster, count: int) -> None:
    """Insert rows that take their ids from the sequence and so go to both shards."""
    values = ", ".join(f"('customer {number}')" for number in range(count))
    cluster.sql("commerce", f"INSERT INTO customer (name) VALUES {values}")


def count_customers(cluster: Cluster, target: str = "commerce") -> int:
    """Count the customers of a keyspace or shard."""
    return int(cluster.sql(target, "SELECT COUNT(*) FROM customer")[0][0])


def gtid_executed(cluster: Cluster, tablet: str) -> str:
    """Return the position of one MySQL server."""
    with cluster.connect_tablet(tablet) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@global.gtid_executed")
        (position,) = cursor.fetchone() or ("",)
    return str(position).replace("\n", "")


def test_every_shard_has_its_own_mysql_server(cluster: Cluster) -> None:
    """What makes positions, failover and resharding behave as in production."""
    counts = [count_customers(cluster, f"commerce:{shard}") for shard in ("-80", "80-")]
    positions = {gtid_executed(cluster, f"commerce/{shard}") for shard in ("-80", "80-")}

    assert sum(counts) == count_customers(cluster)
    assert 0 not in counts
    assert len(positions) == 2


def test_status_names_every_tablet_and_process(cluster: Cluster) -> None:
    """This is also what `up` prints."""
    status = cluster.status()

    assert status["ready"] is True
    assert status["grpc_port"] == cluster.grpc_port
    assert sorted(seen["type"] for seen in status["health"]) == ["PRIMARY"] * 3 + ["REPLICA"] * 3
    assert all(status["pids"].values())


def test_servers_listen_on_loopback_only(cluster: Cluster) -> None:
    """Nothing of a test cluster can be reached from outside."""
    ports = {f"{port:04X}" for port in cluster._deployment.layout.all_ports}  # noqa: SLF001
    listening = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, port = local.rpartition(":")
            if state == "0A" and port in ports:
                listening[port] = address

    assert set(listening) == ports
    # 127.0.0.1 in the byte order of the machine's memory.
    assert set(listening.values()) == {"0100007F"}


def test_up_again_finds_the_running_cluster(cluster: Cluster) -> None:
    """With the same ports, and in another process."""
    words = [sys.executable, "-m", "vitess_local", "up", "--name", NAME, "--keyspace", "commerce:2"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == cluster.describe()


def test_a_connector_configuration_points_at_vtgate(cluster: Cluster) -> None:
    """The file on disk is what the Python interface returns."""
    path = Path(cluster.describe()["configs"]["commerce"])

    assert json.loads(path.read_text(encoding="utf-8")) == cluster.config("commerce")
    assert f":{cluster.grpc_port}/commerce?" in cluster.config("commerce")["url"]


def test_a_planned_reparent_moves_the_primary(cluster: Cluster) -> None:
    """The old primary goes on as replica, and nothing is lost."""
    before = count_customers(cluster)
    old = cluster.primary("commerce", "-80")
    new = cluster.reparent("commerce/-80")
    add_customers(cluster, 5)

    assert new != old
    assert cluster.primary("commerce", "-80") == new
    assert count_customers(cluster) == before + 5


def test_a_killed_primary_can_be_replaced_and_comes_back(cluster: Cluster) -> None:
    """After an emergency reparent the old primary follows the new one."""
    cluster.wait_replicated("commerce/80-")
    old = cluster.kill_tablet("commerce/80-", mysqld=True)
    new = cluster.reparent("commerce/80-", emergency=True)
    add_customers(cluster, 5)
    cluster.start_tablet(old.alias)

    assert new != old
    assert cluster.tablet("commerce/80-@replica") == old
    cluster.wait_ready()


def test_a_killed_primary_comes_back_writable(cluster: Cluster) -> None:
    """MySQL itself starts read-only."""
    killed = cluster.kill_tablet("commerce/-80", mysqld=True)
    with pytest.raises(VitessLocalError, match="not running"):
        cluster.kill_tablet(killed.alias)
    cluster.start_tablet(killed.alias)
    before = count_customers(cluster)
    add_customers(cluster, 10)

    assert count_customers(cluster) == before + 10


def test_purged_positions_are_gone(cluster: Cluster) -> None:
    """On every tablet of the shard."""
    before = gtid_executed(cluster, "commerce/80-")
    purged = cluster.purge_binlogs("commerce/80-")

    assert len(purged) == 2
    for gtids in purged.values():
        assert cluster.sql("commerce:80-", f"SELECT GTID_SUBSET('{before}', '{gtids}')") == [(1,)]


def test_schema_changes_reach_every_shard(cluster: Cluster) -> None:
    """Directly, and online with Vitess' own migrations."""
    assert cluster.ddl("commerce", "ALTER TABLE customer ADD COLUMN direct INT") == []
    migrations = cluster.ddl("commerce", "ALTER TABLE customer ADD COLUMN online INT DEFAULT 7", strategy="vitess")

    assert len(migrations) == 1
    for shard in ("-80", "80-"):
        rows = cluster.sql(f"commerce:{shard}", "SELECT DISTINCT direct, online FROM customer")
        assert rows == [(None, 7)]


def test_a_failed_migration_is_an_error_with_its_reason(cluster: Cluster) -> None:
    """Rather than an endless wait."""
    with pytest.raises(VitessLocalError, match="doesn't exist"):
        cluster.ddl("commerce", "ALTER TABLE missing ADD COLUMN c INT", strategy="vitess")


@pytest.mark.parametrize(("holds", "lacks"), [("-80", "80-"), ("80-", "-80")])
def test_a_migration_that_fails_on_one_shard_is_cancelled_on_the_others(
    cluster: Cluster, holds: str, lacks: str
) -> None:
    """Nothing changes the schema any more once the error has been raised, with the reason of the failed shard."""
    table = "only_upper" if holds == "80-" else "only_lower"
    with cluster.connect_tablet(cluster.primary("commerce", holds).alias) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE vt_commerce.{table} (id INT PRIMARY KEY)")
        connection.commit()
    with pytest.raises(VitessLocalError, match=f"Migration .* failed on commerce/{lacks}: .*doesn't exist"):
        cluster.ddl("commerce", f"ALTER TABLE {table} ADD COLUMN c INT", strategy="vitess --postpone-completion")

    with cluster.connect("commerce") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW VITESS_MIGRATIONS")
        names = [column[0] for column in cursor.description]
        states = [dict(zip(names, row, strict=True))["migration_status"] for row in cursor.fetchall()]
    assert set(states) <= {"complete", "failed", "cancelled"}
    assert "cancelled" in states


def test_vtgate_comes_back_on_the_same_ports(cluster: Cluster) -> None:
    """Clients lose their connection and can connect again."""
    before = cluster.server("vtgate").pid()
    cluster.restart_vtgate()

    assert cluster.server("vtgate").pid() != before
    assert count_customers(cluster) > 0


@pytest.fixture
def cluster_to_reshard() -> Iterator[Cluster]:
    """A cluster of its own: afterwards its shards are others, which no other test expects."""
    with Cluster.up(f"{NAME}-r", keyspaces={"commerce": 2, "main": 1}, schema_dir=EXAMPLE) as started:
        add_customers(started, 20)
        yield started


def test_a_reshard_can_be_stopped_and_continued(cluster_to_reshard: Cluster) -> None:
    """Every row is on the new shards in the end, those written on the way too, also on a way back."""
    cluster = cluster_to_reshard
    words = ("commerce", "-80,80-", "-55,55-aa,aa-")
    cluster.reshard(*words, stop_before="switch")
    assert cluster.serving_shards("commerce") == {"-80", "80-"}
    add_customers(cluster, 10)

    cluster.reshard(*words, stop_before="complete")
    assert cluster.serving_shards("commerce") == {"-55", "55-aa", "aa-"}
    add_customers(cluster, 10)
    cluster.reverse_reshard(*words)
    assert cluster.serving_shards("commerce") == {"-80", "80-"}
    add_customers(cluster, 10)
    cluster.reshard(*words, stop_before="complete")
    assert cluster.serving_shards("commerce") == {"-55", "55-aa", "aa-"}
    expected = count_customers(cluster)

    cluster.reshard(*words)
    cluster.reshard(*words)
    assert cluster.shards("commerce") == ["-55", "55-aa", "aa-"]
    assert sum(count_customers(cluster, f"commerce:{shard}") for shard in cluster.shards("commerce")) == expected
    cluster.wait_ready()


def test_data_can_be_kept_over_down_and_up(cluster: Cluster) -> None:
    """The cluster comes back with its ports and its rows, takes writes, and replicates."""
    before = count_customers(cluster)
    port = cluster.grpc_port
    cluster.down(keep_data=True)
    assert not any(cluster.describe()["pids"].values())

    again = Cluster.up(NAME)
    add_customers(again, 5)
    for shard in ("-80", "80-"):
        again.wait_replicated(f"commerce/{shard}")
    assert again.grpc_port == port
    assert count_customers(again) == before + 5


def test_a_cluster_that_cannot_start_says_why_and_leaves_nothing_running() -> None:
    """The reason is in the message; the logs are kept until the next attempt."""
    name = f"{NAME}-broken"
    with pytest.raises(VitessLocalError, match="no-such-flag") as raised:
        Cluster.up(name, keyspaces={"main": 1}, vtgate_args=["--no-such-flag=1"])
    broken = Cluster.find(name)

    assert raised.value.log is not None
    assert raised.value.log.is_file()
    assert not any(broken.describe()["pids"].values())
    broken.down()
    assert name not in Cluster.names()
