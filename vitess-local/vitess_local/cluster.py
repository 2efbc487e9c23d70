"""A Vitess cluster to use from Python: start it, talk to it, break it, end it.

    from vitess_local.cluster import Cluster

    with Cluster.up("demo", keyspaces={"commerce": 2, "main": 1}, replicas=1) as cluster:
        cluster.load_schema("schemas")                  # schemas/<keyspace>/*.sql, vschema.json
        cluster.sql("commerce", "INSERT INTO customer …")
        rows = cluster.sql("commerce:-80@primary", "SELECT * FROM customer")
        config = cluster.config("commerce")             # {"url": "vitess://127.0.0.1:…"}
        cluster.reparent("commerce/-80")
        cluster.reshard("commerce", ["-80", "80-"], ["-40", "40-80", "80-c0", "c0-"])

Leaving the `with` ends the cluster and deletes its data. Without `with`, the cluster
outlives the process; `Cluster.find("demo")` returns it again.

Places are written as in Vitess: a target for SQL is `commerce`, `commerce:-80` or
`commerce:-80@replica`; a tablet is `zone1-0000000100`, its number `100`, or a shard,
`commerce/-80`, which means the shard's primary (`commerce/-80@replica`: a replica).

Every method waits until what it started is in effect, for a bounded time, and raises
`VitessLocalError` if it does not come. Statements fail with PyMySQL's own errors.
A `Cluster` may be used from several threads; changes of the layout exclude each other.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install.account import server_account
from vitess_local.install.pair import Pair
from vitess_local.install.releases import find_release
from vitess_local.install.steps import ensure_installed, ensure_vitess
from vitess_local.operations import (
    binlogs,
    failover,
    faults,
    lifecycle,
    replication,
    resharding,
    schema,
    tablets,
    versions,
)
from vitess_local.operations.resharding import Reshard, ReshardStep
from vitess_local.operations.routing import read_routing
from vitess_local.operations.serving import wait_for_service
from vitess_local.operations.shards import add_tablets, remove_tablets, start_shards
from vitess_local.operations.status import describe, status
from vitess_local.progress import Report, report_to_stderr
from vitess_local.servers import registry
from vitess_local.servers.connections import connect_mysqld, connect_vtgate
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.extra_gate import Gate, extra_gate
from vitess_local.servers.keyspaces import KeyspaceSpec, Shards, parse_keyspace_shard, shard_names
from vitess_local.servers.layout import ClusterSpec, Tablet
from vitess_local.servers.mysql_client import Connection, Rows, query
from vitess_local.servers.server import Server
from vitess_local.servers.vtctl import client_argv, vtctl

DEFAULT_NAME = "local"


class Cluster:
    """A handle on one cluster; see the module's docstring."""

    def __init__(self, cache: Cache, deployment: Deployment, report: Report) -> None:
        self._cache = cache
        self._deployment = deployment
        self._report = report

    @classmethod
    def up(
        cls,
        name: str = DEFAULT_NAME,
        *,
        keyspaces: Mapping[str, Shards] | None = None,
        replicas: int = 0,
        rdonly: int = 0,
        schema_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
        track_schema_versions: bool = True,
        durability_policy: str = "none",
        vttablet_args: Sequence[str] = (),
        vtgate_args: Sequence[str] = (),
        mysql_settings: Mapping[str, str] | None = None,
        vitess_version: str | None = None,
        mysql_version: str | None = None,
        timeout: float = 180.0,
        report: Report = report_to_stderr,
    ) -> Cluster:
        """Start a cluster, installing Vitess first if need be, and wait until it serves.

        A shard has one primary, and `replicas` and `rdonly` tablets besides. A cluster of
        this name that runs, or was ended with its data kept, keeps its own settings: the other
        arguments are then ignored. Versions are written as in `22.4` (Vitess 22.0.4) and `8.0`;
        see `vitess_local.install.pair` for what is taken without them.
        """
        wanted = {"commerce": 2} if keyspaces is None else keyspaces
        spec = ClusterSpec(
            name=registry.check_name(name),
            keyspaces=tuple(KeyspaceSpec.of(key, shards) for key, shards in wanted.items()),
            replicas=replicas,
            rdonly=rdonly,
            track_schema_versions=track_schema_versions,
            durability_policy=durability_policy,
            schema_dir=None if schema_dir is None else Path(schema_dir).absolute(),
            vttablet_args=tuple(vttablet_args),
            vtgate_args=tuple(vtgate_args),
            mysql_settings=dict(mysql_settings or {}),
        )
        folder = registry.default_data_dir(name) if data_dir is None else Path(data_dir).absolute()
        cache = Cache.default()
        toolchain = ensure_installed(cache, Pair.of(vitess_version, mysql_version))
        deployment = lifecycle.up(cache, toolchain, spec, folder, timeout=timeout, report=report)
        return cls(cache, deployment, report)

    @classmethod
    def find(cls, name: str = DEFAULT_NAME, *, report: Report = report_to_stderr) -> Cluster:
        """Return a cluster that was started before, running or not."""
        cache = Cache.default()
        folder = registry.data_dir_of(cache, name)
        if folder is None:
            known = ", ".join(registry.names(cache)) or "none"
            raise VitessLocalError(f"There is no cluster {name} (known: {known}).")
        return cls(cache, Deployment.load(folder, server_account(cache.locks)), report)

    @staticmethod
    def names() -> list[str]:
        """Return the names of all known clusters."""
        return registry.names(Cache.default())

    # What it is.

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self._deployment.layout.spec.name

    @property
    def grpc_port(self) -> int:
        """VTGate's gRPC port, which VStream uses."""
        return self._deployment.layout.ports.vtgate_grpc

    @property
    def mysql_port(self) -> int:
        """VTGate's MySQL port."""
        return self._deployment.layout.ports.vtgate_mysql

    @property
    def data_dir(self) -> Path:
        """The cluster's folder."""
        return self._deployment.data_dir

    @property
    def log_dir(self) -> Path:
        """The servers' logs."""
        return self._deployment.log_dir

    @property
    def tablets(self) -> tuple[Tablet, ...]:
        """All tablets, whatever their present type."""
        return self._deployment.layout.tablets

    def shards(self, keyspace: str) -> list[str]:
        """Return the shards of a keyspace that have tablets, serving or not."""
        return [shard for _, shard in self._deployment.layout.shards(keyspace)]

    def serving_shards(self, keyspace: str) -> set[str]:
        """Return the shards of a keyspace that take writes."""
        return {shard for owner, shard in read_routing(self._deployment).writable if owner == keyspace}

    def primary(self, keyspace: str, shard: str) -> Tablet:
        """Return the present primary of a shard, as the topology records it."""
        return tablets.primary_of(self._deployment, keyspace, shard)

    def tablet(self, selector: str) -> Tablet:
        """Return a tablet by alias, number, or shard."""
        return tablets.find_tablet(self._deployment, selector)

    def config(self, keyspace: str) -> dict[str, str]:
        """Return the connector's configuration for a keyspace."""
        return self._deployment.connector_configs()[keyspace]

    def describe(self) -> dict[str, Any]:
        """Return ports, tablets, folders and process ids, ready for JSON."""
        return describe(self._deployment)

    def status(self) -> dict[str, Any]:
        """Return `describe()` together with what VTGate reports: `ready`, `missing`, `health`."""
        return status(self._deployment)

    def server(self, name: str) -> Server:
        """Return a server process by name, such as `vtgate`, `vttablet-100` or `mysqld-100`."""
        found = self._deployment.servers().get(name)
        if found is None:
            raise VitessLocalError(f"There is no server {name}.")
        return found

    # Talking to it.

    def connect(self, target: str = "", **options: Any) -> Connection:
        """Return a PyMySQL connection through VTGate; `options` go to `pymysql.connect`."""
        return connect_vtgate(self._deployment, target, **options)

    def connect_tablet(self, selector: str, **options: Any) -> Connection:
        """Return a PyMySQL connection to a tablet's own MySQL server, past Vitess.

        The database of keyspace `ks` is named `vt_ks` there. What is written to a primary
        this way is replicated; what is written to a replica makes errant positions.
        """
        return connect_mysqld(self._deployment, self.tablet(selector), **options)

    def sql(self, target: str, text: str) -> Rows:
        """Run one statement through VTGate and return its rows."""
        with self.connect(target) as connection:
            return query(connection, text)

    def vtctl(self, *words: str) -> str:
        """Run a `vtctldclient` command and return what it printed."""
        return vtctl(self._deployment, *words)

    def vtctldclient_argv(self) -> list[str]:
        """Return the command that talks to this cluster's vtctld; append words to it."""
        return client_argv(self._deployment)

    def load_schema(self, schema_dir: str | Path) -> None:
        """Apply DIR/<keyspace>/vschema.json and DIR/<keyspace>/*.sql."""
        schema.load_schema_dir(self._deployment, Path(schema_dir), self._report)

    def apply_vschema(self, keyspace: str, file: str | Path) -> None:
        """Replace the VSchema of a keyspace by a JSON file's."""
        schema.apply_vschema(self._deployment, keyspace, Path(file))

    def load_sql(self, target: str, script: str) -> None:
        """Run a script of several statements through VTGate."""
        schema.load_sql(self._deployment, target, script)

    def reload_schema(self, keyspace: str) -> None:
        """Make every tablet of a keyspace know its tables now."""
        schema.reload_schema(self._deployment, keyspace)

    def ddl(self, keyspace: str, sql: str, *, strategy: str = "direct") -> list[str]:
        """Change a keyspace's schema on all shards and wait for the end.

        With `strategy="vitess"` the change runs online; returns the migrations' ids.
        """
        return schema.run_ddl(self._deployment, keyspace, sql, strategy, self._report)

    # Changing and breaking it.

    def add_shards(self, keyspace: str, shards: Shards) -> None:
        """Start tablets for more shards of a keyspace, each with a primary.

        Shards that overlap the serving ones do not serve until a reshard switches to them.
        """
        with self._exclusively():
            self._add_shards(keyspace, shard_names(shards))

    def reshard(
        self,
        keyspace: str,
        sources: Shards,
        targets: Shards,
        *,
        stop_before: str | None = None,
        keep_old_shards: bool = False,
        reverse: bool = True,
    ) -> None:
        """Reshard, or go on with a reshard that was stopped.

        `stop_before` is `create` (only start the new tablets), `switch` (data copied and
        kept up to date) or `complete` (traffic switched). After `complete` the old tablets
        are ended and deleted, unless `keep_old_shards` leaves their processes running. With
        `reverse`, Vitess' default, what is written after the switch goes to the old shards too.
        An unsharded keyspace needs a sharded VSchema first.
        """
        last = None if stop_before is None else ReshardStep(stop_before)
        reshard = Reshard(keyspace, shard_names(sources), shard_names(targets))
        with self._exclusively():
            if not resharding.is_switched(self._deployment, reshard):
                self._add_shards(keyspace, reshard.targets)
            if last is ReshardStep.CREATE:
                return
            resharding.create(self._deployment, reshard, self._report)
            if last is ReshardStep.SWITCH:
                return
            resharding.switch(self._deployment, reshard, self._report, reverse=reverse)
            if last is ReshardStep.COMPLETE:
                return
            resharding.complete(self._deployment, reshard, self._report)
            if not keep_old_shards:
                self._drop_shards(keyspace, reshard.sources)

    def reverse_reshard(self, keyspace: str, sources: Shards, targets: Shards) -> None:
        """Send the traffic of a reshard that is not completed back to the old shards.

        The new ones are kept up to date, so that `reshard` can switch to them again.
        """
        with self._exclusively():
            resharding.reverse(
                self._deployment, Reshard(keyspace, shard_names(sources), shard_names(targets)), self._report
            )

    def reparent(self, keyspace_shard: str, *, emergency: bool = False, to: str | None = None) -> Tablet:
        """Promote another tablet (`to`, or any running replica) and return it."""
        keyspace, shard = parse_keyspace_shard(keyspace_shard)
        return failover.reparent(self._deployment, keyspace, shard, emergency=emergency, to=to, report=self._report)

    def kill_tablet(self, selector: str, *, number: signal.Signals = signal.SIGKILL, mysqld: bool = False) -> Tablet:
        """Send a signal to a tablet's vttablet, and to its mysqld too if wanted."""
        return faults.kill_tablet(self._deployment, selector, number=number, with_mysqld=mysqld)

    def wait_replicated(self, keyspace_shard: str) -> None:
        """Wait until every running replica of a shard has what its primary has now.

        Before a primary is killed for good: what its replicas lack then is lost.
        """
        replication.wait_replicated(self._deployment, *parse_keyspace_shard(keyspace_shard), report=self._report)

    def start_tablet(self, selector: str, *, wait: bool = True) -> Tablet:
        """Start a tablet again; with `wait`, return when VTGate sees it serving."""
        return faults.start_tablet(self._deployment, selector, wait=wait, report=self._report)

    def restart_vtgate(self, *, number: signal.Signals = signal.SIGTERM) -> None:
        """End VTGate, which cuts every connection and stream, and start it again."""
        faults.restart_vtgate(self._deployment, number=number, report=self._report)

    def change_vitess(self, server: str, version: str) -> None:
        """Restart `vtctld`, `vtgate` or a tablet's vttablet with another release of Vitess, such as `24.4`.

        Its data, and the tablet's MySQL server, stay. In Vitess' own order vtctld comes first, then each shard's
        replicas and its primary, then VTGate.
        """
        release = find_release(version)
        root = ensure_vitess(self._cache, release)
        with self._exclusively():
            self._deployment = versions.change_vitess(self._deployment, server, release, root, self._report)

    def change_mysql(self, tablet: str, version: str) -> None:
        """Give a replica a new MySQL server of another version, such as `8.0`, or `newest`.

        Its data are replicated anew, for which the primary needs all of its binary logs. The replica's Vitess stays.
        In an upgrade replicas come first, then a `reparent`, then the old primaries.
        """
        with self._exclusively():
            mysql = ensure_installed(self._cache, Pair.of(self._deployment.toolchain.vitess_version, version))
            self._deployment = versions.change_mysql(self._deployment, tablet, mysql, self._report)

    @contextmanager
    def extra_gate(self, name: str, *args: str) -> Iterator[Gate]:
        """Run a VTGate besides the cluster's own, with more flags, until the end of the `with` block.

        Flags such as `--grpc-cert=…` or `--mysql-auth-server-impl=static` come last and so win. Its ports take
        connections when it is returned; it may see the tablets a moment later.
        """
        with extra_gate(self._cache, self._deployment, name, args, self._report) as gate:
            yield gate

    def purge_binlogs(self, selector: str) -> dict[str, str]:
        """Make a shard's tablets, or one tablet, forget all positions up to now.

        Returns `gtid_purged` by tablet alias.
        """
        return binlogs.purge(self._deployment, selector, self._report)

    def wait_ready(self, *, timeout: float = 60.0) -> None:
        """Wait until every serving shard and every tablet that should serve does."""
        wait_for_service(self._deployment, self._report, timeout=timeout)

    def down(self, *, keep_data: bool = False) -> None:
        """End every server; delete the data unless it is to be kept for another `up`."""
        with self._exclusively():
            if keep_data:
                lifecycle.stop(self._deployment)
            else:
                lifecycle.wipe(self._cache, self._deployment)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Keep other processes from changing the layout, and load what they changed before."""
        with registry.cluster_lock(self._cache, self.name, self._report):
            self._deployment = Deployment.load(self.data_dir, self._deployment.account)
            yield

    def _add_shards(self, keyspace: str, shards: tuple[str, ...]) -> None:
        known = self.shards(keyspace)
        missing = tuple(shard for shard in shards if shard not in known)
        self._deployment = add_tablets(self._cache, self._deployment, keyspace, missing)
        start_shards(self._deployment, keyspace, shards, self._report)

    def _drop_shards(self, keyspace: str, shards: tuple[str, ...]) -> None:
        self._deployment = remove_tablets(self._deployment, keyspace, shards)
