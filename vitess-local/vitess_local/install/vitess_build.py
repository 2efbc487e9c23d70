"""Builds Vitess' programs from its Go module.

`go.mod` pins the release and names the programs as tools. (`go install …@version`
would ask for the list of all versions, which not every module proxy serves.)
"""

from __future__ import annotations

import shutil
from pathlib import Path

from vitess_local.atomic import new_folder
from vitess_local.cache import Cache
from vitess_local.install.go_module import MODULE, content_key, module_file, pinned_version, read_go_mod
from vitess_local.install.go_toolchain import Go
from vitess_local.install.logged_command import run_logged
from vitess_local.progress import Step

_PROGRAMS = ("mysqlctl", "vtctld", "vtctldclient", "vtgate", "vttablet")

# Without symbol tables the programs are a third smaller and load faster.
_LINK_FLAGS = "-ldflags=-s -w"


def target_folder(cache: Cache) -> Path:
    """Return the folder for this release; its name changes with `go.mod` and `go.sum`."""
    return cache.root / f"vitess-{pinned_version(read_go_mod())}-{content_key()}"


def is_built(target: Path) -> bool:
    """Return whether the folder is finished (it appears in one rename)."""
    return (target / "config").is_dir() and all((target / "bin" / program).is_file() for program in _PROGRAMS)


def build(target: Path, go: Go, log: Path, step: Step) -> None:
    """Build the programs and copy Vitess' run-time files.

    An interrupted build goes on where it stopped: Go keeps every package it compiled.
    """
    with new_folder(target, resume=True) as work:
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(module_file(name), work / name)
        total = _download(work, go, log, step)
        _compile(work, go, log, step, total)
        _copy_config(work, go, log)


def _download(work: Path, go: Go, log: Path, step: Step) -> int:
    """Fetch the modules and return how many packages have to be compiled."""
    fetched = 0

    def on_line(line: str) -> None:
        nonlocal fetched
        if line.startswith("go: downloading "):
            fetched += 1
            step.update(f"fetching modules: {fetched}, now {line.split()[2]}")

    step.update("fetching modules")
    listed = run_logged(
        [go.program, "list", "-deps", "-f", "package {{.ImportPath}}", "tool"],
        log=log,
        doing="Fetching Vitess' modules",
        cwd=work,
        env=go.environment,
        on_line=on_line,
    )
    return sum(line.startswith("package ") for line in listed.splitlines())


def _compile(work: Path, go: Go, log: Path, step: Step, total: int) -> None:
    compiled = 0
    programs = {f"{MODULE}/go/cmd/{program}" for program in _PROGRAMS}

    def on_line(line: str) -> None:
        nonlocal compiled
        # With -v Go names each package when it starts on it; a program's own package
        # comes when it is linked.
        compiled += 1
        doing = "linking" if line in programs else "compiling"
        step.update(f"package {compiled} of at most {total}, {doing} {line}")

    step.update(f"compiling up to {total} packages")
    run_logged(
        [go.program, "install", "-v", _LINK_FLAGS, "tool"],
        log=log,
        doing="Compiling Vitess",
        cwd=work,
        env={**go.environment, "GOBIN": str(work / "bin")},
        on_line=on_line,
    )


def _copy_config(work: Path, go: Go, log: Path) -> None:
    """Copy `config/` (templates of `my.cnf`, `init_db.sql`) out of the module's folder."""
    printed = run_logged(
        [go.program, "list", "-m", "-f", "{{.Dir}}", MODULE],
        log=log,
        doing="Finding Vitess' module",
        cwd=work,
        env=go.environment,
    )
    source = Path(printed.splitlines()[-1]) / "config"
    shutil.rmtree(work / "config", ignore_errors=True)
    # Contents only: the module cache is read-only, and the copy should not be.
    shutil.copytree(source, work / "config", copy_function=shutil.copyfile)
    for folder in (work / "config", *(p for p in (work / "config").rglob("*") if p.is_dir())):
        folder.chmod(0o755)
