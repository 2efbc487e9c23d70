"""What identifies a process beyond doubt, so that no other one is ever signalled in its place.

A process id alone does not: once its process has ended, it is used again. Together with the
moment the process was started and the boot it belongs to, it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessRecord:
    """A process, by what no other one shares with it (`proc(5)`, stat field 22)."""

    pid: int
    start_ticks: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> ProcessRecord | None:
        """Return the record of the process that has this id now, if there is one."""
        ticks = start_ticks(pid)
        return None if ticks is None else cls(pid, ticks, _boot_id())

    def is_running(self) -> bool:
        """Return whether this very process still runs."""
        return self.boot_id == _boot_id() and start_ticks(self.pid) == self.start_ticks


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


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
