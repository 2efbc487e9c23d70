"""What is done to the cluster while it is written to and read. Each fault repairs what it breaks, but for replication.

Replicas that lag or have stopped stay so, until another fault or the next comparison changes that (`replication.py`).
A fault that Vitess itself cannot carry out at that moment (a reparent while a tablet is slow to answer) raises; the run
then repairs the cluster and goes on.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pymysql
from vitess_local.cluster import Cluster
from vitess_local.errors import VitessLocalError
from vitess_local.servers.layout import Tablet

from integration_tests.chaos import replication
from integration_tests.chaos.proxy import Proxy
from integration_tests.chaos.writer import Writer
from source_vitess.vitess_release import VitessRelease

#: Seconds in which a replica must have everything that its primary has, while nothing is written.
REPLICATION_SECONDS = 120

#: Numbers of tables that a restarted MySQL is made to give twice.
NUMBERS = 200


@dataclass
class Place:
    """What faults work on.

    Attributes:
        cluster: The cluster.
        keyspace: The keyspace.
        writer: Who writes.
        proxy: Before VTGate's gRPC port.
        rnd: Of the choices.
        kills_mysqld: Whether MySQL servers may be killed: the tables of an engine without transactions are lost by it.
    """

    cluster: Cluster
    keyspace: str
    writer: Writer
    proxy: Proxy
    rnd: random.Random
    kills_mysqld: bool = True

    def shard(self) -> str:
        """Chooses a serving shard."""
        return self.rnd.choice(sorted(self.cluster.serving_shards(self.keyspace)))

    def tablets(self) -> list[Tablet]:
        """Lists the tablets of the serving shards."""
        serving = self.cluster.serving_shards(self.keyspace)
        return [t for t in self.cluster.tablets if t.keyspace == self.keyspace and t.shard in serving]

    def replicas(self, shard: str | None = None) -> list[Tablet]:
        """Lists the tablets of the serving shards, or of one, that are not its primary."""
        tablets = [tablet for tablet in self.tablets() if shard in (None, tablet.shard)]
        primaries = {one: self.cluster.primary(self.keyspace, one) for one in {tablet.shard for tablet in tablets}}
        return [tablet for tablet in tablets if tablet != primaries[tablet.shard]]

    def wait_for_replicas(self) -> None:
        """Waits until all replicas have what their primaries have. Nothing must be written meanwhile.

        Raises:
            VitessLocalError: That takes too long.
        """
        for tablet in self.replicas():
            primary = self.cluster.primary(self.keyspace, tablet.shard)
            with self.cluster.connect_tablet(primary.alias) as connection, connection.cursor() as cursor:
                cursor.execute("select @@global.gtid_executed")
                [(executed,)] = cursor.fetchall()
            with self.cluster.connect_tablet(tablet.alias) as connection, connection.cursor() as cursor:
                cursor.execute("select wait_for_executed_gtid_set(%s, %s)", (executed, REPLICATION_SECONDS))
                [(late,)] = cursor.fetchall()
            if late:
                raise VitessLocalError(f"{tablet.alias} does not replicate.")


def planned_reparent(place: Place) -> str:
    """Promotes a replica, as for a rolling upgrade; Vitess refuses if it lags by much."""
    shard = place.shard()
    return place.cluster.reparent(f"{place.keyspace}/{shard}", to=_candidate(place, shard)).alias


def emergency_reparent(place: Place) -> str:
    """Kills a primary, MySQL included, promotes a replica, and brings the old one back.

    Nothing is written in the moment before, until a replica has received everything: as with semi-synchronous
    replication, no acknowledged write is lost. That the replicas have not applied it yet is for Vitess to wait for.
    """
    shard = place.shard()
    with place.writer.paused():
        receiver = place.rnd.choice([tablet for tablet in place.replicas(shard) if tablet.kind == "replica"])
        replication.wait_until_received(place.cluster, place.cluster.primary(place.keyspace, shard), receiver)
        old = place.cluster.kill_tablet(f"{place.keyspace}/{shard}", mysqld=place.kills_mysqld)
    place.cluster.reparent(f"{place.keyspace}/{shard}", emergency=True, to=_candidate(place, shard))
    time.sleep(place.rnd.uniform(0, 3))
    place.cluster.start_tablet(old.alias)
    return old.alias


def _candidate(place: Place, shard: str) -> str:
    return place.rnd.choice([tablet.alias for tablet in place.replicas(shard) if tablet.kind == "replica"])


def killed_tablet(place: Place) -> str:
    """Kills a vttablet, with or without its MySQL, and starts it again."""
    tablet = place.rnd.choice(place.tablets())
    ends_mysqld = place.kills_mysqld and place.rnd.random() < 0.5
    # Before, a stream that reads across it loses changes, of which only a warning tells.
    release = VitessRelease(str(place.cluster.describe()["vitess_version"]))
    mixes_up = ends_mysqld and release.numbers_transactions
    if mixes_up and place.cluster.primary(place.keyspace, tablet.shard) == tablet:
        _take_numbers(place.cluster, tablet)
    place.cluster.kill_tablet(tablet.alias, mysqld=ends_mysqld)
    time.sleep(place.rnd.uniform(0, 6))
    place.cluster.start_tablet(tablet.alias)
    if mixes_up:
        _give_new_numbers(place.cluster, tablet)
    return tablet.alias


def _take_numbers(cluster: Cluster, tablet: Tablet) -> None:
    """Has a table of no concern take many of the numbers by which a binary log names tables.

    After a restart others get them, and VTTablet can take these for it: see `source_vitess.vstream.binlog_files`.
    """
    with cluster.connect_tablet(tablet.alias) as connection, connection.cursor() as cursor:
        cursor.execute("create database if not exists elsewhere")
        cursor.execute("create table if not exists elsewhere.t (id int auto_increment primary key)")
        for _ in range(NUMBERS):
            cursor.execute("flush local tables elsewhere.t")
            cursor.execute("insert into elsewhere.t () values ()")
            connection.commit()


def _give_new_numbers(cluster: Cluster, tablet: Tablet) -> None:
    """Has the tables that are written to take number after number, up to those of before the restart."""
    with cluster.connect_tablet(tablet.alias) as connection, connection.cursor() as cursor:
        # A copy that reads a table keeps others waiting behind this.
        cursor.execute("set session lock_wait_timeout = 1")
        for _ in range(NUMBERS // 10):
            with suppress(pymysql.OperationalError):
                cursor.execute("flush local tables")
            time.sleep(0.05)


def lagging_replica(place: Place) -> str:
    """Has a replica apply everything some seconds late."""
    tablet = place.rnd.choice(place.replicas())
    seconds = round(min(60.0, 2 ** place.rnd.uniform(0, 6)))
    replication.delay(place.cluster, tablet, seconds)
    return f"{tablet.alias} by {seconds} s"


def stopped_replica(place: Place) -> str:
    """Stops a replica's replication, or one of its threads; for good only if others of its type are left."""
    tablet = place.rnd.choice(place.replicas())
    thread = place.rnd.choice(["", "io_thread", "sql_thread"])
    replication.stop(place.cluster, tablet, thread)
    others = [one for one in place.replicas(tablet.shard) if one != tablet and one.kind == tablet.kind]
    if others and place.rnd.random() < 0.5:
        return f"{tablet.alias} {thread}"
    seconds = place.rnd.uniform(1, 15)
    time.sleep(seconds)
    replication.restart(place.cluster, tablet)
    return f"{tablet.alias} {thread} for {seconds:.1f} s"


def restarted_replication(place: Place) -> str:
    """Starts a replica's replication anew, without a delay."""
    tablet = place.rnd.choice(place.replicas())
    replication.restart(place.cluster, tablet)
    return tablet.alias


def hung_tablet(place: Place) -> str:
    """Stops a vttablet in its tracks for some seconds, without ending its connections."""
    tablet = place.rnd.choice(place.tablets())
    place.cluster.kill_tablet(tablet.alias, number=signal.SIGSTOP)
    try:
        time.sleep(place.rnd.uniform(1, 12))
    finally:
        place.cluster.kill_tablet(tablet.alias, number=signal.SIGCONT)
    return tablet.alias


def restarted_vtgate(place: Place) -> str:
    """Ends VTGate, orderly or not, and starts it again."""
    number = place.rnd.choice([signal.SIGTERM, signal.SIGKILL])
    place.cluster.restart_vtgate(number=number)
    return number.name


def dropped_network(place: Place) -> str:
    """Loses the connections to VTGate's gRPC port; neither side is told."""
    place.proxy.drop()
    return ""


def stalled_network(place: Place) -> str:
    """Holds everything between the connector and VTGate's gRPC port up for some seconds."""
    place.proxy.pause()
    try:
        time.sleep(place.rnd.uniform(1, 10))
    finally:
        place.proxy.go_on()
    return ""


Fault = Callable[[Place], str]

#: By name: what it does, and how often it is chosen.
FAULTS: dict[str, tuple[Fault, int]] = {
    "planned reparent": (planned_reparent, 4),
    "emergency reparent": (emergency_reparent, 3),
    "killed tablet": (killed_tablet, 4),
    "lagging replica": (lagging_replica, 9),
    "stopped replica": (stopped_replica, 5),
    "restarted replication": (restarted_replication, 3),
    "hung tablet": (hung_tablet, 3),
    "restarted VTGate": (restarted_vtgate, 4),
    "dropped network": (dropped_network, 2),
    "stalled network": (stalled_network, 2),
}


def heal(place: Place) -> None:
    """Has every replica replicate again, without a delay, as far as it runs."""
    for tablet in place.replicas():
        with suppress(VitessLocalError, pymysql.MySQLError):
            replication.restart(place.cluster, tablet)


def repair(place: Place) -> None:
    """Brings everything up again after a fault that was not carried out to its end.

    Raises:
        VitessLocalError: The cluster does not come back.
    """
    place.proxy.go_on()
    cluster = place.cluster
    for tablet in place.tablets():
        vttablet = cluster.server(f"vttablet-{tablet.uid}")
        if vttablet.pid() is not None:
            vttablet.signal(signal.SIGCONT)
    for tablet in place.tablets():
        running = all(cluster.server(f"{kind}-{tablet.uid}").pid() is not None for kind in ("vttablet", "mysqld"))
        if not running:
            with suppress(VitessLocalError, pymysql.MySQLError):
                cluster.start_tablet(tablet.alias, wait=False)
    if cluster.server("vtgate").pid() is None:
        cluster.restart_vtgate()
    # What a reparent was refused for, and a shard that is asked for a new primary needs.
    heal(place)
    try:
        cluster.wait_ready(timeout=60)
    except VitessLocalError:
        for shard in sorted({tablet.shard for tablet in place.tablets()}):
            with suppress(VitessLocalError):
                cluster.reparent(f"{place.keyspace}/{shard}", emergency=True)
        cluster.wait_ready(timeout=120)
