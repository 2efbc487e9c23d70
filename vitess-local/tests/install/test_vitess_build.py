"""The build of Vitess, with a `go` that does nothing but leave the files behind."""

import io
from pathlib import Path

import pytest

from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install import vitess_build
from vitess_local.install.go_toolchain import Go
from vitess_local.progress import Step

# As Go's: `list -deps` names packages, `install` fills $GOBIN, `list -m` names the module's folder.
GO = """#!/bin/sh
echo "$@" >> {calls}
case "$1 $2" in
"list -deps") echo "go: downloading vitess.io/vitess v0.24.0" >&2; echo "package a"; echo "package b";;
"list -m") echo {module};;
"install -v")
    mkdir -p "$GOBIN"
    touch "$GOBIN/mysqlctl"
    test -e {broken} && exit 1
    for program in vtctld vtctldclient vtgate vttablet; do touch "$GOBIN/$program"; done;;
esac
"""


@pytest.fixture
def go(tmp_path: Path) -> Go:
    """The program, and the module's folder with its run-time files."""
    module = tmp_path / "module"
    (module / "config" / "mycnf").mkdir(parents=True)
    (module / "config" / "init_db.sql").touch(mode=0o444)
    program = tmp_path / "go"
    text = GO.format(calls=tmp_path / "calls", module=module, broken=tmp_path / "broken")
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return Go(program, {})


def build(target: Path, go: Go) -> None:
    """Build into a folder, without showing the progress."""
    vitess_build.build(target, go, target.with_name("log"), Step("Vitess", io.StringIO()))


def test_a_build_holds_the_programs_and_the_run_time_files(go: Go, tmp_path: Path) -> None:
    """Copies may be written to, unlike the module cache they come from."""
    target = vitess_build.target_folder(Cache(tmp_path))
    build(target, go)

    assert vitess_build.is_built(target)
    assert (target / "go.mod").is_file()
    assert (target / "config" / "mycnf").is_dir()
    assert (target / "config" / "init_db.sql").stat().st_mode & 0o200
    assert not target.with_name(target.name + ".new").exists()


def test_an_interrupted_build_goes_on_where_it_stopped(go: Go, tmp_path: Path) -> None:
    """It is not taken for a finished one, and what it has compiled is kept."""
    target = tmp_path / "vitess"
    (tmp_path / "broken").touch()
    with pytest.raises(VitessLocalError, match="Compiling Vitess failed"):
        build(target, go)
    assert not vitess_build.is_built(target)
    first = (tmp_path / "vitess.new" / "bin" / "mysqlctl").stat().st_ino

    (tmp_path / "broken").unlink()
    build(target, go)
    assert vitess_build.is_built(target)
    assert (target / "bin" / "mysqlctl").stat().st_ino == first
