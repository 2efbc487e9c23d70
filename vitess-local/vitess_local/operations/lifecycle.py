"""Creates, starts, ends and deletes clusters, and keeps processes from interfering.

Two kinds of lock: one per cluster, held while its topology changes, and one for the
choice of ports, held from looking at them until they are written down.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install.account import Account, server_account
from vitess_local.install.toolchain import Toolchain
from vitess_local.locks import locked
from vitess_local.operations.bringup import at_once, bring_up
from vitess_local.progress import Tell
from vitess_local.servers import registry
from vitess_local.servers.deployment import Deployment, check_data_dir
from vitess_local.servers.extra_gate import PORTS, Gate, running_gate
from vitess_local.servers.layout import ClusterSpec, Ports, Tablet, new_topology, ports_needed
from vitess_local.servers.ports import choose_ports
from vitess_local.servers.server import Server

# Written when a new cluster has served for the first time, schemas included.
_COMPLETE_MARK = "complete"

_CLUSTER_LOCK_SECONDS = 900.0
_PORT_LOCK_SECONDS = 60.0

# vttablet gives running queries a few seconds, mysqld writes its pages out.
_STOP_SECONDS = 60.0


@contextmanager
def cluster_lock(cache: Cache, name: str, tell: Tell) -> Iterator[None]:
    """Keep other processes from changing this cluster."""
    path = cache.locks / f"cluster-{registry.check_name(name)}.lock"

    def on_wait(holder: str) -> None:
        tell(f"process {holder} is changing {name}; waiting for it")

    with locked(path, timeout=_CLUSTER_LOCK_SECONDS, on_wait=on_wait):
        yield


@contextmanager
def _port_lock(cache: Cache) -> Iterator[None]:
    with locked(cache.locks / "ports.lock", timeout=_PORT_LOCK_SECONDS):
        yield


def up(
    cache: Cache,
    toolchain: Toolchain,
    spec: ClusterSpec,
    data_dir: Path,
    *,
    timeout: float,
    tell: Tell,
) -> Deployment:
    """Start a cluster: a new one, or the known one of this name with its own settings."""
    account = server_account(cache.locks)
    with cluster_lock(cache, spec.name, tell):
        known = _known(cache, spec.name, account, tell)
        if known is None:
            deployment = _lay_out(cache, toolchain, spec, data_dir, account)
            _bring_up_new(deployment, timeout, tell)
            return deployment
        tell(f"{spec.name} exists already and keeps the settings it was created with")
        if any(server.pid() is None for server in known.servers().values()):
            bring_up(known, new=False, timeout=timeout, tell=tell)
        return known


def _known(cache: Cache, name: str, account: Account, tell: Tell) -> Deployment | None:
    data_dir = registry.data_dir_of(cache, name)
    if data_dir is None:
        return None
    deployment = Deployment.load(data_dir, account)
    if (data_dir / _COMPLETE_MARK).is_file():
        return deployment
    tell(f"{name} was never started completely; starting afresh")
    wipe(cache, deployment)
    return None


def _lay_out(cache: Cache, toolchain: Toolchain, spec: ClusterSpec, data_dir: Path, account: Account) -> Deployment:
    """Reserve ports and create the folder of a new cluster."""
    check_data_dir(data_dir)
    shards = sum(len(keyspace.shards) for keyspace in spec.keyspaces)
    with _port_lock(cache):
        ports = choose_ports(Ports.COUNT + ports_needed(spec, shards), registry.reserved_ports(cache))
        deployment = Deployment(new_topology(spec, data_dir, ports), toolchain, account)
        deployment.create_folders()
        deployment.save()
        registry.register(cache, spec.name, data_dir)
    return deployment


def _bring_up_new(deployment: Deployment, timeout: float, tell: Tell) -> None:
    """Start a new cluster; if that fails, end what has started and keep the logs."""
    try:
        bring_up(deployment, new=True, timeout=timeout, tell=tell)
    except BaseException:
        _kill(deployment.servers().values())
        tell(f"{deployment.topology.spec.name} did not start; its logs are in {deployment.log_dir}")
        raise
    (deployment.data_dir / _COMPLETE_MARK).touch()


def stop(deployment: Deployment) -> None:
    """End every server in order and keep the data."""
    tablets = deployment.topology.tablets
    deployment.vtgate.stop(_STOP_SECONDS)
    for group in (
        [deployment.vttablet(tablet) for tablet in tablets],
        [deployment.mysqld(tablet) for tablet in tablets],
        [deployment.vtctld],
        [deployment.etcd],
    ):
        at_once(lambda server: server.stop(_STOP_SECONDS), group)


def wipe(cache: Cache, deployment: Deployment) -> None:
    """End every server at once and delete the cluster."""
    _kill(deployment.servers().values())
    shutil.rmtree(deployment.data_dir)
    registry.forget(cache, deployment.topology.spec.name)


def _kill(servers: Iterable[Server]) -> None:
    """End servers whose data is of no more use."""
    chosen = list(servers)
    for server in chosen:
        server.signal(signal.SIGKILL)
    for server in chosen:
        if not server.wait_ended(_STOP_SECONDS):
            raise VitessLocalError(f"{server.name} (process {server.pid()}) cannot be ended.")


@contextmanager
def extra_gate(cache: Cache, deployment: Deployment, name: str, args: Sequence[str], tell: Tell) -> Iterator[Gate]:
    """Start a VTGate besides the cluster's own on free ports, and end it afterwards."""
    with ExitStack() as stack:
        with _port_lock(cache):
            ports = choose_ports(PORTS, registry.reserved_ports(cache))
            # Until it listens, another process could choose the same ports.
            gate = stack.enter_context(running_gate(deployment, name, ports, args, tell))
        yield gate


def add_tablets(cache: Cache, deployment: Deployment, keyspace: str, shards: tuple[str, ...]) -> Deployment:
    """Lay out tablets for more shards; nothing is started."""
    topology = deployment.topology
    if keyspace not in {known.name for known in topology.spec.keyspaces}:
        raise VitessLocalError(f"There is no keyspace {keyspace}.")
    with _port_lock(cache):
        ports = choose_ports(ports_needed(topology.spec, len(shards)), registry.reserved_ports(cache))
        grown = deployment.with_topology(topology.with_shards(keyspace, shards, ports))
        grown.save()
    return grown


def remove_tablets(deployment: Deployment, keyspace: str, shards: tuple[str, ...]) -> Deployment:
    """End the tablets of shards that Vitess no longer knows and delete their data."""
    gone: list[Tablet] = [
        tablet for tablet in deployment.topology.tablets if tablet.keyspace == keyspace and tablet.shard in shards
    ]
    _kill(server(tablet) for tablet in gone for server in (deployment.vttablet, deployment.mysqld))
    for tablet in gone:
        shutil.rmtree(deployment.tablet_dir(tablet), ignore_errors=True)
    shrunk = deployment.with_topology(deployment.topology.without_shards(keyspace, shards))
    shrunk.save()
    return shrunk
