"""source-vitess on a real keyspace, and the destination behind it, within the process of the test."""

from __future__ import annotations

import json
from collections.abc import Iterator

from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from instruments.connector import Connector
from source_vitess.airbyte.configured_catalog import parse_configured_catalog
from source_vitess.commands import Commands
from vitess_local.cluster import Cluster

from destination_readyset.destination import DestinationReadyset
from tests.served import Json, Served


class Pipeline:
    """source-vitess on a keyspace, and the destination behind it."""

    def __init__(self, served: Served, cluster: Cluster, keyspace: str) -> None:
        self.served = served
        self.source = Connector({**cluster.config(keyspace), "tablet_type": "PRIMARY"}, keyspace, cluster.mysql_port)
        served.config["vitess"] = self.source.config
        self.states: list[Json] = []

    def sync(self) -> None:
        """Copies what is new into the served tables, from the state that the destination echoed last."""
        catalog = self.source.configured()
        echoed: list[bytes] = []
        DestinationReadyset().write_lines(
            self.served.config, ConfiguredAirbyteCatalogSerializer.load(catalog), self._lines(catalog), echoed.append
        )
        found = [json.loads(line) for chunk in echoed for line in chunk.splitlines()]
        self.states = [message["state"] for message in found if message["type"] == "STATE"][-1:] or self.states

    def _lines(self, catalog: Json) -> Iterator[bytes]:
        for chunk in Commands().read(self.source.config, parse_configured_catalog(catalog), self.states):
            yield from chunk.splitlines()
