"""What Airbyte asks of a connector in its registry: metadata of its schema, and a page of documentation in its form.

The schema is that of the package `airbyte-connector-models`. The headings are those that Airbyte's own checks expect
(airbyte-ci/connectors/connectors_qa, checks/documentation), in their order; a page may have others between them.
"""

from __future__ import annotations

import copy
import json
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
METADATA = [ROOT / "metadata.yaml", ROOT / "destination_readyset" / "metadata.yaml"]
SCHEMA = "airbyte_connector_models/metadata/v0/ConnectorMetadataDefinitionV0.json"

PAGE = (ROOT / "docs" / "vitess.md").read_text(encoding="utf-8")
HEADINGS = [
    "# Vitess",
    "## Prerequisites",
    "## Setup guide",
    "## Set up Vitess",
    "### For Airbyte Cloud:",
    "### For Airbyte Open Source:",
    "## Set up the Vitess connector in Airbyte",
    "### For Airbyte Cloud:",
    "### For Airbyte Open Source:",
    "## Supported sync modes",
    "## Supported Streams",
    "### Performance considerations",
    "## Data type map",
    "## Limitations & Troubleshooting",
    "## Changelog",
]


def without_inner_ids(schema: Any, *, outermost: bool = True) -> Any:
    """Returns a schema without the `$id`s inside it: its references are from its root, whatever these name."""
    if isinstance(schema, dict):
        return {
            name: without_inner_ids(part, outermost=False)
            for name, part in schema.items()
            if outermost or name != "$id" or not isinstance(part, str)
        }
    if isinstance(schema, list):
        return [without_inner_ids(part, outermost=False) for part in schema]
    return schema


@pytest.fixture(scope="module")
def validator() -> Any:
    """Airbyte's schema of metadata.yaml."""
    try:
        text = distribution("airbyte-connector-models").read_text("../" + SCHEMA)
    except PackageNotFoundError:
        pytest.skip("airbyte-connector-models is not installed: it is not for this version of Python")
    assert text is not None
    schema = without_inner_ids(json.loads(text))
    return jsonschema.validators.validator_for(schema)(schema)


@pytest.mark.parametrize("path", METADATA, ids=["source-vitess", "destination-readyset"])
def test_metadata_is_valid(validator: Any, path: Path) -> None:
    """Each metadata.yaml is what Airbyte's schema asks for."""
    metadata = yaml.safe_load(path.read_text(encoding="utf-8"))

    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(metadata)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data", "definitionId"), None),
        (("data", "releaseStage"), "gamma"),
        (("data", "connectorBuildOptions", "baseImage"), 4),
        (("data", "releases", "breakingChanges"), {"0.2.0": {"message": "no deadline"}}),
        (("data", "unknown"), True),
    ],
    ids=lambda part: ".".join(part) if isinstance(part, tuple) else "",
)
def test_the_schema_is_asked(validator: Any, path: tuple[str, ...], value: object) -> None:
    """What is wrong at any depth is found: taking the inner `$id`s out has not disarmed the schema."""
    metadata = copy.deepcopy(yaml.safe_load(METADATA[0].read_text(encoding="utf-8")))
    part = metadata
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value

    assert not validator.is_valid(metadata)


def section(heading: str) -> str:
    """Returns what stands below a heading of the page, up to the next one of its level."""
    marks = heading.partition(" ")[0]
    return re.split(rf"^#{{1,{len(marks)}}} ", PAGE.partition(f"\n{heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_page_has_the_headings_in_their_order() -> None:
    """Airbyte's checks find each heading that they ask for after the one before."""
    # Without blocks of code, where a comment looks like a heading.
    found = iter(re.findall(r"^#{1,4} .+$", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL), flags=re.MULTILINE))

    assert [heading for heading in HEADINGS if heading not in found] == []


def test_the_prerequisites_name_each_required_field() -> None:
    """A person has at hand what the form will ask for."""
    form = json.loads((ROOT / "source_vitess" / "spec.json").read_text())["connectionSpecification"]
    titles = [form["properties"][name]["title"] for name in form["required"]]

    assert titles
    assert [title for title in titles if title.lower() not in section("## Prerequisites").lower()] == []


def test_the_page_names_each_sync_mode() -> None:
    """All that the destination can be told to do with the records is named."""
    modes = ["Full Refresh Overwrite", "Full Refresh Append", "Incremental Append", "Incremental Append + Deduped"]
    text = " ".join(section("## Supported sync modes").split())

    assert [mode for mode in modes if mode not in text] == []


def test_the_changelog_is_folded_and_has_this_version() -> None:
    """The table stands inside <details>, and has a row for the version that metadata.yaml names."""
    version = yaml.safe_load(METADATA[0].read_text(encoding="utf-8"))["data"]["dockerImageTag"]

    folded = re.fullmatch(
        r"\s*<details>\n  <summary>Expand to review</summary>\n\n(?P<table>.*)\n\n</details>\s*",
        section("## Changelog"),
        flags=re.DOTALL,
    )

    assert folded is not None
    assert f"\n| {version} |" in folded["table"]
