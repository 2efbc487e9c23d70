"""Starts long-running servers, and later finds and ends exactly those.

A server outlives the command that started it, so each has a record on disk: its
process id together with the moment it was started and the boot it belongs to. A
process is ours only if all three agree; a process id used again is left alone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vitess_local.errors import VitessLocalError
from vitess_local.install.account import Account

_POLL_SECONDS = 0.05

# The shell starts the server in the background, tells its process id and ends: the
# server is then no child of ours, so nobody has to wait for it.
_LAUNCH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'


@dataclass(frozen=True)
class ProcessRecord:
    """What identifies a running process beyond doubt (`proc(5)`, stat field 22)."""

    pid: int
    start_ticks: int
    boot_id: str


@dataclass(frozen=True)
class RestartedElsewhere:
    """How to find a server that was restarted by another one.

    vttablet does that to its mysqld during a backup. The process is the cluster's own if
    its command line holds `argument`, which names a file in the cluster's folder.
    """

    pid_file: Path
    argument: str

    def find(self) -> int | None:
        """Return the process id that the server wrote, if the process is the cluster's."""
        try:
            pid = int(self.pid_file.read_text(encoding="ascii"))
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if self.argument.encode() in words else None


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
        if record is not None and _is_running(record):
            return record.pid
        return self._adopt() if self.restarted is not None else None

    def _adopt(self) -> int | None:
        """Look for a process that took the recorded one's place, and record it instead."""
        pid = self.restarted.find() if self.restarted is not None else None
        ticks = start_ticks(pid) if pid is not None else None
        if pid is None or ticks is None:
            return None
        self._write_record(pid, ticks)
        return pid

    def start(self, argv: Sequence[str | Path], *, account: Account, cwd: Path, env: Mapping[str, str]) -> None:
        """Start the server in a session of its own; does nothing if it is running."""
        if self.pid() is not None:
            return
        self.log.touch()
        account.own(self.log)
        identity: dict[str, int | list[int]] = {}
        if account.drops_privileges:
            identity = {"user": account.uid, "group": account.gid, "extra_groups": []}
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
            **identity,  # type: ignore[call-overload]
        )
        pid = int(started.stdout)
        ticks = start_ticks(pid)
        if ticks is None:
            raise VitessLocalError(f"{self.name} ended at once.\n{self.log_tail()}", log=self.log)
        self._write_record(pid, ticks)

    def _write_record(self, pid: int, ticks: int) -> None:
        record = ProcessRecord(pid, ticks, _boot_id())
        write_whole(self.record_file, json.dumps(asdict(record)))

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal if the server is running; tell whether it was."""
        pid = self.pid()
        if pid is None:
            return False
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def wait_ended(self, timeout: float) -> bool:
        """Wait until the server has ended; tell whether it has."""
        deadline = time.monotonic() + timeout
        while self.pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        self.record_file.unlink(missing_ok=True)
        return True

    def stop(self, timeout: float) -> None:
        """End the server: politely, and after `timeout` seconds by force."""
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


def start_ticks(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since boot; None if it has ended.

    A zombie has ended: only its parent, which may never ask, keeps it in the table.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parse_start_ticks(stat)


def parse_start_ticks(stat: str) -> int | None:
    """Read state and start time out of one `/proc/<pid>/stat` line.

    The command name is in parentheses and may itself hold spaces and parentheses.
    """
    fields = stat.rpartition(")")[2].split()
    state, ticks = fields[0], int(fields[19])
    return None if state in ("Z", "X") else ticks


def _is_running(record: ProcessRecord) -> bool:
    return record.boot_id == _boot_id() and start_ticks(record.pid) == record.start_ticks


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that readers see either the old or the new content."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
