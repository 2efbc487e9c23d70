"""The tests of rows in a folder of their own, to be run with another build of the package than the checkout's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_CONFTEST = """
import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "here",
    deadline=None,
    max_examples={examples},
    suppress_health_check=list(HealthCheck),
    derandomize=bool(os.environ.get("SOURCE_VITESS_SEED")),
)
settings.load_profile("here")
"""
#: In the place of unit_tests/examples.py: of few examples, none may reach the assertion.
_EXAMPLES = """
def reached():
    pass


def at_least(_share):
    return lambda test: test
"""
_IGNORED = shutil.ignore_patterns("__pycache__", "*.so")
_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "SOURCE_VITESS_COMPILED": "1",
    "SOURCE_VITESS_SEED": os.environ.get("SOURCE_VITESS_SEED", ""),
}


def copy_to(folder: Path, examples: int) -> None:
    """Copies the tests, with so many examples of each, what they import, and no part of the package."""
    for name in ("instruments", "unit_tests/types", "unit_tests/rows"):
        shutil.copytree(ROOT / name, folder / name, ignore=_IGNORED)
    shutil.copy(ROOT / "unit_tests" / "__init__.py", folder / "unit_tests")
    (folder / "unit_tests" / "examples.py").write_text(_EXAMPLES, encoding="utf-8")
    (folder / "conftest.py").write_text(_CONFTEST.format(examples=examples), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n", encoding="utf-8")


def copy_package_to(folder: Path) -> None:
    """Copies the package, without its compiled decoder."""
    shutil.copytree(ROOT / "source_vitess", folder / "source_vitess", ignore=_IGNORED)


def run(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs a program in the folder, with the compiled decoder or not at all; its stderr is part of its stdout."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**_ENVIRONMENT, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
