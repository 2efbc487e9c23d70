"""Builds Vitess' programs from its Go module, in the folder of the module itself.

So the `go.mod` and `go.sum` that count are Vitess' own, and the result is what its maintainers released, but for
plug-ins that are left out. (`go install …@version` would ask for the list of all versions, which not every module proxy
serves, and would take the dependencies' newest plug-ins along.)
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from vitess_local.atomic import new_folder
from vitess_local.cache import Cache
from vitess_local.errors import VitessLocalError
from vitess_local.install import flags
from vitess_local.install.go_module import MODULE, checksum, unpack
from vitess_local.install.go_toolchain import Go
from vitess_local.install.logged_command import run_logged
from vitess_local.install.releases import Release
from vitess_local.progress import Step

PROGRAMS = ("mysqlctl", "vtctld", "vtctldclient", "vtgate", "vttablet")

# Without symbol tables the programs are a third smaller and load faster.
_LINK_FLAGS = "-ldflags=-s -w"

_ZIP = re.compile(r'"Zip": "(?P<path>[^"]+)"')

# A change of how the programs are built, rather than of what they are built from.
_RECIPE = 1


def target_folder(cache: Cache, release: Release) -> Path:
    """Return the folder for a release."""
    return cache.root / f"vitess-{release.name}-{_RECIPE}"


def is_built(target: Path) -> bool:
    """Return whether the folder is finished (it appears in one rename)."""
    return (target / "config").is_dir() and all((target / "bin" / program).is_file() for program in PROGRAMS)


def build(target: Path, release: Release, go: Go, log: Path, step: Step) -> None:
    """Build the programs and copy Vitess' run-time files.

    An interrupted build goes on where it stopped: Go keeps every package it compiled.
    """
    with new_folder(target, resume=True) as work:
        source = work / "source"
        _fetch(work, source, release, go, log, step)
        total = _list_packages(source, release, go, log, step)
        _compile(work, source, release, go, log, step, total)
        shutil.rmtree(work / "config", ignore_errors=True)
        shutil.copytree(source / "config", work / "config")
        shutil.copyfile(source / "LICENSE", work / "LICENSE")
        flags.save(work, flags.documented(source, PROGRAMS))
        shutil.rmtree(source)
        (work / "go.mod").unlink()


def _fetch(work: Path, source: Path, release: Release, go: Go, log: Path, step: Step) -> None:
    """Fetch the module and unpack it, if it is what is pinned."""
    wanted = f"{MODULE}@{release.module_version}"
    step.update(f"fetching {wanted}")
    (work / "go.mod").write_text(f"module source-vitess/vitess-local\n\ngo {go.minor}\n", encoding="utf-8")
    # Go says that a module is for a newer Go only after it has fetched it.
    printed = run_logged(
        [go.program, "mod", "download", "-json", wanted],
        log=log,
        doing=f"Fetching {wanted}",
        cwd=work,
        env=go.environment,
        check=not release.lower_go_line,
    )
    match = _ZIP.search(printed)
    if match is None:
        raise VitessLocalError(f"Go did not fetch {wanted}.", log=log)
    archive = Path(match["path"])
    if checksum(archive) != release.checksum:
        raise VitessLocalError(f"What was fetched as {wanted} is not what {release.checksum} pins.", log=log)
    step.update(f"unpacking {wanted}")
    unpack(archive, source, go_line=release.go if release.lower_go_line else None)


def _list_packages(source: Path, release: Release, go: Go, log: Path, step: Step) -> int:
    """Fetch the modules and return how many packages have to be compiled."""
    fetched = 0

    def on_line(line: str) -> None:
        nonlocal fetched
        if line.startswith("go: downloading "):
            fetched += 1
            step.update(f"fetching modules: {fetched}, now {line.split()[2]}")

    step.update("fetching modules")
    listed = run_logged(
        [go.program, "list", "-deps", *_tags(release), "-f", "package {{.ImportPath}}", *_packages()],
        log=log,
        doing="Fetching Vitess' modules",
        cwd=source,
        env=go.environment,
        on_line=on_line,
    )
    return sum(line.startswith("package ") for line in listed.splitlines())


def _compile(work: Path, source: Path, release: Release, go: Go, log: Path, step: Step, total: int) -> None:
    compiled = 0
    programs = {f"{MODULE}/go/cmd/{program}" for program in PROGRAMS}

    def on_line(line: str) -> None:
        nonlocal compiled
        # With -v Go names each package when it starts on it; a program's own package
        # comes when it is linked.
        compiled += 1
        doing = "linking" if line in programs else "compiling"
        step.update(f"package {compiled} of at most {total}, {doing} {line}")

    step.update(f"compiling up to {total} packages")
    run_logged(
        [go.program, "install", "-v", *_tags(release), _LINK_FLAGS, *_packages()],
        log=log,
        doing="Compiling Vitess",
        cwd=source,
        env={**go.environment, "GOBIN": str(work / "bin")},
        on_line=on_line,
    )


def _packages() -> list[str]:
    return [f"./go/cmd/{program}" for program in PROGRAMS]


def _tags(release: Release) -> list[str]:
    return [f"-tags={','.join(release.build_tags)}"] if release.build_tags else []
