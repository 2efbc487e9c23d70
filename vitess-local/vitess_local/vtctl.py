"""Runs `vtctldclient`, Vitess' administrative command."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from vitess_local.deployment import Deployment
from vitess_local.errors import VitessLocalError
from vitess_local.ports import LOOPBACK
from vitess_local.servers import topo_flags

# Longer than any action timeout vtctldclient itself applies here.
_TIMEOUT_SECONDS = 180.0


def client_argv(deployment: Deployment) -> list[str]:
    """Return the command that talks to this cluster's vtctld."""
    program = str(deployment.toolchain.vitess("vtctldclient"))
    server = f"{LOOPBACK}:{deployment.topology.ports.vtctld_grpc}"
    return [program, f"--server={server}", "--log-format=text"]


def vtctl(deployment: Deployment, *words: str) -> str:
    """Run one command through vtctld and return what it printed on standard output."""
    return _run([*client_argv(deployment), *words], words)


def vtctl_json(deployment: Deployment, *words: str) -> Any:
    """Run one command and parse its output as JSON."""
    text = vtctl(deployment, *words)
    try:
        return json.loads(text)
    except ValueError as error:
        raise VitessLocalError(f"`vtctldclient {words[0]}` did not print JSON: {error}") from None


def topo_command(deployment: Deployment, *words: str) -> str:
    """Run a command that only writes to etcd; it needs no vtctld."""
    program = str(deployment.toolchain.vitess("vtctldclient"))
    topo = topo_flags(deployment.topology)
    return _run([program, "--server=internal", *topo, "--log-format=text", *words], words)


def _run(argv: list[str], words: tuple[str, ...]) -> str:
    shown = "vtctldclient " + " ".join(words)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise VitessLocalError(f"`{shown}` did not end in {_TIMEOUT_SECONDS:.0f} s.") from None
    if done.returncode != 0:
        reason = _error_text(done.stderr) or done.stdout.strip()
        raise VitessLocalError(f"`{shown}` failed: {reason}")
    return done.stdout


def _error_text(stderr: str) -> str:
    """Return what matters of standard error: log lines come before the error itself."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line]
    return "\n".join((errors or lines)[-4:])
