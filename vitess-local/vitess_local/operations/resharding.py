"""Splits or merges shards with Vitess' Reshard workflow, in steps that can be stopped at.

    create    copy the data to the new shards and keep it up to date
    switch    send reads and writes to the new shards (writes the journal that a
              change stream follows)
    complete  end the workflow and delete the old shards

A step that is already done is skipped, so the same call goes on where an earlier one
stopped.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Any

from vitess_local.errors import VitessLocalError
from vitess_local.operations.routing import read_routing
from vitess_local.operations.serving import wait_for_service
from vitess_local.operations.tablets import primary_of
from vitess_local.progress import Report
from vitess_local.servers.connections import connect_mysqld
from vitess_local.servers.deployment import Deployment
from vitess_local.servers.layout import Tablet
from vitess_local.servers.mysql_client import query
from vitess_local.servers.vtctl import vtctl, vtctl_json
from vitess_local.servers.waiting import wait_until

_COPY_SECONDS = 600.0
_SERVE_SECONDS = 60.0
_CLEAN_UP_SECONDS = 60.0


class ReshardStep(Enum):
    """The steps, in their order."""

    CREATE = "create"
    SWITCH = "switch"
    COMPLETE = "complete"


@dataclass(frozen=True)
class Reshard:
    """One reshard: which shards of a keyspace become which."""

    keyspace: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def workflow(self) -> str:
        """A name that is the same whenever the same reshard is meant."""
        text = f"{self.keyspace} {self.sources} {self.targets}"
        return "reshard_" + hashlib.sha256(text.encode()).hexdigest()[:8]

    def words(self, *action: str) -> list[str]:
        """Return the words of a `vtctldclient Reshard` command."""
        flags = [f"--workflow={self.workflow}", f"--target-keyspace={self.keyspace}"]
        return ["Reshard", *flags, *action]


def create(deployment: Deployment, reshard: Reshard, report: Report) -> None:
    """Start copying and wait until all streams have caught up."""
    if is_switched(deployment, reshard):
        return
    if not _workflows(deployment, reshard):
        report(f"{reshard.keyspace}: copying {','.join(reshard.sources)} to {','.join(reshard.targets)}")
        vtctl(
            deployment,
            *reshard.words(
                "create",
                "--source-shards=" + ",".join(reshard.sources),
                "--target-shards=" + ",".join(reshard.targets),
            ),
        )
    wait_until(
        lambda: _not_running(deployment, reshard),
        what=f"the copy of workflow {reshard.workflow}",
        timeout=_COPY_SECONDS,
        report=report,
        servers=[deployment.vtctld],
        poll=0.3,
    )


def switch(deployment: Deployment, reshard: Reshard, report: Report, *, reverse: bool = True) -> None:
    """Send reads and writes to the new shards, and with `reverse` what is written there back to the old ones."""
    if is_switched(deployment, reshard):
        return
    _clean_up_migrations(deployment, reshard, report)
    report(f"{reshard.keyspace}: switching traffic to {','.join(reshard.targets)}")
    wait_until(
        lambda: _refused_switch(deployment, reshard, reverse=reverse),
        what=f"the copy of workflow {reshard.workflow}",
        timeout=_COPY_SECONDS,
        report=report,
        servers=[deployment.vtctld],
        poll=0.5,
    )
    pairs = [(reshard.keyspace, shard) for shard in reshard.targets]
    wait_for_service(deployment, report, timeout=_SERVE_SECONDS, shards=pairs, tablets=())


def reverse(deployment: Deployment, reshard: Reshard, report: Report) -> None:
    """Send reads and writes back to the old shards; the streams to the new ones go on."""
    report(f"{reshard.keyspace}: switching traffic back to {','.join(reshard.sources)}")
    vtctl(deployment, *reshard.words("reversetraffic"))
    pairs = [(reshard.keyspace, shard) for shard in reshard.sources]
    wait_for_service(deployment, report, timeout=_SERVE_SECONDS, shards=pairs, tablets=())


def _refused_switch(deployment: Deployment, reshard: Reshard, *, reverse: bool) -> str | None:
    """Switch, and return why Vitess does not yet: streams that run may still have rows to copy."""
    try:
        vtctl(deployment, *reshard.words("switchtraffic", f"--enable-reverse-replication={str(reverse).lower()}"))
    except VitessLocalError as error:
        if "copy is still in progress" not in str(error):
            raise
        return "the copy is still in progress"
    return None


def _clean_up_migrations(deployment: Deployment, reshard: Reshard, report: Report) -> None:
    """Let Vitess delete what finished online schema changes have left on the old shards.

    It keeps their stopped streams for a day, and refuses to switch while there are any
    (go/vt/vtctl/workflow/stream_migrator.go, readSourceStreams).
    """
    primaries = [primary_of(deployment, reshard.keyspace, shard) for shard in reshard.sources]

    def check() -> str | None:
        left = sum(_stopped_migrations(deployment, primary) for primary in primaries)
        return f"{left} streams left" if left else None

    if check() is None:
        return
    report(f"{reshard.keyspace}: cleaning up after online schema changes")
    vtctl(deployment, "OnlineDDL", "cleanup", reshard.keyspace, "all")
    wait_until(
        check,
        what="the clean-up of online schema changes",
        timeout=_CLEAN_UP_SECONDS,
        report=report,
        servers=[deployment.vttablet(primary) for primary in primaries],
    )


def _stopped_migrations(deployment: Deployment, primary: Tablet) -> int:
    """Count the stopped streams of online schema changes (workflow type 5, binlogdata.proto)."""
    with connect_mysqld(deployment, primary) as connection:
        rows = query(connection, "SELECT COUNT(*) FROM _vt.vreplication WHERE workflow_type = 5 AND state = 'Stopped'")
    return int(rows[0][0])


def complete(deployment: Deployment, reshard: Reshard, report: Report) -> None:
    """End the workflow; Vitess deletes the old shards from its topology."""
    if not _workflows(deployment, reshard):
        return
    report(f"{reshard.keyspace}: completing, Vitess deletes {','.join(reshard.sources)}")
    vtctl(deployment, *reshard.words("complete"))


def is_switched(deployment: Deployment, reshard: Reshard) -> bool:
    """Return whether the traffic is switched: the workflow's streams are then frozen."""
    writable = set(read_routing(deployment).writable)
    return writable >= {(reshard.keyspace, shard) for shard in reshard.targets}


def _workflows(deployment: Deployment, reshard: Reshard) -> list[Any]:
    shown = vtctl_json(deployment, *reshard.words("show"))
    return list(shown.get("workflows") or [])


def _not_running(deployment: Deployment, reshard: Reshard) -> str | None:
    waiting = []
    streams = [
        (name, stream["state"], stream.get("message", ""))
        for workflow in _workflows(deployment, reshard)
        for name, shard in (workflow.get("shard_streams") or {}).items()
        for stream in shard["streams"]
    ]
    for name, state, message in streams:
        if state == "Error":
            raise VitessLocalError(f"{reshard.workflow} failed on {name}: {message}")
        if state != "Running":
            waiting.append(f"{name}: {state} {message}".strip())
    if not streams:
        return "no stream yet"
    return "; ".join(waiting) or None
