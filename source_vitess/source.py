"""The connector as a class of Airbyte's CDK: for its standard tests, and for whoever runs a source within a process.

The console script goes without: importing the CDK takes three times as long as everything else that a short sync does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# First, because it says what to install where the CDK is missing.
from source_vitess.airbyte.cdk import answer, as_traced, count_global_states, hide_from_the_cdk, to_messages

# isort: split
from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConnectorSpecification,
)
from airbyte_cdk.sources import Source

from source_vitess.airbyte.configured_catalog import parse_configured_catalog, with_defaults
from source_vitess.airbyte.files import read_config, read_json, read_state
from source_vitess.airbyte.lines import spec_line
from source_vitess.airbyte.specification import read_specification
from source_vitess.commands import Commands

count_global_states()


class SourceVitess(Source):
    """Reads a Vitess keyspace: its schema through VTGate's MySQL port, its rows through VStream."""

    # Config.from_json explains more than the JSON schema could.
    check_config_against_spec = False

    def __init__(self) -> None:
        self._commands = Commands()

    def spec(self, logger: logging.Logger) -> ConnectorSpecification:
        """Returns what the configuration consists of."""
        found = answer([spec_line(read_specification())], logger).spec
        assert found is not None  # noqa: S101 # the message of this command
        return found

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Returns whether the keyspace can be read with this configuration, and if not, what to do."""
        with as_traced():
            found = answer(hide_from_the_cdk(self._commands.check(config)), logger).connectionStatus
        assert found is not None  # noqa: S101 # the message of this command
        return found

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:
        """Returns the keyspace's base tables as streams."""
        with as_traced():
            found = answer(hide_from_the_cdk(self._commands.discover(config)), logger).catalog
        assert found is not None  # noqa: S101 # the message of this command
        return found

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterable[AirbyteMessage]:
        """Yields a sync's messages as those of the CDK, many times slower than the console script writes them."""
        with as_traced():
            configured = parse_configured_catalog(ConfiguredAirbyteCatalogSerializer.dump(catalog))
            messages = [AirbyteStateMessageSerializer.dump(message) for message in state or ()]
            yield from to_messages(hide_from_the_cdk(self._commands.read(config, configured, messages)))

    def stop(self) -> None:
        """Makes a running `read` end at the next safe point, with a state and a TransientError. Any thread may call."""
        self._commands.stop()

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:
        """Returns the configuration, without the copy on disk that the CDK would make."""
        return config

    @staticmethod
    def read_config(config_path: str) -> Any:
        """Reads the configuration file.

        Raises:
            AirbyteTracedException: It is missing, or not a JSON object.
        """
        with as_traced():
            return read_config(Path(config_path))

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        """Reads the configured catalog.

        Raises:
            AirbyteTracedException: It is missing, not JSON, or not a configured catalog.
        """
        with as_traced():
            catalog = read_json(Path(catalog_path), "configured catalog")
            parse_configured_catalog(catalog)
            return ConfiguredAirbyteCatalogSerializer.load(with_defaults(catalog))

    @classmethod
    def read_state(cls, state_path: str | None) -> list[AirbyteStateMessage]:
        """Reads the state file, in any form that platforms pass it.

        Raises:
            AirbyteTracedException: It is missing, not JSON, or not a state.
        """
        with as_traced():
            messages = read_state(Path(state_path)) if state_path else []
            return [AirbyteStateMessageSerializer.load(message) for message in messages]
