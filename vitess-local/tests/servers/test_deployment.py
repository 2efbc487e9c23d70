"""A cluster's folder."""

import json
import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from vitess_local.errors import VitessLocalError
from vitess_local.install import flags
from vitess_local.install.account import Account
from vitess_local.install.toolchain import Toolchain
from vitess_local.servers.deployment import Deployment, check_data_dir
from vitess_local.servers.extra_gate import gate_argv
from vitess_local.servers.keyspaces import KeyspaceSpec
from vitess_local.servers.layout import ClusterSpec, new_layout
from vitess_local.servers.server import Server


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """A cluster that was laid out but never started."""
    spec = ClusterSpec("demo", (KeyspaceSpec.parse("commerce:2"), KeyspaceSpec.parse("main")))
    entry = pwd.getpwuid(os.geteuid())
    made = Deployment(
        new_layout(spec, tmp_path / "data", list(range(21000, 21100))),
        Toolchain(*(Path("/x"),) * 5, "24.0.0", "9.7.4"),
        Account(entry.pw_name, entry.pw_uid, entry.pw_gid),
    )
    made.create_folders()
    made.save()
    return made


def test_a_connector_configuration_is_written_per_keyspace(deployment: Deployment) -> None:
    """It can be given to the connector as it is."""
    config = json.loads(deployment.config_file("commerce").read_text(encoding="utf-8"))

    assert config == {"url": "vitess://127.0.0.1:21005/commerce?mysql_port=21006"}


def test_a_saved_cluster_is_loaded_as_it_was(deployment: Deployment) -> None:
    """Another process works with the same values."""
    assert Deployment.load(deployment.data_dir, deployment.account) == deployment


def test_a_server_with_another_release_keeps_it(deployment: Deployment) -> None:
    """Also for another process, and only that server."""
    newer = replace(deployment.toolchain, vitess_root=Path("/y"), vitess_version="24.0.4")
    changed = deployment.with_other(deployment.vtgate, newer)
    changed.save()

    loaded = Deployment.load(deployment.data_dir, deployment.account)

    assert loaded == changed
    assert loaded.toolchain_of(loaded.vtgate) == newer
    assert loaded.toolchain_of(loaded.vtctld) == deployment.toolchain


def test_a_tablet_starts_the_mysql_that_was_chosen_for_it(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Program, files and data folder are of that version; the other tablets keep theirs."""
    other = replace(
        deployment.toolchain, mysqld=Path("/y/mysqld"), mysql_root=Path("/y"), mysql_template=Path("/y/data")
    )
    started: list[tuple[Sequence[str | Path], Mapping[str, str]]] = []
    copied: list[Path] = []

    def start(server: Server, argv: Sequence[str | Path], *, env: Mapping[str, str], **_: object) -> None:
        started.append((argv, env))

    def copy(template: Path, tablet_dir: Path, **_: object) -> None:
        copied.append(template)
        tablet_dir.mkdir()

    monkeypatch.setattr(Server, "start", start)
    monkeypatch.setattr("vitess_local.install.mysql_template.copy_for_tablet", copy)
    first, second, *_ = deployment.layout.tablets
    changed = deployment.with_other(deployment.mysqld(first), other)

    for tablet in (first, second):
        changed.start_mysqld(tablet)

    assert copied == [Path("/y/data"), Path("/x")]
    assert [argv[0] for argv, _ in started] == [Path("/y/mysqld"), Path("/x")]
    assert [argv[-1] for argv, _ in started] == ["--basedir=/y", "--basedir=/x"]
    assert [env["VT_MYSQL_ROOT"] for _, env in started] == ["/y", "/x"]


def test_another_gate_gets_its_flags_as_its_release_spells_them(deployment: Deployment, tmp_path: Path) -> None:
    """With underscores up to v22; they come last, and so win."""
    flags.save(tmp_path, {"vtgate": ["grpc_cert", "grpc-port"]})
    old = deployment.with_other(deployment.vtgate, replace(deployment.toolchain, vitess_root=tmp_path))
    ports = replace(deployment.layout.ports, vtgate_grpc=4711)

    argv = gate_argv(old, ports, ["--grpc-cert=/x.pem", "--grpc-port=1"])

    assert argv[-2:] == ["--grpc_cert=/x.pem", "--grpc-port=1"]
    assert "--grpc-port=4711" in argv


def test_servers_are_ended_gate_first_and_topology_last(deployment: Deployment) -> None:
    """Nobody asks a server that is already gone."""
    names = list(deployment.servers())

    assert names[0] == "vtgate"
    assert names[-2:] == ["vtctld", "etcd"]
    assert names.index("vttablet-100") < names.index("mysqld-100")


def test_a_data_folder_must_be_empty_and_short(tmp_path: Path) -> None:
    """A Unix socket's path has at most 107 characters."""
    check_data_dir(tmp_path / "new")
    (tmp_path / "file").touch()

    with pytest.raises(VitessLocalError, match="not empty"):
        check_data_dir(tmp_path)
    with pytest.raises(VitessLocalError, match="too long"):
        check_data_dir(tmp_path / ("x" * 100))
    with pytest.raises(VitessLocalError, match="absolute"):
        check_data_dir(Path("relative"))


def test_a_data_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """In a shared folder somebody else could have put it there."""
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")

    with pytest.raises(VitessLocalError, match="somebody else"):
        check_data_dir(tmp_path / "link")
