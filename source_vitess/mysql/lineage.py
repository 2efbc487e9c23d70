"""What the tablets of a shard have executed and purged, asked through VTGate.

- The primary is asked last, so that what the others have and it has not is no part of the shard's lineage.
- A primary that is being resharded refuses questions from before the journal is written until the traffic is switched
  (go/vt/vtctl/workflow/traffic_switcher.go, changeShardsAccess and createJournals). So when it answers, a position that
  was asked for before is not past the journal, where a stream would read the old shard forever.
"""

from __future__ import annotations

from collections.abc import Sequence

from source_vitess.errors import ConfigError, GtidError, TransientError
from source_vitess.mysql.every_tablet import ask_every_tablet
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Topology
from source_vitess.naming import TabletType
from source_vitess.position.gtid import GtidSet
from source_vitess.position.lineage import ShardGtids, TabletGtids

_GTIDS = "@@global.gtid_executed, @@global.gtid_purged"


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
    tablets, all_asked = read_tablets(session, topology, shard, tablet_type, cells)
    primary, lineage = _read_primary(session, topology, shard)
    return ShardGtids(lineage, tablets, all_asked, primary)


def read_tablets(
    session: VtgateSession, topology: Topology, shard: str, tablet_type: TabletType, cells: Sequence[str] = ()
) -> tuple[tuple[TabletGtids, ...], bool]:
    """Asks every tablet of a shard that can be streamed from; see `read_shard_gtids`.

    Returns:
        What they have, and whether each of them answered.

    Raises:
        TransientError: No tablet answers now.
        ConfigError: A tablet has tagged GTIDs.
    """
    answers = ask_every_tablet(session, topology, shard, tablet_type, cells, _GTIDS)
    tablets = tuple(
        TabletGtids(_parse(shard, str(executed)), _parse(shard, str(purged))) for executed, purged in answers.rows
    )
    return tablets, answers.all_asked


def _parse(shard: str, text: str) -> GtidSet:
    try:
        return GtidSet.parse(text)
    except GtidError as error:
        raise ConfigError(
            f"The MySQL of shard {shard} has executed transactions whose GTIDs Vitess cannot stream: {error}. They "
            "have to be removed from its gtid_executed."
        ) from error
