"""Airbyte's CDK is an extra: the wheel without it is a whole program, and vitess-spark requires no more than that."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement

from instruments.scripted_vtgate.vitess import Vitess
from unit_tests.environments import ROOT, Environment, build_pure_wheel, build_wheel, required
from unit_tests.syncing import COLUMNS, Syncs, rows

NAME = "airbyte-source-vitess"
#: What only the CDK brings along, and users without it must not get: the one copyleft package, and the large ones.
OF_THE_CDK = {"airbyte-cdk", "unidecode", "pandas", "numpy", "nltk"}
SENTENCE = (
    "The class SourceVitess needs Airbyte's CDK, which is not installed: run pip install 'airbyte-source-vitess[cdk]'."
)
#: The modules of the connector that need the extra.
FACES = {"source_vitess/source.py", "source_vitess/airbyte/cdk.py"}

#: Imports the class where the package that is named is not installed.
_WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
import source_vitess.source
"""


@pytest.fixture(scope="module")
def without_extra(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with the connector's wheel, and with what that requires where no extra is asked for."""
    folder = tmp_path_factory.mktemp("without extra")
    made = Environment.make(folder / "environment")
    made.install(build_wheel(folder, compiler=False))
    for name in required(made.distributions()[NAME].requires or ()):
        made.link(name)
    return made


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory, without_extra: Environment) -> Distribution:
    """vitess-spark's wheel, installed beside the connector's, without PySpark and PyArrow."""
    without_extra.install(build_pure_wheel("vitess_spark", tmp_path_factory.mktemp("spark")))
    return without_extra.distributions()["vitess-spark"]


def _imported(package: Path) -> Iterator[str]:
    """Yields the modules that a package names in imports, also those within functions; not those of `FACES`."""
    for file in package.rglob("*.py"):
        if file.relative_to(ROOT).as_posix() in FACES:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or ""


def test_the_connector_alone_brings_nothing_of_the_cdk(without_extra: Environment) -> None:
    """Neither the CDK nor what comes with it only, such as the one copyleft package, and nothing can import it."""
    found = without_extra.run("python", "-c", "import importlib.util; print(importlib.util.find_spec('airbyte_cdk'))")

    assert without_extra.distributions().keys() & OF_THE_CDK == set()
    assert found.stdout.strip() == "None"


def test_the_extra_brings_the_cdk(without_extra: Environment) -> None:
    """So do the packages that import it: destination-readyset asks for the extra."""
    brought = required(without_extra.distributions()[NAME].requires or (), "cdk")
    project = tomli.loads((ROOT / "destination_readyset" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {each.name: each.extras for each in map(Requirement, project["dependencies"])}

    assert brought >= OF_THE_CDK
    assert asked[NAME] == {"cdk"}


def test_every_import_is_required(without_extra: Environment) -> None:
    """What the connector imports, early or late, is required by its own metadata, but for the faces of the CDK."""
    modules = {*_imported(ROOT / "source_vitess")} - {"source_vitess.source"}
    script = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)"

    done = without_extra.run("python", "-c", script, *sorted(modules))

    assert (done.returncode, done.stderr) == (0, "")
    assert modules >= {"asyncssh", "certifi", "cryptography", "grpc", "orjson", "pymysql"}


def test_spec_and_check(without_extra: Environment, tmp_path: Path) -> None:
    """The console script says what it needs, and of a configuration what is wrong with it."""
    config = tmp_path / "config.json"
    config.write_text('{"url": "vitess://localhost"}')

    specified = without_extra.run("source-vitess", "spec")
    checked = without_extra.run("source-vitess", "check", "--config", config)

    assert (specified.returncode, checked.returncode) == (0, 0)
    assert "url" in json.loads(specified.stdout)["spec"]["connectionSpecification"]["properties"]
    status = json.loads(checked.stdout.splitlines()[-1])["connectionStatus"]
    assert status["status"] == "FAILED"
    assert "url" in status["message"]


def test_a_sync(without_extra: Environment, tmp_path: Path) -> None:
    """The console script copies a table, and goes on from the state that it ended with."""
    with Vitess() as vitess:
        vitess.create_table("a", COLUMNS, key=["id"])
        vitess.insert("a", *rows(6))
        syncs = Syncs(vitess)
        for start in (7, 9):
            argv: list[str | Path] = []
            for name, content in {
                "config": syncs.connector.config,
                "catalog": syncs.catalog,
                "state": syncs.store.last_state,
            }.items():
                file = tmp_path / f"{name}.json"
                file.write_text(json.dumps(content))
                argv += [f"--{name}", file]
            ran = without_extra.run("source-vitess", "read", *argv)
            assert (ran.returncode, ran.stderr) == (0, "")
            syncs.store.new_sync()
            syncs.store.apply(ran.stdout.splitlines())
            syncs.expect_equal()
            vitess.insert("a", *rows(2, start=start))


@pytest.mark.parametrize(
    "statement", ["from source_vitess.source import SourceVitess", "from source_vitess import SourceVitess"]
)
def test_the_class_says_what_to_install(without_extra: Environment, statement: str) -> None:
    """Without the CDK it is one sentence, with the command, and the only error."""
    done = without_extra.run("python", "-c", statement)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {SENTENCE}"
    assert "exception" not in done.stderr


@pytest.mark.parametrize(
    ("missing", "message"), [("airbyte_cdk", SENTENCE), ("serpyco_rs", "No module named 'serpyco_rs'")]
)
def test_only_a_missing_cdk_is_said_to_be_missing(missing: str, message: str) -> None:
    """A package that an installed CDK lacks is named as Python names it: the extra is there already."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _WITHOUT, missing], check=False, capture_output=True, text=True
    )

    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {message}"


def test_spark_requires_nothing_of_the_cdk(without_extra: Environment, spark: Distribution) -> None:
    """vitess-spark requires the connector without an extra, and beside it Spark's packages only."""
    asked = [Requirement(text) for text in spark.requires or ()]

    assert {(each.name, *each.extras) for each in asked} == {(NAME,), ("pyspark",), ("pyarrow",)}
    assert "airbyte-cdk" not in (ROOT / "requirements" / "spark.txt").read_text(encoding="utf-8")


def test_spark_runs_without_the_cdk(without_extra: Environment, spark: Distribution) -> None:
    """What decides on data in vitess-spark can be imported beside the connector alone."""
    done = without_extra.run("python", "-c", "import vitess_spark, vitess_spark.options, vitess_spark.stream")

    assert (done.returncode, done.stderr) == (0, "")
