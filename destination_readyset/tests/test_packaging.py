"""What is shipped is the same everywhere, and the CDK's own face works."""

from __future__ import annotations

import configparser
import json
import logging
import re
import shlex
from pathlib import Path
from typing import Any

import tomli
import yaml
from airbyte_cdk.models import AirbyteMessageSerializer, ConfiguredAirbyteCatalogSerializer

from destination_readyset.destination import DestinationReadyset
from destination_readyset.round import ENDING_SECONDS
from destination_readyset.supervise import command_line_parser
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


def _block(kind: str, beginning: str) -> str:
    """Returns a block of docs/readyset.md."""
    page = (PACKAGE.parent / "docs" / "readyset.md").read_text()
    (found,) = [block for block in re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) if block.startswith(beginning)]
    return str(found)


def _check_command_line(words: list[str]) -> None:
    assert words[0] == "run"
    options = command_line_parser().parse_args(words[1:])
    assert options.on_refresh_needed == "refresh"


def test_the_documented_systemd_unit() -> None:
    """Its sections are systemd's, its command line is one of `run`, and it waits for as long as that may take to end.

    `systemd-analyze verify` finds nothing in it either, where the program is installed.
    """
    unit = configparser.ConfigParser(interpolation=None, delimiters="=")
    unit.optionxform = str  # type: ignore[assignment,method-assign] # case counts there
    unit.read_string(_block("ini", "[Unit]"))
    service = unit["Service"]
    program, *words = shlex.split(service["ExecStart"].replace("\\\n", " "))

    assert unit.sections() == ["Unit", "Service", "Install"]
    assert Path(program).name == "destination-readyset"
    _check_command_line(words)
    state = words[words.index("--state-file") + 1]
    assert Path(state).parent == Path("/var/lib") / service["StateDirectory"]
    assert float(service["TimeoutStopSec"]) > ENDING_SECONDS
    assert service["KillMode"] == "mixed"


def test_the_documented_compose_service() -> None:
    """Its command line is one of `run`, with the port that its health check asks, and files of its volumes."""
    ((name, service),) = yaml.safe_load(_block("yaml", "services:"))["services"].items()
    words = shlex.split(service["command"])
    version = tomli.loads((PACKAGE / "pyproject.toml").read_text())["project"]["version"]

    assert name == "commerce"
    assert service["image"] == f"{_metadata()['dockerRepository']}:{version}"
    _check_command_line(words)
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    assert {str(Path(word).parent) for word in words if word.startswith("/")} == set(mounted)
    assert f"127.0.0.1:{words[words.index('--health-port') + 1]}/" in service["healthcheck"]["test"][-1]
    assert float(service["stop_grace_period"].rstrip("s")) > ENDING_SECONDS
