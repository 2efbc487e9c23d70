"""The destination under test, and messages for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer
from vitess_local.plain_mysql import PlainMysql

from destination_readyset.companion import Companion
from destination_readyset.destination import DestinationReadyset

Json = dict[str, Any]

NAMESPACE = "shop"
SCHEMA = {"id": {"type": ["null", "integer"]}, "name": {"type": ["null", "string"]}}
DELETED = {"_ab_cdc_deleted_at": "2026-01-02T03:04:05Z"}


@dataclass
class Served:
    """The destination with a configuration.

    Attributes:
        mysql: The server it writes to.
        config: The configuration.
        emitted: The messages that it wrote to stdout.
    """

    mysql: PlainMysql
    config: Json
    emitted: list[Json] = field(default_factory=list)

    def write(
        self,
        catalog: Json,
        messages: Iterable[Json],
        emitted: Callable[[Json], None] = lambda _: None,
        *,
        finish: Callable[[Companion], None] = Companion.wait,
    ) -> None:
        """Runs one sync within this process; raises as it does."""

        def emit(lines: bytes) -> None:
            for line in lines.splitlines():
                message = json.loads(line)
                self.emitted.append(message)
                emitted(message)

        DestinationReadyset().write_lines(
            self.config,
            ConfiguredAirbyteCatalogSerializer.load(catalog),
            (json.dumps(message).encode() for message in messages),
            emit,
            finish=finish,
        )

    def process(self, folder: Path, catalog: Json) -> subprocess.Popen[bytes]:
        """Starts `write` as a process that waits for its input."""
        files = {"config": self.config, "catalog": catalog}
        for name, content in files.items():
            (folder / f"{name}.json").write_text(json.dumps(content))
        options = [word for name in files for word in (f"--{name}", str(folder / f"{name}.json"))]
        return subprocess.Popen(
            [sys.executable, "-m", "destination_readyset", "write", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    @property
    def states(self) -> list[Json]:
        """The states that were echoed."""
        return [message["state"] for message in self.emitted if message["type"] == "STATE"]

    @property
    def logs(self) -> str:
        """What was logged."""
        return "\n".join(message["log"]["message"] for message in self.emitted if message["type"] == "LOG")

    def rows(self, table: str = "customers") -> list[tuple[Any, ...]]:
        """The rows of a table, ordered by all columns."""
        return sorted(self.mysql.sql(f"SELECT * FROM `{NAMESPACE}`.`{table}`"), key=str)

    def new_binlog(self) -> None:
        """Begins a new file of the binlog."""
        self.mysql.sql("FLUSH BINARY LOGS")

    def binlog(self, kind: str) -> list[str]:
        """What the newest file of the binlog holds of one type of event."""
        name = self.mysql.sql("SHOW BINARY LOGS")[-1][0]
        events = self.mysql.sql(f"SHOW BINLOG EVENTS IN '{name}'")
        return [str(info) for _, _, event, _, _, info in events if event == kind]


def stream(
    name: str = "customers",
    *,
    schema: Json | None = None,
    key: Sequence[str] = ("id",),
    mode: str = "append_dedup",
    **more: Any,
) -> Json:
    """Returns a configured stream."""
    sync_mode = "incremental" if mode == "append_dedup" else "full_refresh"
    return {
        "stream": {
            "name": name,
            "namespace": NAMESPACE,
            "json_schema": {"type": "object", "properties": schema or SCHEMA},
            "supported_sync_modes": ["full_refresh", "incremental"],
        },
        "sync_mode": sync_mode,
        "destination_sync_mode": mode,
        "primary_key": [[column] for column in key],
        **more,
    }


def catalog(*streams: Json) -> Json:
    """Returns a configured catalog, of one stream if none is given."""
    return {"streams": list(streams) or [stream()]}


def record(data: Json, name: str = "customers") -> Json:
    """Returns a record."""
    return {"type": "RECORD", "record": {"stream": name, "namespace": NAMESPACE, "data": data, "emitted_at": 1}}


def state(number: int) -> Json:
    """Returns a state."""
    return {
        "type": "STATE",
        "state": {"type": "GLOBAL", "global": {"shared_state": {"n": number}, "stream_states": []}},
    }


def status(word: str, name: str = "customers") -> Json:
    """Returns a stream's status."""
    body = {"stream_descriptor": {"name": name, "namespace": NAMESPACE}, "status": word}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1.0, "stream_status": body}}
