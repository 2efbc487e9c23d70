"""A question for every tablet of a shard that can be streamed from: what one of them answers is true of that one.

- VTGate answers for a target by any tablet of its type. From v24 on a target can name the tablet
  (go/vt/topo/topoproto/destination.go, ParseDestination), and does where there is one, too: another one that has just
  started might answer. Before, the question is repeated until as many servers have answered as there are tablets, or so
  often that those that did not are not asked for streams either: VTGate prefers its own cell
  (go/vt/vtgate/tabletgateway.go). Which tablets answered is known if they are the same before and after:
  `LiveVitess.verify` looks at that, once for all shards.
- The primary is asked by its role: who has it is to answer.
- The tablets of vtcombo and vttestserver are one server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from source_vitess.errors import TransientError
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Tablet, Topology
from source_vitess.naming import TabletType

#: How often any tablet of a type is asked for each that there is, before it is given up that all have answered.
_TRIES = 10


@dataclass(frozen=True)
class Answers:
    """What the tablets of a shard have answered.

    Attributes:
        rows: A row of each server.
        all_asked: Whether each tablet is among them.
    """

    rows: Sequence[tuple[Any, ...]]
    all_asked: bool


def ask_every_tablet(
    session: VtgateSession,
    topology: Topology,
    shard: str,
    tablet_type: TabletType,
    cells: Sequence[str],
    expressions: str,
) -> Answers:
    """Asks every tablet of a shard that can be streamed from. The session's target is another one afterwards.

    Args:
        session: An open session.
        topology: The keyspace.
        shard: The shard.
        tablet_type: The type of tablet that is streamed from.
        cells: The cells that are streamed from; any if empty, or if no tablet is in a cell of that name.
        expressions: What to select of each.

    Raises:
        TransientError: No tablet answers now.
    """
    tablets = [one for one in topology.serving(shard, tablet_type) if not cells or one.cell in cells]
    tablets = tablets or list(topology.serving(shard, tablet_type))
    if not topology.apart:
        tablets = tablets[:1]
    target = f"{topology.keyspace}:{shard}@{tablet_type.lower()}"
    named = _named(topology, tablets, target) if tablet_type != "PRIMARY" else ()
    times = _TRIES * len(tablets) if len(tablets) > 1 else 1
    found: dict[str, tuple[Any, ...]] = {}
    silent: TransientError | None = None
    for asked in named or [target] * times:
        try:
            session.use(asked)
            [(uuid, *answer)] = session.query(f"select @@global.server_uuid, {expressions}")
        except TransientError as error:
            if not session.is_open:
                raise
            silent = error
            continue
        found[str(uuid)] = tuple(answer)
        if len(found) == len(tablets):
            break
    if silent is not None and not found:
        raise silent
    return Answers(tuple(found.values()), silent is None)


def _named(topology: Topology, tablets: Sequence[Tablet], target: str) -> Sequence[str]:
    """Returns a target for each tablet; none if a target cannot name one."""
    if not topology.apart or not topology.release.names_tablets or not all(tablet.alias for tablet in tablets):
        return ()
    return [f"{target}|{tablet.alias}" for tablet in tablets]
