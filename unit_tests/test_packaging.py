"""What is shipped is the same everywhere: versions, settings, licences, locks."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import uuid
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from source_vitess.rows import compiled
from source_vitess.settings.config import Config
from unit_tests.environments import ROOT, build_wheel

PERMISSIVE = re.compile(
    r"0BSD|Apache|BSD|CC0-1\.0|CNRI-Python|ISC|MIT|PSF-2\.0|Python Software Foundation|Zlib|"
    # Copyleft for its own files only: using the package as it is asks for nothing.
    r"MPL-2\.0|Mozilla Public License 2\.0|EPL-2\.0"
)
#: Required by the CDK, so by the extra alone (see `test_extra.py`), and imported by nothing (see
#: `test_the_copyleft_dependency_is_never_imported`).
COPYLEFT = {"unidecode"}


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _project() -> dict[str, Any]:
    return dict(tomli.loads(_read("pyproject.toml"))["project"])


def _metadata() -> dict[str, Any]:
    return dict(yaml.safe_load(_read("metadata.yaml"))["data"])


def _locked(name: str) -> dict[str, list[Requirement]]:
    """Returns a lock's requirements by name: more than one where Python versions need different ones."""
    found: dict[str, list[Requirement]] = {}
    for line in _read(f"requirements/{name}.txt").splitlines():
        if line and line[0] not in " #":
            requirement = Requirement(line.removesuffix("\\"))
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def _installed(name: str) -> Iterator[str]:
    """Yields the names of a lock's packages that this Python and system need."""
    for package, requirements in _locked(name).items():
        if any(requirement.marker is None or requirement.marker.evaluate() for requirement in requirements):
            yield package


def _tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _licences(package: str) -> list[str]:
    metadata = importlib.metadata.metadata(package)
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    # The field License may hold a whole text, of which the first line is the name.
    names = [text.partition("\n")[0] for text in metadata.get_all("License") or []]
    named = [text for text in classifiers if text != "License :: OSI Approved"]
    return [*(metadata.get_all("License-Expression") or []), *named, *names]


def test_versions_agree() -> None:
    """pyproject, metadata, the newest entry of the changelog and the image's label name one version."""
    version = _project()["version"]

    newest = re.search(r"^## \[(.+?)\]", _read("CHANGELOG.md"), re.MULTILINE)
    label = re.search(r'io\.airbyte\.version="(.+?)"', _read("Dockerfile"))

    assert newest is not None
    assert label is not None
    assert {version} == {_metadata()["dockerImageTag"], newest[1], label[1]}


def test_metadata_is_complete() -> None:
    """metadata.yaml has what Airbyte's tools read, and agrees with the rest of the checkout."""
    data = _metadata()

    assert data["tags"] == ["language:python", "cdk:python"]
    # PyAirbyte installs airbyte-<connector>, and asks that distribution for its version.
    assert _project()["name"] == data["remoteRegistries"]["pypi"]["packageName"] == "airbyte-source-vitess"
    assert (data["connectorType"], data["connectorSubtype"]) == ("source", "database")
    assert str(uuid.UUID(data["definitionId"])) == data["definitionId"]
    assert _project()["license"] == data["license"]
    assert json.loads(_read("source_vitess/spec.json"))["documentationUrl"] == data["documentationUrl"]
    assert ET.fromstring(_read(data["icon"])).tag.endswith("svg")  # noqa: S314 - our own drawing
    assert {"unitTests", "integrationTests", "acceptanceTests"} == {
        suite["suite"] for suite in data["connectorTestSuitesOptions"]
    }


def test_readme_lists_every_setting() -> None:
    """The README's table of settings has those of the spec, no more and no less."""
    settings = json.loads(_read("source_vitess/spec.json"))["connectionSpecification"]["properties"]

    section = _read("README.md").partition("\n## Configuration\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]

    assert sorted(settings) == sorted(listed)


def test_links_of_the_documents_lead_somewhere() -> None:
    """A relative link in a document names a file that is there."""
    broken = [
        f"{document.name}: {target}"
        for document in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]

    assert broken == []


def test_licences_are_permissive() -> None:
    """Nothing that the connector brings along binds its users to more than a notice."""
    doubtful = {
        package: licences
        for package in _installed("runtime")
        if not (licences := _licences(package)) or not all(PERMISSIVE.search(text) for text in licences[:1])
    }

    assert set(doubtful) == COPYLEFT, doubtful


def test_the_copyleft_dependency_is_never_imported() -> None:
    """The one copyleft package of the lock is used by nobody, and the image does without it."""
    users = []
    for package in _installed("runtime"):
        for file in importlib.metadata.files(package) or []:
            if file.suffix == ".py" and package not in COPYLEFT:
                text = Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")
                users += [
                    str(file) for name in COPYLEFT if re.search(rf"^\s*(import|from) {name}\b", text, re.MULTILINE)
                ]

    assert users == []
    assert all(re.search(rf"pip uninstall .*\b{name}\b", _read("Dockerfile")) for name in COPYLEFT)


def test_the_connector_does_without_what_the_image_leaves_out() -> None:
    """What the Dockerfile uninstalls is loaded by no part of the connector."""
    listed = re.search(r"pip uninstall --yes --quiet (.+)", _read("Dockerfile"))
    assert listed is not None
    script = "import sys, source_vitess.source, source_vitess.entrypoint; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603

    assert set(listed[1].split()) & set(loaded.stdout.split()) == set()


@pytest.mark.parametrize("name", ["runtime", "dev", "build", "proto", "audit", "clients", "spark", "lock"])
def test_locks_are_whole(name: str) -> None:
    """Every requirement of a lock is pinned and hashed, and no lock names where packages come from."""
    text = _read(f"requirements/{name}.txt")
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))

    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)


def test_locks_agree_with_the_project() -> None:
    """What pyproject asks for is locked at a version it allows, and tests run on the versions that are shipped."""
    runtime, dev = _locked("runtime"), _locked("dev")

    project = _project()
    for text in (*project["dependencies"], *project["optional-dependencies"]["cdk"]):
        wanted = Requirement(text)
        for pin in runtime[canonicalize_name(wanted.name)]:
            version = str(pin.specifier).removeprefix("==")
            assert wanted.specifier.contains(version), f"{wanted} is locked at {version}"
    assert {name: pins for name, pins in runtime.items() if {*map(str, pins)} != {*map(str, dev[name])}} == {}


def test_no_registry_is_named() -> None:
    """Where packages come from is the machine's business: no tracked file names a registry's host."""
    # Put together here, so that this file does not name them either.
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("proxy", "golang", "org"))]
    hosts += [".".join(parts) for parts in (("deb", "debian", "org"), ("registry", "npmjs", "org"), ("crates", "io"))]
    named = [
        f"{file.relative_to(ROOT)}: {host}"
        for file in _tracked_files()
        for host in hosts
        if host.encode() in file.read_bytes()
    ]

    assert named == []


def _can_compile() -> bool:
    compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[0]
    return shutil.which(compiler) is not None and (Path(sysconfig.get_path("include")) / "Python.h").exists()


@pytest.mark.parametrize("compiler", [True, False], ids=["with a C compiler", "without"])
def test_wheel_holds_what_the_program_needs(tmp_path: Path, compiler: bool) -> None:
    """The wheel has the spec, the generated code, the licence and the console script, and nothing of the tests.

    It can be built without a C compiler, and then lacks the compiled decoder only.
    """
    if compiler and not _can_compile():
        pytest.skip("there is no C compiler, or Python's headers are missing")
    wheel = build_wheel(tmp_path, compiler=compiler)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        script = next(name for name in names if name.endswith("entry_points.txt"))
        scripts = archive.read(script).decode()

    assert {"source_vitess/spec.json", "source_vitess/proto/binlogdata_pb2.py", "source_vitess/__main__.py"} <= names
    assert {"source_vitess/py.typed", "source_vitess/proto/binlogdata_pb2.pyi"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "source-vitess = source_vitess.entrypoint:main" in scripts
    assert {"source_vitess"} == {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert not any(name.endswith(".c") for name in names)
    assert any(name.startswith("source_vitess/rows/_decoder.") for name in names) == compiler


@pytest.mark.skipif(not _can_compile(), reason="there is no C compiler, or Python's headers are missing")
def test_the_decoder_is_compiled_where_it_can_be() -> None:
    """`make venv` has built the compiled decoder: else its tests are skipped, and nobody notices."""
    assert compiled.obstacle() is None or os.environ.get(compiled.VARIABLE) == "0"


@pytest.mark.parametrize("name", ["sample_config", "invalid_config"])
def test_sample_configurations_can_be_read(name: str) -> None:
    """The sample configurations are ones that the connector takes; the invalid one fails at the servers only."""
    config = Config.from_json(json.loads(_read(f"integration_tests/{name}.json")))

    assert config.keyspace == "shop"
