"""Creates, starts, ends and deletes clusters, and keeps processes from interfering.

Two kinds of lock: one per cluster, held while its topology changes, and one for the
choice of ports, held from looking at them until they are written down.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from vitess_local.cache import Cache
from vitess_local.install.account import Account, server_account
from vitess_local.install.toolchain import Toolchain
from vitess_local.operations.bringup import bring_up
from vitess_local.operations.parallel import at_once
from vitess_local.progress import Report
from vitess_local.servers import registry
from vitess_local.servers.deployment import Deployment, check_data_dir
from vitess_local.servers.layout import ClusterSpec, Ports, new_layout, ports_needed
from vitess_local.servers.server import kill_all

# Written when a new cluster has served for the first time, schemas included.
_COMPLETE_MARK = "complete"

# vttablet gives running queries a few seconds, mysqld writes its pages out.
_STOP_SECONDS = 60.0


def up(
    cache: Cache,
    toolchain: Toolchain,
    spec: ClusterSpec,
    data_dir: Path,
    *,
    timeout: float,
    report: Report,
) -> Deployment:
    """Start a cluster: a new one, or the known one of this name with its own settings."""
    account = server_account(cache.locks)
    with registry.cluster_lock(cache, spec.name, report):
        known = _known(cache, spec.name, account, report)
        if known is None:
            deployment = _lay_out(cache, toolchain, spec, data_dir, account)
            _bring_up_new(deployment, timeout, report)
            return deployment
        report(f"{spec.name} exists already and keeps the settings it was created with")
        if any(server.pid() is None for server in known.servers().values()):
            bring_up(known, new=False, timeout=timeout, report=report)
        return known


def _known(cache: Cache, name: str, account: Account, report: Report) -> Deployment | None:
    data_dir = registry.data_dir_of(cache, name)
    if data_dir is None:
        return None
    deployment = Deployment.load(data_dir, account)
    if (data_dir / _COMPLETE_MARK).is_file():
        return deployment
    report(f"{name} was never started completely; starting afresh")
    wipe(cache, deployment)
    return None


def _lay_out(cache: Cache, toolchain: Toolchain, spec: ClusterSpec, data_dir: Path, account: Account) -> Deployment:
    """Reserve ports and create the folder of a new cluster."""
    check_data_dir(data_dir)
    shards = sum(len(keyspace.shards) for keyspace in spec.keyspaces)
    with registry.free_ports(cache, Ports.COUNT + ports_needed(spec, shards)) as ports:
        deployment = Deployment(new_layout(spec, data_dir, ports), toolchain, account)
        deployment.create_folders()
        deployment.save()
        registry.register(cache, spec.name, data_dir)
    return deployment


def _bring_up_new(deployment: Deployment, timeout: float, report: Report) -> None:
    """Start a new cluster; if that fails, end what has started and keep the logs."""
    try:
        bring_up(deployment, new=True, timeout=timeout, report=report)
    except BaseException:
        kill_all(deployment.servers().values())
        report(f"{deployment.layout.spec.name} did not start; its logs are in {deployment.log_dir}")
        raise
    (deployment.data_dir / _COMPLETE_MARK).touch()


def stop(deployment: Deployment) -> None:
    """End every server in order and keep the data."""
    tablets = deployment.layout.tablets
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
    kill_all(deployment.servers().values())
    shutil.rmtree(deployment.data_dir)
    registry.forget(cache, deployment.layout.spec.name)
