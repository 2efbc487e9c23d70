"""Runs tiers of tests one after the other, and sums up at the end.

    python -m tools.tiers unit
    python -m tools.tiers all

- Every tier runs, whatever became of those before it. The exit code is 0 only if all of them succeeded.
- Nothing is skipped in silence: the end names every skipped test with its reason. A tier whose report is missing
  has failed, and so has one that ran no test. The end names what failed, too, and repeats the last lines of a tier
  that writes no report: whoever sees only the end of a long output shall know what to mend.
- A tier that needs more than this project brings (others' programs, rights) is prepared first, and counts as one
  skipped test, with the reason, if that cannot be done.
- `all` takes the same seed each time, so that a change does not fail by what another one left; every tier alone
  takes a new one, prints it, and takes one of the environment variable SOURCE_VITESS_SEED.
- The tier `unit` measures what it runs of the connector, and fails below a floor (`tools.unit_coverage`).
- The last line is `N passed, N failed, N skipped` over all tiers; errors count as failed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from coverage.exceptions import CoverageException

from source_vitess.vitess_release import OLDEST
from tools import unit_coverage

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / ".tmp" / "reports"

#: What is random in `all`: the data, the faults, the order of the tests.
SEED = "1"

#: The oldest Vitess that is supported, and its MySQL.
OLDEST_PAIR = (str(OLDEST), "8.0")

#: So many lines of a failed tier that writes no report are repeated at the end.
LAST_LINES = 80


@dataclass(frozen=True)
class Tier:
    """One step.

    Attributes:
        command: What runs, in the checkout.
        reports: Whether it writes a JUnit report of tests; if not, only its exit code counts.
        prepare: Runs before it; if that fails, the tier is skipped, and the last line of stderr is the reason.
        environment: More environment variables.
        measures: Whether it measures which lines of the connector it runs.
    """

    command: Sequence[str]
    reports: bool = True
    prepare: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    measures: bool = False


@dataclass
class Outcome:
    """What became of a tier."""

    name: str
    seconds: float
    succeeded: bool
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    remark: str = ""
    trouble: list[str] = field(default_factory=list)
    coverage: str = ""

    @property
    def line(self) -> str:
        """The tier in one line."""
        tests = f"{self.passed} passed, {self.failed} failed, {len(self.skipped)} skipped" if self.tests else ""
        verdict = "FAILED" if not self.succeeded else "ok" if self.passed or not self.skipped else "skipped"
        return f"{self.name:<12} {verdict:<7} {self.seconds:>6.0f} s  {tests}{self.remark}".rstrip()

    @property
    def tests(self) -> int:
        """How many tests were reported."""
        return self.passed + self.failed + len(self.skipped)


def report_file(name: str) -> Path:
    """Returns where a tier's JUnit report is written."""
    return REPORTS / f"{name}.xml"


def _pytest(
    name: str,
    folder: str,
    *more: str,
    prepare: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    measures: bool = False,
) -> Tier:
    pytest = ["pytest", folder, "-q", f"--junitxml={report_file(name)}", *more]
    module = unit_coverage.command(*pytest) if measures else ["-m", *pytest]
    return Tier([sys.executable, *module], prepare=prepare, environment=environment or {}, measures=measures)


_SPARK = ("vitess_spark/tests", "--rootdir=vitess_spark", "-c", "vitess_spark/pyproject.toml")

TIERS = {
    "lint": Tier(["make", "--no-print-directory", "lint"], reports=False),
    "unit": _pytest("unit", "unit_tests", measures=True),
    # What is decoded by compiled code above, in Python, as where no C compiler is.
    "unit-python": _pytest(
        "unit-python",
        *(f"unit_tests/{part}" for part in ("types", "rows", "vstream", "replication", "test_entrypoint.py")),
        *(
            f"--ignore=unit_tests/rows/test_{compiled}.py"
            for compiled in ("compiled", "column_buffers", "transactions")
        ),
        environment={"SOURCE_VITESS_COMPILED": "0"},
    ),
    # Says what it has searched and found: shown as it is.
    "model": Tier([sys.executable, "-m", "instruments.model_search"], reports=False),
    "vitess": Tier(["make", "--no-print-directory", "vitess"], reports=False),
    "vitess-local": _pytest(
        "vitess-local", "vitess-local/tests", "--rootdir=vitess-local", "-c", "vitess-local/pyproject.toml"
    ),
    "integration": _pytest(
        "integration",
        "integration_tests",
        *(f"--ignore=integration_tests/{folder}" for folder in ("chaos", "clients", "container", "decoder")),
    ),
    # The oldest pair that is supported, if it has been built.
    "oldest": _pytest(
        "oldest",
        *(f"integration_tests/test_{part}.py" for part in ("values", "read", "reshard")),
        prepare=[sys.executable, "-m", "tools.installed", *OLDEST_PAIR],
        environment={
            "VITESS_LOCAL_VITESS_VERSION": OLDEST_PAIR[0],
            "VITESS_LOCAL_MYSQL_VERSION": OLDEST_PAIR[1],
            "SOURCE_VITESS_TEST_CLUSTER": "",
        },
    ),
    # What it came to is for people: shown as it is.
    "chaos": _pytest("chaos", "integration_tests/chaos", "-s"),
    "readyset": _pytest(
        "readyset",
        "destination_readyset/tests",
        "--rootdir=destination_readyset",
        "-c",
        "destination_readyset/pyproject.toml",
    ),
    "standard": Tier([sys.executable, "-m", "tools.standard_tests", str(report_file("standard"))]),
    "clients": _pytest(
        "clients", "integration_tests/clients", prepare=["make", "--no-print-directory", "clients-venv"]
    ),
    "spark": _pytest("spark", *_SPARK, "-m", "not spark"),
    "spark-real": _pytest("spark-real", *_SPARK, "-m", "spark", prepare=["make", "--no-print-directory", "spark-venv"]),
    # The compiled decoder as it is published, and under sanitizers.
    "decoder": _pytest("decoder", "integration_tests/decoder", prepare=["make", "--no-print-directory", "wheels"]),
    "container": _pytest(
        "container", "integration_tests/container", prepare=["make", "--no-print-directory", "container-image"]
    ),
}


def main(names: Sequence[str]) -> int:
    """Runs tiers and returns the exit code."""
    chosen = list(TIERS) if list(names) == ["all"] else list(names)
    if not chosen or any(name not in TIERS for name in chosen):
        print(f"usage: python -m tools.tiers all | {' | '.join(TIERS)} ...", file=sys.stderr)
        return 2
    if list(names) == ["all"]:
        os.environ.setdefault("SOURCE_VITESS_SEED", SEED)
        os.environ.setdefault("PYTEST_ADDOPTS", f"--randomly-seed={SEED}")
    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    outcomes = [_run(name, TIERS[name]) for name in chosen]
    _summarise(outcomes)
    return 0 if all(outcome.succeeded for outcome in outcomes) else 1


def _run(name: str, tier: Tier) -> Outcome:
    print(f"\n=== {name} {'=' * (100 - len(name))}", flush=True)
    started = time.monotonic()
    obstacle = _prepare(tier)
    if obstacle:
        print(f"skipped: {obstacle}", flush=True)
        return Outcome(name, time.monotonic() - started, True, skipped=[f"all of it: {obstacle}"])
    if tier.measures:
        unit_coverage.forget()
    exit_code, last_lines = _call(tier)
    outcome = Outcome(name, time.monotonic() - started, exit_code == 0)
    if tier.reports:
        _count(outcome, report_file(name))
    elif exit_code:
        outcome.trouble = last_lines
    if tier.measures:
        _measure(outcome)
    return outcome


def _call(tier: Tier) -> tuple[int, list[str]]:
    """Runs a tier's command; returns its exit code, and its last lines if it writes no report."""
    environment = {**os.environ, **tier.environment}
    if tier.reports:
        done = subprocess.run(tier.command, cwd=ROOT, check=False, stdin=subprocess.DEVNULL, env=environment)
        return done.returncode, []
    last_lines: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(
        tier.command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last_lines.append(line.rstrip())
    return process.returncode, list(last_lines)


def _prepare(tier: Tier) -> str:
    """Prepares a tier; returns why that cannot be done, if it cannot."""
    if not tier.prepare:
        return ""
    try:
        done = subprocess.run(
            tier.prepare, cwd=ROOT, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900
        )
    except subprocess.TimeoutExpired:
        return f"{' '.join(tier.prepare)} did not end within 15 minutes"
    if not done.returncode:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("make")]
    return lines[-1].strip() if lines else f"{' '.join(tier.prepare)} failed"


def _count(outcome: Outcome, report: Path) -> None:
    try:
        cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - written by pytest a moment ago
    except (OSError, ET.ParseError) as error:
        outcome.succeeded, outcome.remark = False, f" (no report: {error})"
        return
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
            outcome.trouble.append(f"{case.get('classname')}::{case.get('name')}")
        elif (skipped := case.find("skipped")) is not None:
            outcome.skipped.append(f"{case.get('classname')}::{case.get('name')}: {skipped.get('message')}")
        else:
            outcome.passed += 1
    if outcome.failed:
        outcome.succeeded = False
    if not outcome.passed:
        outcome.succeeded, outcome.remark = False, " (no test ran)"


def _measure(outcome: Outcome) -> None:
    try:
        rooms = unit_coverage.add_up()
    except CoverageException as error:
        outcome.succeeded, outcome.coverage = False, f"coverage: nothing was measured ({error})"
        return
    outcome.coverage = unit_coverage.describe(rooms)
    if trouble := unit_coverage.below_floor(rooms):
        outcome.succeeded = False
        outcome.trouble += trouble


def _summarise(outcomes: Sequence[Outcome]) -> None:
    print(f"\n=== summary {'=' * 93}")
    for outcome in outcomes:
        print(outcome.line)
    skipped = [f"  {outcome.name}: {test}" for outcome in outcomes for test in outcome.skipped]
    if skipped:
        print("\nskipped:", *skipped, sep="\n")
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    broken = [outcome.name for outcome in outcomes if not outcome.succeeded]
    for outcome in outcomes:
        if outcome.trouble:
            print(f"\n{outcome.name} failed:", *(f"  {line}" for line in outcome.trouble), sep="\n")
    for outcome in outcomes:
        if outcome.coverage:
            print(f"\n{outcome.coverage}")
    if broken:
        print(f"\nfailed: {', '.join(broken)}")
    print(f"\n{passed} passed, {failed} failed, {len(skipped)} skipped", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
