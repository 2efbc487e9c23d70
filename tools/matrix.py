"""Runs tests on pairs of Vitess and MySQL, and writes what came out into docs/versions.md: `make matrix`.

    python -m tools.matrix                                     every pair, every step: hours
    python -m tools.matrix --pairs 24.4,19.9 --steps values,read
    python -m tools.matrix --pairs 21.6 --again                the tests alone that failed, of what is on record
    python -m tools.matrix --write-only                        the document again, from what is on record

- A pair is written `22.4` (on the MySQL that vitess-local gives that release) or `22.4:8.0`.
- What came out of each step is kept in docs/versions.json, so that a run of some pairs and steps replaces only theirs.
- Tests that a server cannot pass are skipped there, by the marks `needs_vitess` and `needs_mysql` of
  integration_tests/conftest.py, and named with their reasons; nothing is left out in silence.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vitess_local.cluster import Cluster
from vitess_local.install.pair import MYSQL_VARIABLE, VITESS_VARIABLE, Pair
from vitess_local.install.releases import RELEASES

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "versions.json"
DOCUMENT = ROOT / "docs" / "versions.md"

#: Around what this writes in the document.
BEGIN, END = "<!-- written by tools/matrix.py -->", "<!-- end of what tools/matrix.py writes -->"

#: The cluster that the steps share, and the demo's.
NAME = "matrix"
KEYSPACES = {"shop": 2, "single": 1}

#: Tests that go from one version to another, whatever is chosen: they say nothing of a pair.
OF_NO_PAIR = frozenset({"test_upgrade.py", "test_mysql_upgrade.py"})

_IN_CHAOS = 3
_TESTS = "integration_tests"


@dataclass(frozen=True)
class Step:
    """What is run on a pair.

    Attributes:
        title: The heading of its column.
        tests: Files of tests below integration_tests; empty for the demo.
        environment: More environment variables.
    """

    title: str
    tests: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


STEPS: Mapping[str, Step] = {
    "demo": Step("demo"),
    "values": Step("all types", ["test_values.py"]),
    "read": Step("copy, changes, kill and resume", ["test_read.py"]),
    "images": Step("row images, large rows", ["test_row_images.py", "test_limits.py"]),
    "reshard": Step("reshard", ["test_reshard.py"]),
    "failovers": Step("failovers, restarts, replicas that disagree", ["test_faults.py", "test_uneven.py"]),
    "rest": Step("the other integration tests"),
    "chaos": Step("chaos", ["chaos"], {"SOURCE_VITESS_CHAOS_MINUTES": str(_IN_CHAOS)}),
}


@dataclass(frozen=True)
class Result:
    """What came out of a step.

    Attributes:
        passed: How many tests passed; 1 for the demo.
        failed: The names of those that did not.
        skipped: The names of those that the servers cannot pass, each with its reason.
        seconds: How long it took.
        commit: Of the checkout, in short.
        again: The names of those that failed, but passed when they were run again, each with the commit of that.
    """

    passed: int
    failed: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    seconds: int = 0
    commit: str = ""
    again: Mapping[str, str] = field(default_factory=dict)

    @property
    def cell(self) -> str:
        """The result in a cell of the table."""
        if not self.passed and not self.failed and not self.skipped:
            return "**nothing ran**"
        parts = [f"{self.passed} passed"] if self.passed else []
        parts += [f"**{len(self.failed)} failed**"] if self.failed else []
        parts += [f"{len(self.skipped)} skipped"] if self.skipped else []
        return ", ".join(parts)

    def with_again(self, again: Result) -> Result:
        """Returns this result after the tests that failed were run again.

        Raises:
            ValueError: They were not, or not all.
        """
        skipped = {name for name in self.failed if name.partition("::")[2] in again.skipped}
        passed = {name: again.commit for name in self.failed if name not in skipped.union(again.failed)}
        if len(passed) != again.passed:
            raise ValueError(f"{again.passed} tests passed, of {', '.join(self.failed)}")
        return Result(
            self.passed + again.passed,
            again.failed,
            {**self.skipped, **again.skipped},
            self.seconds + again.seconds,
            self.commit,
            {**self.again, **passed},
        )

    def to_json(self) -> dict[str, Any]:
        """Returns what is written down; what was run again only if there is any."""
        data = asdict(self)
        return data if self.again else {name: value for name, value in data.items() if name != "again"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Result:
        """Reads what `to_json` made."""
        return cls(**{**data, "failed": tuple(data["failed"])})


@dataclass(frozen=True)
class Servers:
    """A pair, as its servers call themselves.

    Attributes:
        vitess: Vitess' version, such as `22.0.4`.
        mysql: MySQL's.
    """

    vitess: str
    mysql: str

    @property
    def key(self) -> str:
        """What the record calls it."""
        return f"{self.vitess} {self.mysql}"

    @classmethod
    def of_key(cls, key: str) -> Servers:
        """Reads `key`."""
        return cls(*key.split(" "))

    @property
    def order(self) -> tuple[list[int], list[int]]:
        """The newest pair comes first."""
        return tuple([-int(part) for part in version.split(".")] for version in (self.vitess, self.mysql))  # type: ignore[return-value]


Record = dict[Servers, dict[str, Result]]


def read_record(file: Path = RECORD) -> Record:
    """Returns what came out so far."""
    if not file.is_file():
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    return {
        Servers.of_key(key): {step: Result.from_json(data) for step, data in results.items()}
        for key, results in found.items()
    }


def write_record(record: Record, file: Path = RECORD) -> None:
    """Keeps what came out."""
    ordered = {
        servers.key: {step: record[servers][step].to_json() for step in STEPS if step in record[servers]}
        for servers in sorted(record, key=lambda servers: servers.order)
    }
    file.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def render(record: Record) -> str:
    """Writes the table, and below it what failed or was skipped, and why."""
    lines = [
        "| Vitess | MySQL | " + " | ".join(step.title for step in STEPS.values()) + " |",
        "|---" * (len(STEPS) + 2) + "|",
    ]
    by_age = sorted(record, key=lambda servers: servers.order)
    for servers in by_age:
        cells = [record[servers][step].cell if step in record[servers] else "" for step in STEPS]
        lines.append(f"| {servers.vitess} | {servers.mysql} | " + " | ".join(cells) + " |")
    details = [line for servers in by_age for line in _details(servers, record[servers])]
    return "\n".join([*lines, *(["", *details] if details else [])]) + "\n"


def _details(servers: Servers, results: Mapping[str, Result]) -> Iterator[str]:
    for step in STEPS:
        result = results.get(step, Result(0))
        for name, commit in result.again.items():
            yield f"- {servers.vitess} on {servers.mysql}, failed at {result.commit}, passed at {commit}: `{name}`"
        for name in result.failed:
            yield f"- {servers.vitess} on {servers.mysql}, failed: `{name}`"
        for reason in sorted(set(result.skipped.values())):
            names = ", ".join(f"`{name}`" for name, why in result.skipped.items() if why == reason)
            yield f"- {servers.vitess} on {servers.mysql}, skipped: {names}: {reason}"


def write_document(record: Record, file: Path = DOCUMENT) -> None:
    """Puts the table into the document, in the place of the last one.

    Raises:
        ValueError: The document has no place for it.
    """
    text = file.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{file} does not have the lines {BEGIN} and {END}.")
    file.write_text(f"{before}{BEGIN}\n\n{render(record)}\n{END}{after}", encoding="utf-8")


def read_report(report: Path, seconds: float, commit: str) -> Result:
    """Returns what a JUnit report of pytest says."""
    passed, failed, skipped = 0, [], {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - written by pytest a moment ago
        name = str(case.get("name"))
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"{str(case.get('classname')).rpartition('.')[2]}::{name}")
        elif (skip := case.find("skipped")) is not None:
            skipped[name] = str(skip.get("message"))
        else:
            passed += 1
    return Result(passed, tuple(failed), skipped, round(seconds), commit)


def parse_pairs(text: str) -> list[Pair]:
    """Returns the pairs that are meant by `24.4,22.4:8.0`; all releases on their own MySQL for nothing.

    Raises:
        VitessLocalError: A version is not known.
    """
    words = text.split(",") if text else [release.name for release in reversed(RELEASES)]
    return [Pair.of(vitess, mysql or None) for vitess, _, mysql in (word.partition(":") for word in words)]


def files_of(name: str) -> list[str]:
    """Returns the tests of a step, as pytest takes them; those of `rest` are all of a pair that no other step has."""
    named = {test for step in STEPS.values() for test in step.tests} | OF_NO_PAIR
    tests = STEPS[name].tests or sorted({file.name for file in (ROOT / _TESTS).glob("test_*.py")} - named)
    return [f"{_TESTS}/{test}" for test in tests]


def main(arguments: Sequence[str]) -> int:
    """Runs it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.matrix")
    parser.add_argument("--pairs", default="", help="such as 24.4,22.4:8.0; all releases without it")
    parser.add_argument("--steps", default=",".join(STEPS), help="some of " + ",".join(STEPS))
    parser.add_argument("--again", action="store_true", help="only the tests that failed, of what is on record")
    parser.add_argument("--write-only", action="store_true", help="run nothing")
    chosen = parser.parse_args(arguments)
    steps = chosen.steps.split(",")
    if unknown := [step for step in steps if step not in STEPS]:
        parser.error(f"there is no step {', '.join(unknown)}")
    if chosen.write_only:
        write_document(read_record())
        return 0
    failed = False
    for pair in parse_pairs(chosen.pairs):
        for servers, step, result in _run_pair(pair, steps, again=chosen.again):
            # Read anew: a run of another pair may have written meanwhile.
            record = read_record()
            results = record.setdefault(servers, {})
            results[step] = result = results[step].with_again(result) if chosen.again else result
            write_record(record)
            write_document(record)
            print(f"=== Vitess {servers.vitess}, MySQL {servers.mysql}, {step}: {result.cell}", flush=True)
            failed = failed or bool(result.failed) or not result.passed
    return 1 if failed else 0


def tests_of(failed: Iterable[str]) -> list[str]:
    """Returns tests that failed, as pytest takes them."""
    named = [name.partition("::") for name in failed]
    found = {module: next((ROOT / _TESTS).rglob(f"{module}.py")) for module, _, _ in named}
    return [f"{found[module].relative_to(ROOT)}::{test}" for module, _, test in named]


def _run_pair(pair: Pair, steps: Sequence[str], *, again: bool) -> Iterator[tuple[Servers, str, Result]]:
    versions = {VITESS_VARIABLE: pair.vitess.name, MYSQL_VARIABLE: pair.mysql or "newest"}
    # A cluster for each pair, so that two runs at once do not share one.
    name = f"{NAME}-{pair.vitess.major}-{(pair.mysql or 'newest').replace('.', '')}"
    with Cluster.up(name, keyspaces=KEYSPACES, vitess_version=pair.vitess.name, mysql_version=pair.mysql) as cluster:
        described = cluster.describe()
        servers = Servers(described["vitess_version"], described["mysql_version"])
        # Else a run of chaos that somebody has under way lends its servers, of whatever version they are.
        own = {"SOURCE_VITESS_TEST_CLUSTER": name, "SOURCE_VITESS_CHAOS_CLUSTER": f"{name}-chaos"}
        environment = {**os.environ, **versions, **own}
        for step in steps:
            failed = read_record().get(servers, {}).get(step, Result(0)).failed
            if failed or not again:
                of_step = {**environment, **STEPS[step].environment}
                yield servers, step, _run_step(step, of_step, failed if again else ())


def _run_step(name: str, environment: Mapping[str, str], failed: Sequence[str]) -> Result:
    started = time.monotonic()
    commit = _commit()
    if name == "demo":
        return _run_demo(environment, commit)
    with tempfile.TemporaryDirectory(prefix="matrix") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *(tests_of(failed) or files_of(name))]
        subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
        if not report.is_file():
            return Result(0, ("pytest did not come to an end",), {}, round(time.monotonic() - started), commit)
        return read_report(report, time.monotonic() - started, commit)


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def _run_demo(environment: Mapping[str, str], commit: str) -> Result:
    started = time.monotonic()
    cluster = f"{environment['SOURCE_VITESS_TEST_CLUSTER']}-demo"
    own = {**environment, "SOURCE_VITESS_DEMO_CLUSTER": cluster}
    done = subprocess.run([sys.executable, "-m", "demo"], cwd=ROOT, env=own, stdin=subprocess.DEVNULL, check=False)
    if cluster in Cluster.names():
        Cluster.find(cluster).down()
    seconds = round(time.monotonic() - started)
    return Result(0, ("demo",), {}, seconds, commit) if done.returncode else Result(1, (), {}, seconds, commit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
