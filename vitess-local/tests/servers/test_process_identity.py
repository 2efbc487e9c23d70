"""What identifies a process."""

import os
import subprocess
import sys

from vitess_local.servers.process_identity import ProcessRecord, parse_start_ticks


def test_a_zombie_has_ended() -> None:
    """Only its parent keeps it in the table."""
    assert parse_start_ticks("1 (a) b) S 1 " + "0 " * 17 + "4711 0") == 4711
    assert parse_start_ticks("1 (a) b) Z 1 " + "0 " * 17 + "4711 0") is None


def test_a_record_holds_for_its_own_process_only() -> None:
    """While that runs, and no longer."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        record = ProcessRecord.of(process.pid)
        assert record is not None
        assert record.is_running()
        process.kill()
        process.wait()
        assert not record.is_running()
        assert ProcessRecord.of(process.pid) is None

    mine = ProcessRecord.of(os.getpid())
    assert mine is not None
    assert mine.is_running()
