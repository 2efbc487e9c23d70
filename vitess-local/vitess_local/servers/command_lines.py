"""The command line of every server of a cluster.

Everything listens on the loopback interface only. Flags are Vitess 24's, as printed
by `--help` (go/flags/endtoend/*.txt in the Vitess module); `Toolchain.vitess_argv` spells
them as another release does.
"""

from __future__ import annotations

from pathlib import Path

from vitess_local.install.toolchain import Toolchain
from vitess_local.servers.layout import CELL, Layout, Tablet
from vitess_local.servers.ports import LOOPBACK

GLOBAL_ROOT = "/vitess/global"
CELL_ROOT = f"/vitess/{CELL}"

# Vitess' default intervals suit large clusters. Here a change (a new tablet, a table, a
# migration) should be noticed within a second or two, so that tests need not wait.
_FAST = "1s"


def topo_flags(layout: Layout) -> list[str]:
    """Return the flags that lead any Vitess program to etcd."""
    return [
        "--topo-implementation=etcd2",
        f"--topo-global-server-address={LOOPBACK}:{layout.ports.etcd_client}",
        f"--topo-global-root={GLOBAL_ROOT}",
    ]


def _backup_flags(layout: Layout) -> list[str]:
    return [
        "--backup-storage-implementation=file",
        f"--file-backup-storage-root={layout.data_dir / 'backups'}",
    ]


def _listen_flags(http_port: int, grpc_port: int) -> list[str]:
    return [
        f"--bind-address={LOOPBACK}",
        f"--port={http_port}",
        f"--grpc-bind-address={LOOPBACK}",
        f"--grpc-port={grpc_port}",
        "--log-format=text",
    ]


def etcd_argv(toolchain: Toolchain, layout: Layout) -> list[str | Path]:
    """Return the command of etcd, which holds Vitess' topology."""
    client = f"http://{LOOPBACK}:{layout.ports.etcd_client}"
    peer = f"http://{LOOPBACK}:{layout.ports.etcd_peer}"
    return [
        toolchain.etcd,
        "--name=local",
        f"--data-dir={layout.data_dir / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        "--log-level=warn",
    ]


def vtctld_argv(toolchain: Toolchain, layout: Layout) -> list[str | Path]:
    """Return the command of vtctld, which carries out administrative commands."""
    words = [
        *topo_flags(layout),
        "--service-map=grpc-vtctl,grpc-vtctld",
        *_listen_flags(layout.ports.vtctld_http, layout.ports.vtctld_grpc),
        *_backup_flags(layout),
    ]
    return toolchain.vitess_argv("vtctld", words)


def vtgate_argv(toolchain: Toolchain, layout: Layout) -> list[str | Path]:
    """Return the command of vtgate, which clients and connectors talk to."""
    words = [
        *topo_flags(layout),
        f"--cell={CELL}",
        f"--cells-to-watch={CELL}",
        "--tablet-types-to-wait=PRIMARY",
        f"--tablet-refresh-interval={_FAST}",
        # Also the longest pause between attempts to reach a tablet that was down
        # (go/vt/discovery/tablet_health_check.go); the default is a minute.
        "--healthcheck-timeout=5s",
        "--service-map=grpc-vtgateservice",
        *_listen_flags(layout.ports.vtgate_http, layout.ports.vtgate_grpc),
        f"--mysql-server-port={layout.ports.vtgate_mysql}",
        f"--mysql-server-bind-address={LOOPBACK}",
        "--mysql-auth-server-impl=none",
        "--vschema-ddl-authorized-users=%",
        *layout.spec.vtgate_args,
    ]
    return toolchain.vitess_argv("vtgate", words)


def mysqld_argv(toolchain: Toolchain, layout: Layout, tablet: Tablet) -> list[str | Path]:
    """Return the command of a tablet's MySQL server, as mysqlctl would start it."""
    return [
        toolchain.mysqld,
        defaults_file(layout, tablet),
        f"--basedir={toolchain.mysql_root}",
    ]


def defaults_file(layout: Layout, tablet: Tablet) -> str:
    """Return the flag that names the tablet's settings; vttablet uses the same."""
    return f"--defaults-file={layout.data_dir / tablet.folder / 'my.cnf'}"


def vttablet_argv(toolchain: Toolchain, layout: Layout, tablet: Tablet) -> list[str | Path]:
    """Return the command of a tablet."""
    tracking = ["--track-schema-versions"] if layout.spec.track_schema_versions else []
    words = [
        *topo_flags(layout),
        f"--tablet-path={tablet.alias}",
        f"--tablet-hostname={LOOPBACK}",
        f"--init-keyspace={tablet.keyspace}",
        f"--init-shard={tablet.shard}",
        f"--init-tablet-type={tablet.kind}",
        "--service-map=grpc-queryservice,grpc-tabletmanager,grpc-updatestream",
        *_listen_flags(tablet.http_port, tablet.grpc_port),
        *_backup_flags(layout),
        "--health-check-interval=1s",
        # How soon replicas know a new table; the primary knows at once.
        "--queryserver-config-schema-reload-time=5s",
        "--queryserver-enable-views",
        # How often a submitted online schema change is looked at.
        "--migration-check-interval=2s",
        *tracking,
        *layout.spec.vttablet_args,
    ]
    return toolchain.vitess_argv("vttablet", words)
