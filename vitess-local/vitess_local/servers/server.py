"""Starts long-running servers, and later finds and ends exactly those.

A server outlives the command that started it, so each has a record on disk: see
`process_identity`. A process id that another process uses by now is left alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vitess_local.atomic import write_file
from vitess_local.errors import VitessLocalError
from vitess_local.install.account import Account
from vitess_local.servers.process_identity import ProcessRecord, RestartedElsewhere

_POLL_SECONDS = 0.05
_KILLED_SECONDS = 60.0

# The shell starts the server in the background, prints its process id and ends: the
# server is then no child of ours, so nobody has to wait for it.
_LAUNCH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'


@dataclass(frozen=True)
class Server:
    """A named server whose record and log lie in the cluster's data folder."""

    name: str
    run_dir: Path
    log_dir: Path
    # Set for a server that another server of the cluster may restart.
    restarted: RestartedElsewhere | None = None

    @property
    def log(self) -> Path:
        """What the server printed."""
        return self.log_dir / f"{self.name}.log"

    @property
    def record_file(self) -> Path:
        """Where the record of the running process is."""
        return self.run_dir / f"{self.name}.json"

    def record(self) -> ProcessRecord | None:
        """Return the record of the last start, if there is one."""
        try:
            text = self.record_file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return ProcessRecord(**json.loads(text))

    def pid(self) -> int | None:
        """Return the process id if the server is running."""
        record = self.record()
        if record is None or not record.is_running():
            record = self._adopt()
        return None if record is None else record.pid

    def _adopt(self) -> ProcessRecord | None:
        """Look for a process that took the recorded one's place, and record it instead."""
        pid = self.restarted.find() if self.restarted is not None else None
        record = ProcessRecord.of(pid) if pid is not None else None
        if record is not None:
            self._write(record)
        return record

    def start(self, argv: Sequence[str | Path], *, account: Account, cwd: Path, env: Mapping[str, str]) -> None:
        """Start the server in a session of its own; does nothing if it is running."""
        if self.pid() is not None:
            return
        self.log.touch()
        account.own(self.log)
        started = subprocess.run(
            ["/bin/sh", "-c", _LAUNCH, "sh", str(self.log), *(str(word) for word in argv)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            umask=0o022,
            **account.identity,
        )
        record = ProcessRecord.of(int(started.stdout))
        if record is None:
            raise VitessLocalError(f"{self.name} ended at once.\n{self.log_tail()}", log=self.log)
        self._write(record)

    def _write(self, record: ProcessRecord) -> None:
        write_file(self.record_file, json.dumps(asdict(record)))

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal if the server is running; return whether it was."""
        pid = self.pid()
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait_ended(self, timeout: float) -> bool:
        """Wait until the server has ended; return whether it has."""
        deadline = time.monotonic() + timeout
        while self.pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        self.record_file.unlink(missing_ok=True)
        return True

    def stop(self, timeout: float) -> None:
        """End the server: by SIGTERM, and after `timeout` seconds by SIGKILL."""
        self.signal(signal.SIGTERM)
        if self.wait_ended(timeout):
            return
        self.signal(signal.SIGKILL)
        if not self.wait_ended(10):
            raise VitessLocalError(f"{self.name} (process {self.pid()}) cannot be ended.")

    def check_running(self) -> None:
        """Raise, with the end of its log, if the server is not running."""
        if self.pid() is None:
            raise VitessLocalError(f"{self.name} is not running.\n{self.log_tail()}".rstrip(), log=self.log)

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines of the log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(line[:400] for line in text.splitlines()[-lines:])


def kill_all(servers: Iterable[Server]) -> None:
    """End servers at once whose data is no longer needed."""
    chosen = list(servers)
    for server in chosen:
        server.signal(signal.SIGKILL)
    for server in chosen:
        if not server.wait_ended(_KILLED_SECONDS):
            raise VitessLocalError(f"{server.name} (process {server.pid()}) cannot be ended.")
