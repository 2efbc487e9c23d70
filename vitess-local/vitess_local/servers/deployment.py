"""A cluster on disk: its values, its folder and its server processes.

The data folder:

    cluster.json    layout and toolchains
    run/            one record per running process
    logs/           one log per server
    config/         one ready connector configuration per keyspace
    etcd/           the topology data
    backups/        where `vtctldclient Backup` puts things
    vt_0000000100/  one folder per tablet: MySQL's files, `my.cnf`, `mysql.sock`
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vitess_local.atomic import write_file
from vitess_local.errors import VitessLocalError
from vitess_local.install import mysql_template
from vitess_local.install.account import Account
from vitess_local.install.toolchain import Toolchain
from vitess_local.servers import command_lines
from vitess_local.servers.layout import Layout, Tablet
from vitess_local.servers.ports import LOOPBACK
from vitess_local.servers.process_identity import RestartedElsewhere
from vitess_local.servers.server import Server

CLUSTER_FILE = "cluster.json"
_EXTRA_GATE = "vtgate-"

# mysqld's socket is <data folder>/vt_0000000100/mysql.sock, and sun_path of unix(7) has
# 108 bytes with the final NUL; mysqld appends ".lock" to one file beside it.
_MAX_DATA_DIR_LENGTH = 107 - len("/vt_0000000100/mysql.sock.lock")


@dataclass(frozen=True)
class Deployment:
    """Everything needed to start, find and end the servers of one cluster.

    `others` has, by server, the toolchain of those that run another Vitess or MySQL than the cluster began with.
    """

    layout: Layout
    toolchain: Toolchain
    account: Account
    others: Mapping[str, Toolchain] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        """The cluster's folder."""
        return self.layout.data_dir

    @property
    def log_dir(self) -> Path:
        """Where the servers' logs are."""
        return self.data_dir / "logs"

    def server(self, name: str) -> Server:
        """Return a server by its name."""
        return Server(name, self.data_dir / "run", self.log_dir)

    @property
    def etcd(self) -> Server:
        """The topology server."""
        return self.server("etcd")

    @property
    def vtctld(self) -> Server:
        """The server of administrative commands."""
        return self.server("vtctld")

    @property
    def vtgate(self) -> Server:
        """The server clients talk to."""
        return self.server("vtgate")

    def extra_gate(self, name: str) -> Server:
        """A server clients talk to, besides the cluster's own."""
        return self.server(f"{_EXTRA_GATE}{name}")

    def vttablet(self, tablet: Tablet) -> Server:
        """The Vitess half of a tablet."""
        return self.server(f"vttablet-{tablet.uid}")

    def mysqld(self, tablet: Tablet) -> Server:
        """The MySQL half of a tablet."""
        folder = self.tablet_dir(tablet)
        restarted = RestartedElsewhere(folder / "mysql.pid", command_lines.defaults_file(self.layout, tablet))
        return replace(self.server(f"mysqld-{tablet.uid}"), restarted=restarted)

    def tablet_dir(self, tablet: Tablet) -> Path:
        """The folder of a tablet."""
        return self.data_dir / tablet.folder

    def socket(self, tablet: Tablet) -> Path:
        """The socket on which a tablet's MySQL server accepts its administrator."""
        return self.tablet_dir(tablet) / "mysql.sock"

    def servers(self) -> dict[str, Server]:
        """Every server, in the order in which they should be ended."""
        extra = sorted((self.data_dir / "run").glob(f"{_EXTRA_GATE}*.json"))
        gates = [self.vtgate, *(self.server(record.stem) for record in extra)]
        tablets = [self.vttablet(tablet) for tablet in self.layout.tablets]
        mysqlds = [self.mysqld(tablet) for tablet in self.layout.tablets]
        ordered = [*gates, *tablets, *mysqlds, self.vtctld, self.etcd]
        return {server.name: server for server in ordered}

    def with_layout(self, layout: Layout) -> Deployment:
        """Return the same deployment with other tablets."""
        return replace(self, layout=layout)

    def toolchain_of(self, server: Server) -> Toolchain:
        """Return what a server is started with."""
        return self.others.get(server.name, self.toolchain)

    def with_other(self, server: Server, toolchain: Toolchain) -> Deployment:
        """Return the same deployment with another toolchain for a server, from its next start on."""
        return replace(self, others={**self.others, server.name: toolchain})

    def start_etcd(self) -> None:
        """Start the topology server."""
        self.start(self.etcd, command_lines.etcd_argv(self.toolchain, self.layout))

    def start_vtctld(self) -> None:
        """Start the server of administrative commands."""
        self.start(self.vtctld, command_lines.vtctld_argv(self.toolchain_of(self.vtctld), self.layout))

    def start_vtgate(self) -> None:
        """Start the gate."""
        self.start(self.vtgate, command_lines.vtgate_argv(self.toolchain_of(self.vtgate), self.layout))

    def make_tablet_dir(self, tablet: Tablet, **settings: str) -> None:
        """Give a tablet's MySQL server its data folder; `settings` win over all others."""
        server = self.mysqld(tablet)
        mysql_template.copy_for_tablet(
            self.toolchain_of(server).mysql_template,
            self.tablet_dir(tablet),
            uid=tablet.uid,
            port=tablet.mysql_port,
            # With the other logs, where the reason of a failed start is looked for.
            settings={"log-error": str(server.log), **self.layout.spec.mysql_settings, **settings},
            account=self.account,
        )

    def start_mysqld(self, tablet: Tablet) -> None:
        """Start a tablet's MySQL server, giving it a data folder first if it has none."""
        folder = self.tablet_dir(tablet)
        if not folder.is_dir():
            self.make_tablet_dir(tablet)
        server = self.mysqld(tablet)
        if server.pid() is None:
            # Left behind by a killed server; the next one would refuse to start.
            for leftover in ("mysql.sock", "mysql.sock.lock"):
                (folder / leftover).unlink(missing_ok=True)
        self.start(server, command_lines.mysqld_argv(self.toolchain_of(server), self.layout, tablet))

    def start_vttablet(self, tablet: Tablet) -> None:
        """Start the Vitess half of a tablet."""
        server = self.vttablet(tablet)
        self.start(server, command_lines.vttablet_argv(self.toolchain_of(server), self.layout, tablet))

    def start(self, server: Server, argv: Sequence[str | Path]) -> None:
        """Start one of the cluster's servers with the toolchain's environment."""
        server.start(
            argv,
            account=self.account,
            cwd=self.data_dir,
            env=self.toolchain_of(server).environment(self.data_dir),
        )

    def create_folders(self) -> None:
        """Create the data folder; only what servers write into belongs to their account."""
        self.data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in ("run", "logs", "config"):
            (self.data_dir / name).mkdir(exist_ok=True)
        for name in ("etcd", "backups"):
            folder = self.data_dir / name
            folder.mkdir(mode=0o700, exist_ok=True)
            self.account.own(folder)

    def save(self) -> None:
        """Write `cluster.json` and the connector configurations."""
        others = {name: toolchain.to_json() for name, toolchain in self.others.items()}
        data = {**self.layout.to_json(), "toolchain": self.toolchain.to_json(), "others": others}
        text = json.dumps(data, indent=2)
        write_file(self.data_dir / CLUSTER_FILE, text + "\n")
        for keyspace, config in self.connector_configs().items():
            write_file(self.config_file(keyspace), json.dumps(config, indent=2) + "\n")

    def config_file(self, keyspace: str) -> Path:
        """Where the connector configuration of a keyspace is."""
        return self.data_dir / "config" / f"{keyspace}.json"

    def connector_configs(self) -> dict[str, dict[str, str]]:
        """Return, per keyspace, the configuration with which the connector reads it."""
        ports = self.layout.ports
        return {
            keyspace.name: {
                "url": f"vitess://{LOOPBACK}:{ports.vtgate_grpc}/{keyspace.name}?mysql_port={ports.vtgate_mysql}"
            }
            for keyspace in self.layout.spec.keyspaces
        }

    @classmethod
    def load(cls, data_dir: Path, account: Account) -> Deployment:
        """Read `cluster.json`."""
        data = json.loads((data_dir / CLUSTER_FILE).read_text(encoding="utf-8"))
        others = {name: Toolchain.from_json(toolchain) for name, toolchain in data.get("others", {}).items()}
        return cls(Layout.from_json(data), Toolchain.from_json(data["toolchain"]), account, others)


def check_data_dir(data_dir: Path) -> None:
    """Refuse a folder that would not work, before anything is started."""
    if not data_dir.is_absolute():
        raise VitessLocalError(f"The data folder must be an absolute path, not {data_dir}.")
    if len(str(data_dir)) > _MAX_DATA_DIR_LENGTH:
        raise VitessLocalError(
            f"The data folder {data_dir} has {len(str(data_dir))} characters; with more than "
            f"{_MAX_DATA_DIR_LENGTH} the path of MySQL's socket becomes too long."
        )
    if not data_dir.exists() and not data_dir.is_symlink():
        return
    # In a shared folder such as /tmp, somebody else may have been there first.
    if data_dir.is_symlink() or data_dir.stat().st_uid != os.geteuid():
        raise VitessLocalError(f"The data folder {data_dir} belongs to somebody else.")
    if any(data_dir.iterdir()):
        raise VitessLocalError(f"The data folder {data_dir} is not empty.")
