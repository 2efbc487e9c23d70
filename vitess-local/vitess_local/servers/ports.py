"""Chooses TCP ports on the loopback interface and keeps clusters out of each other's way."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from vitess_local.errors import VitessLocalError

LOOPBACK = "127.0.0.1"

# Below Linux' default range of ephemeral ports (32768-60999), so that no outgoing
# connection takes a port of a stopped server.
PORT_RANGE = range(21000, 32000)


def choose_ports(
    count: int,
    reserved: Collection[int],
    *,
    candidates: Iterable[int] = PORT_RANGE,
    is_free: Callable[[int], bool] | None = None,
) -> list[int]:
    """Return `count` ports that nobody listens on and no known cluster has reserved."""
    free = is_free if is_free is not None else port_is_free
    chosen: list[int] = []
    for port in candidates:
        if len(chosen) == count:
            break
        if port not in reserved and free(port):
            chosen.append(port)
    if len(chosen) < count:
        raise VitessLocalError(f"Fewer than {count} free ports on {LOOPBACK}.")
    return chosen


@dataclass(frozen=True)
class ReservedPort:
    """A port that `reserve_port` gives to nobody else, in this process or another, until `release`.

    The kernel releases it too, when this process ends.
    """

    number: int
    _descriptor: int

    def release(self) -> None:
        """Let others have it. To be called once."""
        os.close(self._descriptor)


def reserve_port(locks: Path, candidates: Iterable[int]) -> ReservedPort:
    """Return a port that nobody listens on, and that nobody has reserved.

    A server listens only seconds after its port was chosen; until then, others would choose the same one.
    """
    locks.mkdir(parents=True, exist_ok=True)
    for port in candidates:
        descriptor = os.open(locks / f"port-{port}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        if port_is_free(port):
            return ReservedPort(port, descriptor)
        os.close(descriptor)
    raise VitessLocalError(f"There is no free port on {LOOPBACK}.")


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on this port, on loopback and on every interface."""
    for address in (LOOPBACK, "0.0.0.0"):  # noqa: S104 - bound for a moment, never listened on
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # Go's servers and mysqld set this too: a connection in TIME_WAIT is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def accepts_connections(port: int) -> bool:
    """Return whether somebody listens on this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0
