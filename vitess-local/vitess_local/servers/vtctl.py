"""Runs `vtctldclient`, Vitess' administrative command."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

from vitess_local.errors import VitessLocalError
from vitess_local.servers.command_lines import topo_flags
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.ports import LOOPBACK
from vitess_local.servers.server import Server

# Longer than any action timeout vtctldclient itself applies here.
_TIMEOUT_SECONDS = 180.0
# How often a running client's server is looked at.
_LOOK_SECONDS = 1.0


def client_argv(deployment: Deployment) -> list[str]:
    """Return the command that talks to this cluster's vtctld."""
    server = f"{LOOPBACK}:{deployment.layout.ports.vtctld_grpc}"
    return _argv(deployment, f"--server={server}")


def vtctl(deployment: Deployment, *words: str) -> str:
    """Run one command through vtctld and return what it printed on standard output."""
    return _run([*client_argv(deployment), *words], words, deployment.vtctld)


def vtctl_json(deployment: Deployment, *words: str) -> Any:
    """Run one command and parse its output as JSON."""
    text = vtctl(deployment, *words)
    try:
        return json.loads(text)
    except ValueError as error:
        raise VitessLocalError(f"`vtctldclient {words[0]}` did not print JSON: {error}") from None


def topo_command(deployment: Deployment, *words: str) -> str:
    """Run a command that only writes to etcd; it needs no vtctld."""
    client = _argv(deployment, "--server=internal", *topo_flags(deployment.layout))
    return _run([*client, *words], words, deployment.etcd)


def _argv(deployment: Deployment, *flags: str) -> list[str]:
    toolchain = deployment.toolchain_of(deployment.vtctld)
    return [str(word) for word in toolchain.vitess_argv("vtctldclient", [*flags, "--log-format=text"])]


def _run(argv: list[str], words: tuple[str, ...], server: Server) -> str:
    """Run the client until it ends, the server it talks to is gone, or time is up."""
    shown = "vtctldclient " + " ".join(words)
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while True:
            try:
                stdout, stderr = process.communicate(timeout=_LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                # The client itself would wait for a server that has ended.
                ended = server.pid() is None
                if not ended and time.monotonic() < deadline:
                    continue
                process.kill()
                reason = f"{server.name} has ended" if ended else f"no end after {_TIMEOUT_SECONDS:.0f} s"
                raise VitessLocalError(f"`{shown}` failed: {reason}.", log=server.log) from None
            except BaseException:
                process.kill()
                raise
    if process.returncode != 0:
        reason = _error_text(stderr) or stdout.strip()
        raise VitessLocalError(f"`{shown}` failed: {reason}")
    return stdout


def _error_text(stderr: str) -> str:
    """Return what matters of standard error: log lines come before the error itself."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line]
    return "\n".join((errors or lines)[-4:])
