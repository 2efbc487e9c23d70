"""Starting, finding and ending processes."""

import dataclasses
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vitess_local.errors import VitessLocalError
from vitess_local.install.account import Account
from vitess_local.servers.process_identity import ProcessRecord, RestartedElsewhere
from vitess_local.servers.server import Server

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def caller() -> Account:
    """The account of whoever runs the tests."""
    entry = pwd.getpwuid(os.geteuid())
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that is not running yet, and does not after the test."""
    made = Server("sleeper", tmp_path, tmp_path)
    yield made
    made.signal(signal.SIGKILL)


def start(server: Server, argv: list[str], account: Account) -> None:
    """Start a server and wait until it has printed something."""
    server.start(argv, account=account, cwd=server.run_dir, env={})
    while "up" not in server.log_tail():
        server.check_running()


def test_a_server_is_found_again_by_its_record(server: Server, caller: Account) -> None:
    """Another process, which knows only the folder, sees the same server."""
    start(server, SLEEP, caller)
    same = Server("sleeper", server.run_dir, server.log_dir)

    assert same.pid() is not None
    assert same.pid() == server.pid()


def test_a_running_server_is_not_started_twice(server: Server, caller: Account) -> None:
    """`up` on a running cluster changes nothing."""
    start(server, SLEEP, caller)
    first = server.pid()
    start(server, SLEEP, caller)

    assert server.pid() == first


def test_a_server_is_no_child_of_ours(server: Server, caller: Account) -> None:
    """It outlives the command, and nobody has to wait for it."""
    start(server, SLEEP, caller)
    pid = server.pid()
    assert pid is not None
    parent = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]

    assert int(parent) != os.getpid()


def test_stop_ends_a_server(server: Server, caller: Account) -> None:
    """And removes its record."""
    start(server, SLEEP, caller)
    server.stop(10)

    assert server.pid() is None
    assert not server.record_file.exists()


def test_stop_ends_a_server_that_ignores_it(server: Server, caller: Account) -> None:
    """After the time it was given, by force."""
    start(server, STUBBORN, caller)
    server.stop(0.3)

    assert server.pid() is None


def test_a_process_id_used_again_is_left_alone(server: Server) -> None:
    """A record whose process has ended must never hit the next one of that number."""
    with subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL) as other:
        right = ProcessRecord.of(other.pid)
        assert right is not None
        for wrong in (
            dataclasses.replace(right, start_ticks=right.start_ticks - 1),
            dataclasses.replace(right, boot_id="another"),
        ):
            server.record_file.write_text(json.dumps(dataclasses.asdict(wrong)), encoding="utf-8")

            assert server.pid() is None
            assert not server.signal(signal.SIGKILL)
        assert other.poll() is None
        other.kill()


def test_a_server_restarted_by_another_one_is_found(server: Server, tmp_path: Path) -> None:
    """By the process id it wrote, if its command line names the cluster's file."""
    pid_file = tmp_path / "mysql.pid"
    mine = dataclasses.replace(server, restarted=RestartedElsewhere(pid_file, "--defaults-file=/mine"))
    with subprocess.Popen([*SLEEP, "--defaults-file=/mine"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # before that, the process may still have this one's command line
        assert mine.pid() is None
        pid_file.write_text(f"{process.pid}\n", encoding="ascii")

        assert mine.pid() == process.pid
        # From now on it is in the record.
        assert server.pid() == process.pid
        mine.signal(signal.SIGKILL)
    assert mine.pid() is None

    with subprocess.Popen([*SLEEP, "--defaults-file=/other"], stdout=subprocess.DEVNULL) as process:
        pid_file.write_text(f"{process.pid}\n", encoding="ascii")
        assert mine.pid() is None
        process.kill()


def test_a_server_that_does_not_run_is_reported_with_its_log(server: Server, caller: Account) -> None:
    """The reason is usually in the last lines."""
    server.start([sys.executable, "-c", "print('up'); raise SystemExit('no such flag')"], account=caller,
                 cwd=server.run_dir, env={})  # fmt: skip
    assert server.wait_ended(10)

    with pytest.raises(VitessLocalError, match="no such flag") as raised:
        server.check_running()
    assert raised.value.log == server.log
