"""Runs the CDK's standard tests for connectors against a real local Vitess.

    python -m tools.standard_tests REPORT

`airbyte-cdk connector test` wants a folder named like the connector, with a configuration in it. This makes one from
the checkout's files, adds `secrets/config.json` with the ports of a cluster that is started for it, and removes both.
The tests that build an image need a Docker engine with a network, and are left out; `make image` is the other way.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from vitess_local.cluster import Cluster

from demo import shop
from demo.connector import write_json

_ROOT = Path(__file__).resolve().parent.parent
_FOLDER = _ROOT / ".tmp" / "source-vitess"
_FILES = ("metadata.yaml", "icon.svg", "acceptance-test-config.yml", "integration_tests")
_SIZE = shop.Size(customers=30, products=20, orders=40, events=10)


def main(report: Path) -> int:
    """Runs the tests and returns their exit code."""
    with Cluster.up("standard", keyspaces={shop.KEYSPACE: shop.SHARDS}) as cluster:
        shop.reset(cluster, _SIZE)
        # The CDK's test reader makes a float of a whole number beyond 64 bits, and then misses the integer.
        cluster.sql(shop.KEYSPACE, "update all_types set c_decimal_whole = sign(c_decimal_whole)")
        _make_folder(cluster)
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("airbyte-cdk")),
                "connector",
                "test",
                str(_FOLDER),
                # One -m only: pytest takes the last, and --no-creds would add another.
                "--pytest-arg=-m",
                "--pytest-arg=not image_tests",
                # The CDK collects these for configurations that are meant to fail `check`, and then skips them.
                "--pytest-arg=-k",
                "--pytest-arg=not ((discover or read) and (invalid_config or unknown_keyspace))",
                "--pytest-arg=-rs",
            ],
            check=False,
        )
    written = _FOLDER / "build" / "test-results" / "standard-tests-junit.xml"
    if written.exists():
        shutil.copy(written, report)
    shutil.rmtree(_FOLDER)
    return done.returncode


def _make_folder(cluster: Cluster) -> None:
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir(parents=True)
    for name in _FILES:
        (_FOLDER / name).symlink_to(_ROOT / name)
    secrets = _FOLDER / "secrets"
    secrets.mkdir()
    write_json(secrets / "config.json", cluster.config(shop.KEYSPACE))
    write_json(secrets / "unknown_keyspace.json", _elsewhere(cluster))


def _elsewhere(cluster: Cluster) -> dict[str, str]:
    """Returns a configuration that the servers refuse."""
    config = dict(cluster.config(shop.KEYSPACE))
    config["url"] = config["url"].replace(f"/{shop.KEYSPACE}?", "/no_such_keyspace?")
    return config


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
