"""Runs Debezium's Vitess connector (benchmarks/debezium/), an independent reader to compare with.

Not a part of `make test`: it needs Java 17 and Maven, and downloads Debezium the first time.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "benchmarks" / "debezium"

#: What Debezium cannot do without, and what keeps it from failing on ordinary data.
_SETTINGS = {
    "name": "debezium",
    "connector.class": "io.debezium.connector.vitess.VitessConnector",
    "topic.prefix": "debezium",
    "vitess.tablet.type": "MASTER",
    "snapshot.mode": "initial",
    "offset.storage": "org.apache.kafka.connect.storage.MemoryOffsetBackingStore",
    "key.converter.schemas.enable": "false",
    "value.converter.schemas.enable": "false",
    # Its default of 4 MiB is less than the 16 MiB that Vitess may send, and it would try again forever.
    "vitess.grpc.max_inbound_message_size": str(64 * 1024 * 1024),
}


class DebeziumError(Exception):
    """Debezium cannot be built or run; the message has the cause."""


@dataclass(frozen=True)
class Reading:
    """What a run came to.

    Attributes:
        records: How many records came.
        value_bytes: Their JSON.
        seconds_to_first: From the engine's start to the first record.
        seconds_reading: From the first record to the last.
        cpu_seconds: Of the whole Java process.
        complete: As many records came as were asked for, in time.
    """

    records: int
    value_bytes: int
    seconds_to_first: float
    seconds_reading: float
    cpu_seconds: float
    complete: bool


def build() -> None:
    """Compiles the reader and fetches Debezium, if that was not done for this version of it.

    Raises:
        DebeziumError: Java or Maven is missing, or the build failed.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise DebeziumError(f"{program} is not on the PATH: install Java 17 and Maven 3.8 or later.")
    built = PROJECT / "target" / "built"
    sources = [PROJECT / "pom.xml", *PROJECT.glob("src/**/*.java")]
    if built.exists() and built.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return
    shutil.rmtree(PROJECT / "target", ignore_errors=True)
    if subprocess.run(["mvn", "-q", "-B", "process-classes"], cwd=PROJECT, check=False).returncode:  # noqa: S607
        raise DebeziumError("Maven could not build benchmarks/debezium; its messages stand above.")
    built.touch()


def run(
    folder: Path,
    *,
    host: str,
    grpc_port: int,
    keyspace: str,
    records: int,
    seconds: int,
    output: Path | None = None,
    heap: str = "1g",
    settings: Mapping[str, str] | None = None,
) -> Reading:
    """Reads a keyspace with Debezium until so many records have come. Call `build` before.

    Args:
        folder: For the settings and Debezium's log, `debezium.log`.
        host: VTGate's host.
        grpc_port: VTGate's gRPC port, without TLS.
        keyspace: The keyspace.
        records: Where to stop.
        seconds: When to give up.
        output: Where to write lines of `topic<TAB>value`; None to count only.
        heap: Java's `-Xmx`.
        settings: More of Debezium's settings.

    Raises:
        DebeziumError: Debezium did not even get so far as to count.
    """
    properties = {
        **_SETTINGS,
        "database.hostname": host,
        "database.port": str(grpc_port),
        "vitess.keyspace": keyspace,
        **(settings or {}),
    }
    file = folder / "debezium.properties"
    # Backslashes, as in the regular expressions for tables, are escapes in this format.
    file.write_text("".join(f"{name}={value}\n".replace("\\", "\\\\") for name, value in properties.items()))
    command = [
        "java",
        f"-Xmx{heap}",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-cp",
        f"{PROJECT}/target/classes:{PROJECT}/target/lib/*",
        "sourcevitess.debezium.Reader",
        str(file),
        str(records),
        str(seconds),
        str(output) if output else "-",
    ]
    log = folder / "debezium.log"
    with log.open("wb") as errors:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, check=False)
    try:
        summary = json.loads(run.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise DebeziumError(f"Debezium ended with exit code {run.returncode} and no result; see {log}.") from error
    return Reading(**summary, complete=run.returncode == 0)
