"""Waits for a condition, for a limited time, and reports what it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from vitess_local.errors import VitessLocalError
from vitess_local.progress import Report
from vitess_local.servers.server import Server

_POLL_SECONDS = 0.1
# A wait longer than this is worth a line.
_REPORT_AFTER_SECONDS = 10.0


def wait_until(
    check: Callable[[], str | None],
    *,
    what: str,
    timeout: float,
    report: Report,
    servers: Iterable[Server] = (),
    poll: float = _POLL_SECONDS,
) -> None:
    """Call `check` until it returns None; until then it returns what is still missing.

    Ends early with an error if one of `servers` is no longer running: what it should
    have done will then never happen.
    """
    started = time.monotonic()
    reported = started
    watched = tuple(servers)
    while (missing := check()) is not None:
        now = time.monotonic()
        for server in watched:
            server.check_running()
        if now - started > timeout:
            raise VitessLocalError(
                f"Waited {timeout:.0f} s for {what}, in vain: {missing}",
                log=watched[0].log if watched else None,
            )
        if now - reported > _REPORT_AFTER_SECONDS:
            reported = now
            report(f"waiting for {what} ({now - started:.0f} s): {missing}")
        time.sleep(poll)
