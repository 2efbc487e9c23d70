"""The compiled code under AddressSanitizer and UndefinedBehaviorSanitizer, which end it at the first fault."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration_tests.decoder import row_tests

pytestmark = pytest.mark.timeout(1200)  # a busy machine is no failure

ROOT = row_tests.ROOT


@dataclass(frozen=True)
class Check:
    """A check in C, and what is wrong if nobody makes it.

    Attributes:
        source: Where it stands.
        text: It.
        without: What stands in its place then.
        script: Does what it is for, and prints the last word where it is made.
        word: That.
    """

    source: str
    text: str
    without: str
    script: str
    word: str


CHECKS = {
    # Of two bytes, which say that 127 follow: the table's name, which is compared.
    "a field's bytes are there": Check(
        "_protobuf.h",
        "if (size > size_of(*from)) {",
        "if (0) {",
        "from source_vitess.rows.compiled import ordinary_decoder\n"
        r"event = b'\x08\x0c\x2a\x02\x0a\x7f'"
        "\nprint(ordinary_decoder([], copied=False).append([event], 0, b't' * 127, b'', 0, [], []), 'taken')",
        "0 taken",
    ),
    "a column has room for a value": Check(
        "_columns.c",
        "if (more <= column->room - column->used) {",
        "if (more <= column->room - column->used || column->room > 0) {",
        "from source_vitess.rows.compiled import column_layouter\n"
        """rows = [b'"c":"%s",' % (b'x' * 1000)] * 9\n"""
        """print(len(column_layouter()(((b'"c":', 9, 0, 0),), rows)[0][3]), 'bytes')""",
        "9000 bytes",
    ),
}


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


def _build(compiler: Sequence[str], folder: Path, without: Check | None = None) -> None:
    row_tests.copy_to(folder, examples=20)
    row_tests.copy_package_to(folder)
    rows = folder / "source_vitess" / "rows"
    if without is not None:
        source = rows / without.source
        text = source.read_text(encoding="utf-8")
        assert text.count(without.text) == 1
        source.write_text(text.replace(without.text, without.without), encoding="utf-8")
    flags = ["-shared", "-fPIC", "-O1", "-g", "-fno-omit-frame-pointer", "-I", sysconfig.get_path("include")]
    flags += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    subprocess.run([*compiler, *flags, "-o", rows / "_decoder.abi3.so", *rows.glob("*.c")], check=True)


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
    _build(compiler, tmp_path)
    tests = [f"unit_tests/rows/test_{name}.py" for name in ("compiled", "column_buffers", "transactions")]

    # Without capturing: a report ends the process, and would be lost.
    done = _run(tmp_path, preloaded, "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider", *tests)

    assert done.returncode == 0, done.stdout[-20_000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))
@pytest.mark.parametrize("checked", [True, False], ids=["with the check", "without"])
def test_a_missing_check_is_noticed(
    compiler: Sequence[str], preloaded: str, tmp_path: Path, check: Check, checked: bool
) -> None:
    """What goes beyond its memory ends with the sanitizer's report if, and only if, nobody checks that."""
    _build(compiler, tmp_path, without=None if checked else check)

    done = _run(tmp_path, preloaded, "-c", check.script)

    assert (done.returncode == 0, check.word in done.stdout) == (checked, checked), done.stdout[-5000:]
    assert ("AddressSanitizer: heap-buffer-overflow" in done.stdout) == (not checked)


def test_the_compiler_has_nothing_to_say(compiler: Sequence[str], tmp_path: Path) -> None:
    """With the flags of setup.py, no warning."""
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--force"]
    command += ["--build-lib", str(tmp_path / "lib"), "--build-temp", str(tmp_path / "temp")]

    done = row_tests.run(command, ROOT, {"PATH": os.environ["PATH"]})

    assert "warning" not in done.stdout.lower()
    assert list(tmp_path.glob("lib/source_vitess/rows/_decoder.*.so"))
