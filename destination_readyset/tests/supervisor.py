"""`run` as a process, started again and ended as a supervisor does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from instruments.connector import Connector
from vitess_local.cluster import Cluster
from vitess_local.plain_mysql import PlainMysql

from tests.readyset_server import SECONDS
from tests.served import Json


class Supervisor:
    """Starts `run` again, whatever ended it, as systemd does; and looks for what it leaves behind.

    Args:
        argv: The command line.
        folder: Where its log is, and its files for the time being.

    Attributes:
        seen: The ids of all processes that it and its processes had.
    """

    def __init__(self, argv: list[str], folder: Path) -> None:
        self._argv = argv
        self.log = folder / "run.log"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.seen: set[int] = set()
        self.start()

    def start(self) -> None:
        """Starts it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._argv, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(self.temporary)}
            )
        self.seen.add(self.process.pid)

    def look(self) -> list[int]:
        """Returns the ids of its processes, the source and the destination, once there are any."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = [int(word) for word in path.read_text().split()] if path.exists() else []
        self.seen.update(children)
        return children

    def kill(self, pid: int) -> bool:
        """Kills it or one of its processes, and returns whether that was there."""
        if not is_running(pid):
            return False
        os.kill(pid, signal.SIGKILL)
        if pid == self.process.pid:
            self.process.wait()
            self.start()
        return True

    def stop(self) -> int:
        """Ends it as a supervisor does, and returns its exit code."""
        self.look()
        self.process.terminate()
        return self.process.wait(SECONDS)


def command_line(
    cluster: Cluster, keyspace: str, tables: Sequence[str], mysql: PlainMysql, readyset: Json | None, folder: Path
) -> list[str]:
    """Returns the words that start `run`, whose files are written into a folder.

    Args:
        cluster: The Vitess.
        keyspace: What is served of it.
        tables: Which of its tables.
        mysql: The served MySQL.
        readyset: The destination's field of this name; None without it.
        folder: Where the files are.
    """
    # A replica may lag, and a state is wanted at once.
    source: Json = {**cluster.config(keyspace), "tablet_type": "PRIMARY", "keep_streaming_minutes": 60}
    files = {
        "source": source,
        "config": {
            "host": "127.0.0.1",
            "port": mysql.port,
            "username": "local",
            "vitess": cluster.config(keyspace),
            **({"readyset": readyset} if readyset else {}),
        },
        "catalog": Connector(source, keyspace, cluster.mysql_port).configured(*tables),
    }
    argv = [sys.executable, "-m", "destination_readyset", "run", "--on-refresh-needed", "refresh"]
    for name, content in files.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content))
        argv += [f"--{name}", str(path)]
    return [
        *argv,
        "--state-file",
        str(folder / "state.json"),
        "--health-file",
        str(folder / "health.json"),
        "--source-command",
        f"{sys.executable} -m source_vitess",
    ]


def is_running(pid: int) -> bool:
    """Whether a process is there, and no zombie."""
    return _status(pid) not in ("", "Z")


def is_zombie(pid: int) -> bool:
    """Whether a process has ended, and nobody has waited for it."""
    return _status(pid) == "Z"


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""
