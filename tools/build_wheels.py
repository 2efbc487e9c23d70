"""Builds what is published into dist/: the source distribution, and from it a wheel for each platform that it can be.

    python -m tools.build_wheels [FOLDER]

- One wheel of a platform serves all versions of CPython from 3.10 on: it uses the stable part of Python's C API only.
- x86_64 (or what this machine is) is built by the machine's own compiler; without one, it is an error.
- aarch64 is cross-compiled where Debian's gcc-aarch64-linux-gnu is installed, and has not been run by anybody then.
- auditwheel says which systems a wheel is for (manylinux): it looks for the newest symbols of the C library in it. A
  wheel without such a tag is for systems like this one only.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from auditwheel.wheeltools import InWheelCtx, add_platforms, get_wheel_platforms

ROOT = Path(__file__).resolve().parent.parent

_CROSS = "aarch64"
_CROSS_COMPILER = "aarch64-linux-gnu-gcc"
#: What the source distribution is made of, so that nothing that was built before gets into it.
_SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "CHANGELOG.md", "source_vitess")
_LEFT_OUT = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")


class BuildError(Exception):
    """A wheel cannot be built, or is not what it should be."""


def build(folder: Path) -> list[Path]:
    """Builds everything; returns the files: the source distribution, the machine's own wheel, and others.

    Raises:
        BuildError: The machine's own wheel cannot be built.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="wheels-") as temporary:
        work = Path(temporary)
        source = _build_source(work)
        wheels = [_build_wheel(source, work / "own", {})]
        if platform.machine() == _CROSS:
            pass
        elif shutil.which(_CROSS_COMPILER) is None:
            _tell(f"no wheel for {_CROSS}: {_CROSS_COMPILER} is not installed (Debian: gcc-{_CROSS}-linux-gnu)")
        else:
            wheels.append(_build_wheel(source, work / "cross", _cross_environment()))
            _tell(f"the wheel for {_CROSS} was cross-compiled, and has not been run")
        return [Path(shutil.move(file, folder)) for file in (source, *map(_tag, wheels))]


def _build_source(work: Path) -> Path:
    checkout = work / "checkout"
    checkout.mkdir()
    for name in _SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, checkout / name, ignore=_LEFT_OUT)
        else:
            shutil.copy(source, checkout)
    command = "from setuptools import build_meta; build_meta.build_sdist('..')"
    _run([sys.executable, "-c", command], "building the source distribution", cwd=checkout)
    (source,) = work.glob("*.tar.gz")
    return source


def _build_wheel(source: Path, work: Path, environment: Mapping[str, str]) -> Path:
    work.mkdir()
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(work)]
    _run([sys.executable, "-m", "pip", "wheel", *options, str(source)], "building a wheel", environment=environment)
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    # Without a compiler the package is built all the same, and is for every platform.
    if "source_vitess/rows/_decoder.abi3.so" not in names or "-cp310-abi3-linux_" not in wheel.name:
        raise BuildError(
            f"{wheel.name} has no compiled decoder: a C compiler or Python's headers are not installed, or there is an "
            "error in it. `python -m pip wheel -v --no-build-isolation --no-deps .` shows what."
        )
    return wheel


def _cross_environment() -> dict[str, str]:
    # Python's headers differ between the two in nothing that the stable part of its API has: both are LP64.
    flags = "-fPIC -O3 -DNDEBUG -Wall"
    return {
        "_PYTHON_HOST_PLATFORM": f"linux-{_CROSS}",
        "CC": _CROSS_COMPILER,
        "CFLAGS": flags,
        "LDSHARED": f"{_CROSS_COMPILER} -shared",
    }


def _tag(wheel: Path) -> Path:
    """Gives a wheel the tag of the oldest systems that it is for, as auditwheel finds it."""
    shown = _run([sys.executable, "-m", "auditwheel", "show", "--json", str(wheel)], f"looking at {wheel.name}")
    tag = json.loads(shown[shown.index("{") :])["overall_tag"]
    if not tag.startswith("manylinux"):
        _tell(f"{wheel.name} is for systems like this one only: auditwheel gives it no manylinux tag")
        return wheel
    (old,) = get_wheel_platforms(wheel.name)
    with InWheelCtx(wheel, wheel) as opened:
        opened.out_wheel = add_platforms(opened, [tag], [old])
    return wheel.with_name(wheel.name.replace(old, tag))


def _run(command: Sequence[str], doing: str, *, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(f"{doing} failed:\n{done.stdout}")
    return done.stdout


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> int:
    """Builds into a folder, dist/ unless another is named; returns the exit code."""
    try:
        files = build(Path(argv[0]).resolve() if argv else ROOT / "dist")
    except BuildError as error:
        _tell(str(error))
        return 1
    print(*files, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
