"""What is done to the cluster while it is written to and read. Each fault repairs what it breaks.

A fault that Vitess itself cannot carry out at that moment (a reparent while a tablet is slow to answer) raises; the
run then repairs the cluster and goes on.
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

from integration_tests.chaos.proxy import Proxy
from integration_tests.chaos.writer import Writer

#: Seconds in which a replica must have everything that its primary has, while nothing is written.
REPLICATION_SECONDS = 120


@dataclass
class Place:
    """What faults work on.

    Attributes:
        cluster: The cluster.
        keyspace: The keyspace.
        writer: Who writes.
        proxy: Before VTGate's gRPC port.
        rnd: Of the choices.
    """

    cluster: Cluster
    keyspace: str
    writer: Writer
    proxy: Proxy
    rnd: random.Random

    def shard(self) -> str:
        """Chooses a serving shard."""
        return self.rnd.choice(sorted(self.cluster.serving_shards(self.keyspace)))

    def tablets(self) -> list[Tablet]:
        """Lists the tablets of the serving shards."""
        serving = self.cluster.serving_shards(self.keyspace)
        return [t for t in self.cluster.tablets if t.keyspace == self.keyspace and t.shard in serving]

    def wait_for_replicas(self) -> None:
        """Waits until all replicas have what their primaries have. Nothing must be written meanwhile.

        Raises:
            VitessLocalError: That takes too long.
        """
        for tablet in self.tablets():
            primary = self.cluster.primary(self.keyspace, tablet.shard)
            if tablet == primary:
                continue
            with self.cluster.connect_tablet(primary.alias) as connection, connection.cursor() as cursor:
                cursor.execute("select @@global.gtid_executed")
                [(executed,)] = cursor.fetchall()
            with self.cluster.connect_tablet(tablet.alias) as connection, connection.cursor() as cursor:
                cursor.execute("select wait_for_executed_gtid_set(%s, %s)", (executed, REPLICATION_SECONDS))
                [(late,)] = cursor.fetchall()
            if late:
                raise VitessLocalError(f"{tablet.alias} does not replicate.")


def planned_reparent(place: Place) -> str:
    """Promotes a replica, as for a rolling upgrade."""
    return place.cluster.reparent(f"{place.keyspace}/{place.shard()}").alias


def emergency_reparent(place: Place) -> str:
    """Kills a primary, MySQL included, promotes a replica, and brings the old one back.

    Nothing is written in the moment before: as with semi-synchronous replication, no acknowledged write is lost.
    """
    shard = place.shard()
    with place.writer.paused():
        place.wait_for_replicas()
        old = place.cluster.kill_tablet(f"{place.keyspace}/{shard}", mysqld=True)
    place.cluster.reparent(f"{place.keyspace}/{shard}", emergency=True)
    time.sleep(place.rnd.uniform(0, 3))
    place.cluster.start_tablet(old.alias)
    return old.alias


def killed_tablet(place: Place) -> str:
    """Kills a vttablet, with or without its MySQL, and starts it again."""
    tablet = place.rnd.choice(place.tablets())
    place.cluster.kill_tablet(tablet.alias, mysqld=place.rnd.random() < 0.5)
    time.sleep(place.rnd.uniform(0, 6))
    place.cluster.start_tablet(tablet.alias)
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
    "planned reparent": (planned_reparent, 5),
    "emergency reparent": (emergency_reparent, 3),
    "killed tablet": (killed_tablet, 4),
    "hung tablet": (hung_tablet, 3),
    "restarted VTGate": (restarted_vtgate, 4),
    "dropped network": (dropped_network, 2),
    "stalled network": (stalled_network, 2),
}


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
    try:
        cluster.wait_ready(timeout=60)
    except VitessLocalError:
        for shard in sorted({tablet.shard for tablet in place.tablets()}):
            with suppress(VitessLocalError):
                cluster.reparent(f"{place.keyspace}/{shard}", emergency=True)
        cluster.wait_ready(timeout=120)
