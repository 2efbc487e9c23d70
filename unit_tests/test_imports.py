"""What a command imports: a sync with nothing to do is little else, so it is counted here and not timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from instruments.scripted_vtgate.vitess import Vitess
from unit_tests.syncing import COLUMNS, Syncs

#: What nothing of this connector needs, and costs most: 0.1 to 1.5 s each.
HEAVY = {
    "airbyte_cdk",
    "numpy",
    "pandas",
    "nltk",
    "pendulum",
    "requests",
    "serpyco_rs",
    "jsonschema",
    "yaml",
    "pydantic",
}
#: What is for a tunnel or for encryption only.
NETWORK = {"asyncssh", "certifi"}

_SCRIPT = """
import atexit, sys
atexit.register(lambda: print(*sys.modules, file=sys.stderr))
from source_vitess.entrypoint import main
main()
"""


def modules_of(*argv: str) -> set[str]:
    """Runs a command as a process of its own and returns the modules that it has imported."""
    # Coverage measures child processes, too, and would be counted with all that it imports.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _SCRIPT, *argv], check=False, capture_output=True, text=True, env=environment
    )
    assert ran.returncode == 0, ran.stdout
    return set(ran.stderr.split())


def packages(modules: set[str]) -> set[str]:
    """Returns the top-level packages of modules."""
    return {name.partition(".")[0] for name in modules}


def test_spec_imports_nothing_of_a_sync() -> None:
    """The specification is a file: neither gRPC nor a MySQL client nor cryptography are loaded for it."""
    modules = modules_of("spec")

    assert packages(modules) & {*HEAVY, *NETWORK, "grpc", "google", "pymysql", "cryptography", "asyncio"} == set()
    assert not any(name.startswith("source_vitess.replication") for name in modules)
    assert len(modules) <= 150


@pytest.mark.parametrize("state", [False, True], ids=["a copy", "nothing to do"])
def test_a_sync_imports_what_it_needs(tmp_path: Path, *, state: bool) -> None:
    """Without a tunnel and encryption: gRPC, protobuf, a MySQL client, orjson and this package."""
    with Vitess() as vitess:
        vitess.create_table("a", COLUMNS, key=["id"])
        syncs = Syncs(vitess)
        assert syncs.run() is None
        files = {"config": syncs.connector.config, "catalog": syncs.catalog}
        if state:
            files["state"] = syncs.store.states[-1]
        argv = ["read"]
        for name, content in files.items():
            path = tmp_path / f"{name}.json"
            path.write_text(json.dumps(content))
            argv += [f"--{name}", str(path)]
        modules = modules_of(*argv)

    assert packages(modules) & {*HEAVY, *NETWORK} == set()
    assert "cryptography.x509" not in modules
    assert len(modules) <= 450
