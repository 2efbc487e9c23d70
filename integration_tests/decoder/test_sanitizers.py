"""The compiled decoder under AddressSanitizer and UndefinedBehaviorSanitizer, which end it at the first fault."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest

from integration_tests.decoder import row_tests

pytestmark = pytest.mark.timeout(1200)  # a busy machine is no failure

ROOT = row_tests.ROOT
SOURCE = ROOT / "source_vitess" / "rows" / "_decoder.c"

#: Where a field's bytes are held to those that there are.
CHECK = "if (size > size_of(*from)) {"


@pytest.fixture(scope="module")
def compiler() -> Sequence[str]:
    """The C compiler's command."""
    command = shlex.split(sysconfig.get_config_var("CC") or "cc")
    if shutil.which(command[0]) is None or not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("there is no C compiler, or Python's headers are missing")
    return command


@pytest.fixture(scope="module")
def preloaded(compiler: Sequence[str]) -> str:
    """The sanitizers' library, which is loaded before all others, and that of C++, whose exceptions it watches."""
    found = []
    for name in ("libasan.so", "libstdc++.so"):
        asked = subprocess.run(
            [*compiler, f"-print-file-name={name}"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
        if not Path(asked).is_absolute():
            pytest.skip(f"the C compiler has no {name}")
        found.append(asked)
    return " ".join(found)


def _build(compiler: Sequence[str], source: Path, folder: Path) -> None:
    row_tests.copy_to(folder, examples=20)
    row_tests.copy_package_to(folder)
    flags = ["-shared", "-fPIC", "-O1", "-g", "-fno-omit-frame-pointer", "-I", sysconfig.get_path("include")]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    built = folder / "source_vitess" / "rows" / "_decoder.abi3.so"
    subprocess.run([*compiler, *flags, "-o", built, source], check=True)


def _run(folder: Path, preloaded: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "LD_PRELOAD": preloaded,
        # Python's own allocator hides where an object ends, and Python does not free everything at its end.
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    return row_tests.run([sys.executable, *arguments], folder, environment)


def test_no_byte_is_touched_that_is_not_the_decoders(compiler: Sequence[str], preloaded: str, tmp_path: Path) -> None:
    """Random, edge and broken values, rows and events: no access beyond a buffer, nothing that C leaves undefined."""
    _build(compiler, SOURCE, tmp_path)

    done = _run(
        tmp_path, preloaded, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "unit_tests/rows/test_compiled.py"
    )

    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("checked", [True, False], ids=["with the check", "without"])
def test_a_missing_check_is_noticed(compiler: Sequence[str], preloaded: str, tmp_path: Path, checked: bool) -> None:
    """An event that says more than it has ends with the sanitizer's report if, and only if, nobody checks that."""
    text = SOURCE.read_text(encoding="utf-8")
    assert text.count(CHECK) == 1
    source = tmp_path / "decoder.c"
    source.write_text(text if checked else text.replace(CHECK, "if (0) {"), encoding="utf-8")
    _build(compiler, source, tmp_path)
    # Of two bytes, which say that 127 follow: the table's name, which is compared.
    script = (
        "from source_vitess.rows.compiled import ordinary_decoder\n"
        r"event = b'\x08\x0c\x2a\x02\x0a\x7f'"
        "\nprint(ordinary_decoder([], copied=False).append([event], 0, b't' * 127, b'', 0, [], []), 'taken')"
    )

    done = _run(tmp_path, preloaded, "-c", script)

    assert (done.returncode == 0, "0 taken" in done.stdout) == (checked, checked), done.stdout[-5000:]
    assert ("AddressSanitizer: heap-buffer-overflow" in done.stdout) == (not checked)


def test_the_compiler_has_nothing_to_say(compiler: Sequence[str], tmp_path: Path) -> None:
    """With the flags of setup.py, no warning."""
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--force"]
    command += ["--build-lib", str(tmp_path / "lib"), "--build-temp", str(tmp_path / "temp")]

    done = row_tests.run(command, ROOT, {"PATH": os.environ["PATH"]})

    assert "warning" not in done.stdout.lower()
    assert list(tmp_path.glob("lib/source_vitess/rows/_decoder.*.so"))
