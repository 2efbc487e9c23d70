"""The build of Vitess, with a `go` that does nothing but leave the files behind."""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install import flags, vitess_build
from vitess_local.install.go_module import checksum
from vitess_local.install.go_toolchain import Go
from vitess_local.install.releases import Release
from vitess_local.progress import Step

# As Go's: `mod download` names the archive, `list -deps` packages, and `install` fills $GOBIN.
GO = """#!/bin/sh
echo "$@" >> {calls}
case "$1 $2" in
"mod download")
    echo '{{"Path": "vitess.io/vitess",'
    echo '"Zip": "{archive}"}}'
    test -e {too_new} && exit 1;;
"list -deps") echo "go: downloading golang.org/x/sync v0.12.0" >&2; echo "package a"; echo "package b";;
"install -v")
    mkdir -p "$GOBIN"
    touch "$GOBIN/mysqlctl"
    test -e {broken} && exit 1
    for program in vtctld vtctldclient vtgate vttablet; do touch "$GOBIN/$program"; done;;
esac
exit 0
"""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The module as Go fetches it."""
    path = tmp_path / "module.zip"
    with zipfile.ZipFile(path, "w") as content:
        root = "vitess.io/vitess@v0.99.1"
        content.writestr(f"{root}/LICENSE", "of Vitess")
        content.writestr(f"{root}/go.mod", "module vitess.io/vitess\n\ngo 1.22.11\n")
        content.writestr(f"{root}/config/mycnf/default.cnf", "")
        content.writestr(f"{root}/config/init_db.sql", "")
        for program in vitess_build.PROGRAMS:
            content.writestr(f"{root}/go/flags/endtoend/{program}.txt", "Flags:\n      --grpc_port int   a port\n")
    return path


@pytest.fixture
def release(archive: Path) -> Release:
    """The release that is pinned."""
    return Release(99, 1, checksum(archive), build_tags=("first", "second"))


@pytest.fixture
def go(tmp_path: Path, archive: Path) -> Go:
    """The program."""
    program = tmp_path / "go"
    text = GO.format(
        calls=tmp_path / "calls", archive=archive, broken=tmp_path / "broken", too_new=tmp_path / "too_new"
    )
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return Go(program, {}, (1, 26, 2))


def build(target: Path, release: Release, go: Go) -> None:
    """Build into a folder, without showing the progress."""
    vitess_build.build(target, release, go, target.with_name("log"), Step("Vitess", io.StringIO()))


def test_a_build_holds_the_programs_and_the_run_time_files(go: Go, release: Release, tmp_path: Path) -> None:
    """And Vitess' licence, and how this release spells its flags; the sources are gone."""
    target = vitess_build.target_folder(Cache(tmp_path), release)
    build(target, release, go)

    assert vitess_build.is_built(target)
    assert target.name.startswith("vitess-99.0.1-")
    assert (target / "config" / "mycnf").is_dir()
    assert (target / "LICENSE").read_text() == "of Vitess"
    assert flags.load(target)["vtgate"] == ["grpc_port"]
    assert not (target / "source").exists()
    assert not target.with_name(target.name + ".new").exists()
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "mod download -json vitess.io/vitess@v0.99.1"
    assert all("-tags=first,second" in call for call in calls[1:])


def test_an_interrupted_build_goes_on_where_it_stopped(go: Go, release: Release, tmp_path: Path) -> None:
    """It is not taken for a finished one, and what it has compiled is kept."""
    target = tmp_path / "vitess"
    (tmp_path / "broken").touch()
    with pytest.raises(VitessLocalError, match="Compiling Vitess failed"):
        build(target, release, go)
    assert not vitess_build.is_built(target)
    first = (tmp_path / "vitess.new" / "bin" / "mysqlctl").stat().st_ino

    (tmp_path / "broken").unlink()
    build(target, release, go)
    assert vitess_build.is_built(target)
    assert (target / "bin" / "mysqlctl").stat().st_ino == first


def test_another_module_than_the_pinned_one_is_not_built(go: Go, release: Release, tmp_path: Path) -> None:
    """The hash is taken of what was fetched, whatever Go says of it."""
    other = replace(release, checksum="h1:another")

    with pytest.raises(VitessLocalError, match="is not what h1:another pins"):
        build(tmp_path / "vitess", other, go)
    assert (tmp_path / "calls").read_text().count("\n") == 1


def test_a_module_for_a_newer_go_is_built_where_that_is_known_to_do(go: Go, release: Release, tmp_path: Path) -> None:
    """Go fetches it, and then fails because of the `go` line; elsewhere that is the end."""
    (tmp_path / "too_new").touch()
    with pytest.raises(VitessLocalError, match="Fetching vitess"):
        build(tmp_path / "vitess", release, go)

    build(tmp_path / "vitess", replace(release, go=(1, 22, 10), lower_go_line=True), go)
    assert vitess_build.is_built(tmp_path / "vitess")
