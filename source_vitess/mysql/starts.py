"""When the MySQL servers of a shard were started last.

All of a shard are asked, whatever their types: a stream may be of a tablet that does not serve, or has become another
type since (go/vt/vtgate/vstream_manager.go, IncludeNonServingTablets).
"""

from __future__ import annotations

from source_vitess.mysql.every_tablet import ask_every_tablet
from source_vitess.mysql.session import VtgateSession
from source_vitess.mysql.topology import Topology
from source_vitess.naming import TabletType

_STARTED = (
    "unix_timestamp() - (select variable_value from performance_schema.global_status where variable_name = 'Uptime')"
)
_ASKED: tuple[TabletType, ...] = ("PRIMARY", "REPLICA", "RDONLY")


def read_last_start(session: VtgateSession, topology: Topology, shard: str, *, all_told: bool = True) -> float | None:
    """Returns when the last of a shard's servers was started.

    Args:
        session: An open session. Its target is another one afterwards.
        topology: The keyspace.
        shard: The shard.
        all_told: Whether that counts only if every one of them has told.

    Returns:
        Seconds since 1970, by the server's own clock; None if that is not known.

    Raises:
        TransientError: No tablet of a type answers now.
        ConfigError: The user may not ask.
        InternalError: The servers do not understand the question.
    """
    tablets = [tablet for tablet in topology.tablets if tablet.shard == shard]
    if all_told and not all(tablet.serving and tablet.tablet_type in _ASKED for tablet in tablets):
        return None
    starts = []
    for tablet_type in _ASKED:
        if not topology.serves(shard, tablet_type):
            continue
        answers = ask_every_tablet(session, topology, shard, tablet_type, (), _STARTED)
        told = [float(started) for [started] in answers.rows if started is not None]
        if all_told and not (answers.all_asked and len(told) == len(answers.rows)):
            return None
        starts += told
    return max(starts, default=None)
