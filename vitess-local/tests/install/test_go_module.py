"""Vitess' Go module: its hash, and what is taken out of it."""

import zipfile
from pathlib import Path

import pytest

from vitess_local.errors import VitessLocalError
from vitess_local.install.go_module import checksum, parse_go_version, unpack

FILES = {
    "LICENSE": "of Vitess\n",
    "go.mod": "module vitess.io/vitess\n\ngo 1.22.11\n",
    "go.sum": "",
    "config/init_db.sql": "-- accounts\n",
    "go/cmd/vtgate/vtgate.go": "package main\n",
    "go/cmd/vtgate/cli/plugin_etcd2topo.go": "package cli\n",
    "go/cmd/vtgate/cli/plugin_zk2topo.go": "package cli\n",
    "go/cmd/vttablet/cli/plugin_s3backupstorage.go": "package cli\n",
    "go/cmd/vttablet/cli/plugin_filebackupstorage.go": "package cli\n",
    "go/trace/plugin_datadog.go": "package trace\n",
    "go/vt/topo/zk2topo/server.go": "package zk2topo\n",
    "web/vtadmin/package.json": "{}\n",
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A module as Go fetches it."""
    path = tmp_path / "v0.19.9.zip"
    with zipfile.ZipFile(path, "w") as content:
        for name, text in FILES.items():
            content.writestr(f"vitess.io/vitess@v0.19.9/{name}", text)
    return path


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27, 0)),
        ("go version go1.27rc1 linux/amd64", None),
        ("command not found", None),
    ],
)
def test_go_versions(text: str, version: tuple[int, int, int] | None) -> None:
    """A release candidate is not taken for the release."""
    assert version == parse_go_version(text)


def test_the_hash_is_that_of_a_go_sum(tmp_path: Path) -> None:
    """As Go's own `dirhash.HashZip` gives it for the same files."""
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as content:
        content.writestr("example.com/m@v1.0.0/go.mod", "module example.com/m\n")
        content.writestr("example.com/m@v1.0.0/a.go", "package m\n")

    assert checksum(path) == "h1:SXy42eQ/QbleX7vtuAPFnaM3tNuQnfeo7rulG/p7iOw="


def test_plugins_that_no_cluster_here_needs_are_left_out(archive: Path, tmp_path: Path) -> None:
    """And all that is no part of the programs; what a plug-in would name stays, and is not compiled."""
    unpack(archive, tmp_path / "source")

    found = {str(path.relative_to(tmp_path / "source")) for path in (tmp_path / "source").rglob("*") if path.is_file()}
    assert set(FILES) - found == {
        "go/cmd/vtgate/cli/plugin_zk2topo.go",
        "go/cmd/vttablet/cli/plugin_s3backupstorage.go",
        "go/trace/plugin_datadog.go",
        "web/vtadmin/package.json",
    }


def test_the_go_line_is_lowered_where_that_is_wanted(archive: Path, tmp_path: Path) -> None:
    """Some releases ask for a patch of Go that no wheel has."""
    unpack(archive, tmp_path / "source")
    assert "go 1.22.11\n" in (tmp_path / "source" / "go.mod").read_text()

    unpack(archive, tmp_path / "source", go_line=(1, 22, 10))
    assert (tmp_path / "source" / "go.mod").read_text() == "module vitess.io/vitess\n\ngo 1.22.10\n"


def test_a_go_mod_without_a_go_line_is_refused(tmp_path: Path) -> None:
    """Rather than built with whatever Go takes it for."""
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as content:
        content.writestr("vitess.io/vitess@v0.19.9/go.mod", "module vitess.io/vitess\n")

    with pytest.raises(VitessLocalError, match="0 `go` lines"):
        unpack(path, tmp_path / "source", go_line=(1, 22, 10))
