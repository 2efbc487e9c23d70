"""`make bench`: measures, and writes docs/performance.md. Fails if a client does, never because something is slow."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import pymysql
from vitess_local.cluster import Cluster
from vitess_local.errors import VitessLocalError

from benchmarks import report, scenarios, spark
from benchmarks.clients import ClientError, Gate
from tools import debezium

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
NAME = "benchmark"
KEYSPACES = {"bench": 2, "small": 1}


def main(argv: Sequence[str]) -> int:
    """Runs the scenarios and returns the exit code."""
    options = _parse(argv)
    try:
        _run(options)
    except (ClientError, VitessLocalError, debezium.DebeziumError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except pymysql.MySQLError as error:
        print(f"bench: MySQL reported {' '.join(map(str, error.args))}", file=sys.stderr)
        return 1
    return 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the largest table (default: a million)")
    parser.add_argument("--runs", type=int, default=5, help="of every client (default: 5)")
    parser.add_argument("--only", default="", help=f"scenarios, with commas: {', '.join(scenarios.ALL)}")
    parser.add_argument("--seed", type=int, default=1, help="of the data")
    parser.add_argument("--largest", type=int, default=0, help="rows of the largest table of `growth` (default: ROWS)")
    parser.add_argument("--no-debezium", action="store_true", help="without Debezium, although Java is installed")
    options = parser.parse_args(argv)
    if "spark" in options.only.split(",") and not spark.is_installed():
        parser.error("the scenario spark needs .venv-spark: make it with `make spark-venv` (half a gigabyte; Java 17)")
    options.only = [name for name in options.only.split(",") if name] or _all()
    if not set(options.only) <= set(scenarios.ALL) or options.rows < 2 or options.runs < 1:
        parser.error(f"--only takes {', '.join(scenarios.ALL)}; --rows at least 2, --runs at least 1")
    return options


def _all() -> list[str]:
    if spark.is_installed():
        return list(scenarios.ALL)
    _log("without the scenario spark: .venv-spark is missing (make spark-venv; needs Java 17)")
    return [name for name in scenarios.ALL if name != "spark"]


def _run(options: argparse.Namespace) -> None:
    with_debezium = not options.no_debezium and {"copy", "changes"} & set(options.only) and _build_debezium()
    settings = scenarios.Settings(
        options.rows, options.runs, options.seed, bool(with_debezium), options.largest or options.rows
    )
    # VTTablet's own default. With vitess-local's, five seconds, it is busy reading the schema if there are many tables.
    flags = ["--queryserver-config-schema-reload-time=30m"]
    with (
        Cluster.up(NAME, keyspaces=KEYSPACES, vttablet_args=flags) as cluster,
        tempfile.TemporaryDirectory(prefix="bench") as folder,
    ):
        gates = {
            keyspace: Gate(
                "127.0.0.1",
                cluster.grpc_port,
                keyspace,
                {**cluster.config(keyspace), "tablet_type": "PRIMARY"},
                Path(folder),
            )
            for keyspace in KEYSPACES
        }
        lab = scenarios.Lab(cluster, gates, settings, _log)
        for name in options.only:
            started = time.monotonic()
            results = [result.to_json() for result in scenarios.ALL[name](lab)]
            _save(name, _about(cluster, options, time.monotonic() - started), results)


def _build_debezium() -> bool:
    try:
        debezium.build()
    except debezium.DebeziumError as error:
        _log(f"without Debezium: {error}")
        return False
    return True


def _about(cluster: Cluster, options: argparse.Namespace, seconds: float) -> str:
    """Says when, with what and on what it was measured."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=False)  # noqa: S607
    described = cluster.describe()
    now = datetime.now(timezone.utc)
    return (
        f"{now:%Y-%m-%d %H:%M} UTC, commit {commit.stdout.decode().strip() or '?'}, Vitess "
        f"{described['vitess_version'].removeprefix('v')}, MySQL {described['mysql_version']}, Python "
        f"{platform.python_version()}, grpcio {version('grpcio')}, protobuf {version('protobuf')}; {os.cpu_count()} "
        f"cores of {_processor()}, load {os.getloadavg()[1]:.1f} at the end; medians of {options.runs} runs "
        f"(min–max), {seconds:.0f} s; `make bench ROWS={options.rows} RUNS={options.runs} "  # noqa: RUF001 - a range
        f"SEED={options.seed} ONLY=…`"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _save(name: str, about: str, results: Sequence[object]) -> None:
    """Puts a scenario in the place of what was measured of it before, and writes the report anew."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known[name] = {"about": about, "results": results}
    ordered = {scenario: known[scenario] for scenario in scenarios.ALL if scenario in known}
    RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    report.insert(ROOT / "docs" / "performance.md", report.tables(ordered))
    (ROOT / "docs" / "performance.svg").write_text(report.plot(ordered))


def _log(text: str) -> None:
    print(f"{datetime.now(timezone.utc):%H:%M:%S} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
