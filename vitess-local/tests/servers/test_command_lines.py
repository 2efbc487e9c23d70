"""The command lines of the servers."""

from dataclasses import replace
from pathlib import Path

import pytest

from vitess_local.install.flags import save
from vitess_local.install.toolchain import Toolchain
from vitess_local.servers import command_lines
from vitess_local.servers.keyspaces import KeyspaceSpec
from vitess_local.servers.layout import ClusterSpec, Layout, new_layout

TOOLCHAIN = Toolchain(
    vitess_root=Path("/vt"),
    mysql_root=Path("/mysql"),
    mysqld=Path("/mysql/bin/mysqld"),
    etcd=Path("/etcd"),
    mysql_template=Path("/template"),
    vitess_version="24.0.0",
    mysql_version="9.7.4",
)


def layout_of(spec: ClusterSpec) -> Layout:
    """Lay out a cluster in /data."""
    return new_layout(spec, Path("/data"), list(range(21000, 21100)))


def spec(**changes: object) -> ClusterSpec:
    """Describe a cluster of one shard."""
    return ClusterSpec("demo", (KeyspaceSpec.parse("main"),), **changes)  # type: ignore[arg-type]


def every_argv(layout: Layout) -> dict[str, list[str]]:
    """Return the command line of every kind of server."""
    tablet = layout.tablets[0]
    argvs = {
        "etcd": command_lines.etcd_argv(TOOLCHAIN, layout),
        "vtctld": command_lines.vtctld_argv(TOOLCHAIN, layout),
        "vtgate": command_lines.vtgate_argv(TOOLCHAIN, layout),
        "mysqld": command_lines.mysqld_argv(TOOLCHAIN, layout, tablet),
        "vttablet": command_lines.vttablet_argv(TOOLCHAIN, layout, tablet),
    }
    return {name: [str(word) for word in argv] for name, argv in argvs.items()}


@pytest.mark.parametrize("program", ["vtctld", "vtgate", "vttablet"])
def test_vitess_listens_on_loopback_only(program: str) -> None:
    """Without these flags Vitess listens on every interface, without a password."""
    argv = every_argv(layout_of(spec()))[program]

    assert "--bind-address=127.0.0.1" in argv
    assert "--grpc-bind-address=127.0.0.1" in argv


def test_vtgates_mysql_port_and_etcd_listen_on_loopback_only() -> None:
    """The other ports have flags of their own."""
    argvs = every_argv(layout_of(spec()))

    assert "--mysql-server-bind-address=127.0.0.1" in argvs["vtgate"]
    urls = [word.split("=", 1)[1] for word in argvs["etcd"] if "-urls=" in word]
    assert len(urls) == 4
    assert all(url.startswith("http://127.0.0.1:") for url in urls)


def test_schema_versions_are_tracked_unless_switched_off() -> None:
    """Without them Vitess names old columns by the newest schema."""
    assert "--track-schema-versions" in every_argv(layout_of(spec()))["vttablet"]

    off = every_argv(layout_of(spec(track_schema_versions=False)))["vttablet"]
    assert "--track-schema-versions" not in off


def test_the_users_flags_come_last_and_so_win() -> None:
    """Vitess takes the last of two equal flags."""
    argvs = every_argv(layout_of(spec(vttablet_args=("--x=1",), vtgate_args=("--y=2",))))

    assert argvs["vttablet"][-1] == "--x=1"
    assert argvs["vtgate"][-1] == "--y=2"


def test_an_older_release_gets_its_own_spelling(tmp_path: Path) -> None:
    """Up to v22 flags have underscores, also those that a user gives; what a release lacks is left out or added."""
    save(
        tmp_path,
        {"vtgate": ["bind-address", "enable-views", "grpc_bind_address", "y_z"], "vtctldclient": ["server"]},
    )
    old = replace(TOOLCHAIN, vitess_root=tmp_path, vitess_version="21.0.6")

    argv = [str(word) for word in command_lines.vtgate_argv(old, layout_of(spec(vtgate_args=("--y-z=2",))))]

    assert argv[0] == str(tmp_path / "bin" / "vtgate")
    assert {"--bind-address=127.0.0.1", "--grpc_bind_address=127.0.0.1", "--enable-views"} <= {*argv}
    assert argv[-1] == "--y_z=2"
    assert not any("log-format" in word for word in argv)
