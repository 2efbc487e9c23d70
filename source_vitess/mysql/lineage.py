"""What the tablets of a shard have executed and purged, asked through VTGate.

- VTGate answers for a target by any tablet of its type. From v24 on a target can name the tablet
  (go/vt/topo/topoproto/destination.go, ParseDestination); before, the question is repeated until as many servers have
  answered as there are tablets, or so often that those that did not are not asked for streams either: VTGate prefers
  its own cell (go/vt/vtgate/tabletgateway.go).
- The tablets of vtcombo and vttestserver are one server.
- The primary is asked last, so that what the others have and it has not is no part of the shard's lineage.
- A primary that is being resharded refuses questions from before the journal is written until the traffic is switched
  (go/vt/vtctl/workflow/traffic_switcher.go, changeShardsAccess and createJournals). So when it answers, a position that
  was asked for before is not behind the journal, where a stream would read the old shard forever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from source_vitess.errors import ConfigError, GtidError, TransientError
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Tablet, Topology
from source_vitess.naming import TabletType
from source_vitess.position.gtid import GtidSet
from source_vitess.position.lineage import ShardGtids, TabletGtids

_GTIDS = "select @@global.server_uuid, @@global.gtid_executed, @@global.gtid_purged"

#: The first version of Vitess whose targets can name a tablet.
_NAMES_TABLETS = 24

#: How often any tablet of a type is asked for each that there is, before it is given up that all have answered.
_TRIES = 10


def read_lineage(session: VtgateSession, topology: Topology, shard: str) -> GtidSet:
    """Returns what the primary of a shard has executed. The session's target is another one afterwards.

    Raises:
        TransientError: It does not answer now.
        ConfigError: It has tagged GTIDs.
    """
    return _read_primary(session, topology, shard)[1]


def _read_primary(session: VtgateSession, topology: Topology, shard: str) -> tuple[str, GtidSet]:
    try:
        session.use(f"{topology.keyspace}:{shard}@primary")
        [(uuid, executed)] = session.query("select @@global.server_uuid, @@global.gtid_executed")
    except TransientError as error:
        raise TransientError(
            f"The primary of shard {shard} does not answer. Whichever tablets are read, it decides what is the "
            f"shard's own. If it is up, VTGate has to watch its cell (vtgate --cells-to-watch). {error.message}",
            detail=error.detail,
        ) from error
    return str(uuid).lower(), _parse(shard, str(executed))


def read_shard_gtids(
    session: VtgateSession, topology: Topology, shard: str, tablet_type: TabletType, cells: Sequence[str] = ()
) -> ShardGtids:
    """Asks every tablet of a shard that can be streamed from, then its primary.

    The session's target is another one afterwards.

    Args:
        session: An open session.
        topology: The keyspace.
        shard: The shard.
        tablet_type: The type of tablet that is streamed from.
        cells: The cells that are streamed from; any if empty, or if no tablet is in a cell of that name.

    Raises:
        TransientError: No tablet answers now, or the primary does not.
        ConfigError: A tablet has tagged GTIDs.
    """
    tablets = [one for one in topology.serving(shard, tablet_type) if not cells or one.cell in cells]
    tablets = tablets or list(topology.serving(shard, tablet_type))
    if not topology.apart:
        tablets = tablets[:1]
    target = f"{topology.keyspace}:{shard}@{tablet_type.lower()}"
    found: dict[str, TabletGtids] = {}
    silent: TransientError | None = None
    for asked in _targets(topology, tablets, target):
        try:
            session.use(asked)
            [(uuid, executed, purged)] = session.query(_GTIDS)
        except TransientError as error:
            if not session.is_open:
                raise
            silent = error
            continue
        found[str(uuid)] = TabletGtids(_parse(shard, str(executed)), _parse(shard, str(purged)))
        if len(found) == len(tablets):
            break
    if silent is not None and not found:
        raise silent
    primary, lineage = _read_primary(session, topology, shard)
    return ShardGtids(lineage, tuple(found.values()), silent is None, primary)


def _targets(topology: Topology, tablets: Sequence[Tablet], target: str) -> Iterator[str]:
    if len(tablets) > 1 and topology.major >= _NAMES_TABLETS and all(tablet.alias for tablet in tablets):
        yield from (f"{target}|{tablet.alias}" for tablet in tablets)
    else:
        yield from [target] * max(1, _TRIES * len(tablets) if len(tablets) > 1 else 1)


def _parse(shard: str, text: str) -> GtidSet:
    try:
        return GtidSet.parse(text)
    except GtidError as error:
        raise ConfigError(
            f"The MySQL of shard {shard} has executed transactions whose GTIDs Vitess cannot stream: {error}. They "
            "have to be removed from its gtid_executed."
        ) from error
