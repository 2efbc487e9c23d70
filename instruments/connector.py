"""Runs the connector: within the process where a test looks at messages, as a process where it looks at the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instruments.oracle import Store, expect_equal
from instruments.select import select_rows
from instruments.validation import RecordValidator
from source_vitess.airbyte.configured_catalog import parse_configured_catalog
from source_vitess.commands import Commands
from source_vitess.errors import ConnectorError

Json = dict[str, Any]


def _destination_mode(stream: Json, mode: str) -> str:
    """Returns what a person would choose."""
    if mode != "incremental":
        return "overwrite"
    return "append_dedup" if stream.get("source_defined_primary_key") else "append"


@dataclass
class Connector:
    """The connector with one configuration.

    Attributes:
        config: The configuration.
        keyspace: The keyspace it reads.
        mysql_port: VTGate's MySQL port, to compare with.
    """

    config: Json
    keyspace: str
    mysql_port: int
    _catalog: Json = field(default_factory=dict)

    def with_config(self, **changes: Any) -> Connector:
        """Returns the connector with other settings."""
        return Connector({**self.config, **changes}, self.keyspace, self.mysql_port)

    def discover(self) -> Json:
        """Returns the catalog."""
        *_, line = Commands().discover(self.config)
        return dict(json.loads(line)["catalog"])

    def configured(self, *streams: str, mode: str = "incremental", **more: Any) -> Json:
        """Returns a configured catalog of some of the tables, all if none is named."""
        discovered = [stream for stream in self.discover()["streams"] if not streams or stream["name"] in streams]
        if streams:
            discovered.sort(key=lambda stream: streams.index(stream["name"]))
        return {
            "streams": [
                {
                    "stream": stream,
                    "sync_mode": mode,
                    "destination_sync_mode": _destination_mode(stream, mode),
                    "primary_key": stream.get("source_defined_primary_key") or [],
                    "cursor_field": stream["default_cursor_field"],
                    **more,
                }
                for stream in discovered
            ]
        }

    def lines(self, catalog: Json, state: Sequence[Json] = ()) -> Iterator[bytes]:
        """Yields the lines of one sync, one at a time; raises as the sync does.

        Raises:
            SchemaError: A record does not fit the JSON schema that the catalog announces.
        """
        validator = RecordValidator(catalog)
        for chunk in Commands().read(self.config, parse_configured_catalog(catalog), state):
            for line in chunk.splitlines():
                validator.check_line(line)
                yield line

    def sync(self, store: Store, catalog: Json, *, stop_after: int | None = None) -> ConnectorError | None:
        """Runs one sync into a store, from the store's last state.

        Args:
            store: What was read so far.
            catalog: The configured catalog.
            stop_after: Lines after which the process is gone, as if killed.

        Returns:
            The error that the sync ended with.
        """
        store.new_sync()
        lines = self.lines(catalog, store.last_state)
        try:
            for number, line in enumerate(lines):
                if number == stop_after:
                    lines.close()  # type: ignore[attr-defined] # a generator
                    return None
                store.apply([line])
        except ConnectorError as error:
            return error
        return None

    def expect_all_equal(self, store: Store, *tables: str) -> None:
        """Compares tables with SELECT, value by value; of a filtered one the rows that its condition chooses."""
        where = {entry["table"]: entry["condition"] for entry in self.config.get("row_filters", [])}
        for table in tables or store.keys:
            expected = select_rows(self.mysql_port, self.keyspace, table, where=where.get(table, ""))
            expect_equal(store, table, expected)

    def process(
        self, folder: Path, command: str, *, catalog: Json | None = None, state: Any = None, **files: str
    ) -> subprocess.Popen[bytes]:
        """Starts the console script with its files in a folder.

        Args:
            folder: Where the files are written.
            command: The command.
            catalog: The configured catalog.
            state: The state, as JSON.
            files: Texts of files to give instead: config, catalog, state.
        """
        texts: Mapping[str, str | None] = {
            "config": files.get("config", json.dumps(self.config)),
            "catalog": files.get("catalog", json.dumps(catalog) if catalog is not None else None),
            "state": files.get("state", json.dumps(state) if state is not None else None),
        }
        argv = [sys.executable, "-m", "source_vitess", command]
        for name, text in texts.items():
            if text is not None:
                path = folder / f"{name}.json"
                path.write_text(text)
                argv += [f"--{name}", str(path)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ.copy())

    def run(self, folder: Path, command: str, **options: Any) -> tuple[int, list[Json], str]:
        """Runs the console script to its end.

        Returns:
            Exit code, the messages on stdout (every line must be one), and stderr.
        """
        process = self.process(folder, command, **options)
        out, err = process.communicate(timeout=120)
        if "catalog" in options:
            validator = RecordValidator(options["catalog"])
            for line in out.splitlines():
                validator.check_line(line)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()
