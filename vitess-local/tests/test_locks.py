"""Locks between processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from vitess_local.errors import VitessLocalError
from vitess_local.locks import locked

HOLD = """
import sys, time
from pathlib import Path
from vitess_local.locks import locked
with locked(Path(sys.argv[1]), timeout=5):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_held_by_another_process_is_waited_for(tmp_path: Path) -> None:
    """The waiting person learns who holds it, and it is free once that process is gone."""
    path = tmp_path / "folder" / "some.lock"
    holders: list[str] = []
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(VitessLocalError, match=f"Process {holder.pid}"),
            locked(path, timeout=0.2, on_wait=holders.append),
        ):
            pass
        holder.kill()

    assert holders == [str(holder.pid)]
    with locked(path, timeout=5):
        pass
