"""Questions to VTGate that are asked again while that may help, and what their answers mean for a read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from source_vitess.errors import ConfigError
from source_vitess.position.lineage import Finding, Verdict
from source_vitess.replication.interfaces import Clock
from source_vitess.replication.lost_position import refusal
from source_vitess.replication.patience import ask_again
from source_vitess.shard_reading.interfaces import Keyspace

LOG = logging.getLogger("vitess")

#: How often in a row something is tried again, waiting from half a second to half a minute: a failover, or the switch
#: of traffic in a reshard, is over by then.
RETRIES = 8

Answer = TypeVar("Answer")


def answer_of(ask: Callable[[], Answer], clock: Clock) -> Answer:
    """Returns an answer of VTGate's, asking again while that may help.

    Raises:
        TransientError: There was no answer, however often it was asked.
    """
    asking = ask_again(ask, clock, RETRIES)
    while True:
        try:
            LOG.warning(next(asking).text)
        except StopIteration as answered:
            answer: Answer = answered.value
            return answer


def verified(vitess: Keyspace, keyspace: str, positions: Mapping[str, str]) -> Mapping[str, Finding]:
    """Returns what is known of positions that changes can be followed from, by shard; all are asked for at once.

    Raises:
        PositionLostError: They cannot.
        ConfigError: A shard is not read any more.
        TransientError: That is not known now, or no tablet has come so far.
    """
    findings = vitess.verify(positions)
    for shard, finding in findings.items():
        if finding.verdict is Verdict.NOT_SELECTED:
            raise ConfigError(
                f"The position that changes go on from is of shard {shard}, which the option shards leaves out. Set "
                "the option back, or start a new query with a new checkpoint."
            )
        if error := refusal(keyspace, shard, finding.verdict, vitess.tablet_type):
            raise error
    return findings
