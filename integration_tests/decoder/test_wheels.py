"""The wheels in dist/, as `make wheels` has built them: installed where no compiler is, into every version of Python.

What a version needs beside the wheel comes from the lock. Versions that cannot be had are skipped.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from vitess_local.cache import Cache

from integration_tests.decoder import pythons, row_tests

pytestmark = pytest.mark.timeout(1200)  # a busy machine is no failure

ROOT = row_tests.ROOT
DIST = ROOT / "dist"

VERSIONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]

#: What the tests of rows import, and what that imports.
NEEDED = {"orjson", "protobuf", "pytest", "pluggy", "iniconfig", "packaging", "pygments", "exceptiongroup", "tomli"}
NEEDED |= {"hypothesis", "sortedcontainers", "attrs", "typing-extensions"}


def _wheel(machine: str) -> Path:
    (found,) = DIST.glob(f"airbyte_source_vitess-*-cp310-abi3-*{machine}.whl")
    return found


def _locked(version: str) -> str:
    """Returns the part of the lock that a version of Python needs here, with its hashes."""
    text = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    kept = []
    for entry in re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)):
        requirement = Requirement(entry.partition("\\")[0])
        environment = {"python_version": version, "python_full_version": f"{version}.0"}
        if requirement.name in NEEDED and (requirement.marker is None or requirement.marker.evaluate(environment)):
            # pip would read the marker for the Python that it runs on.
            kept.append(f"{requirement.name}{requirement.specifier} \\\n{entry.partition(chr(10))[2]}")
    return "\n".join(kept)


def _install(target: Path, version: str, *what: str) -> None:
    """Installs wheels for a version of Python into a folder, as pip does where no compiler is."""
    machine = platform.machine()
    digits = version.replace(".", "")
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(17, 37)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--target", str(target), "--python-version", version, "--implementation", "cp"]
    for name in (f"manylinux2014_{machine}", *platforms, f"linux_{machine}"):
        command += ["--platform", name]
    for abi in (f"cp{digits}", "abi3", "none"):
        command += ["--abi", abi]
    done = subprocess.run([*command, *what], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_runs_on_every_python(version: str, tmp_path: Path) -> None:
    """The tests of rows pass with the compiled decoder of the installed wheel; no compiler is on the PATH."""
    try:
        python = pythons.find(version, Cache.default().root)
    except pythons.NotFoundError as error:
        pytest.skip(str(error))
    installed, tests = tmp_path / "installed", tmp_path / "tests"
    locked = tmp_path / "locked.txt"
    locked.write_text(_locked(version), encoding="utf-8")
    _install(installed, version, "--require-hashes", "-r", str(locked))
    _install(installed, version, "--no-index", str(_wheel(platform.machine())))
    # Few, as `unit_tests` tries many with the checkout's own build.
    row_tests.copy_to(tests, examples=10)
    environment = {"PATH": "/nowhere", "PYTHONPATH": f"{installed}:{tests}"}
    where = "import source_vitess.rows._decoder as decoder; print(decoder.__file__)"

    imported = row_tests.run([python, "-c", where], tests, environment)
    tested = row_tests.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "unit_tests/rows"], tests, environment
    )

    assert imported.stdout.strip() == str(installed / "source_vitess/rows/_decoder.abi3.so")
    assert tested.returncode == 0, tested.stdout[-3000:]
    counts = re.search(r"(\d+) passed", tested.stdout)
    assert counts, tested.stdout
    assert "skipped" not in tested.stdout
    assert int(counts[1]) > 100


def test_the_wheel_names_the_systems_that_it_is_for() -> None:
    """The machine's own wheel has a manylinux tag of auditwheel's: it needs no newer C library than that says."""
    assert "manylinux" in _wheel(platform.machine()).name


def test_the_cross_compiled_wheel_is_of_its_processor() -> None:
    """The wheel for aarch64 holds code for aarch64. It has not been run."""
    if not list(DIST.glob("*aarch64.whl")):
        pytest.skip("it was not built: Debian's gcc-aarch64-linux-gnu is not installed")
    with zipfile.ZipFile(_wheel("aarch64")) as archive:
        head = archive.read("source_vitess/rows/_decoder.abi3.so")[:20]

    # The ELF header: 64 bits, little-endian, and EM_AARCH64.
    assert (head[:6], int.from_bytes(head[18:20], "little")) == (b"\x7fELF\x02\x01", 183)


def test_the_source_distribution_can_be_compiled() -> None:
    """It holds the decoder's source and what builds it, and nothing that was built."""
    (source,) = DIST.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    sources = {f"source_vitess/rows/{path.name}" for path in (ROOT / "source_vitess" / "rows").glob("_*.[ch]")}
    assert {"setup.py", "pyproject.toml", "LICENSE", *sources} <= names
    assert not any(name.endswith((".so", ".pyc")) for name in names)
    assert not any(name.startswith(("unit_tests", "instruments", "integration_tests")) for name in names)
