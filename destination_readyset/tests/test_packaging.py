"""What is shipped is the same everywhere, and the CDK's own face works."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import tomli
import yaml
from airbyte_cdk.models import AirbyteMessageSerializer, ConfiguredAirbyteCatalogSerializer

from destination_readyset.destination import DestinationReadyset
from tests.served import Served, catalog, record, state

PACKAGE = Path(__file__).resolve().parent.parent


def _metadata() -> dict[str, Any]:
    return dict(yaml.safe_load((PACKAGE / "metadata.yaml").read_text())["data"])


def test_versions_agree() -> None:
    """pyproject, metadata and the image's label name one version."""
    version = tomli.loads((PACKAGE / "pyproject.toml").read_text())["project"]["version"]
    dockerfile = (PACKAGE.parent / "Dockerfile").read_text()
    label = re.search(r'"airbyte/destination-readyset" \\\n\s+io\.airbyte\.version="(.+?)"', dockerfile)

    assert label is not None
    assert {version} == {_metadata()["dockerImageTag"], label[1]}


def test_spec_and_documents_agree() -> None:
    """The spec names the modes that are supported, and docs/readyset.md every field."""
    spec = DestinationReadyset().spec(logging.getLogger("airbyte.tests"))
    page = (PACKAGE.parent / "docs" / "readyset.md").read_text()
    listed = page.partition("\n## Settings\n")[2].partition("\n## ")[0]

    assert spec.documentationUrl == _metadata()["documentationUrl"]
    assert [mode.value for mode in spec.supported_destination_sync_modes or []] == [
        "overwrite",
        "append",
        "append_dedup",
    ]
    assert [name for name in spec.connectionSpecification["properties"] if f"`{name}`" not in listed] == []


def test_messages_of_the_cdk(served: Served) -> None:
    """`write` takes the CDK's messages and yields the states that were committed."""
    messages = [
        AirbyteMessageSerializer.load(json.loads(json.dumps(message)))
        for message in (record({"id": 1, "name": "a"}), state(1), record({"id": 2, "name": None}), state(2))
    ]
    configured = ConfiguredAirbyteCatalogSerializer.load(catalog())

    emitted = list(DestinationReadyset().write(served.config, configured, iter(messages)))

    assert served.rows() == [(1, "a"), (2, None)]
    assert [message.state is not None for message in emitted] == [True, True]
